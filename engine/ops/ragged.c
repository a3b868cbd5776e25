/*
 * Ragged: see ragged.h.
 */
#include "ragged.h"

bool op_ragged_check(const struct op_node *op, size_t input, struct error *err)
{
    const struct eng_tensor *x = op->in[0], *starts = op->in[input];
    char text[ENG_SHAPE_TEXT];

    if (!op_want_type(op, input, OP_TYPE(ENG_I64), err))
        return false;
    if (starts->rank != 1 || starts->dims[0] < 1)
        return fail(err, ERR_MODEL_INVALID, "starts have shape %.60s",
                    eng_shape_text(starts, text));
    return (x->rank >= 2 && x->dims[0] == 1) ||
           fail(err, ERR_MODEL_INVALID, "input 0 has shape %.60s",
                eng_shape_text(x, text));
}

const int64_t *op_ragged_starts(const struct op_node *op,
                                const struct op_frame *frame, size_t input,
                                struct error *err)
{
    const int64_t *starts = op_in(op, frame, input);
    int64_t last = 0;

    for (int64_t i = 0; i < op->in[input]->dims[0]; i++) {
        if (starts[i] < last || starts[i] > op->in[0]->dims[1] ||
            (i == 0 && starts[i] > 0)) {
            fail(err, ERR_VALIDATION_ERROR,
                 "sequence %lld starts at row %lld, after %lld of %lld",
                 (long long)i, (long long)starts[i], (long long)last,
                 (long long)op->in[0]->dims[1]);
            return NULL;
        }
        last = starts[i];
    }
    return starts;
}
