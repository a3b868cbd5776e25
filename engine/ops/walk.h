/*
 * Walk: visits the elements of up to four operands that share one shape but
 * step through memory differently.
 *
 * Broadcasting is a step of 0, a transpose a permutation of steps, a slice
 * other steps and an offset. Dimensions that can be visited as one are merged
 * when the walk is made, so most walks end up with one or two dimensions. The
 * last one is left to the caller's inner loop:
 *
 *   struct op_place at;
 *   for (bool more = op_walk_first(&walk, &at); more;
 *        more = op_walk_next(&walk, &at))
 *       inner(a + at.offset[0], b + at.offset[1], walk.inner);
 *
 * Threads: a walk is immutable once made; a place belongs to its caller.
 */
#ifndef ENGINE_OPS_WALK_H
#define ENGINE_OPS_WALK_H

#include "op.h"

enum { OP_OPERANDS_MAX = 4 };

struct op_walk {
    int operands;
    int rank;                                     /* of the outer dimensions */
    int64_t dims[ENG_RANK_MAX];                   /* outer */
    int64_t steps[OP_OPERANDS_MAX][ENG_RANK_MAX]; /* elements, outer */
    int64_t inner; /* length of a row; 0 = none */
    int64_t inner_step[OP_OPERANDS_MAX];
};

struct op_place {
    int64_t index[ENG_RANK_MAX];
    int64_t offset[OP_OPERANDS_MAX]; /* elements, of the row's start */
};

/* Merges what can be merged. `steps[k]` belongs to operand k. */
void op_walk_make(struct op_walk *walk, int rank, const int64_t *dims,
                  int operands, int64_t (*steps)[ENG_RANK_MAX]);

/* Operand k is inputs[k], broadcast to `out`; the last operand is `out`. */
void op_walk_broadcast(struct op_walk *walk, const struct eng_tensor *out,
                       int inputs, const struct eng_tensor *const *input);

/* The first row; false if there are no elements. */
bool op_walk_first(const struct op_walk *walk, struct op_place *place);
bool op_walk_next(const struct op_walk *walk, struct op_place *place);

/* Copies operand 0 to operand 1, elements of `size` bytes. */
void op_walk_copy(const struct op_walk *shape, size_t size, const void *from,
                  void *to);

/* Row-major element steps of a tensor. */
void op_steps(const struct eng_tensor *tensor, int64_t steps[ENG_RANK_MAX]);

#endif
