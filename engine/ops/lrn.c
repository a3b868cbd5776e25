/*
 * LRN, opset 13: y = x / (bias + alpha / size * s)^beta, s = sum of x^2 over
 *   `size` channels around the own one
 *
 *   input   x      float or double [n, c, ...] (float16, bfloat16 as float)
 *   output  y      type and shape of x
 *   attr    size   int, required
 *           alpha  float = 1e-4
 *           beta   float = 0.75
 *           bias   float = 1
 *   errors  ERR_MODEL_INVALID: size below 1, rank below 2
 *   source  ONNX operator list, LRN-13: from c - floor((size - 1) / 2) to c +
 *           ceil((size - 1) / 2), as far as there are channels
 */
#include <math.h>

#include "op.h"

struct lrn_state {
    int64_t batch, channels, inner;
    int64_t before, after; /* channels that count beside the own one */
    float scale, beta, bias;
};

static bool lrn_infer(struct op_node *op, struct error *err)
{
    struct lrn_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    float alpha = 1e-4F;
    int64_t size = 0;

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    op->state = state;
    state->beta = 0.75F;
    state->bias = 1;
    if (!op_attr_int(op, "size", &size, err) ||
        !op_attr_float(op, "alpha", &alpha, err) ||
        !op_attr_float(op, "beta", &state->beta, err) ||
        !op_attr_float(op, "bias", &state->bias, err))
        return false;
    if (size < 1)
        return fail(err, ERR_MODEL_INVALID, "attribute 'size' is %lld",
                    (long long)size);
    if (x->rank < 2)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected 2 or more",
                    x->rank);
    state->batch = x->dims[0];
    state->channels = x->dims[1];
    state->inner = eng_shape_product(x, 2, x->rank);
    state->before = (size - 1) / 2;
    state->after = size - 1 - state->before;
    state->scale = alpha / (float)size;
    op_like(op->out[0], x);
    return true;
}

/* Channel c of one image x [channels, inner]. */
#define LRN_ROW(name, T, POW)                                                  \
    static void name(const struct lrn_state *state, const void *image,         \
                     void *to, int64_t c)                                      \
    {                                                                          \
        int64_t first = c > state->before ? c - state->before : 0;             \
        int64_t last = state->channels - 1 - c > state->after                  \
                           ? c + state->after                                  \
                           : state->channels - 1;                              \
        const T *x = image;                                                    \
        T *y = to;                                                             \
                                                                               \
        for (int64_t i = 0; i < state->inner; i++) {                           \
            int64_t own = c * state->inner + i;                                \
            T sum = 0;                                                         \
                                                                               \
            for (int64_t k = first; k <= last; k++)                            \
                sum += x[k * state->inner + i] * x[k * state->inner + i];      \
            y[own] = x[own] / POW((T)state->bias + (T)state->scale * sum,      \
                                  (T)state->beta);                             \
        }                                                                      \
    }

LRN_ROW(lrn_row_f32, float, powf)
LRN_ROW(lrn_row_f64, double, pow)

static bool lrn_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct lrn_state *state = op->state;
    bool is_f32 = op->in[0]->dtype == ENG_F32;
    size_t image = (size_t)(state->channels * state->inner) *
                   eng_dtype_size(op->in[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t n = 0; n < state->batch; n++) {
        for (int64_t c = 0; c < state->channels; c++)
            (is_f32 ? lrn_row_f32 : lrn_row_f64)(state, x, y, c);
        x += image;
        y += image;
    }
    return true;
}

const struct op_impl op_lrn = {.name = "lrn",
                               .in_min = 1,
                               .in_max = 1,
                               .out_min = 1,
                               .out_max = 1,
                               .flags = OP_WIDEN,
                               .infer = lrn_infer,
                               .run = lrn_run};
