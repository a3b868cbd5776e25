/*
 * Exec: see exec.h.
 */
#include "exec.h"

#include "clock.h"

/* The time is asked for at the first step and then once per tick: a small
 * model's steps take no longer than the question. `seen` starts as 0. */
static bool is_late(const struct eng_limits *limits, uint64_t *seen)
{
    uint64_t tick;

    if (limits->deadline_ns == CLOCK_NEVER)
        return false;
    tick = clock_tick();
    if (tick == *seen)
        return false;
    *seen = tick;
    return clock_now_ns() >= limits->deadline_ns;
}

bool exec_may_go_on(const struct eng_limits *limits, uint64_t *seen,
                    struct error *err)
{
    if (limits->cancelled &&
        atomic_load_explicit(limits->cancelled, memory_order_relaxed))
        return fail(err, ERR_CANCELLED, "the caller cancelled the run");
    if (is_late(limits, seen))
        return fail(err, ERR_TIMEOUT, "the deadline passed during the run");
    return true;
}

static bool run_step(const struct plan_frame *frame, const struct op_node *step,
                     const struct eng_limits *limits, uint64_t *seen,
                     struct error *err)
{
    struct team_seat *seat = frame->frame.seat;
    struct error cause;

    if (limits && !exec_may_go_on(limits, seen, err))
        return false;
    if (seat)
        team_adjust(seat);
    return step->impl->run(step, &frame->frame, &cause) ||
           op_blame(frame->plan->graph, step->node, &cause, err);
}

bool exec_run(struct plan_frame *frame, struct team_seat *seat,
              const struct eng_limits *limits, struct error *err)
{
    const struct eng_plan *plan = frame->plan;
    uint64_t seen = 0;

    frame->frame.seat = seat;
    frame->frame.limits = limits;
    for (size_t i = 0; i < plan->step_count; i++) {
        if (!run_step(frame, &plan->steps[i], limits, &seen, err))
            return false;
    }
    return true;
}

static void report(const struct exec_watch *watch, const struct eng_plan *plan,
                   const struct op_node *op, uint64_t start_ns)
{
    const struct eng_step step = {
        .index = op->index,
        .node = eng_node_label(plan->graph, op->node),
        .op = op->node->op,
        .impl = op->impl->name,
        .start_ns = start_ns,
        .end_ns = clock_now_ns(),
        .inputs = (const struct eng_tensor *const *)op->in,
        .outputs = (const struct eng_tensor *const *)op->out,
        .input_count = op->in_count,
        .output_count = op->out_count};

    watch->fn(watch->context, &step);
}

bool exec_run_watched(struct plan_frame *frame, struct team_seat *seat,
                      const struct eng_limits *limits,
                      const struct exec_watch *watch, struct error *err)
{
    const struct eng_plan *plan = frame->plan;
    uint64_t seen = 0;

    frame->frame.seat = seat;
    frame->frame.limits = limits;
    for (size_t i = 0; i < plan->step_count; i++) {
        uint64_t start = clock_now_ns();

        if (!run_step(frame, &plan->steps[i], limits, &seen, err))
            return false;
        report(watch, plan, &plan->steps[i], start);
    }
    return true;
}
