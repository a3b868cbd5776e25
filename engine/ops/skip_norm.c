/*
 * com.microsoft SkipLayerNormalization-1:  y = LayerNorm(x + skip + bias)
 * com.microsoft SkipSimplifiedLayerNormalization-1: the same with RMS
 * RMSNormalization-23, SimplifiedLayerNormalization-1:
 *                        y = x / sqrt(mean(x^2) + epsilon) * gamma
 *
 *   Skip*
 *   input   x      float, float16 or bfloat16 [..., n]
 *           skip   shape of x, or of its last dimensions: repeated
 *           gamma, beta (not for RMS), bias  [n]; beta and bias may be left out
 *   output  y      shape of x; mean and 1 / deviation: empty, as ONNX Runtime
 *                  leaves them; sum = x + skip + bias
 *   RMSNormalization, SimplifiedLayerNormalization
 *   input   x, gamma [n], n = all dimensions from axis on
 *   output  y      shape of x; 1 / deviation, float (Simplified... only)
 *   attr    epsilon  float = 1e-5 (Skip*: 1e-12); axis int = -1
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *   source  ONNX operator list; ONNX Runtime, ContribOperators
 */
#include "skip_norm.h"

#include <string.h>

#include "kernel/norm.h"
#include "spread.h"

float op_norm_row(const struct op_norm *norm, float *row)
{
    float scale = 0;
    struct kernel_norm one = {.rows = 1,
                              .width = norm->width,
                              .epsilon = norm->epsilon,
                              .rms = norm->rms,
                              .x = row,
                              .gamma = norm->gamma,
                              .beta = norm->beta,
                              .inv = &scale};

    one.y = row;
    kernels()->norm_rows(&one);
    return scale;
}

const float *op_norm_weight(const struct op_node *op,
                            const struct op_frame *frame, size_t i, float *to)
{
    if (!op_has(op, i))
        return NULL;
    if (op->in[i]->dtype == ENG_F32)
        return op_in(op, frame, i);
    op_real_load(op->in[i]->dtype, op_in(op, frame, i), 0,
                 eng_tensor_count(op->in[i]), to);
    return to;
}

bool op_norm_check(const struct op_node *op, size_t i, int64_t width,
                   enum eng_dtype dtype, struct error *err)
{
    char text[ENG_SHAPE_TEXT];

    if (!op_has(op, i))
        return true;
    if (op->in[i]->dtype != dtype || eng_tensor_count(op->in[i]) != width)
        return fail(err, ERR_MODEL_INVALID, "input %zu is %s %.60s", i,
                    eng_dtype_name(op->in[i]->dtype),
                    eng_shape_text(op->in[i], text));
    return true;
}

struct norm_state {
    struct op_norm norm;
    int64_t rows;
    size_t gamma, beta, bias; /* inputs */
};

enum { NO_INPUT = 31 };

