/*
 * RotaryEmbedding, opset 23, and com.microsoft RotaryEmbedding-1: pairs of
 * elements are turned by an angle that belongs to their position
 *
 *   a' = a cos - b sin, b' = a sin + b cos; the pairs are (i, i + r / 2), or
 *   (2 i, 2 i + 1) with interleaved; elements from r on stay
 *
 *   input   x    float, float16 or bfloat16 [batch, heads, seq, d] or
 *                [batch, seq, heads d]
 *           cos, sin  [positions, r / 2], or [batch, seq, r / 2] without
 *                position_ids
 *           position_ids  int64 [batch, seq]; com.microsoft: x, position_ids,
 *                cos, sin, and [1] is the first position
 *   output  y    shape of x
 *   attr    interleaved int = 0; num_heads int, needed with rank 3 (or
 *           rotary_embedding_dim = d, com.microsoft: d = r then);
 *           rotary_embedding_dim int = 0: r = d; scale, is_packed_batching of
 *           com.microsoft are not read
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_VALIDATION_ERROR: a position outside the tables
 *   source  ONNX operator list, RotaryEmbedding-23; ONNX Runtime
 */
#include <string.h>

#include "attention.h"

struct rotary_state {
    struct op_heads stack;
    int64_t batch, turned, positions; /* turned: r */
    size_t cos, sin, ids;
    bool interleaved;
};

static bool read_heads(const struct op_node *op, struct rotary_state *state,
                       struct error *err)
{
    const struct eng_tensor *x = op->in[0], *cos = op->in[state->cos];
    int64_t heads = 0, turned = 0, half;

    if (!op_attr_int(op, "num_heads", &heads, err) ||
        !op_attr_int(op, "rotary_embedding_dim", &turned, err) ||
        !op_attr_bool(op, "interleaved", &state->interleaved, err))
        return false;
    if (cos->rank < 2 || !eng_shape_equal(cos, op->in[state->sin]))
        return fail(err, ERR_MODEL_INVALID, "the tables have rank %d",
                    cos->rank);
    half = cos->dims[cos->rank - 1];
    if (half < 1 || half > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "the tables have width %lld",
                    (long long)half);
    /* com.microsoft may leave the number of heads open. */
    if (!heads && !turned && x->rank == 3)
        heads = x->dims[2] / (2 * half);
    if (!op_heads_read(x, heads, &state->stack, err))
        return false;
    state->batch = x->dims[0];
    state->turned = turned ? turned : state->stack.size;
    if (state->turned != 2 * half || state->turned > state->stack.size)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld of %lld elements turn, the tables have %lld",
                    (long long)state->turned, (long long)state->stack.size,
                    (long long)half);
    return true;
}

/* Tables of rank 3 have a row for each row of x; else there are ids. */
static bool check_tables(const struct op_node *op, struct rotary_state *state,
                         struct error *err)
{
    const struct eng_tensor *cos = op->in[state->cos];
    int64_t rows, ids;

    if (__builtin_mul_overflow(state->batch, state->stack.rows, &rows))
        return fail(err, ERR_MODEL_INVALID, "input 0 is too large");
    if (!op_has(op, state->ids)) {
        if (cos->rank == 3 && cos->dims[0] == state->batch &&
            cos->dims[1] == state->stack.rows)
            return true;
        return fail(err, ERR_MODEL_INVALID, "the tables do not fit");
    }
    ids = eng_tensor_count(op->in[state->ids]);
    state->positions = cos->dims[0];
    if (cos->rank != 2 || (ids != rows && ids != 1))
        return fail(err, ERR_MODEL_INVALID, "%lld positions for %lld rows",
                    (long long)ids, (long long)rows);
    return op_want_type(op, state->ids, OP_TYPE(ENG_I64), err);
}

