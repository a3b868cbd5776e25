/*
 * QuantizeLinear, opset 25:   y = saturate(round(x / scale) + zero)
 * DequantizeLinear, opset 25: y = (x - zero) * scale
 *
 *   Quantize
 *   input   x      float, float16, bfloat16 or int32 [d0, ..., dn-1]
 *           scale  float or half: one for all, [da] for axis a, or of x's rank,
 *                  one for each block along a
 *           zero   shape of scale = 0
 *   output  y      uint8, int8, uint16, int16: type of zero, else output_dtype,
 *                  else uint8; shape of x
 *   Dequantize
 *   input   x      uint8, int8, uint16, int16, int32
 *           scale, zero  as above
 *   output  y      type of scale, or output_dtype
 *   attr    axis          int = 1
 *           block_size    int = 0: no blocks
 *           output_dtype  int = 0; saturate and precision change nothing here
 *   errors  ERR_MODEL_INVALID: axis outside, scale or zero of another shape
 *           ERR_MODEL_UNSUPPORTED: 8-bit floats, 2- and 4-bit integers
 *   source  ONNX operator list; rounding is half to even
 */
#include "kernel/quantize.h"
#include "quant.h"

#include <string.h>

struct quantize_state {
    /* x [outer, dim, inner]; scale [outer, blocks, inner], or as `each` says */
    int64_t outer, dim, inner, block, blocks;
    enum { ONE, PER_INDEX, PER_BLOCK } each;
};

static bool is_one(const struct eng_tensor *scale)
{
    return scale->rank <= 1 && eng_tensor_count(scale) == 1;
}

static bool fits_blocks(const struct eng_tensor *x,
                        const struct eng_tensor *scale, int axis,
                        int64_t blocks)
{
    bool fits = scale->rank == x->rank;

    for (int i = 0; fits && i < x->rank; i++)
        fits = scale->dims[i] == (i == axis ? blocks : x->dims[i]);
    return fits;
}

/* How scale covers x. */
static bool set_cover(const struct op_node *op, struct quantize_state *state,
                      struct error *err)
{
    const struct eng_tensor *x = op->in[0], *scale = op->in[1];
    int64_t axis = 1, block = 0;
    char text[ENG_SHAPE_TEXT];

    *state = (struct quantize_state){
        .outer = 1, .dim = 1, .inner = eng_tensor_count(x)};
    if (!op_attr_int(op, "axis", &axis, err) ||
        !op_attr_int(op, "block_size", &block, err))
        return false;
    if (is_one(scale) && block == 0)
        return true;
    if (!op_axis(&axis, x->rank, err))
        return false;
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->dim = x->dims[axis];
    state->inner = eng_shape_product(x, (int)axis + 1, x->rank);
    state->each = block ? PER_BLOCK : PER_INDEX;
    if (block < 0 || block > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "block_size is %lld",
                    (long long)block);
    state->block = block ? block : 1;
    state->blocks = (state->dim + state->block - 1) / state->block;
    if (block ? fits_blocks(x, scale, (int)axis, state->blocks)
              : scale->rank == 1 && scale->dims[0] == state->dim)
        return true;
    return fail(err, ERR_MODEL_INVALID, "the scale has shape %.60s",
                eng_shape_text(scale, text));
}

static bool check_zero(const struct op_node *op, struct error *err)
{
    char text[ENG_SHAPE_TEXT];

    if (!op_has(op, 2) || eng_shape_equal(op->in[1], op->in[2]) ||
        (is_one(op->in[1]) && is_one(op->in[2])))
        return true;
    return fail(err, ERR_MODEL_INVALID, "the zero point has shape %.60s",
                eng_shape_text(op->in[2], text));
}

static bool quantize_common(struct op_node *op, int64_t *type,
                            struct error *err)
{
    struct quantize_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    *type = 0;
    if (!state || !op_want_type(op, 1, OP_TYPES_SHORT_REAL, err) ||
        !set_cover(op, state, err) || !check_zero(op, err) ||
        !op_attr_int(op, "output_dtype", type, err))
        return false;
    if (*type < 0 || *type > ENG_BF16)
        return fail(err, ERR_MODEL_UNSUPPORTED, "output_dtype is %lld",
                    (long long)*type);
    op_like(op->out[0], op->in[0]);
    return true;
}

static bool want_output(const struct op_node *op, int64_t type, uint32_t types,
                        struct error *err)
{
    if (!(types >> type & 1))
        return fail(err, ERR_MODEL_UNSUPPORTED, "to %s",
                    eng_dtype_name((enum eng_dtype)type));
    op->out[0]->dtype = (enum eng_dtype)type;
    return true;
}

static bool quantize_infer(struct op_node *op, struct error *err)
{
    int64_t type;

    if (!op_want_type(op, 0, OP_TYPES_SHORT_REAL | OP_TYPE(ENG_I32), err) ||
        !quantize_common(op, &type, err))
        return false;
    if (op_has(op, 2) && type && op->in[2]->dtype != (enum eng_dtype)type)
        return fail(err, ERR_MODEL_INVALID,
                    "the zero point is %s, output_dtype says %s",
                    eng_dtype_name(op->in[2]->dtype),
                    eng_dtype_name((enum eng_dtype)type));
    if (op_has(op, 2))
        type = op->in[2]->dtype;
    return want_output(op, type ? type : ENG_U8, OP_TYPES_QUANT, err);
}

