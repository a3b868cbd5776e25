/*
 * Linear: what its forms share: attributes, shapes, and a residual that
 * broadcasts. See linear.c for the operator.
 *
 * Threads: immutable after infer.
 */
#ifndef ENGINE_OPS_LINEAR_H
#define ENGINE_OPS_LINEAR_H

#include "binary.h"
#include "gemm.h"
#include "kernel/act.h"

enum { LINEAR_X, LINEAR_W, LINEAR_BIAS, LINEAR_RESIDUAL };

struct op_linear {
    struct op_product product;
    float alpha;
    bool transposed;
    struct act act;
    op_binary_fn add; /* NULL = the residual has the product's shape, or none */
    struct op_walk walk;
};

/*
 * For infer: fills `linear` from inputs 0 to 3 and the attributes, sets the
 * output, a float. Types of inputs are the caller's business. Errors: linear.c.
 */
bool op_linear_read(struct op_node *op, struct op_linear *linear,
                    struct error *err);

/* The infer of every row of Linear; op->state begins with a struct op_linear.
 * Errors: see linear.c. */
bool op_linear_infer(struct op_node *op, struct error *err);

/* Bytes of a product that is not the output itself; 0 without linear->add. */
size_t op_linear_scratch(const struct op_linear *linear);

/* For run, with linear->add: y = product + residual. */
bool op_linear_add(const struct op_node *op, const struct op_frame *frame,
                   const struct op_linear *linear, const float *product,
                   struct error *err);

#endif
