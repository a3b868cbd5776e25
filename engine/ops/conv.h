/*
 * Conv: what the reference and the fast convolutions share.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_CONV_H
#define ENGINE_OPS_CONV_H

#include "kernel/gemm_i8.h"
#include "window.h"

/* op_node.state after infer. */
struct op_conv {
    struct op_window window;
    int64_t batch, in_channels, out_channels, groups;
    int64_t in_size, out_size, kernel_size; /* products of the spatial ones */
};

/*
 * Fills `conv` and the shape of output 0 from input 0, weights `w` and `bias`
 * (NULL = none). Errors: see conv.c.
 */
bool op_conv_shape(struct op_node *op, const struct eng_tensor *w,
                   const struct eng_tensor *bias, struct op_conv *conv,
                   struct error *err);

/* The infer of every Conv row. Errors: see conv.c. */
bool op_conv_infer(struct op_node *op, struct error *err);

/* The infer of every ConvTranspose row. Errors: see conv_transpose.c. */
bool op_conv_transpose_infer(struct op_node *op, struct error *err);

/* The infer of ConvInteger and QLinearConv; op->state begins with a struct
 * op_conv. Errors: see qconv.c. */
bool op_conv_integer_infer(struct op_node *op, struct error *err);
bool op_qlinear_conv_infer(struct op_node *op, struct error *err);

/* For run of QLinearConv and QConv: the bias of channel `o`, added to the sums,
 * and in steps of y behind them. */
struct op_qconv_bias {
    uint32_t steps;
    float real;
};
void op_qconv_bias(const struct op_node *op, const struct op_frame *frame,
                   int64_t o, struct op_qconv_bias *bias);

/* For run of these and QConvLast: what the kernel makes of the sums. */
struct gemm_i8 op_qconv_out(const struct op_node *op,
                            const struct op_frame *frame);

/* The infer of every row of QConvLast, the same. Errors: qconv_last.c. */
bool op_qconv_last_infer(struct op_node *op, struct error *err);

/* Two of the forms; FusedConv runs them too. */
extern const struct op_impl op_conv_gemm, op_conv;

#endif
