/*
 * Resize, opset 19: x at other sizes, by nearest, linear or cubic interpolation
 * Upsample, opset 9: the same, asymmetric and rounding down
 *
 *   input   x       float; nearest: any type [d0, ..., dn-1]
 *           roi     float [2n]; for tf_crop_and_resize only
 *           scales  float [n]   known while planning; one of the two
 *           sizes   int64 [n]   (opset 9, 10: input 1 is scales; below 9 they
 *                               are an attribute)
 *   output  y       [floor(d0 * scale0), ...] or sizes
 *   attr    mode = nearest; coordinate_transformation_mode = half_pixel;
 *           nearest_mode = round_prefer_floor; cubic_coeff_a = -0.75;
 *           exclude_outside = 0; extrapolation_value = 0; axes = all;
 *           antialias = 0, 1 widens the kernel where x shrinks;
 *           keep_aspect_ratio_policy = stretch, not_larger and not_smaller take
 *           one scale for all axes
 *   errors  ERR_MODEL_INVALID: lengths differ, a scale that is not above 0,
 *           Upsample from opset 10 on
 *   source  ONNX operator list, Resize-19. Dimensions are independent: each has
 *           a table of source places and weights per output place, and is done
 *           by itself
 */
#include <math.h>
#include <string.h>

#include "op.h"

/* Longest output dimension. */
static const double size_max = INT32_MAX;

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
enum policy { STRETCH, NOT_LARGER, NOT_SMALLER };

struct tap {
    int64_t *at;   /* [span] source places, inside the dimension */
    float *weight; /* [span] */
    bool outside;  /* the value is extrapolation_value */
};

struct axis {
    int64_t in, out;
    float scale;
    float roi_start, roi_end;
    struct tap *taps; /* [out]; NULL = the dimension stays as it is */
    int64_t span;     /* places of a tap */
};

struct resize_state {
    int mode, transform, rounding, policy;
    float cubic, extrapolation;
    bool exclude_outside, antialias;
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
    static const char *const policies[] = {"stretch", "not_larger",
                                           "not_smaller", NULL};

    state->cubic = -0.75F;
    if (op->node->version < 11) { /* Resize-10 says only how, not where */
        state->transform = ASYMMETRIC;
        state->rounding = FLOOR;
    }
    return op_attr_word(op, "mode", modes, &state->mode, err) &&
           op_attr_word(op, "coordinate_transformation_mode", transforms,
                        &state->transform, err) &&
           op_attr_word(op, "nearest_mode", roundings, &state->rounding, err) &&
           op_attr_word(op, "keep_aspect_ratio_policy", policies,
                        &state->policy, err) &&
           op_attr_float(op, "cubic_coeff_a", &state->cubic, err) &&
           op_attr_float(op, "extrapolation_value", &state->extrapolation,
                         err) &&
           op_attr_bool(op, "exclude_outside", &state->exclude_outside, err) &&
           op_attr_bool(op, "antialias", &state->antialias, err);
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