static bool rotary_infer(struct op_node *op, struct error *err)
{
    struct rotary_state *state = op_alloc(op, sizeof *state, err);
    bool is_ms = strcmp(op->node->domain, "com.microsoft") == 0;

    op->state = state;
    if (!state)
        return false;
    state->cos = is_ms ? 2 : 1;
    state->sin = is_ms ? 3 : 2;
    state->ids = is_ms ? 1 : 3;
    if (!op_has(op, state->sin))
        return fail(err, ERR_MODEL_INVALID, "the tables are missing");
    op_like(op->out[0], op->in[0]);
    return op_want_type(op, 0, OP_TYPES_SHORT_REAL, err) &&
           op_same_type(op, 0, state->cos, err) &&
           op_same_type(op, 0, state->sin, err) && read_heads(op, state, err) &&
           check_tables(op, state, err);
}

/* Two heads as float: what is read and what is written. */
static bool rotary_prepare(struct op_node *op, struct error *err)
{
    const struct rotary_state *state = op->state;

    (void)err;
    op->scratch_bytes =
        2 * (size_t)(state->stack.rows * state->stack.size) * sizeof(float);
    return true;
}

/* Row of the tables for row `row` of sequence b; -1 = there is none. */
static int64_t table_row(const struct op_node *op, const struct op_frame *frame,
                         int64_t b, int64_t row)
{
    const struct rotary_state *state = op->state;
    int64_t at = b * state->stack.rows + row, position;
    const int64_t *ids;

    if (!op_has(op, state->ids))
        return at;
    ids = op_in(op, frame, state->ids);
    if (eng_tensor_count(op->in[state->ids]) != 1)
        position = ids[at];
    else if (__builtin_add_overflow(ids[0], row, &position))
        return -1;
    return position >= 0 && position < state->positions ? position : -1;
}

static void turn_row(const struct op_node *op, const struct op_frame *frame,
                     int64_t table, const float *x, float *y)
{
    const struct rotary_state *state = op->state;
    int64_t half = state->turned / 2;
    enum eng_dtype dtype = op->in[0]->dtype;

    for (int64_t i = 0; i < half; i++) {
        int64_t a = state->interleaved ? 2 * i : i;
        int64_t b = state->interleaved ? 2 * i + 1 : i + half;
        float cosine =
            op_real_at(dtype, op_in(op, frame, state->cos), table * half + i);
        float sine =
            op_real_at(dtype, op_in(op, frame, state->sin), table * half + i);

        y[a] = x[a] * cosine - x[b] * sine;
        y[b] = x[a] * sine + x[b] * cosine;
    }
    for (int64_t i = state->turned; i < state->stack.size; i++)
        y[i] = x[i];
}

static bool turn_head(const struct op_node *op, const struct op_frame *frame,
                      int64_t b, int64_t h, struct error *err)
{
    const struct rotary_state *state = op->state;
    int64_t size = state->stack.size;
    float *x = frame->scratch, *y = x + state->stack.rows * size;

    op_heads_load(&state->stack, op_in(op, frame, 0), b, h, x);
    for (int64_t row = 0; row < state->stack.rows; row++) {
        int64_t table = table_row(op, frame, b, row);

        if (table < 0)
            return fail(err, ERR_VALIDATION_ERROR,
                        "the position of row %lld is outside [0, %lld)",
                        (long long)row, (long long)state->positions);
        turn_row(op, frame, table, x + row * size, y + row * size);
    }
    op_heads_store(&state->stack, y, b, h, op_out(op, frame, 0));
    return true;
}

static bool rotary_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct rotary_state *state = op->state;

    for (int64_t b = 0; b < state->batch; b++) {
        for (int64_t h = 0; h < state->stack.heads; h++) {
            if (!turn_head(op, frame, b, h, err))
                return false;
        }
    }
    return true;
}

const struct op_impl op_rotary = {.name = "rotary",
                                  .in_min = 3,
                                  .in_max = 4,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .infer = rotary_infer,
                                  .prepare = rotary_prepare,
                                  .run = rotary_run};
