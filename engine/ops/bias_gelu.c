/*
 * GELUs of com.microsoft, of v = x + bias:
 *
 *   Gelu-1, BiasGelu-1:  y = v / 2 (1 + erf(v / sqrt(2)))
 *   FastGelu-1:          y = v / 2 (1 + tanh(v (0.797885 + 0.035677 v^2)))
 *   QuickGelu-1:         y = v / (1 + exp(-alpha v))
 *
 *   input   x     float, float16 or bfloat16 [..., n]
 *           bias  [n], type of x; BiasGelu must, FastGelu may have one
 *   output  y     type and shape of x; may share memory with x
 *   attr    alpha  float = 1.702 (QuickGelu)
 *   errors  ERR_MODEL_INVALID: bias is missing or of another shape
 *   source  ONNX Runtime, ContribOperators; 0.797885 = sqrt(2 / pi), 0.035677 =
 *           0.044715 sqrt(2 / pi)
 */
#include <math.h>
#include <string.h>

#include "kernel/map.h"
#include "real.h"
#include "spread.h"

enum gelu_kind { EXACT, FAST, QUICK };

struct gelu_state {
    enum gelu_kind kind;
    float alpha[2]; /* of QuickGelu; the second is not used */
    kernel_map_fn map;
};

static bool check_bias(const struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    char text[ENG_SHAPE_TEXT];

    if (!op_has(op, 1))
        return strcmp(op->node->op, "BiasGelu") != 0 ||
               fail(err, ERR_MODEL_INVALID, "the bias is missing");
    if (!op_same_type(op, 0, 1, err))
        return false;
    if (x->rank < 1 || op->in[1]->rank != 1 ||
        op->in[1]->dims[0] != x->dims[x->rank - 1])
        return fail(err, ERR_MODEL_INVALID, "the bias has shape %.60s",
                    eng_shape_text(op->in[1], text));
    return true;
}

static bool gelu_infer(struct op_node *op, struct error *err)
{
    struct gelu_state *state = op_alloc(op, sizeof *state, err);
    const char *name = op->node->op;

    op->state = state;
    if (!state)
        return false;
    state->kind = strcmp(name, "FastGelu") == 0    ? FAST
                  : strcmp(name, "QuickGelu") == 0 ? QUICK
                                                   : EXACT;
    state->alpha[0] = 1.702F;
    state->map = state->kind == FAST    ? kernels()->gelu_tanh_map
                 : state->kind == QUICK ? kernels()->swish_map
                                        : kernels()->gelu_map;
    op_like(op->out[0], op->in[0]);
    return op_want_type(op, 0, OP_TYPES_SHORT_REAL, err) &&
           op_attr_float(op, "alpha", &state->alpha[0], err) &&
           check_bias(op, err);
}

static float gelu(const struct gelu_state *state, float v)
{
    /* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)), without cancellation */
    if (state->kind == FAST)
        return v / (1 + expf(-2 * v * (0.7978845608F + 0.0356774081F * v * v)));
    if (state->kind == QUICK)
        return v / (1 + expf(-state->alpha[0] * v));
    return v * 0.5F * (1 + erff(v * 0.7071067812F));
}

/* --- float --- */

struct part {
    const struct gelu_state *state;
    const float *x, *bias;
    float *y;
    int64_t width; /* of the bias; 1 without */
};

/* Rows of `width` elements. */
static void run_rows(void *work, int64_t first, int64_t end)
{
    const struct part *part = work;
    int64_t width = part->width;
    const float *x = part->x + first * width;
    float *y = part->y + first * width;

    if (!part->bias) {
        part->state->map(x, y, (end - first) * width, part->state->alpha);
        return;
    }
    for (int64_t r = first; r < end; r++, x += width, y += width) {
        for (int64_t i = 0; i < width; i++)
            y[i] = x[i] + part->bias[i];
        part->state->map(y, y, width, part->state->alpha);
    }
}

static bool gelu_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct gelu_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;
    int64_t count = eng_tensor_count(op->in[0]);
    const void *x = op_in(op, frame, 0);
    const void *bias = op_has(op, 1) ? op_in(op, frame, 1) : NULL;
    int64_t width = bias ? op->in[1]->dims[0] : 1;

    (void)err;
    if (dtype == ENG_F32) {
        struct part part = {state, x, bias, op_out(op, frame, 0), width};

        op_spread(frame, width ? count / width : 0, 0.5 * (double)width,
                  run_rows, &part);
        return true;
    }
    for (int64_t i = 0; i < count; i++) {
        float v = op_real_at(dtype, x, i);

        if (bias)
            v += op_real_at(dtype, bias, i % width);
        v = gelu(state, v);
        op_real_store(dtype, &v, i, 1, op_out(op, frame, 0));
    }
    return true;
}

const struct op_impl op_bias_gelu = {.name = "bias_gelu",
                                     .in_min = 1,
                                     .in_max = 2,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .in_place = 1,
                                     .infer = gelu_infer,
                                     .run = gelu_run};
