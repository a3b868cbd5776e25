/*
 * ReduceSum-13 ReduceMean-18 ReduceMax-20 ReduceMin-20 ReduceProd-18: y = f over
 *   axes of x
 * ReduceL1-18: sum(|x|), ReduceL2-18: sqrt(sum(x^2)), ReduceSumSquare-18,
 * ReduceLogSum-18: log(sum(x)),
 * ReduceLogSumExp-18: m + log(sum(exp(x - m))), m = max(x)
 *
 *   input   x     float, double, 32 and 64 bit integers; Max and Min also 8 bit
 *                 and bool; the Logs only float and double (float16, bfloat16 as
 *                 float)
 *           axes  int [m] = all, known while planning (older opsets: an
 *                 attribute)
 *   output  y     dimensions of the axes are 1, or gone
 *   attr    keepdims              int = 1
 *           noop_with_empty_axes  int = 0: no axes = y is x
 *   errors  ERR_MODEL_INVALID: axis outside or twice
 *   source  ONNX operator list; over nothing: 0, 1 for Prod, or the type's lowest
 *           / highest; m keeps exp from overflowing
 *   check   float sums in 16 partial sums: within 1e-6 relative of double
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "clones.h"
#include "walk.h"

enum { LANES = 16, ACROSS_MIN = 4 };

#define T          float
#define ADD(q, v)  ((q) + (v))
#define MUL(q, v)  ((q) * (v))
#define ABS(v)     fabsf(v)
#define NAME(kind) kind##_f32
#define LOWEST     (-INFINITY)
#define HIGHEST    INFINITY
#include "reduce_rows.inc"
#define T          double
#define ADD(q, v)  ((q) + (v))
#define MUL(q, v)  ((q) * (v))
#define ABS(v)     fabs(v)
#define NAME(kind) kind##_f64
#define LOWEST     ((double)-INFINITY)
#define HIGHEST    ((double)INFINITY)
#include "reduce_rows.inc"
#define T          int32_t
#define ADD(q, v)  ((uint32_t)(q) + (uint32_t)(v))
#define MUL(q, v)  ((uint32_t)(q) * (uint32_t)(v))
#define ABS(v)     ((v) < 0 ? 0 - (uint32_t)(v) : (uint32_t)(v))
#define NAME(kind) kind##_i32
#define LOWEST     INT32_MIN
#define HIGHEST    INT32_MAX
#include "reduce_rows.inc"
#define T          int64_t
#define ADD(q, v)  ((uint64_t)(q) + (uint64_t)(v))
#define MUL(q, v)  ((uint64_t)(q) * (uint64_t)(v))
#define ABS(v)     ((v) < 0 ? 0 - (uint64_t)(v) : (uint64_t)(v))
#define NAME(kind) kind##_i64
#define LOWEST     INT64_MIN
#define HIGHEST    INT64_MAX
#include "reduce_rows.inc"
#define T          uint32_t
#define ADD(q, v)  ((q) + (v))
#define MUL(q, v)  ((q) * (v))
#define ABS(v)     (v)
#define NAME(kind) kind##_u32
#define LOWEST     0
#define HIGHEST    UINT32_MAX
#include "reduce_rows.inc"
#define T          uint64_t
#define ADD(q, v)  ((q) + (v))
#define MUL(q, v)  ((q) * (v))
#define ABS(v)     (v)
#define NAME(kind) kind##_u64
#define LOWEST     0
#define HIGHEST    UINT64_MAX
#include "reduce_rows.inc"
#define T          int8_t
#define NAME(kind) kind##_i8
#define LOWEST     INT8_MIN
#define HIGHEST    INT8_MAX
#include "reduce_rows.inc"
#define T          uint8_t
#define NAME(kind) kind##_u8
#define LOWEST     0
#define HIGHEST    UINT8_MAX
#include "reduce_rows.inc"
/* bool: a byte of 0 or 1 */
#define T          uint8_t
#define NAME(kind) kind##_bool
#define LOWEST     0
#define HIGHEST    1
#include "reduce_rows.inc"

/* Takes `count` elements into *result. */
typedef void (*reduce_row_fn)(const void *data, int64_t step, int64_t count,
                              void *result);
typedef void (*reduce_start_fn)(void *result);
/* Takes element i into result i. */
typedef void (*reduce_across_fn)(const void *data, void *result, int64_t count);

struct reduce_fns {
    reduce_row_fn row;
    reduce_start_fn start;
    reduce_across_fn across;
};

enum { TYPE_SLOTS = ENG_BF16 + 1 };

#define FNS(kind, type)                                                        \
    {                                                                          \
        kind##_##type, kind##_start_##type, kind##_across_##type               \
    }
#define ALL_TYPES(kind)                                                        \
    [ENG_F32] = FNS(kind, f32), [ENG_F64] = FNS(kind, f64),                    \
    [ENG_I32] = FNS(kind, i32), [ENG_I64] = FNS(kind, i64),                    \
    [ENG_U32] = FNS(kind, u32), [ENG_U64] = FNS(kind, u64)