    if (!(scale > 0) || !(out <= size_max))
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

/* One scale for all `count` axes, so that none (or each) gets larger than its
 * size; a half rounds up. */
static bool keep_ratio(struct resize_state *state, const int64_t *axes,
                       size_t count, struct error *err)
{
    bool smallest = state->policy == NOT_LARGER;
    float scale = count ? state->axes[axes[0]].scale : 1;

    for (size_t i = 1; i < count; i++) {
        float other = state->axes[axes[i]].scale;

        if (smallest ? other < scale : other > scale)
            scale = other;
    }
    for (size_t i = 0; i < count; i++) {
        struct axis *axis = &state->axes[axes[i]];

        double out = floor((double)scale * (double)axis->in + 0.5);

        if (!(out <= size_max))
            return fail(err, ERR_MODEL_INVALID,
                        "scale %g of a dimension of %lld", (double)scale,
                        (long long)axis->in);
        axis->scale = scale;
        axis->out = (int64_t)out;
    }
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

static bool read_scales(const struct op_node *op, size_t want,
                        const float **scales, struct error *err)
{
    size_t count = 0;

    if (op->node->version >= 9)
        return known_floats(op, op->node->version < 11 ? 1 : 2, want, scales,
                            err);
    *scales = NULL;
    if (!op_attr_floats(op, "scales", scales, &count, err))
        return false;
    return count == want || fail(err, ERR_MODEL_INVALID,
                                 "%zu scales, expected %zu", count, want);
}

static bool read_sizes(const struct op_node *op, struct resize_state *state,
                       struct error *err)
{
    int64_t axes[ENG_RANK_MAX] = {0}, sizes[ENG_RANK_MAX] = {0};
    const float *scales, *roi = NULL;
    size_t count, size_count = 0;

    if (!read_axes(op, axes, &count, err) ||
        !read_scales(op, count, &scales, err) ||
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
    return scales || state->policy == STRETCH ||
           keep_ratio(state, axes, count, err);
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

/* Weight of a place at distance d: linear, or Keys' cubic convolution. */
static float kernel(const struct resize_state *state, float d)
{
    float a = state->cubic;

    if (state->mode == LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* How far the kernel is squeezed: it must reach over what x shrinks to. */
static float kernel_scale(const struct resize_state *state,
                          const struct axis *axis)
{
    return state->antialias && axis->scale < 1 ? axis->scale : 1;
}

/* The places around x, as many before as behind. */
static void mixed_tap(const struct resize_state *state, const struct axis *axis,
                      float x, struct tap *tap)
{
    bool norms = state->exclude_outside || state->antialias;
    int64_t base = (int64_t)floorf(x), first = 1 - axis->span / 2;
    float scale = kernel_scale(state, axis), sum = 0;

    for (int64_t i = 0; i < axis->span; i++) {
        int64_t at = base + first + i;
        float d = fabsf((float)(first + i) - (x - (float)base));

        tap->at[i] = inside(at, axis->in);
        tap->weight[i] = kernel(state, d * scale);
        if (state->exclude_outside && at != tap->at[i])
            tap->weight[i] = 0;
        sum += tap->weight[i];
    }
    for (int64_t i = 0; norms && sum != 0 && i < axis->span; i++)
        tap->weight[i] /= sum;
}

static void make_tap(const struct resize_state *state, const struct axis *axis,
                     int64_t at, struct tap *tap)
{
    float x = source_place(state, axis, at);

    /* A region far outside, or NaN, must not overflow the conversion below. */
    if (!(fabsf(x) < 1e9F))
        x = x > 0 ? 1e9F : -1e9F;
    tap->outside =
        state->transform == TF_CROP && (x < 0 || x > (float)(axis->in - 1));
    if (state->mode == NEAREST)
        tap->at[0] = inside(nearest_place(state->rounding, x), axis->in);
    else
        mixed_tap(state, axis, x, tap);
}

static int64_t span_of(const struct resize_state *state,
                       const struct axis *axis)
{
    double reach = state->mode == LINEAR ? 1 : 2;

    if (state->mode == NEAREST)
        return 1;
    return 2 * (int64_t)ceil(reach / (double)kernel_scale(state, axis));
}

/* A place lies in at most `in` others' reach: out * span stays below a few
 * times in + out, however small the scale is. */
static bool alloc_taps(struct op_node *op, struct axis *axis, struct error *err)
{
    size_t out = (size_t)axis->out, span, all;
    int64_t *at;
    float *weight;

    axis->span = span_of(op->state, axis);
    span = (size_t)axis->span;
    axis->taps = op_alloc(op, out * sizeof *axis->taps, err);
    if (__builtin_mul_overflow(out, span, &all) || all > SIZE_MAX / 64)
        return fail(err, ERR_MODEL_INVALID, "a kernel of %zu places", span);
    at = op_alloc(op, all * sizeof *at, err);
    weight = op_alloc(op, all * sizeof *weight, err);
    if (!axis->taps || !at || !weight)
        return false;
    for (size_t i = 0; i < out; i++) {
        axis->taps[i].at = at + i * span;
        axis->taps[i].weight = weight + i * span;
    }
    return true;
}

static bool make_taps(struct op_node *op, struct axis *axis, struct error *err)
{
    const struct resize_state *state = op->state;

    if (axis->out == axis->in && axis->scale == 1 &&
        state->transform != TF_CROP)
        return true;
    if (!alloc_taps(op, axis, err))
        return false;
    for (int64_t i = 0; axis->in && i < axis->out; i++)
        make_tap(state, axis, i, &axis->taps[i]);
    return true;
}

static bool resize_infer(struct op_node *op, struct error *err)
{
    struct resize_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];

    op->state = state;
    if (!state || !read_attrs(op, state, err))
        return false;
    if (strcmp(op->node->op, "Upsample") == 0 && op->node->version > 9)
        return fail(err, ERR_MODEL_INVALID, "opset 10 took Upsample away");
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
    return true;
}

/* The last dimension that changes; -1 = none does. */
static int last_axis(const struct resize_state *state, int rank)
{
    while (--rank >= 0) {
        if (state->axes[rank].taps)
            break;
    }
    return rank;
}

/* The largest tensor on the way from x to y, one dimension after the other. */
static bool resize_prepare(struct op_node *op, struct error *err)
{
    struct resize_state *state = op->state;
    struct eng_tensor step = *op->in[0];

    if (!eng_tensor_count(op->out[0]))
        return true;
    for (int i = 0; i < step.rank; i++) {
        size_t size;

        step.dims[i] = state->axes[i].out;
        size = eng_tensor_size(&step);
        if (size > SIZE_MAX / 4)
            return fail(err, ERR_MODEL_INVALID, "the output is too large");
        if (size > state->half)
            state->half = size;
        if (!make_taps(op, &state->axes[i], err))
            return false;
    }
    op->scratch_bytes = 2 * state->half;
    return true;
}

struct resize_step {
    const struct resize_state *state;
    const struct axis *axis;
    int64_t outer, inner;
    size_t size; /* bytes of an element */
};

/* One row of `inner` elements from the rows its taps name. */
static void mix_rows(const struct resize_step *step, const struct tap *tap,
                     const float *x, float *y)
{
    int64_t inner = step->inner;

    for (int64_t i = 0; i < inner; i++)
        y[i] = tap->outside ? step->state->extrapolation : 0;
    for (int64_t t = 0; !tap->outside && t < step->axis->span; t++) {
        const float *row = x + tap->at[t] * inner;
        float weight = tap->weight[t];

        for (int64_t i = 0; weight != 0 && i < inner; i++)
            y[i] += weight * row[i];
    }
}

/* The last axis: one element for each tap. */
static void mix_elements(const struct resize_step *step, const float *x,
                         float *y)
{
    const struct axis *axis = step->axis;

    for (int64_t i = 0; i < axis->out; i++) {
        const struct tap *tap = &axis->taps[i];
        float sum = 0;

        for (int64_t t = 0; t < axis->span; t++) {
            if (tap->weight[t] != 0)
                sum += tap->weight[t] * x[tap->at[t]];
        }
        y[i] = tap->outside ? step->state->extrapolation : sum;
    }
}

/* Nearest along the last axis: single elements, without a call for each. */
#define PICK(name, T)                                                          \
    static void name(const struct axis *axis, int64_t outer, const void *from, \
                     void *to)                                                 \
    {                                                                          \
        const int64_t *at = axis->taps[0].at;                                  \
        const T *x = from;                                                     \
        T *y = to;                                                             \
                                                                               \
        for (int64_t o = 0; o < outer; o++) {                                  \
            for (int64_t i = 0; i < axis->out; i++)                            \
                y[i] = x[at[i]];                                               \
            x += axis->in;                                                     \
            y += axis->out;                                                    \
        }                                                                      \
    }

PICK(pick_8, uint8_t)
PICK(pick_32, uint32_t)

static bool pick_elements(const struct resize_step *step, const char *x,
                          char *y)
{
    if (step->inner != 1 || step->state->mode != NEAREST ||
        step->state->transform == TF_CROP || !step->axis->out)
        return false;
    if (step->size == sizeof(uint8_t))
        pick_8(step->axis, step->outer, x, y);
    else if (step->size == sizeof(uint32_t))
        pick_32(step->axis, step->outer, x, y);
    else
        return false;
    return true;
}

static void resize_axis(const struct resize_step *step, const char *x, char *y)
{
    const struct axis *axis = step->axis;
    size_t row = (size_t)step->inner * step->size;
    bool mixes = step->state->mode != NEAREST;

    if (pick_elements(step, x, y))
        return;
    for (int64_t o = 0; o < step->outer; o++) {
        const char *plane = x + (size_t)(o * axis->in) * row;

        if (mixes && step->inner == 1) {
            mix_elements(step, (const float *)(const void *)plane,
                         (float *)(void *)y);
            y += (size_t)axis->out * row;
            continue;
        }
        for (int64_t i = 0; i < axis->out; i++, y += row) {
            const struct tap *tap = &axis->taps[i];

            if (mixes || (tap->outside && step->size == sizeof(float)))
                mix_rows(step, tap, (const float *)(const void *)plane,
                         (float *)(void *)y);
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

    int last = last_axis(state, shape.rank);

    (void)err;
    for (int i = 0; size && i <= last; i++) {
        const struct axis *axis = &state->axes[i];
        struct resize_step step = {state, axis, eng_shape_product(&shape, 0, i),
                                   eng_shape_product(&shape, i + 1, shape.rank),
                                   eng_dtype_size(shape.dtype)};

        if (!axis->taps)
            continue;
        if (i == last)
            next = op_out(op, frame, 0);
        resize_axis(&step, x, next);
        shape.dims[i] = axis->out;
        x = next;
        next = next == (char *)frame->scratch
                   ? (char *)frame->scratch + state->half
                   : (char *)frame->scratch;
    }
    if (size && last < 0)
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