/* A row and four weights as float. */
static bool norm_prepare(struct op_node *op, struct error *err)
{
    const struct norm_state *state = op->state;

    if (__builtin_mul_overflow((size_t)state->norm.width, 4 * sizeof(float),
                               &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the rows are too large");
    return true;
}

static bool set_rows(const struct op_node *op, int64_t axis,
                     struct norm_state *state, struct error *err)
{
    const struct eng_tensor *x = op->in[0];

    if (!op_want_type(op, 0, OP_TYPES_SHORT_REAL, err) ||
        !op_axis(&axis, x->rank, err) ||
        !op_attr_float(op, "epsilon", &state->norm.epsilon, err))
        return false;
    state->rows = eng_shape_product(x, 0, (int)axis);
    state->norm.width = eng_shape_product(x, (int)axis, x->rank);
    return true;
}

/* --- rows of floats --- */

struct rows {
    const struct kernels *kernels;
    struct kernel_norm norm;
    int64_t skip_rows; /* skip repeats after so many */
};

static void run_rows(void *work, int64_t first, int64_t end)
{
    const struct rows *rows = work;
    int64_t width = rows->norm.width;

    while (first < end) {
        struct kernel_norm norm = rows->norm;
        int64_t at = norm.skip ? first % rows->skip_rows : 0;

        norm.rows = end - first;
        if (norm.skip && norm.rows > rows->skip_rows - at)
            norm.rows = rows->skip_rows - at;
        norm.x += first * width;
        norm.y += first * width;
        norm.skip = norm.skip ? norm.skip + at * width : NULL;
        norm.sum = norm.sum ? norm.sum + first * width : NULL;
        norm.inv = norm.inv ? norm.inv + first : NULL;
        rows->kernels->norm_rows(&norm);
        first += norm.rows;
    }
}

static void spread_rows(const struct op_frame *frame, struct rows *rows,
                        int64_t count)
{
    rows->kernels = kernels();
    op_spread(frame, count, 0.3 * (double)rows->norm.width + 10, run_rows,
              rows);
}

/* --- x alone --- */

static bool rms_infer(struct op_node *op, struct error *err)
{
    struct norm_state *state = op_alloc(op, sizeof *state, err);
    int64_t axis = -1;

    op->state = state;
    if (!state || !op_attr_int(op, "axis", &axis, err))
        return false;
    state->norm = (struct op_norm){.rms = true, .epsilon = 1e-5F};
    if (!set_rows(op, axis, state, err) ||
        !op_want_type(op, 1, OP_TYPES_SHORT_REAL, err) ||
        !op_norm_check(op, 1, state->norm.width, op->in[1]->dtype, err))
        return false;
    op_like(op->out[0], op->in[0]);
    op->out[0]->dtype = op->in[1]->dtype;
    if (op->out_count > 1) {
        op_like(op->out[1], op->in[0]);
        op->out[1]->dtype = ENG_F32;
        for (int i = (int)(axis < 0 ? axis + op->in[0]->rank : axis);
             i < op->in[0]->rank; i++)
            op->out[1]->dims[i] = 1;
    }
    return true;
}

static bool rms_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct norm_state *state = op->state;
    struct op_norm norm = state->norm;
    int64_t n = norm.width;
    float *row = frame->scratch;

    (void)err;
    norm.gamma = op_norm_weight(op, frame, 1, row + n);
    if (n && op->in[0]->dtype == ENG_F32 && op->in[1]->dtype == ENG_F32) {
        struct rows rows = {
            .norm = {.width = n,
                     .epsilon = norm.epsilon,
                     .rms = true,
                     .x = op_in(op, frame, 0),
                     .gamma = norm.gamma,
                     .y = op_out(op, frame, 0),
                     .inv = op->out_count > 1 ? op_out(op, frame, 1) : NULL}};

        spread_rows(frame, &rows, state->rows);
        return true;
    }
    for (int64_t r = 0; n && r < state->rows; r++) {
        float scale;

        op_real_load(op->in[0]->dtype, op_in(op, frame, 0), r * n, n, row);
        scale = op_norm_row(&norm, row);
        op_real_store(op->out[0]->dtype, row, r * n, n, op_out(op, frame, 0));
        if (op->out_count > 1)
            ((float *)op_out(op, frame, 1))[r] = scale;
    }
    return true;
}

const struct op_impl op_rms_norm = {.name = "rms_norm",
                                    .in_min = 2,
                                    .in_max = 2,
                                    .out_min = 1,
                                    .out_max = 2,
                                    .infer = rms_infer,
                                    .prepare = norm_prepare,
                                    .run = rms_run};

/* --- x + skip + bias --- */

/* skip is x's shape, or that of its last dimensions behind ones. */
static bool check_skip(const struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0], *skip = op->in[1];
    struct eng_tensor sum = {0};
    int64_t count = eng_tensor_count(skip);
    char text[ENG_SHAPE_TEXT];
    int first = 0;

    if (!op_same_type(op, 0, 1, err) || !op_broadcast(x, skip, &sum, err))
        return false;
    while (first < x->rank && eng_shape_product(x, first, x->rank) > count)
        first++;
    if (!eng_shape_equal(&sum, x) ||
        eng_shape_product(x, first, x->rank) != count)
        return fail(err, ERR_MODEL_INVALID, "input 1 has shape %.60s",
                    eng_shape_text(skip, text));
    return true;
}

