/*
 * Resize, opset 19: x at other sizes, by nearest, linear or cubic interpolation
 *
 *   input   x       float; nearest: any type [d0, ..., dn-1]
 *           roi     float [2n]; for tf_crop_and_resize only
 *           scales  float [n]   known while planning; one of the two
 *           sizes   int64 [n]   (opset 10: input 1 is scales)
 *   output  y       [floor(d0 * scale0), ...] or sizes
 *   attr    mode = nearest; coordinate_transformation_mode = half_pixel;
 *           nearest_mode = round_prefer_floor; cubic_coeff_a = -0.75;
 *           exclude_outside = 0; extrapolation_value = 0; axes = all
 *   errors  ERR_MODEL_INVALID: lengths differ, a scale that is not above 0
 *           ERR_MODEL_UNSUPPORTED: antialias, keep_aspect_ratio_policy other than
 *           stretch
 *   source  ONNX operator list, Resize-19. Dimensions are independent: each has
 *           a table of four source places and weights per output place, and is
 *           done by itself
 */
#include <math.h>
#include <string.h>

#include "op.h"

enum { TAPS = 4 };
enum mode { NEAREST, LINEAR, CUBIC };
enum transform {
    HALF_PIXEL,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    HALF_PIXEL_SYMMETRIC,
    TF_CROP
};
enum rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };

struct tap {
    int64_t at[TAPS];   /* source places, inside the dimension */
    float weight[TAPS]; /* 0 beyond the taps that count */
    bool outside;       /* the value is extrapolation_value */
};

struct axis {
    int64_t in, out;
    float scale;
    float roi_start, roi_end;
    struct tap *taps; /* [out]; NULL = the dimension stays as it is */
};

struct resize_state {
    int mode, transform, rounding;
    float cubic, extrapolation;
    bool exclude_outside;
    struct axis axes[ENG_RANK_MAX];
    size_t half; /* bytes of one of the two intermediate tensors */
};

static bool read_attrs(const struct op_node *op, struct resize_state *state,
                       struct error *err)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const transforms[] = {
        "half_pixel", "pytorch_half_pixel",   "align_corners",
        "asymmetric", "half_pixel_symmetric", "tf_crop_and_resize",
        NULL};
    static const char *const roundings[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    static const char *const policies[] = {"stretch", NULL};
    bool antialias = false;
    int policy = 0;

    state->cubic = -0.75F;
    if (op->node->version < 11) { /* Resize-10 says only how, not where */
        state->transform = ASYMMETRIC;
        state->rounding = FLOOR;
    }
    return op_attr_word(op, "mode", modes, &state->mode, err) &&
           op_attr_word(op, "coordinate_transformation_mode", transforms,
                        &state->transform, err) &&
           op_attr_word(op, "nearest_mode", roundings, &state->rounding, err) &&
           op_attr_word(op, "keep_aspect_ratio_policy", policies, &policy,
                        err) &&
           op_attr_float(op, "cubic_coeff_a", &state->cubic, err) &&
           op_attr_float(op, "extrapolation_value", &state->extrapolation,
                         err) &&
           op_attr_bool(op, "exclude_outside", &state->exclude_outside, err) &&
           op_attr_bool(op, "antialias", &antialias, err) &&
           (!antialias ||
            fail(err, ERR_MODEL_UNSUPPORTED, "antialias is not supported"));
}

/* Known float elements of input i; 0 if it is left out or empty. */
static bool known_floats(const struct op_node *op, size_t i, size_t want,
                         const float **list, struct error *err)
{
    int64_t count = op_has(op, i) ? eng_tensor_count(op->in[i]) : 0;

    *list = NULL;
    if (!count)
        return true;
    if (op->in[i]->dtype != ENG_F32)
        return fail(err, ERR_MODEL_UNSUPPORTED, "input %zu is %s", i,
                    eng_dtype_name(op->in[i]->dtype));
    if ((uint64_t)count != want || !op->in[i]->data)
        return fail(err, ERR_MODEL_INVALID,
                    "input %zu has %lld elements, expected %zu", i,
                    (long long)count, want);
    *list = op->in[i]->data;
    return true;
}

static bool scale_axis(struct axis *axis, float scale, struct error *err)
{
    double out = floor((double)axis->in * (double)scale);

    if (!(scale > 0) || !(out <= 2147483647.0))
        return fail(err, ERR_MODEL_INVALID, "scale %g of a dimension of %lld",
                    (double)scale, (long long)axis->in);
    axis->scale = scale;
    axis->out = (int64_t)out;
    return true;
}

static bool size_axis(struct axis *axis, int64_t size, struct error *err)
{
    if (size < 0 || size > INT32_MAX || (size && !axis->in))
        return fail(err, ERR_MODEL_INVALID, "size %lld of a dimension of %lld",
                    (long long)size, (long long)axis->in);
    axis->out = size;
    axis->scale = axis->in ? (float)size / (float)axis->in : 1;
    return true;
}

