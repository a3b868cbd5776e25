/*
 * Exec: see exec.h.
 */
#include "exec.h"

#include "clock.h"

static bool may_go_on(const struct eng_limits *limits, struct error *err)
{
    if (limits->cancelled &&
        atomic_load_explicit(limits->cancelled, memory_order_relaxed))
        return fail(err, ERR_CANCELLED, "the caller cancelled the run");
    if (limits->deadline_ns != CLOCK_NEVER &&
        clock_now_ns() >= limits->deadline_ns)
        return fail(err, ERR_TIMEOUT, "the deadline passed during the run");
    return true;
}

bool exec_run(struct plan_frame *frame, struct team_seat *seat,
              const struct eng_limits *limits, struct error *err)
{
    const struct eng_plan *plan = frame->plan;

    frame->frame.seat = seat;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct op_node *step = &plan->steps[i];
        struct error cause;

        if (limits && !may_go_on(limits, err))
            return false;
        if (seat)
            team_adjust(seat);
        if (!step->impl->run(step, &frame->frame, &cause))
            return op_blame(plan->graph, step->node, &cause, err);
    }
    return true;
}
