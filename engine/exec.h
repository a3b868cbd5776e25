/*
 * Exec: walks a plan.
 *
 * No allocation, no lock, no decision: every step runs the implementation that
 * the plan chose on the pointers of the frame. Deadline and cancel are looked
 * at between steps.
 *
 * Threads: one frame, one thread; a plan runs in many threads at once.
 */
#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

#include "plan.h"

/*
 * Runs every step, with the threads that `seat` may borrow; `seat` NULL = this
 * thread alone, `limits` NULL = none.
 *   ERR_TIMEOUT, ERR_CANCELLED, and what an operator's run says, with the
 *   node's name in front
 */
bool exec_run(struct plan_frame *frame, struct team_seat *seat,
              const struct eng_limits *limits, struct error *err);

/* Who is told of each step, see eng_run_watch(). */
struct exec_watch {
    eng_watch_fn fn; /* NULL = nobody */
    void *context;
};

/* As exec_run(), with the time of every step. */
bool exec_run_watched(struct plan_frame *frame, struct team_seat *seat,
                      const struct eng_limits *limits,
                      const struct exec_watch *watch, struct error *err);

/*
 * Must the run give up? For loops inside an operator; `seen` starts as 0.
 *   ERR_TIMEOUT, ERR_CANCELLED
 */
bool exec_may_go_on(const struct eng_limits *limits, uint64_t *seen,
                    struct error *err);

#endif
