/*
 * Ragged: what operators on sequences of different length share.
 *
 * Rows of all sequences stand one after the other, without padding, in axis 1
 * of a tensor [1, rows, ...]. `starts` says where: sequence i has the rows
 * starts[i] to starts[i + 1] - 1, and starts[0] is 0. Rows behind the last one belong to nobody;
 * they fill up what a plan has room for.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_RAGGED_H
#define ENGINE_OPS_RAGGED_H

#include "op.h"

/* Input `input` is starts, int64 [sequences + 1], and input 0 has rows in axis
 * 1 behind a single 1. ERR_MODEL_INVALID. */
bool op_ragged_check(const struct op_node *op, size_t input, struct error *err);

/* For run: starts, when they are in order and within the rows; NULL:
 * ERR_VALIDATION_ERROR. */
const int64_t *op_ragged_starts(const struct op_node *op,
                                const struct op_frame *frame, size_t input,
                                struct error *err);

#endif
