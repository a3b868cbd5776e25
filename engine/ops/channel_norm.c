/*
 * InstanceNormalization-22, GroupNormalization-21: y = (x - mean) /
 *   sqrt(variance + epsilon) * scale + bias, mean and variance over the channels
 *   of a group and their elements; a group of InstanceNormalization is a channel
 *
 *   input   x      float or double [n, c, ...] (float16, bfloat16 as float)
 *           scale  type of x [c]; GroupNormalization below opset 21: [groups]
 *           bias   as scale
 *   output  y      type and shape of x; may share memory with x
 *   attr    epsilon     float = 1e-5
 *           num_groups  int, required by GroupNormalization; divides c
 *           stash_type  int = 1, GroupNormalization only: what it is computed in
 *   errors  ERR_MODEL_INVALID: rank below 3 (2 for groups), groups do not divide
 *           c, scale or bias of another type or size
 *   source  ONNX operator list
 */
#include <math.h>
#include <string.h>

#include "moments.h"

struct channel_norm_state {
    int64_t groups;   /* in all images */
    int64_t channels; /* of a group */
    int64_t inner;    /* elements of a channel */
    int64_t period;   /* groups of an image */
    bool per_group;   /* one scale for each group */
    float epsilon;
};

static bool read_groups(const struct op_node *op, int64_t channels,
                        int64_t *groups, struct error *err)
{
    int64_t stash = ENG_F32;

    *groups = channels;
    if (strcmp(op->node->op, "InstanceNormalization") == 0)
        return true;
    *groups = 0;
    if (!op_attr_int(op, "num_groups", groups, err) ||
        !op_attr_int(op, "stash_type", &stash, err))
        return false;
    if (*groups < 1 || channels % *groups)
        return fail(err, ERR_MODEL_INVALID, "%lld groups of %lld channels",
                    (long long)*groups, (long long)channels);
    return true;
}

static bool check_part(const struct op_node *op, size_t i, int64_t count,
                       struct error *err)
{
    if (op->in[i]->rank != 1 || op->in[i]->dims[0] != count)
        return fail(err, ERR_MODEL_INVALID, "input %zu is not [%lld]", i,
                    (long long)count);
    return op_same_type(op, 0, i, err);
}

static bool channel_norm_infer(struct op_node *op, struct error *err)
{
    struct channel_norm_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    int64_t parts;

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    op->state = state;
    state->epsilon = 1e-5F;
    op_like(op->out[0], x);
    if (x->rank < 2)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected 2 or more",
                    x->rank);
    if (!op_attr_float(op, "epsilon", &state->epsilon, err) ||
        !read_groups(op, x->dims[1], &state->period, err))
        return false;
    state->per_group = strcmp(op->node->op, "GroupNormalization") == 0 &&
                       op->node->version < 21;
    state->groups = x->dims[0] * state->period;
    state->channels = state->period ? x->dims[1] / state->period : 0;
    state->inner = eng_shape_product(x, 2, x->rank);
    parts = state->per_group ? state->period : x->dims[1];
    return check_part(op, 1, parts, err) && check_part(op, 2, parts, err);
}

static double real_at(enum eng_dtype dtype, const void *data, int64_t i)
{
    return dtype == ENG_F32 ? (double)((const float *)data)[i]
                            : ((const double *)data)[i];
}

static bool channel_norm_run(const struct op_node *op,
                             const struct op_frame *frame, struct error *err)
{
    const struct channel_norm_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;
    int64_t length = state->channels * state->inner;
    size_t bytes = (size_t)state->inner * eng_dtype_size(dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t g = 0; length && g < state->groups; g++) {
        struct op_moments m = op_moments_of(dtype, x, length);
        double inv = 1 / sqrt(m.variance + (double)state->epsilon);
        int64_t group = g % state->period;

        for (int64_t c = 0; c < state->channels; c++) {
            int64_t i = state->per_group ? group : group * state->channels + c;
            double factor = real_at(dtype, op_in(op, frame, 1), i) * inv;
            double shift =
                real_at(dtype, op_in(op, frame, 2), i) - m.mean * factor;

            op_scale_row(dtype, x, y, state->inner,
                         (const double[]){factor, shift});
            x += bytes;
            y += bytes;
        }
    }
    return true;
}

const struct op_impl op_channel_norm = {.name = "channel_norm",
                                        .in_min = 3,
                                        .in_max = 3,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .flags = OP_WIDEN,
                                        .in_place = 1,
                                        .infer = channel_norm_infer,
                                        .run = channel_norm_run};