#define BYTE_TYPES(kind)                                                       \
    [ENG_I8] = FNS(kind, i8), [ENG_U8] = FNS(kind, u8),                        \
    [ENG_BOOL] = FNS(kind, bool)
#define FLOAT_TYPES(kind) [ENG_F32] = FNS(kind, f32), [ENG_F64] = FNS(kind, f64)

/* What becomes of a finished result. */
enum reduce_finish { KEEP, DIVIDE, ROOT, LOGARITHM, SUM_EXP };

static const struct reduce_kind {
    const char *name;
    enum reduce_finish finish;
    struct reduce_fns fns[TYPE_SLOTS]; /* by dtype */
} kinds[] = {
    {"ReduceSum", KEEP, {ALL_TYPES(sum)}},
    {"ReduceMean", DIVIDE, {ALL_TYPES(sum)}},
    {"ReduceMax", KEEP, {ALL_TYPES(max), BYTE_TYPES(max)}},
    {"ReduceMin", KEEP, {ALL_TYPES(min), BYTE_TYPES(min)}},
    {"ReduceProd", KEEP, {ALL_TYPES(product)}},
    {"ReduceL1", KEEP, {ALL_TYPES(sum_abs)}},
    {"ReduceL2", ROOT, {ALL_TYPES(sum_square)}},
    {"ReduceSumSquare", KEEP, {ALL_TYPES(sum_square)}},
    {"ReduceLogSum", LOGARITHM, {FLOAT_TYPES(sum)}},
    {"ReduceLogSumExp", SUM_EXP, {FLOAT_TYPES(max)}},
};

struct reduce_state {
    struct reduce_fns fns;
    struct op_walk kept;    /* over the elements of y; operand 0 is x */
    struct op_walk reduced; /* over what one element of y takes in */
    enum reduce_finish finish;
    int64_t divisor; /* elements of x in one of y */
};

static bool read_axes(const struct op_node *op, uint32_t *mask,
                      struct error *err)
{
    int64_t known[ENG_RANK_MAX];
    const int64_t *axes = NULL;
    size_t count = 0;
    bool no_op = false;
    int rank = op->in[0]->rank;

    if (op_has(op, 1)) {
        if (!op_known_ints(op, 1, known, ENG_RANK_MAX, &count, err))
            return false;
        axes = known;
    } else if (!op_attr_ints(op, "axes", &axes, &count, err)) {
        return false;
    }
    if (!op_attr_bool(op, "noop_with_empty_axes", &no_op, err) ||
        !op_axes(axes, count, rank, mask, err))
        return false;
    if (!count && !no_op)
        *mask = (1U << rank) - 1;
    return true;
}

/* One walk over the kept dimensions, one over the others. */
static void make_walks(struct op_node *op, uint32_t mask)
{
    struct reduce_state *state = op->state;
    const struct eng_tensor *x = op->in[0];
    int64_t from[ENG_RANK_MAX], dims[2][ENG_RANK_MAX];
    int64_t steps[2][1][ENG_RANK_MAX];
    int rank[2] = {0, 0};

    op_steps(x, from);
    for (int i = 0; i < x->rank; i++) {
        int part = (int)(mask >> i & 1);

        dims[part][rank[part]] = x->dims[i];
        steps[part][0][rank[part]++] = from[i];
    }
    op_walk_make(&state->kept, rank[0], dims[0], 1, steps[0]);
    op_walk_make(&state->reduced, rank[1], dims[1], 1, steps[1]);
}

static bool find_fns(struct op_node *op, struct error *err)
{
    struct reduce_state *state = op->state;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, op->node->op) == 0) {
            state->fns = kinds[i].fns[op->in[0]->dtype];
            state->finish = kinds[i].finish;
        }
    }
    return state->fns.row || op_want_type(op, 0, 0, err);
}

static bool reduce_infer(struct op_node *op, struct error *err)
{
    struct reduce_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];
    bool keep = true;
    uint32_t mask;

    op->state = state;
    if (!state || !find_fns(op, err) ||
        !op_attr_bool(op, "keepdims", &keep, err) || !read_axes(op, &mask, err))
        return false;
    y->dtype = x->dtype;
    y->rank = 0;
    state->divisor = 1;
    for (int i = 0; i < x->rank; i++) {
        bool gone = mask >> i & 1;

        if (gone)
            state->divisor *= x->dims[i];
        if (!gone || keep)
            y->dims[y->rank++] = gone ? 1 : x->dims[i];
    }
    make_walks(op, mask);
    return true;
}

#define FINISH_FLOAT(name, T, SQRT, LOG)                                       \
    static void name(const struct reduce_state *state, T *y)                   \
    {                                                                          \
        if (state->finish == DIVIDE)                                           \
            *y /= (T)state->divisor;                                           \
        else if (state->finish == ROOT)                                        \
            *y = SQRT(*y);                                                     \
        else if (state->finish == LOGARITHM)                                   \
            *y = LOG(*y);                                                      \
    }
