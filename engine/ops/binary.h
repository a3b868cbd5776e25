/*
 * Binary: element-wise kernels of two operands, shared by the operators that
 * take two inputs (binary.c) and those that take any number (variadic.c).
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_BINARY_H
#define ENGINE_OPS_BINARY_H

#include "walk.h"

/*
 * One row of `count` elements: y[i] = f(a[i * sa], b[i * sb]) with steps 0
 * or 1. y may be a or b where its step is 1.
 */
typedef bool (*op_binary_fn)(const void *a, int64_t sa, const void *b,
                             int64_t sb, void *y, int64_t count);

/* The kernel of this name ("Add", "Max", ...), or NULL; *to_bool = it gives
 * bool instead of the operands' type. */
op_binary_fn op_binary_find(const char *name, enum eng_dtype dtype,
                            bool *to_bool);

/*
 * Runs `fn` over a walk of three operands (a, b, y).
 * ERR_VALIDATION_ERROR: integer division by zero, or INT_MIN / -1.
 */
struct op_binary_data {
    const void *a, *b;
    void *y;
    size_t in_size, out_size; /* bytes of an element */
};
bool op_binary_run(op_binary_fn fn, const struct op_walk *walk,
                   const struct op_binary_data *data, struct error *err);

#endif
