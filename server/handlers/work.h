/*
 * Work: how handlers run the model.
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
 * Runs one request; the answer lies in the call's arena. `first_row` is the
 * number of its first row in what the caller sent, for messages.
 *   ERR_OVERLOADED  every worker is busy; else as pipeline_run()
 */
bool work_run(struct srv_call *call, const struct pipeline_value *values,
              size_t count, size_t first_row, struct pipeline_output *out,
              struct error *err);

#endif
