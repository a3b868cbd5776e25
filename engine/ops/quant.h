/*
 * Quant: what the quantised operators share. A quantised tensor stands for
 * (q - zero point) * scale; scale and zero point hold for the whole tensor,
 * for each index of one axis, or for blocks along it.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_QUANT_H
#define ENGINE_OPS_QUANT_H

#include "real.h"

enum {
    OP_TYPES_QUANT8 = OP_TYPE(ENG_U8) | OP_TYPE(ENG_I8),
    OP_TYPES_QUANT = OP_TYPES_QUANT8 | OP_TYPE(ENG_U16) | OP_TYPE(ENG_I16)
};

/* Element i of an integer tensor (8, 16 or 32 bits). */
int32_t op_quant_at(enum eng_dtype dtype, const void *data, int64_t i);

/* `count` elements from `first` on, less `zero`, to `to`. */
struct op_quant_row {
    enum eng_dtype dtype;
    int64_t first, step, count; /* elements */
    int32_t zero;
};
void op_quant_load(const struct op_quant_row *row, const void *data,
                   int32_t *to);

/*
 * Element i of `data` = value, rounded half to even, plus zero, saturated to
 * the type; NaN gives the lowest number.
 */
void op_quant_put(enum eng_dtype dtype, void *data, int64_t i, float value,
                  int32_t zero);

/*
 * Scale (float or half) and zero point (input `zero`, `type` unless it is left out) of
 * one tensor are scalars or have one element, or `axis_dim` (0 = not allowed).
 * ERR_MODEL_INVALID names the input.
 */
bool op_quant_check(const struct op_node *op, size_t scale, size_t zero,
                    enum eng_dtype type, int64_t axis_dim, struct error *err);

/* Only the zero point, as above. */
bool op_zero_check(const struct op_node *op, size_t zero, enum eng_dtype type,
                   int64_t axis_dim, struct error *err);

/* Scale or zero point of index i along the axis; a missing one is 0. */
float op_scale_of(const struct op_node *op, const struct op_frame *frame,
                  size_t input, int64_t i);
int32_t op_zero_of(const struct op_node *op, const struct op_frame *frame,
                   size_t input, int64_t i);

/*
 * Scale (returned) and zero point with which uint8 covers the range of x and
 * 0: DynamicQuantizeLinear's rule, in quantize_dynamic.c.
 */
float op_quant_range(const float *x, int64_t count, uint8_t *zero);

#endif
