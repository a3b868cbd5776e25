/*
 * BatchNormalization, opset 15: y = (x - mean) / sqrt(var + epsilon) * scale +
 *   bias, per channel
 *
 *   input   x          float or double [n, c, ...] (float16, bfloat16 as float)
 *           scale, bias, mean, var  type of x [c]
 *   output  y          type and shape of x
 *           running_mean, running_var  [c], with training_mode only
 *   attr    epsilon        float = 1e-5
 *           training_mode  int = 0; 1: mean and variance are those of x, and the
 *                          running ones become old * momentum + new * (1 -
 *                          momentum)
 *           momentum       float = 0.9
 *   errors  ERR_MODEL_INVALID: rank below 2, an input of another type or size
 *           ERR_MODEL_UNSUPPORTED: training outputs below opset 14, or without
 *           training_mode; spatial = 0
 *   source  ONNX operator list, BatchNormalization-15
 */
#include <math.h>

#include "moments.h"

struct batch_norm_state {
    int64_t batch, channels, inner;
    float epsilon, momentum;
    bool trains;
};

static bool check_form(const struct op_node *op,
                       const struct batch_norm_state *state, bool spatial,
                       struct error *err)
{
    const struct eng_tensor *x = op->in[0];

    if (!spatial)
        return fail(err, ERR_MODEL_UNSUPPORTED, "spatial = 0");
    if (op->out_count > 1 && !state->trains)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "training outputs without training_mode");
    if (op->out_count > 3)
        return fail(err, ERR_MODEL_INVALID, "%zu outputs", op->out_count);
    if (x->rank < 2)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected 2 or more",
                    x->rank);
    for (size_t i = 1; i < 5; i++) {
        if (op->in[i]->rank != 1 || op->in[i]->dims[0] != x->dims[1])
            return fail(err, ERR_MODEL_INVALID, "input %zu is not [%lld]", i,
                        (long long)x->dims[1]);
        if (!op_same_type(op, 0, i, err))
            return false;
    }
    return true;
}

static bool batch_norm_infer(struct op_node *op, struct error *err)
{
    struct batch_norm_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    bool spatial = true;

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    op->state = state;
    state->epsilon = 1e-5F;
    state->momentum = 0.9F;
    if (!op_attr_float(op, "epsilon", &state->epsilon, err) ||
        !op_attr_float(op, "momentum", &state->momentum, err) ||
        (op->node->version >= 14 &&
         !op_attr_bool(op, "training_mode", &state->trains, err)) ||
        (op->node->version < 9 &&
         !op_attr_bool(op, "spatial", &spatial, err)) ||
        !check_form(op, state, spatial, err))
        return false;
    state->batch = x->dims[0];
    state->channels = x->dims[1];
    state->inner = eng_shape_product(x, 2, x->rank);
    op_like(op->out[0], x);
    for (size_t i = 1; i < op->out_count; i++)
        op_like(op->out[i], op->in[i + 2]);
    return true;
}

static double real_at(enum eng_dtype dtype, const void *data, int64_t i)
{
    return dtype == ENG_F32 ? (double)((const float *)data)[i]
                            : ((const double *)data)[i];
}

static void set_real(enum eng_dtype dtype, void *data, int64_t i, double value)
{
    if (dtype == ENG_F32)
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

/* Of channel c over all images, put together from the images' own. */
static struct op_moments moments_of(const struct batch_norm_state *state,
                                    enum eng_dtype dtype, const char *x,
                                    int64_t c)
{
    struct op_moments all = {0, 0};
    size_t size = eng_dtype_size(dtype);

    for (int64_t n = 0; n < state->batch; n++) {
        int64_t at = (n * state->channels + c) * state->inner;
        struct op_moments one =
            op_moments_of(dtype, x + (size_t)at * size, state->inner);
        double delta = one.mean - all.mean, weight = 1 / (double)(n + 1);

        /* Chan et al.: n images of equal size and one more */
        all.variance += (one.variance - all.variance) * weight +
                        delta * delta * weight * (1 - weight);
        all.mean += delta * weight;
    }
    return all;
}

static void write_running(const struct op_node *op,
                          const struct op_frame *frame, int64_t c,
                          const struct op_moments *now)
{
    const struct batch_norm_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;
    double keep = (double)state->momentum;

    for (size_t i = 1; i < op->out_count; i++) {
        double old = real_at(dtype, op_in(op, frame, i + 2), c);
        double new = i == 1 ? now->mean : now->variance;

        set_real(dtype, op_out(op, frame, i), c, old * keep + new *(1 - keep));
    }
}

static void norm_channel(const struct op_node *op, const struct op_frame *frame,
                         int64_t c, const struct op_moments *m)
{
    const struct batch_norm_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;
    size_t size = eng_dtype_size(dtype);
    double factor = real_at(dtype, op_in(op, frame, 1), c) /
                    sqrt(m->variance + (double)state->epsilon);
    double shift = real_at(dtype, op_in(op, frame, 2), c) - m->mean * factor;
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    for (int64_t n = 0; n < state->batch; n++) {
        size_t at = (size_t)((n * state->channels + c) * state->inner) * size;

        op_scale_row(dtype, x + at, y + at, state->inner,
                     (const double[]){factor, shift});
    }
}

static bool batch_norm_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct batch_norm_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;

    (void)err;
    for (int64_t c = 0; c < state->channels; c++) {
        struct op_moments m = {real_at(dtype, op_in(op, frame, 3), c),
                               real_at(dtype, op_in(op, frame, 4), c)};

        if (state->trains) {
            m = moments_of(state, dtype, op_in(op, frame, 0), c);
            write_running(op, frame, c, &m);
        }
        norm_channel(op, frame, c, &m);
    }
    return true;
}

const struct op_impl op_batch_norm = {.name = "batch_norm",
                                      .in_min = 5,
                                      .in_max = 5,
                                      .out_min = 1,
                                      .out_max = 5,
                                      .flags = OP_WIDEN,
                                      .infer = batch_norm_infer,
                                      .run = batch_norm_run};
