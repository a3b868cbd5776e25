/*
 * Window: the attributes and sizes that convolutions and poolings share.
 *
 * Up to three spatial dimensions behind [batch, channels]. All numbers are
 * bounded here, so that the loops need no overflow checks.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_WINDOW_H
#define ENGINE_OPS_WINDOW_H

#include "op.h"

enum { OP_SPATIAL_MAX = 3 };

struct op_window {
    int spatial; /* dimensions */
    int64_t in[OP_SPATIAL_MAX], out[OP_SPATIAL_MAX];
    int64_t kernel[OP_SPATIAL_MAX], stride[OP_SPATIAL_MAX];
    int64_t dilation[OP_SPATIAL_MAX];
    int64_t pad[OP_SPATIAL_MAX];     /* in front */
    int64_t pad_end[OP_SPATIAL_MAX]; /* behind */
    bool ceil;                       /* round the output size up */
};

/*
 * Reads kernel_shape, strides, dilations, pads, auto_pad and ceil_mode, and
 * computes `out` of a convolution or pooling over x. `kernel` (of `spatial`
 * dimensions) is what the weights say; NULL = kernel_shape is required.
 *   ERR_MODEL_INVALID      a stride, dilation or kernel below 1, a negative pad,
 *                          lists of the wrong length, a window larger than x
 *   ERR_MODEL_UNSUPPORTED  more than three spatial dimensions
 */
bool op_window_read(const struct op_node *op, const int64_t *kernel,
                    struct op_window *window, struct error *err);

/* As op_window_read() without `out`, pads by auto_pad or ceil_mode. */
bool op_window_attrs(const struct op_node *op, const int64_t *kernel,
                     struct op_window *window, struct error *err);

enum op_auto_pad { OP_NOTSET, OP_SAME_UPPER, OP_SAME_LOWER, OP_VALID };

/* The attribute auto_pad. ERR_MODEL_UNSUPPORTED for other words. */
bool op_auto_pad_read(const struct op_node *op, int *mode, struct error *err);

/* One dimension of a window. */
struct op_side {
    int64_t in, out, kernel, step, apart, before, after;
};

/* Rows (0) or columns (1) of a window of at most two dimensions; one is a
 * plane of one row. */
struct op_side op_window_side(const struct op_window *window, int i);

/* Product of the spatial dimensions. */
int64_t op_window_in(const struct op_window *window);
int64_t op_window_out(const struct op_window *window);

/* Index of a flat position into dimensions `dims`. */
void op_window_unflatten(int spatial, const int64_t *dims, int64_t flat,
                         int64_t index[OP_SPATIAL_MAX]);

/* Where kernel element k of the window at `out` reads, or -1 in the border. */
int64_t op_window_tap(const struct op_window *window, const int64_t *out,
                      const int64_t *k);

#endif
