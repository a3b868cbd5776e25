/*
 * ReduceSum-13 ReduceMean-18 ReduceMax-20 ReduceMin-20: y = f over axes of x
 *
 *   input   x     float, double, int32, int64; Max and Min also 8 bit integers
 *           axes  int [m] = all, known while planning (older opsets: an
 *                 attribute)
 *   output  y     dimensions of the axes are 1, or gone
 *   attr    keepdims              int = 1
 *           noop_with_empty_axes  int = 0: no axes = y is x
 *   errors  ERR_MODEL_INVALID: axis outside or twice
 *   source  ONNX operator list; over nothing: 0, or the type's lowest / highest
 *   check   float sums in 16 partial sums: within 1e-6 relative of double
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "clones.h"
#include "walk.h"

enum { LANES = 16 };

#define T          float
#define ADD(q, v)  ((q) + (v))
#define NAME(kind) kind##_f32
#define LOWEST     (-INFINITY)
#define HIGHEST    INFINITY
#include "reduce_rows.inc"
#define T          double
#define ADD(q, v)  ((q) + (v))
#define NAME(kind) kind##_f64
#define LOWEST     ((double)-INFINITY)
#define HIGHEST    ((double)INFINITY)
#include "reduce_rows.inc"
#define T          int32_t
#define ADD(q, v)  ((uint32_t)(q) + (uint32_t)(v))
#define NAME(kind) kind##_i32
#define LOWEST     INT32_MIN
#define HIGHEST    INT32_MAX
#include "reduce_rows.inc"
#define T          int64_t
#define ADD(q, v)  ((uint64_t)(q) + (uint64_t)(v))
#define NAME(kind) kind##_i64
#define LOWEST     INT64_MIN
#define HIGHEST    INT64_MAX
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

/* Takes `count` elements into *result. */
typedef void (*reduce_row_fn)(const void *data, int64_t step, int64_t count,
                              void *result);
typedef void (*reduce_start_fn)(void *result);

struct reduce_fns {
    reduce_row_fn row;
    reduce_start_fn start;
};

enum { TYPE_SLOTS = ENG_BF16 + 1 };

#define ALL_TYPES(kind)                                                        \
    [ENG_F32] = {kind##_f32, kind##_start_f32},                                \
    [ENG_F64] = {kind##_f64, kind##_start_f64},                                \
    [ENG_I32] = {kind##_i32, kind##_start_i32},                                \
    [ENG_I64] = {kind##_i64, kind##_start_i64}
#define BYTE_TYPES(kind)                                                       \
    [ENG_I8] = {kind##_i8, kind##_start_i8}, [ENG_U8] = {kind##_u8,            \
                                                         kind##_start_u8}

static const struct reduce_kind {
    const char *name;
    struct reduce_fns fns[TYPE_SLOTS]; /* by dtype */
} kinds[] = {
    {"ReduceSum", {ALL_TYPES(sum)}},
    {"ReduceMean", {ALL_TYPES(sum)}},
    {"ReduceMax", {ALL_TYPES(max), BYTE_TYPES(max)}},
    {"ReduceMin", {ALL_TYPES(min), BYTE_TYPES(min)}},
};

struct reduce_state {
    struct reduce_fns fns;
    struct op_walk kept;    /* over the elements of y; operand 0 is x */
    struct op_walk reduced; /* over what one element of y takes in */
    int64_t divisor;        /* of ReduceMean; 1 otherwise */
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
        if (strcmp(kinds[i].name, op->node->op) == 0)
            state->fns = kinds[i].fns[op->in[0]->dtype];
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

        if (gone && strcmp(op->node->op, "ReduceMean") == 0)
            state->divisor *= x->dims[i];
        if (!gone || keep)
            y->dims[y->rank++] = gone ? 1 : x->dims[i];
    }
    make_walks(op, mask);
    return true;
}

static void divide(enum eng_dtype dtype, void *y, int64_t count,
                   int64_t divisor)
{
    for (int64_t i = 0; i < count; i++) {
        if (dtype == ENG_F32)
            ((float *)y)[i] /= (float)divisor;
        else if (dtype == ENG_F64)
            ((double *)y)[i] /= (double)divisor;
        else if (dtype == ENG_I32 && divisor)
            ((int32_t *)y)[i] = (int32_t)(((int32_t *)y)[i] / divisor);
        else if (dtype == ENG_I64 && divisor)
            ((int64_t *)y)[i] /= divisor;
    }
}

static void reduce_one(const struct reduce_state *state, const char *x,
                       int64_t size, void *result)
{
    const struct op_walk *walk = &state->reduced;
    struct op_place at;

    state->fns.start(result);
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at))
        state->fns.row(x + at.offset[0] * size, walk->inner_step[0],
                       walk->inner, result);
}

static bool reduce_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct reduce_state *state = op->state;
    const struct op_walk *walk = &state->kept;
    int64_t size = (int64_t)eng_dtype_size(op->out[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);
    struct op_place at;

    (void)err;
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        const char *row = x + at.offset[0] * size;

        for (int64_t i = 0; i < walk->inner; i++, y += size)
            reduce_one(state, row + i * walk->inner_step[0] * size, size, y);
    }
    if (state->divisor != 1)
        divide(op->out[0]->dtype, op_out(op, frame, 0),
               eng_tensor_count(op->out[0]), state->divisor);
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