static bool dequantize_infer(struct op_node *op, struct error *err)
{
    int64_t type;

    if (!op_want_type(op, 0, OP_TYPES_QUANT | OP_TYPE(ENG_I32), err) ||
        !quantize_common(op, &type, err) ||
        (op_has(op, 2) && !op_same_type(op, 0, 2, err)))
        return false;
    return want_output(op, type ? type : op->in[1]->dtype, OP_TYPES_SHORT_REAL,
                       err);
}

/* Where the scale of row (o, a) starts; *step from element to element. */
static int64_t scale_at(const struct quantize_state *state, int64_t o,
                        int64_t a, int64_t *step)
{
    *step = state->each == PER_BLOCK;
    if (state->each == ONE)
        return 0;
    if (state->each == PER_INDEX)
        return a;
    return (o * state->blocks + a / state->block) * state->inner;
}

struct quantize_row {
    int64_t first, scale, scale_step; /* elements */
};

static void quantize_row(const struct op_node *op, const struct op_frame *frame,
                         const struct quantize_row *row)
{
    const struct quantize_state *state = op->state;
    const void *x = op_in(op, frame, 0), *scales = op_in(op, frame, 1);
    enum eng_dtype from = op->in[0]->dtype;

    for (int64_t i = 0; i < state->inner; i++) {
        int64_t s = row->scale + i * row->scale_step, at = row->first + i;
        float value = from == ENG_I32 ? (float)((const int32_t *)x)[at]
                                      : op_real_at(from, x, at);
        int32_t zero = op_has(op, 2) ? op_quant_at(op->in[2]->dtype,
                                                   op_in(op, frame, 2), s)
                                     : 0;

        op_quant_put(op->out[0]->dtype, op_out(op, frame, 0), at,
                     value / op_real_at(op->in[1]->dtype, scales, s), zero);
    }
}

static void dequantize_row(const struct op_node *op,
                           const struct op_frame *frame,
                           const struct quantize_row *row)
{
    const struct quantize_state *state = op->state;
    const void *x = op_in(op, frame, 0), *scales = op_in(op, frame, 1);

    for (int64_t i = 0; i < state->inner; i++) {
        int64_t s = row->scale + i * row->scale_step, at = row->first + i;
        int32_t zero = op_has(op, 2) ? op_quant_at(op->in[2]->dtype,
                                                   op_in(op, frame, 2), s)
                                     : 0;
        /* int32 less its zero point may need 33 bits */
        int64_t step = (int64_t)op_quant_at(op->in[0]->dtype, x, at) - zero;
        float value = (float)step * op_real_at(op->in[1]->dtype, scales, s);

        op_real_store(op->out[0]->dtype, &value, at, 1, op_out(op, frame, 0));
    }
}

/* Bytes and floats with one scale for the row, by the kernels. */
static bool fast_row(const struct op_node *op, const struct op_frame *frame,
                     const struct quantize_row *row, bool back)
{
    const struct quantize_state *state = op->state;
    enum eng_dtype dtype = back ? op->in[0]->dtype : op->out[0]->dtype;
    enum eng_dtype real = back ? op->out[0]->dtype : op->in[0]->dtype;
    const unsigned char *x = op_in(op, frame, 0);
    unsigned char *y = op_out(op, frame, 0);
    struct quantize_step step = {.low = dtype == ENG_I8 ? INT8_MIN : 0};
    size_t first = (size_t)row->first;

    if (row->scale_step || real != ENG_F32 || !(OP_TYPES_QUANT8 >> dtype & 1))
        return false;
    step.scale = op_real_at(op->in[1]->dtype, op_in(op, frame, 1), row->scale);
    if (op_has(op, 2))
        step.zero = op_quant_at(dtype, op_in(op, frame, 2), row->scale);
    if (back)
        kernels()->dequantize_bytes(x + first, state->inner, &step,
                                    (float *)(void *)y + first);
    else
        kernels()->quantize_bytes((const float *)(const void *)x + first,
                                  state->inner, &step, y + first);
    return true;
}

static bool quantize_run(const struct op_node *op, const struct op_frame *frame,
                         struct error *err)
{
    const struct quantize_state *state = op->state;
    bool back = strcmp(op->node->op, "DequantizeLinear") == 0;

    (void)err;
    for (int64_t o = 0; o < state->outer; o++) {
        for (int64_t a = 0; a < state->dim; a++) {
            struct quantize_row row = {.first =
                                           (o * state->dim + a) * state->inner};

            row.scale = scale_at(state, o, a, &row.scale_step);
            if (fast_row(op, frame, &row, back))
                continue;
            if (back)
                dequantize_row(op, frame, &row);
            else
                quantize_row(op, frame, &row);
        }
    }
    return true;
}

const struct op_impl op_quantize = {.name = "quantize",
                                    .in_min = 2,
                                    .in_max = 3,
                                    .out_min = 1,
                                    .out_max = 1,
                                    .infer = quantize_infer,
                                    .run = quantize_run};

const struct op_impl op_dequantize = {.name = "dequantize",
                                      .in_min = 2,
                                      .in_max = 3,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .infer = dequantize_infer,
                                      .run = quantize_run};
