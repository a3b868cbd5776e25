/*
 * Batch: what the ways of running many rows at once share.
 *
 * Threads: a shift belongs to one thread.
 */
#ifndef PIPELINE_BATCH_H
#define PIPELINE_BATCH_H

#include "step.h"

/* Rows of several calls, in order; rows of one call are neighbours. */
struct items {
    struct pipeline_call **calls;
    size_t *rows;
    size_t count, tokens;
};

struct shift {
    struct pipeline_worker *worker;
    const struct pipeline_observer *observer; /* NULL = nobody */
};

/* ---- who takes part ---- */

/* The call failed, was cancelled or is late: it takes part no more. */
bool batch_is_over(struct pipeline_call *call);

/* Keeps the error of a run with the call. */
void batch_fail(struct pipeline_call *call, const struct error *err);

/* The limits of a run that these items share. */
struct eng_limits batch_limits(const struct items *items);

/* Notes a run with the calls, and with whom it concerns. */
void batch_tell(const struct shift *shift, const struct items *items,
                uint64_t start_ns);

/* One run of the items; its errors are those of the engine. */
typedef bool batch_run(const struct shift *shift, const struct items *items,
                       struct error *err);

/* Runs the items. If their run fails because of what it was fed with, each call
 * runs again by itself, so that it is told to the right one. */
void batch_try(const struct shift *shift, const struct items *items,
               batch_run *run);

/* ---- rows ---- */

/* Every row has tokens, and all that the model is fed with is a tensor [rows,
 * tokens]: rows can run apart from each other. */
bool batch_has_rows(const struct pipeline_call *call);

/* Tokens of the longest row. */
size_t batch_longest(const struct pipeline_call *call);

/*
 * Gives the items their rows of `output`, the model's output `i`. Where it has a
 * row per token, an item has `step` of them; 0: as many as its tokens, and
 * the tokens are the first axis. The calls get the shape that the model gives
 * for them alone.
 */
void batch_share(const struct items *items, size_t i,
                 const struct eng_tensor *output, enum eng_ragged_kind kind,
                 size_t step);

/* ---- the ways ---- */

/* packed.c: one after the other, without padding. */
bool packed_takes(const struct pipeline_call *call);
void packed_execute(const struct shift *shift,
                    struct pipeline_call *const *calls, size_t count);

/* padded.c: rows of near length, padded to the longest; or one by one, where
 * the model may not be given padding. */
bool padded_takes(const struct pipeline_call *call);
void padded_execute(const struct shift *shift,
                    struct pipeline_call *const *calls, size_t count);

#endif