static bool read_axes(const struct op_node *op, int64_t axes[ENG_RANK_MAX],
                      size_t *count, struct error *err)
{
    const int64_t *list = NULL;
    int rank = op->in[0]->rank;
    uint32_t mask;

    *count = (size_t)rank;
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (!op_attr_ints(op, "axes", &list, count, err) ||
        (list && !op_axes(list, *count, rank, &mask, err)))
        return false;
    for (size_t i = 0; list && i < *count; i++)
        axes[i] = list[i] + (list[i] < 0 ? rank : 0);
    return true;
}

static bool read_sizes(const struct op_node *op, struct resize_state *state,
                       struct error *err)
{
    size_t scales_at = op->node->version < 11 ? 1 : 2;
    int64_t axes[ENG_RANK_MAX] = {0}, sizes[ENG_RANK_MAX] = {0};
    const float *scales, *roi = NULL;
    size_t count, size_count = 0;

    if (!read_axes(op, axes, &count, err) ||
        !known_floats(op, scales_at, count, &scales, err) ||
        (state->transform == TF_CROP &&
         !known_floats(op, 1, 2 * count, &roi, err)))
        return false;
    if (!scales && op_has(op, 3) &&
        !op_known_ints(op, 3, sizes, ENG_RANK_MAX, &size_count, err))
        return false;
    if (!scales && size_count != count)
        return fail(err, ERR_MODEL_INVALID, "neither scales nor sizes fit");
    for (size_t i = 0; i < count; i++) {
        struct axis *axis = &state->axes[axes[i]];

        if (scales ? !scale_axis(axis, scales[i], err)
                   : !size_axis(axis, sizes[i], err))
            return false;
        axis->roi_start = roi ? roi[i] : 0;
        axis->roi_end = roi ? roi[count + i] : 1;
    }
    return true;
}

/* Where output place `at` lies in the source. */
static float source_place(const struct resize_state *state,
                          const struct axis *axis, int64_t at)
{
    float x = (float)at, in = (float)axis->in, out = (float)axis->out;
    float exact = in * axis->scale; /* before it was cut to whole places */

    switch (state->transform) {
    case PYTORCH_HALF_PIXEL:
        return out > 1 ? (x + 0.5F) / axis->scale - 0.5F : 0;
    case ALIGN_CORNERS:
        return exact > 1 ? x * (in - 1) / (exact - 1) : 0;
    case ASYMMETRIC:
        return x / axis->scale;
    case HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - out / exact) + (x + 0.5F) / axis->scale - 0.5F;
    case TF_CROP:
        return out > 1 ? axis->roi_start * (in - 1) +
                             x * (axis->roi_end - axis->roi_start) * (in - 1) /
                                 (out - 1)
                       : 0.5F * (axis->roi_start + axis->roi_end) * (in - 1);
    default:
        return (x + 0.5F) / axis->scale - 0.5F;
    }
}

static int64_t nearest_place(int rounding, float x)
{
    switch (rounding) {
    case PREFER_CEIL:
        return (int64_t)floorf(x + 0.5F);
    case FLOOR:
        return (int64_t)floorf(x);
    case CEIL:
        return (int64_t)ceilf(x);
    default: /* a half goes down */
        return (int64_t)ceilf(x - 0.5F);
    }
}

static int64_t inside(int64_t at, int64_t size)
{
    return at < 0 ? 0 : at >= size ? size - 1 : at;
}

