/*
 * Fake engine: a model whose ports and answers a test sets, in place of the
 * engine, so that the pipeline can be tested with answers that no real model
 * should give.
 *
 * Threads: one test, one thread.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "engine.h"

struct eng_model {
    struct eng_port inputs[4], outputs[4];
    size_t input_count, output_count;
    /* Answers a run: fills outputs[], whose data lives until the next run. */
    bool (*answer)(const struct eng_tensor *inputs, struct eng_tensor *outputs,
                   struct error *err);
};

/* Ports of an encoder: what comes of a tokenizer, and a state of each token. */
#define FAKE_TOKENS(text)                                                      \
    {                                                                          \
        .name = (text), .dtype = ENG_I64, .rank = 2, .dims = { -1, -1 }        \
    }
#define FAKE_STATES(width)                                                     \
    {                                                                          \
        .name = "last_hidden_state", .dtype = ENG_F32, .rank = 3, .dims = {    \
            -1,                                                                \
            -1,                                                                \
            (width)                                                            \
        }                                                                      \
    }

/* The states of a run that was fed with `ids`, [rows, tokens, width]. */
static inline struct eng_tensor fake_states(const struct eng_tensor *ids,
                                            int64_t width, float *states)
{
    return (struct eng_tensor){.dtype = ENG_F32,
                               .rank = 3,
                               .dims = {ids->dims[0], ids->dims[1], width},
                               .data = states};
}

#endif
