/*
 * specserve RaggedReduce-1: one value for each sequence, where sequences of
 * different length stand one after the other (ragged.h).
 *
 *   input   x       float, int32 or int64 [1, rows, ...]; any type for "first"
 *           starts  int64 [sequences + 1]
 *   output  y       [sequences, ...], with a 1 for the rows if `keepdims`
 *   attr    how     "sum", "mean", "max" or "first": over the sequence's rows,
 *                   or its first one; 0 for a sequence without rows
 *           keepdims  int = 0
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_MODEL_UNSUPPORTED: another `how`; a mean of integers
 *           ERR_VALIDATION_ERROR: starts are not in order or outside
 *   check   the sums are of floats, in the order of the rows
 *
 * specserve RaggedCumSum-1: y[i] = x[0] + ... + x[i] of the row's sequence; 0 in
 * rows of no sequence.
 *
 *   input   x       int32 or int64 [1, rows]
 *           starts  int64 [sequences + 1]
 *   output  y       shape of x
 */
#include <string.h>

#include "ragged.h"

enum { X, STARTS };
enum how { SUM, MEAN, MAX, FIRST };

struct reduce_state {
    int64_t sequences, each; /* elements of a row */
    int how;
};

static bool check_types(const struct op_node *op, int how, struct error *err)
{
    enum { SUMS = OP_TYPE(ENG_F32) | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) };

    if (how == FIRST)
        return eng_dtype_size(op->in[X]->dtype) > 0 &&
               op->in[X]->dtype != ENG_STRING;
    return op_want_type(op, X, how == MEAN ? OP_TYPE(ENG_F32) : SUMS, err);
}

static bool reduce_infer(struct op_node *op, struct error *err)
{
    static const char *const words[] = {"sum", "mean", "max", "first", NULL};
    struct reduce_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[X];
    int64_t dims[ENG_RANK_MAX];
    bool keep = false;
    int rank = 0;

    op->state = state;
    if (!state || !op_attr_word(op, "how", words, &state->how, err) ||
        !op_attr_bool(op, "keepdims", &keep, err) ||
        !check_types(op, state->how, err) || !op_ragged_check(op, STARTS, err))
        return false;
    state->sequences = op->in[STARTS]->dims[0] - 1;
    state->each = eng_shape_product(x, 2, x->rank);
    dims[rank++] = state->sequences;
    if (keep)
        dims[rank++] = 1;
    for (int i = 2; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    op->out[0]->dtype = x->dtype;
    eng_shape_set(op->out[0], rank, dims);
    return true;
}

/* S is unsigned for integers, so that the sum wraps; T compares. */
#define REDUCE(name, S, T)                                                     \
    static void name(const struct reduce_state *state, const S *x,             \
                     int64_t rows, S *y)                                       \
    {                                                                          \
        for (int64_t r = 0; r < rows; r++, x += state->each) {                 \
            for (int64_t i = 0; i < state->each; i++) {                        \
                bool larger = r > 0 && state->how == MAX && (T)x[i] > (T)y[i]; \
                                                                               \
                if (r == 0 || larger)                                          \
                    y[i] = x[i];                                               \
                else if (state->how != MAX)                                    \
                    y[i] += x[i];                                              \
            }                                                                  \
        }                                                                      \
    }

REDUCE(reduce_f32, float, float)
REDUCE(reduce_u32, uint32_t, int32_t)
REDUCE(reduce_u64, uint64_t, int64_t)

static void reduce_rows(const struct op_node *op, const void *x, int64_t rows,
                        void *y)
{
    const struct reduce_state *state = op->state;

    if (op->in[X]->dtype == ENG_F32)
        reduce_f32(state, x, rows, y);
    else if (op->in[X]->dtype == ENG_I32)
        reduce_u32(state, x, rows, y);
    else
        reduce_u64(state, x, rows, y);
    for (int64_t i = 0; state->how == MEAN && i < state->each; i++)
        ((float *)y)[i] /= (float)rows;
}

static bool reduce_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct reduce_state *state = op->state;
    const int64_t *starts = op_ragged_starts(op, frame, STARTS, err);
    size_t row = (size_t)state->each * eng_dtype_size(op->in[X]->dtype);
    const char *x = op_in(op, frame, X);
    char *y = op_out(op, frame, 0);

    if (!starts)
        return false;
    for (int64_t i = 0; i < state->sequences; i++) {
        const char *from = x + (size_t)starts[i] * row;
        char *to = y + (size_t)i * row;
        int64_t rows = starts[i + 1] - starts[i];

        if (rows == 0)
            memset(to, 0, row);
        else if (state->how == FIRST)
            memcpy(to, from, row);
        else
            reduce_rows(op, from, rows, to);
    }
    return true;
}

const struct op_impl op_ragged_reduce = {.name = "ragged_reduce",
                                         .in_min = 2,
                                         .in_max = 2,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .infer = reduce_infer,
                                         .run = reduce_run};

/* --- sums so far --- */

static bool cumsum_infer(struct op_node *op, struct error *err)
{
    char text[ENG_SHAPE_TEXT];

    if (!op_want_type(op, X, OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64), err) ||
        !op_ragged_check(op, STARTS, err))
        return false;
    if (op->in[X]->rank != 2)
        return fail(err, ERR_MODEL_INVALID, "input 0 has shape %.60s",
                    eng_shape_text(op->in[X], text));
    op_like(op->out[0], op->in[X]);
    return true;
}

static bool cumsum_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const int64_t *starts = op_ragged_starts(op, frame, STARTS, err);
    const void *x = op_in(op, frame, X);
    void *y = op_out(op, frame, 0);
    bool is_wide = op->in[X]->dtype == ENG_I64;
    uint64_t sum = 0;

    if (!starts)
        return false;
    for (int64_t row = 0, next = 0; row < op->in[X]->dims[1]; row++) {
        int64_t last = op->in[STARTS]->dims[0] - 1;

        for (; next <= last && starts[next] <= row; next++)
            sum = 0;
        if (next <= last)
            sum += is_wide ? ((const uint64_t *)x)[row]
                           : ((const uint32_t *)x)[row];
        if (is_wide)
            ((uint64_t *)y)[row] = sum;
        else
            ((uint32_t *)y)[row] = (uint32_t)sum;
    }
    return true;
}

const struct op_impl op_ragged_cumsum = {.name = "ragged_cumsum",
                                         .in_min = 2,
                                         .in_max = 2,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .infer = cumsum_infer,
                                         .run = cumsum_run};