/* Keys' cubic convolution: weights of the places -1, 0, 1, 2 around x. */
static void cubic_weights(float a, float t, float weight[TAPS])
{
    for (int i = 0; i < TAPS; i++) {
        float d = fabsf(t - (float)(i - 1));

        if (d <= 1)
            weight[i] = ((a + 2) * d - (a + 3)) * d * d + 1;
        else
            weight[i] = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

static void cubic_tap(const struct resize_state *state, const struct axis *axis,
                      float x, struct tap *tap)
{
    int64_t base = (int64_t)floorf(x);
    float sum = 0;

    cubic_weights(state->cubic, x - (float)base, tap->weight);
    for (int i = 0; i < TAPS; i++) {
        int64_t at = base - 1 + i;

        tap->at[i] = inside(at, axis->in);
        if (state->exclude_outside && at != tap->at[i])
            tap->weight[i] = 0;
        sum += tap->weight[i];
    }
    for (int i = 0; state->exclude_outside && sum != 0 && i < TAPS; i++)
        tap->weight[i] /= sum;
}

static void make_tap(const struct resize_state *state, const struct axis *axis,
                     int64_t at, struct tap *tap)
{
    float x = source_place(state, axis, at);

    /* A region far outside, or NaN, must not overflow the conversion below. */
    if (!(fabsf(x) < 1e9F))
        x = x > 0 ? 1e9F : -1e9F;
    *tap = (struct tap){.weight = {1}};
    tap->outside =
        state->transform == TF_CROP && (x < 0 || x > (float)(axis->in - 1));
    if (state->mode == NEAREST) {
        tap->at[0] = inside(nearest_place(state->rounding, x), axis->in);
    } else if (state->mode == LINEAR) {
        int64_t base = (int64_t)floorf(x);

        tap->at[0] = inside(base, axis->in);
        tap->at[1] = inside(base + 1, axis->in);
        tap->weight[1] = x - (float)base;
        tap->weight[0] = 1 - tap->weight[1];
    } else {
        cubic_tap(state, axis, x, tap);
    }
}

static bool make_taps(struct op_node *op, struct axis *axis, struct error *err)
{
    const struct resize_state *state = op->state;

    if (axis->out == axis->in && axis->scale == 1 &&
        state->transform != TF_CROP)
        return true;
    axis->taps = op_alloc(op, (size_t)axis->out * sizeof *axis->taps, err);
    for (int64_t i = 0; axis->taps && axis->in && i < axis->out; i++)
        make_tap(state, axis, i, &axis->taps[i]);
    return axis->taps != NULL;
}

static bool resize_infer(struct op_node *op, struct error *err)
{
    struct resize_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];

    op->state = state;
    if (!state || !read_attrs(op, state, err))
        return false;
    if (state->mode != NEAREST && !op_want_type(op, 0, OP_TYPE(ENG_F32), err))
        return false;
    for (int i = 0; i < x->rank; i++)
        state->axes[i] =
            (struct axis){.in = x->dims[i], .out = x->dims[i], .scale = 1};
    if (!read_sizes(op, state, err))
        return false;
    op_like(op->out[0], x);
    for (int i = 0; i < x->rank; i++)
        op->out[0]->dims[i] = state->axes[i].out;
    for (int i = 0; i < x->rank; i++) {
        if (eng_tensor_size(op->out[0]) < SIZE_MAX / 2 &&
            !make_taps(op, &state->axes[i], err))
            return false;
    }
    return true;
}

/* The largest tensor on the way from x to y, one dimension after the other. */
static bool resize_prepare(struct op_node *op, struct error *err)
{
    struct resize_state *state = op->state;
    struct eng_tensor step = *op->in[0];

    for (int i = 0; i < step.rank; i++) {
        size_t size;

        step.dims[i] = state->axes[i].out;
        size = eng_tensor_size(&step);
        if (size > SIZE_MAX / 4)
            return fail(err, ERR_MODEL_INVALID, "the output is too large");
        if (size > state->half)
            state->half = size;
    }
    op->scratch_bytes = 2 * state->half;
    return true;
}

/* One row of `inner` elements from the rows its taps name. */
static void mix_rows(const struct resize_state *state, const struct tap *tap,
                     const float *x, float *y, int64_t inner)
{
    for (int64_t i = 0; i < inner; i++) {
        float sum = 0;

        for (int t = 0; t < TAPS; t++) {
            if (tap->weight[t] != 0)
                sum += tap->weight[t] * x[tap->at[t] * inner + i];
        }
        y[i] = tap->outside ? state->extrapolation : sum;
    }
}

struct resize_step {
    const struct resize_state *state;
    const struct axis *axis;
    int64_t outer, inner;
    size_t size; /* bytes of an element */
};

static void resize_axis(const struct resize_step *step, const char *x, char *y)
{
    const struct axis *axis = step->axis;
    size_t row = (size_t)step->inner * step->size;
    bool mixes = step->state->mode != NEAREST;

    for (int64_t o = 0; o < step->outer; o++) {
        const char *plane = x + (size_t)(o * axis->in) * row;

        for (int64_t i = 0; i < axis->out; i++, y += row) {
            const struct tap *tap = &axis->taps[i];

            if (mixes || (tap->outside && step->size == sizeof(float)))
                mix_rows(step->state, tap, (const float *)(const void *)plane,
                         (float *)(void *)y, step->inner);
            else
                memcpy(y, plane + (size_t)tap->at[0] * row, row);
        }
    }
}

static bool resize_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct resize_state *state = op->state;
    struct eng_tensor shape = *op->in[0];
    const char *x = op_in(op, frame, 0);
    char *next = frame->scratch;
    size_t size = eng_tensor_size(op->out[0]);

    (void)err;
    for (int i = 0; size && i < shape.rank; i++) {
        const struct axis *axis = &state->axes[i];
        struct resize_step step = {state, axis, eng_shape_product(&shape, 0, i),
                                   eng_shape_product(&shape, i + 1, shape.rank),
                                   eng_dtype_size(shape.dtype)};

        if (!axis->taps)
            continue;
        resize_axis(&step, x, next);
        shape.dims[i] = axis->out;
        x = next;
        next = next == (char *)frame->scratch
                   ? (char *)frame->scratch + state->half
                   : (char *)frame->scratch;
    }
    if (size)
        memcpy(op_out(op, frame, 0), x, size);
    return true;
}

const struct op_impl op_resize = {.name = "resize",
                                  .in_min = 1,
                                  .in_max = 4,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_WIDEN,
                                  .value_inputs = 0xe,
                                  .infer = resize_infer,
                                  .prepare = resize_prepare,
                                  .run = resize_run};
