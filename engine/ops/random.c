/*
 * RandomUniform, RandomUniformLike, opset 1: y = numbers from [low, high)
 * RandomNormal, RandomNormalLike, opset 1:   y = mean + scale times numbers from
 *                                            a normal distribution
 *
 *   input   x      any type; only its shape counts, and only for ...Like
 *   output  y      float, double, float16 or bfloat16
 *   attr    shape  ints, required without x
 *           dtype  int = 1 (float); with x: the type of x
 *           low, high float = 0, 1; mean, scale float = 0, 1
 *           seed   float: the same numbers in every run; left out = others each
 *                  time, from the clock
 *   errors  ERR_MODEL_INVALID: no shape, or one below 0
 *           ERR_MODEL_UNSUPPORTED: another type
 *   source  ONNX operator list; the generator is SplitMix64, normal numbers
 *           come from the Box-Muller transform
 */
#include <math.h>
#include <string.h>

#include "cast.h"
#include "clock.h"

struct random_state {
    bool is_normal, has_seed;
    uint64_t seed;
    float low, high, mean, scale;
};

static bool read_shape(struct op_node *op, struct error *err)
{
    const int64_t *dims = NULL;
    size_t count = 0;

    if (op_has(op, 0)) {
        op_like(op->out[0], op->in[0]);
        return true;
    }
    if (!op_attr_ints(op, "shape", &dims, &count, err))
        return false;
    if (!op_attr(op, "shape") || count > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_INVALID, "no shape, or rank %zu", count);
    eng_shape_set(op->out[0], (int)count, dims);
    return eng_tensor_count(op->out[0]) >= 0 ||
           fail(err, ERR_MODEL_INVALID, "the shape is impossible");
}

static bool random_infer(struct op_node *op, struct error *err)
{
    enum { TYPES = OP_TYPES_REAL | OP_TYPE(ENG_F16) | OP_TYPE(ENG_BF16) };
    struct random_state *state = op_alloc(op, sizeof *state, err);
    bool is_like = strstr(op->node->op, "Like") != NULL;
    int64_t dtype =
        is_like && op_has(op, 0) ? (int64_t)op->in[0]->dtype : (int64_t)ENG_F32;
    float seed = 0;

    op->state = state;
    if (!state)
        return false;
    state->is_normal = strncmp(op->node->op, "RandomNormal", 12) == 0;
    state->has_seed = op_attr(op, "seed") != NULL;
    state->high = state->scale = 1;
    if (is_like != op_has(op, 0))
        return fail(err, ERR_MODEL_INVALID, "%zu inputs", op->in_count);
    if (!op_attr_int(op, "dtype", &dtype, err) ||
        !op_attr_float(op, "seed", &seed, err) ||
        !op_attr_float(op, "low", &state->low, err) ||
        !op_attr_float(op, "high", &state->high, err) ||
        !op_attr_float(op, "mean", &state->mean, err) ||
        !op_attr_float(op, "scale", &state->scale, err) || !read_shape(op, err))
        return false;
    memcpy(&state->seed, &seed, sizeof seed);
    if (dtype < 0 || dtype > ENG_BF16 || !(TYPES >> dtype & 1))
        return fail(err, ERR_MODEL_UNSUPPORTED, "type %lld", (long long)dtype);
    op->out[0]->dtype = (enum eng_dtype)dtype;
    return true;
}

static uint64_t next_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* From [0, 1). */
static double next_unit(uint64_t *state)
{
    return (double)(next_bits(state) >> 11) * 0x1p-53;
}

static double next_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(1 - next_unit(state)));

    return radius * cos(6.283185307179586 * next_unit(state));
}

static bool random_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct random_state *state = op->state;
    enum eng_dtype dtype = op->out[0]->dtype;
    size_t size = eng_dtype_size(dtype);
    char *y = op_out(op, frame, 0);
    int64_t count = eng_tensor_count(op->out[0]);
    /* Two runs at the same time lie at different addresses. */
    uint64_t bits = state->has_seed
                        ? state->seed
                        : clock_now_ns() ^ (uint64_t)(uintptr_t)y << 20;

    (void)err;
    for (int64_t i = 0; i < count; i++) {
        double value = state->is_normal
                           ? (double)state->mean +
                                 (double)state->scale * next_normal(&bits)
                           : (double)state->low +
                                 ((double)state->high - (double)state->low) *
                                     next_unit(&bits);

        op_cast_find(ENG_F64, dtype)(&value, y + (size_t)i * size, 1);
    }
    return true;
}

const struct op_impl op_random = {.name = "random",
                                  .in_max = 1,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_RANDOM,
                                  .infer = random_infer,
                                  .run = random_run};
