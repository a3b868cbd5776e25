/*
 * Text: what embeddings and rerank share - the model's name, rows of texts that
 * are more than one run takes, and failures in the words of their clients.
 *
 * Threads: as the call.
 */
#ifndef HANDLERS_TEXT_H
#define HANDLERS_TEXT_H

#include "reply.h"
#include "text_server.h"
#include "work.h"

/* Is the model there, and is it the one that is asked for (NULL or "": any)?
 * ERR_NOT_READY, ERR_NOT_FOUND. */
bool text_begin(struct srv_call *call, const char *model, struct error *err);

/*
 * Runs `rows` rows, as many at a time as the model takes. Each of `inputs` has
 * a name and one value per row, PIPELINE_STRINGS or PIPELINE_IDS. `results`
 * receives, per row, where the floats of the result `output` lie; `width` how
 * many there are in each.
 */
struct text_work {
    const struct pipeline_value *inputs;
    size_t input_count, rows;
    const char *output;
    const float **results; /* of the call's arena; filled */
    size_t width;          /* filled */
    size_t tokens;         /* filled */
};
bool text_run(struct srv_call *call, struct text_work *work, struct error *err);

/* Usage of so many tokens; NULL without memory. */
struct text_usage *text_usage_of(struct arena *arena, size_t tokens);

/* The failure as those clients read it; NULL without memory. */
struct text_failure *text_failure_of(struct srv_call *call,
                                     const struct error *err);

#endif