/* W: wide enough for the divisor. A sum that wrapped has no root. */
#define FINISH_INT(name, T, W)                                                 \
    static void name(const struct reduce_state *state, T *y)                   \
    {                                                                          \
        if (state->finish == DIVIDE && state->divisor > 1)                     \
            *y = (T)((W)*y / (W)state->divisor);                               \
        else if (state->finish == ROOT)                                        \
            *y = *y > 0 ? (T)sqrt((double)*y) : 0;                             \
    }

FINISH_FLOAT(finish_f32, float, sqrtf, logf)
FINISH_FLOAT(finish_f64, double, sqrt, log)
FINISH_INT(finish_i32, int32_t, int64_t)
FINISH_INT(finish_i64, int64_t, int64_t)
FINISH_INT(finish_u32, uint32_t, uint64_t)
FINISH_INT(finish_u64, uint64_t, uint64_t)

static void finish(const struct reduce_state *state, enum eng_dtype dtype,
                   void *y)
{
    if (dtype == ENG_F32)
        finish_f32(state, y);
    else if (dtype == ENG_F64)
        finish_f64(state, y);
    else if (dtype == ENG_I32)
        finish_i32(state, y);
    else if (dtype == ENG_I64)
        finish_i64(state, y);
    else if (dtype == ENG_U32)
        finish_u32(state, y);
    else if (dtype == ENG_U64)
        finish_u64(state, y);
}

/* *y holds the maximum; an infinite one is not taken off. */
#define SUM_EXP_OF(name, T, EXP, LOG)                                          \
    static void name(const struct op_walk *walk, const T *x, T *y)             \
    {                                                                          \
        T top = isfinite(*y) ? *y : 0, sum = 0;                                \
        struct op_place at;                                                    \
                                                                               \
        for (bool more = op_walk_first(walk, &at); more;                       \
             more = op_walk_next(walk, &at)) {                                 \
            for (int64_t i = 0; i < walk->inner; i++)                          \
                sum += EXP(x[at.offset[0] + i * walk->inner_step[0]] - top);   \
        }                                                                      \
        *y = top + LOG(sum);                                                   \
    }

SUM_EXP_OF(sum_exp_f32, float, expf, logf)
SUM_EXP_OF(sum_exp_f64, double, exp, log)

static void reduce_one(const struct reduce_state *state, enum eng_dtype dtype,
                       const char *x, void *result)
{
    int64_t size = (int64_t)eng_dtype_size(dtype);
    const struct op_walk *walk = &state->reduced;
    struct op_place at;

    state->fns.start(result);
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at))
        state->fns.row(x + at.offset[0] * size, walk->inner_step[0],
                       walk->inner, result);
    if (state->finish != SUM_EXP)
        finish(state, dtype, result);
    else if (dtype == ENG_F32)
        sum_exp_f32(walk, (const float *)(const void *)x, result);
    else
        sum_exp_f64(walk, (const double *)(const void *)x, result);
}

/* y's elements lie side by side in x: whole rows are taken in. */
static bool goes_across(const struct reduce_state *state)
{
    return state->finish != SUM_EXP && state->kept.inner_step[0] == 1 &&
           state->kept.inner >= ACROSS_MIN;
}

/* A row of y. */
static void reduce_across(const struct reduce_state *state,
                          enum eng_dtype dtype, const char *x, char *y)
{
    int64_t size = (int64_t)eng_dtype_size(dtype), count = state->kept.inner;
    const struct op_walk *walk = &state->reduced;
    struct op_place at;

    for (int64_t i = 0; i < count; i++)
        state->fns.start(y + i * size);
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        for (int64_t i = 0; i < walk->inner; i++)
            state->fns.across(
                x + (at.offset[0] + i * walk->inner_step[0]) * size, y, count);
    }
    for (int64_t i = 0; i < count; i++)
        finish(state, dtype, y + i * size);
}

static bool reduce_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct reduce_state *state = op->state;
    const struct op_walk *walk = &state->kept;
    int64_t size = (int64_t)eng_dtype_size(op->out[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);
    bool across = goes_across(state);
    struct op_place at;

    (void)err;
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        const char *row = x + at.offset[0] * size;

        if (across) {
            reduce_across(state, op->in[0]->dtype, row, y);
            y += walk->inner * size;
            continue;
        }
        for (int64_t i = 0; i < walk->inner; i++, y += size)
            reduce_one(state, op->in[0]->dtype,
                       row + i * walk->inner_step[0] * size, y);
    }
    return true;
}

const struct op_impl op_reduce = {.name = "reduce",
                                  .in_min = 1,
                                  .in_max = 2,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_WIDEN,
                                  .value_inputs = 2,
                                  .infer = reduce_infer,
                                  .run = reduce_run};
