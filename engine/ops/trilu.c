/*
 * Trilu, opset 14: y = the upper or lower triangle of matrices, 0 elsewhere
 *
 *   input   x   any type but string [..., n, m]
 *           k   int64, one element = 0: the diagonal that bounds the triangle;
 *               above the main one if positive
 *   output  y   type and shape of x; may share memory with x
 *   attr    upper  int = 1: keep j >= i + k; 0: keep j <= i + k
 *   errors  ERR_MODEL_INVALID: rank below 2, k is not one int64
 *   source  ONNX operator list, Trilu-14
 */
#include <string.h>

#include "op.h"

static bool trilu_infer(struct op_node *op, struct error *err)
{
    bool *upper = op_alloc(op, sizeof *upper, err);

    if (!upper)
        return false;
    *upper = true;
    op->state = upper;
    op_like(op->out[0], op->in[0]);
    if (op->in[0]->rank < 2)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected 2 or more",
                    op->in[0]->rank);
    if (op_has(op, 1) &&
        (op->in[1]->dtype != ENG_I64 || eng_tensor_count(op->in[1]) != 1))
        return fail(err, ERR_MODEL_INVALID, "k is not one int64");
    return op_attr_bool(op, "upper", upper, err) &&
           op_want_type(op, 0, ~OP_TYPE(ENG_STRING), err);
}

/* `bound` in [0, limit] */
static int64_t clamp(int64_t bound, int64_t limit)
{
    if (bound < 0)
        return 0;
    return bound < limit ? bound : limit;
}

/* Columns [first, last) of row i stay. */
static void triangle_row(char *row, const char *x, size_t size,
                         const int64_t keep[2], int64_t columns)
{
    size_t first = (size_t)keep[0] * size, last = (size_t)keep[1] * size;

    memset(row, 0, first);
    if (row != x)
        memcpy(row + first, x + first, last - first);
    memset(row + last, 0, (size_t)columns * size - last);
}

static bool trilu_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t n = x->dims[x->rank - 2], m = x->dims[x->rank - 1];
    size_t size = eng_dtype_size(x->dtype);
    int64_t k = op_has(op, 1) ? *(const int64_t *)op_in(op, frame, 1) : 0;
    bool upper = *(const bool *)op->state;
    const char *from = op_in(op, frame, 0);
    char *to = op_out(op, frame, 0);

    (void)err;
    if (!eng_tensor_count(x))
        return true;
    /* Beyond these all or nothing stays, and i + k cannot overflow. */
    k = k < -n ? -n : k > m ? m : k;
    for (int64_t row = 0; row < eng_tensor_count(x) / m; row++) {
        int64_t i = row % n;
        int64_t keep[2] = {upper ? clamp(i + k, m) : 0,
                           upper ? m : clamp(i + k + 1, m)};
        size_t at = (size_t)(row * m) * size;

        triangle_row(to + at, from + at, size, keep, m);
    }
    return true;
}

const struct op_impl op_trilu = {.name = "trilu",
                                 .in_min = 1,
                                 .in_max = 2,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .in_place = 1,
                                 .infer = trilu_infer,
                                 .run = trilu_run};
