/*
 * Conv: what the reference and the fast convolutions share.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_CONV_H
#define ENGINE_OPS_CONV_H

#include "window.h"

/* op_node.state after infer. */
struct op_conv {
    struct op_window window;
    int64_t batch, in_channels, out_channels, groups;
    int64_t in_size, out_size, kernel_size; /* products of the spatial ones */
};

/* The infer of every Conv row. Errors: see conv.c. */
bool op_conv_infer(struct op_node *op, struct error *err);

#endif
