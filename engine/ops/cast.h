/*
 * Cast: element-wise conversion between types, for operators that store or
 * take another type than they compute in.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_CAST_H
#define ENGINE_OPS_CAST_H

#include "op.h"

/* y[i] = x[i] for `count` elements; x and y do not overlap. */
typedef void (*op_cast_fn)(const void *x, void *y, int64_t count);

/* The conversion, or NULL (to or from string). */
op_cast_fn op_cast_find(enum eng_dtype from, enum eng_dtype to);

/*
 * The rest of infer for a Cast from or to string; the output is set. Known
 * numbers become known strings.
 */
bool op_cast_string_infer(struct op_node *op, struct error *err);

#endif
