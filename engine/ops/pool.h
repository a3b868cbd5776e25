/*
 * Pool: what the forms of MaxPool share.
 *
 * Threads: immutable after infer.
 */
#ifndef ENGINE_OPS_POOL_H
#define ENGINE_OPS_POOL_H

#include "window.h"

/* op_node.state after infer. */
struct op_pool_state {
    struct op_window window;
    int64_t planes; /* n * c */
    bool is_max, count_pad, by_column;
};

/* The infer of every row of MaxPool and AveragePool. Errors: see pool.c. */
bool op_pool_infer(struct op_node *op, struct error *err);

#endif
