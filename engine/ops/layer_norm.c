/*
 * LayerNormalization, opset 17: y = (x - mean) / sqrt(variance + epsilon) *
 *   scale + bias, mean and variance over all dimensions from the axis on
 *
 *   input   x      float or double [d0, ..., dn-1] (float16, bfloat16 as float)
 *           scale  type of x, broadcasts to [da, ..., dn-1]
 *           bias   as scale = 0
 *   output  y      type and shape of x; may share memory with x
 *           mean   float [d0, ..., da-1, 1, ...]; may be left out
 *           inv    float, 1 / sqrt(variance + epsilon); may be left out
 *   attr    axis        int = -1
 *           epsilon     float = 1e-5
 *           stash_type  int = 1, float
 *   errors  ERR_MODEL_INVALID: axis outside, types differ, scale or bias does
 *           not broadcast
 *           ERR_MODEL_UNSUPPORTED: another stash_type
 *   source  ONNX operator list, LayerNormalization-17; ONNX Runtime writes it
 *           into models of older opsets, too
 */
#include <math.h>

#include "clones.h"
#include "kernel/norm.h"
#include "moments.h"
#include "spread.h"
#include "walk.h"

struct layer_norm_state {
    int64_t rows, length;
    float epsilon;
    bool has_bias;
    bool is_plain; /* float, scale and bias as long as a row: the kernel's */
    const struct kernels *kernels;
    struct op_walk walk; /* over one row: scale, bias, y */
};

static bool make_walk(const struct op_node *op, struct layer_norm_state *state,
                      int axis, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    const struct eng_tensor zero = {.dtype = x->dtype};
    const struct eng_tensor *parts[2] = {op->in[1],
                                         state->has_bias ? op->in[2] : &zero};
    struct eng_tensor row = {.dtype = x->dtype}, both;

    eng_shape_set(&row, x->rank - axis, x->dims + axis);
    for (int i = 0; i < 2; i++) {
        if (parts[i]->dtype != x->dtype)
            return fail(err, ERR_MODEL_INVALID, "input %d is %s, x is %s",
                        i + 1, eng_dtype_name(parts[i]->dtype),
                        eng_dtype_name(x->dtype));
        if (!op_broadcast(parts[i], &row, &both, err))
            return false;
        if (!eng_shape_equal(&both, &row))
            return fail(err, ERR_MODEL_INVALID,
                        "input %d does not broadcast to a row of x", i + 1);
    }
    op_walk_broadcast(&state->walk, &row, 2, parts);
    return true;
}

static void set_outputs(struct op_node *op, int axis)
{
    for (size_t i = 0; i < op->out_count; i++) {
        op_like(op->out[i], op->in[0]);
        if (i == 0)
            continue;
        op->out[i]->dtype = ENG_F32;
        for (int d = axis; d < op->out[i]->rank; d++)
            op->out[i]->dims[d] = 1;
    }
}

static bool layer_norm_infer(struct op_node *op, struct error *err)
{
    struct layer_norm_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    int64_t axis = -1, stash = ENG_F32;

    if (!state)
        return false;
    op->state = state;
    state->epsilon = 1e-5F;
    state->has_bias = op_has(op, 2);
    if (!op_want_type(op, 0, OP_TYPES_REAL, err) ||
        !op_attr_int(op, "axis", &axis, err) ||
        !op_attr_int(op, "stash_type", &stash, err) ||
        !op_attr_float(op, "epsilon", &state->epsilon, err) ||
        !op_axis(&axis, x->rank, err))
        return false;
    if (stash != ENG_F32)
        return fail(err, ERR_MODEL_UNSUPPORTED, "stash_type %lld",
                    (long long)stash);
    state->rows = eng_shape_product(x, 0, (int)axis);
    state->length = eng_shape_product(x, (int)axis, x->rank);
    state->kernels = kernels();
    state->is_plain =
        x->dtype == ENG_F32 && state->length > 0 &&
        eng_tensor_count(op->in[1]) == state->length &&
        (!state->has_bias || eng_tensor_count(op->in[2]) == state->length);
    set_outputs(op, (int)axis);
    return make_walk(op, state, (int)axis, err);
}

