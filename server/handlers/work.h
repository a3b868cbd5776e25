/*
 * Work: how handlers run the model, together with other calls.
 *
 *   handler   work_taken(), work_prepare() for each part, work_leave(); true
 *   the door  takes more calls that wait, and the model runs over all of them
 *   reply     makes the message from what came out of the parts
 *
 * The call's queue_ns, compute_ns and tokens are set before `reply` runs.
 *
 * Threads: as the call.
 */
#ifndef HANDLERS_WORK_H
#define HANDLERS_WORK_H

#include "app.h"
#include "call.h"

/* Is the model there for this call? ERR_NOT_READY, with Retry-After. */
bool work_taken(struct srv_call *call, struct error *err);

/*
 * Checks and prepares a part of the call's work: rows that the pipeline takes
 * as one request. The values are borrowed until the call ends. `first_row` is
 * the number of its first row in what the caller sent, for messages.
 *   ERR_OVERLOADED  every worker is busy; else as pipeline_prepare()
 */
bool work_prepare(struct srv_call *call, const struct pipeline_value *values,
                  size_t count, size_t first_row, struct error *err);

/* Fills the reply message from the answers of the parts, in order; they lie in
 * the call's arena. As a handler otherwise. */
typedef bool work_reply(struct srv_call *call, void *context,
                        const struct pipeline_output *parts, void *message,
                        struct error *err);

/* Leaves what was prepared, at least one part, to the batch, see call_defer().
 * `context` must live as long as the call. */
void work_leave(struct srv_call *call, work_reply *reply, void *context);

#endif
