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

#endif