struct row {
    const void *x, *scale, *bias;
    void *y;
    double factor, shift;
};

/* y = x * factor + shift, then * scale + bias; `at` as op_place has it */
#define NORM_ROW(name, T)                                                      \
    OP_CLONES static void name(const struct op_walk *walk, const int64_t *at,  \
                               const struct row *row)                          \
    {                                                                          \
        const T *scale = (const T *)row->scale + at[0];                        \
        const T *bias = (const T *)row->bias + at[1];                          \
        const T *x = (const T *)row->x + at[2];                                \
        T *y = (T *)row->y + at[2];                                            \
        T factor = (T)row->factor, shift = (T)row->shift;                      \
        int64_t s = walk->inner_step[0], b = walk->inner_step[1];              \
                                                                               \
        for (int64_t i = 0; i < walk->inner; i++)                              \
            y[i] = (x[i] * factor + shift) * scale[i * s] + bias[i * b];       \
    }

NORM_ROW(norm_row_f32, float)
NORM_ROW(norm_row_f64, double)

static void norm_row(const struct op_walk *walk, const struct row *row,
                     enum eng_dtype dtype)
{
    struct op_place at;

    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        if (dtype == ENG_F32)
            norm_row_f32(walk, at.offset, row);
        else
            norm_row_f64(walk, at.offset, row);
    }
}

struct rows {
    const struct kernels *kernels;
    struct kernel_norm norm;
};

static void run_rows(void *work, int64_t first, int64_t end)
{
    const struct rows *rows = work;
    struct kernel_norm norm = rows->norm;

    norm.rows = end - first;
    norm.x += first * norm.width;
    norm.y += first * norm.width;
    norm.mean = norm.mean ? norm.mean + first : NULL;
    norm.inv = norm.inv ? norm.inv + first : NULL;
    rows->kernels->norm_rows(&norm);
}

static void run_plain(const struct op_node *op, const struct op_frame *frame)
{
    const struct layer_norm_state *state = op->state;
    struct rows rows = {
        state->kernels,
        {.width = state->length,
         .epsilon = state->epsilon,
         .x = op_in(op, frame, 0),
         .gamma = op_in(op, frame, 1),
         .beta = state->has_bias ? op_in(op, frame, 2) : NULL,
         .y = op_out(op, frame, 0),
         .mean = op->out_count > 1 ? op_out(op, frame, 1) : NULL,
         .inv = op->out_count > 2 ? op_out(op, frame, 2) : NULL}};

    op_spread(frame, state->rows, 0.25 * (double)state->length + 10, run_rows,
              &rows);
}

static bool layer_norm_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    static const double zero = 0; /* a float of 0 as well */
    const struct layer_norm_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;
    size_t bytes = (size_t)state->length * eng_dtype_size(dtype);
    struct row row = {.x = op_in(op, frame, 0),
                      .scale = op_in(op, frame, 1),
                      .bias = state->has_bias ? op_in(op, frame, 2) : &zero,
                      .y = op_out(op, frame, 0)};

    (void)err;
    if (state->is_plain) {
        run_plain(op, frame);
        return true;
    }
    for (int64_t i = 0; state->length && i < state->rows; i++) {
        struct op_moments m = op_moments_of(dtype, row.x, state->length);

        row.factor = 1 / sqrt(m.variance + (double)state->epsilon);
        row.shift = -m.mean * row.factor;
        norm_row(&state->walk, &row, dtype);
        if (op->out_count > 1)
            ((float *)op_out(op, frame, 1))[i] = (float)m.mean;
        if (op->out_count > 2)
            ((float *)op_out(op, frame, 2))[i] = (float)row.factor;
        row.x = (const char *)row.x + bytes;
        row.y = (char *)row.y + bytes;
    }
    return true;
}

const struct op_impl op_layer_norm = {.name = "layer_norm",
                                      .in_min = 2,
                                      .in_max = 3,
                                      .out_min = 1,
                                      .out_max = 3,
                                      .flags = OP_WIDEN,
                                      .in_place = 1,
                                      .float_outputs = 6,
                                      .infer = layer_norm_infer,
                                      .run = layer_norm_run};
