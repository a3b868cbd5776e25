/*
 * ReverseSequence, opset 10: y = x, the first lens[b] steps of sequence b in
 * reverse
 *
 *   input   x     any type, rank at least 2
 *           lens  int64 [batch]
 *   output  y     type and shape of x
 *   attr    batch_axis  int = 1, time_axis  int = 0: the other of 0 and 1
 *   errors  ERR_MODEL_INVALID: rank below 2, axes not {0, 1}, lens of another
 *           length
 *           ERR_VALIDATION_ERROR: a length outside [0, steps]
 *   source  ONNX operator list, ReverseSequence-10
 */
#include <string.h>

#include "op.h"

static bool reverse_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0], *lens = op->in[1];
    int *state = op_alloc(op, sizeof *state, err);
    int64_t batch = 1, time = 0;
    char text[ENG_SHAPE_TEXT];

    op->state = state;
    if (!state || !op_attr_int(op, "batch_axis", &batch, err) ||
        !op_attr_int(op, "time_axis", &time, err) ||
        !op_want_type(op, 1, OP_TYPE(ENG_I64), err))
        return false;
    if (x->rank < 2 || (batch != 0 && batch != 1) || time != 1 - batch)
        return fail(err, ERR_MODEL_INVALID,
                    "batch axis %lld and time axis %lld of rank %d",
                    (long long)batch, (long long)time, x->rank);
    if (lens->rank != 1 || lens->dims[0] != x->dims[batch])
        return fail(err, ERR_MODEL_INVALID, "the lengths have shape %.60s",
                    eng_shape_text(lens, text));
    *state = (int)batch;
    op_like(op->out[0], x);
    return true;
}

static bool reverse_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    const int *batch_axis = op->state;
    int batch = *batch_axis;
    const int64_t *lens = op_in(op, frame, 1);
    size_t row =
        (size_t)eng_shape_product(x, 2, x->rank) * eng_dtype_size(x->dtype);
    const char *from = op_in(op, frame, 0);
    char *to = op_out(op, frame, 0);

    for (int64_t i = 0; i < x->dims[0] * x->dims[1]; i++) {
        int64_t index[2] = {i / x->dims[1], i % x->dims[1]};
        int64_t steps = x->dims[1 - batch], length = lens[index[batch]];
        int64_t t = index[1 - batch];

        if (length < 0 || length > steps)
            return fail(err, ERR_VALIDATION_ERROR,
                        "sequence %lld has length %lld of %lld",
                        (long long)index[batch], (long long)length,
                        (long long)steps);
        index[1 - batch] = t < length ? length - 1 - t : t;
        memcpy(to + (size_t)i * row,
               from + (size_t)(index[0] * x->dims[1] + index[1]) * row, row);
    }
    return true;
}

const struct op_impl op_reverse_sequence = {.name = "reverse_sequence",
                                            .in_min = 2,
                                            .in_max = 2,
                                            .out_min = 1,
                                            .out_max = 1,
                                            .infer = reverse_infer,
                                            .run = reverse_run};
