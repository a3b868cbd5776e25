/*
 * Work: see work.h.
 */
#include "work.h"

enum { RETRY_AFTER_S = 1 };

bool work_taken(struct srv_call *call, struct error *err)
{
    if (app_takes(call->app, call, err))
        return true;
    call->retry_after_s = RETRY_AFTER_S;
    return false;
}

bool work_run(struct srv_call *call, const struct pipeline_value *values,
              size_t count, size_t first_row, struct pipeline_output *out,
              struct error *err)
{
    struct srv_app *app = call->app;
    struct eng_limits limits = {.deadline_ns = call->deadline_ns,
                                .cancelled = &call->cancelled};
    struct pipeline_request wanted = {.values = values,
                                      .count = count,
                                      .first_row = first_row,
                                      .arena = &call->arena,
                                      .limits = &limits};
    struct pipeline_worker *worker = app_worker_get(app);
    bool ok;

    if (!worker)
        return fail(err, ERR_OVERLOADED, "every worker is busy");
    ok = pipeline_run(worker, &wanted, out, err);
    app_worker_put(app, worker);
    return ok;
}
