/*
 * Spread: one range of rows or elements over the threads of a run.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_SPREAD_H
#define ENGINE_OPS_SPREAD_H

#include "op.h"

/* Does [first, end) of the work behind `work`. */
typedef void (*op_spread_fn)(void *work, int64_t first, int64_t end);

/*
 * Calls `fn` for [0, count) in parts, perhaps at the same time. `ns_each` is
 * what one of `count` takes, roughly: a part lasts 40 us or more, so small work
 * stays in the caller's thread.
 */
void op_spread(const struct op_frame *frame, int64_t count, double ns_each,
               op_spread_fn fn, void *work);

#endif