static bool skip_infer(struct op_node *op, struct error *err)
{
    struct norm_state *state = op_alloc(op, sizeof *state, err);
    enum eng_dtype dtype = op->in[0]->dtype;

    op->state = state;
    if (!state)
        return false;
    state->norm.epsilon = 1e-12F;
    state->norm.rms =
        strcmp(op->node->op, "SkipSimplifiedLayerNormalization") == 0;
    state->gamma = 2;
    state->beta = state->norm.rms ? NO_INPUT : 3;
    state->bias = state->norm.rms ? 3 : 4;
    if (!set_rows(op, -1, state, err) || !check_skip(op, err))
        return false;
    for (size_t i = 2; i < op->in_count; i++) {
        if (!op_norm_check(op, i, state->norm.width, dtype, err))
            return false;
    }
    for (size_t i = 0; i < op->out_count; i++) {
        op_like(op->out[i], op->in[0]);
        /* Outputs of a training step: nobody fills them at inference. */
        if (i == 1 || i == 2) {
            op->out[i]->dtype = ENG_F32;
            eng_shape_set(op->out[i], 1, (const int64_t[]){0});
        }
    }
    return true;
}

static void add_row(const struct op_node *op, const struct op_frame *frame,
                    int64_t first, float *row, float *other)
{
    const struct norm_state *state = op->state;
    int64_t n = state->norm.width, wrap = eng_tensor_count(op->in[1]);

    op_real_load(op->in[0]->dtype, op_in(op, frame, 0), first, n, row);
    op_real_load(op->in[1]->dtype, op_in(op, frame, 1), first % wrap, n, other);
    for (int64_t i = 0; i < n; i++)
        row[i] += other[i];
    if (!op_has(op, state->bias))
        return;
    op_real_load(op->in[0]->dtype, op_in(op, frame, state->bias), 0, n, other);
    for (int64_t i = 0; i < n; i++)
        row[i] += other[i];
}

static void skip_rows_run(const struct op_node *op,
                          const struct op_frame *frame)
{
    const struct norm_state *state = op->state;
    int64_t n = state->norm.width;
    struct rows rows = {
        .norm = {.width = n,
                 .epsilon = state->norm.epsilon,
                 .rms = state->norm.rms,
                 .x = op_in(op, frame, 0),
                 .skip = op_in(op, frame, 1),
                 .y = op_out(op, frame, 0),
                 .sum = op->out_count > 3 ? op_out(op, frame, 3) : NULL},
        .skip_rows = eng_tensor_count(op->in[1]) / n};

    rows.norm.gamma = op_norm_weight(op, frame, state->gamma, NULL);
    rows.norm.beta = op_norm_weight(op, frame, state->beta, NULL);
    rows.norm.bias = op_norm_weight(op, frame, state->bias, NULL);
    spread_rows(frame, &rows, state->rows);
}

static bool skip_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct norm_state *state = op->state;
    struct op_norm norm = state->norm;
    int64_t n = norm.width;
    float *row = frame->scratch, *other = row + n;
    enum eng_dtype dtype = op->in[0]->dtype;

    (void)err;
    if (n && state->rows && dtype == ENG_F32) {
        skip_rows_run(op, frame);
        return true;
    }
    norm.gamma = op_norm_weight(op, frame, state->gamma, other + n);
    norm.beta = op_norm_weight(op, frame, state->beta, other + 2 * n);
    for (int64_t r = 0; n && r < state->rows; r++) {
        add_row(op, frame, r * n, row, other);
        if (op->out_count > 3)
            op_real_store(dtype, row, r * n, n, op_out(op, frame, 3));
        (void)op_norm_row(&norm, row);
        op_real_store(dtype, row, r * n, n, op_out(op, frame, 0));
    }
    return true;
}

const struct op_impl op_skip_norm = {.name = "skip_norm",
                                     .in_min = 3,
                                     .in_max = 5,
                                     .out_min = 1,
                                     .out_max = 4,
                                     .infer = skip_infer,
                                     .prepare = norm_prepare,
                                     .run = skip_run};
