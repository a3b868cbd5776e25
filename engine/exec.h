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
 * Runs every step. `limits` NULL = none.
 *   ERR_TIMEOUT, ERR_CANCELLED, and what an operator's run says, with the
 *   node's name in front
 */
bool exec_run(const struct plan_frame *frame, const struct eng_limits *limits,
              struct error *err);

#endif
