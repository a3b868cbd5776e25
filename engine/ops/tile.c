/*
 * Tile, opset 13: y = x, repeated along every dimension
 *
 *   input   x        any type [d0, ..., dn-1]
 *           repeats  int64 [n], known while planning
 *   output  y        [d0 * r0, ..., dn-1 * rn-1]
 *   errors  ERR_MODEL_INVALID: not one count per dimension, a negative count, a
 *           dimension too large
 *   source  ONNX operator list, Tile-13
 */
#include <string.h>

#include "op.h"

static bool tile_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];
    int64_t repeats[ENG_RANK_MAX];
    size_t count;

    if (!op_known_ints(op, 1, repeats, ENG_RANK_MAX, &count, err))
        return false;
    if (count != (size_t)x->rank)
        return fail(err, ERR_MODEL_INVALID, "%zu repeats for rank %d", count,
                    x->rank);
    op_like(y, x);
    for (int i = 0; i < x->rank; i++) {
        if (repeats[i] < 0 ||
            __builtin_mul_overflow(x->dims[i], repeats[i], &y->dims[i]))
            return fail(err, ERR_MODEL_INVALID,
                        "dimension %d of %lld, %lld times", i,
                        (long long)x->dims[i], (long long)repeats[i]);
    }
    return true;
}

/* Where row `row` of y comes from: element offset in x. */
static int64_t source_of(const struct eng_tensor *x, const struct eng_tensor *y,
                         int64_t row)
{
    int64_t step = x->dims[x->rank - 1], at = 0;

    for (int d = x->rank - 2; d >= 0; d--) {
        at += row % y->dims[d] % x->dims[d] * step;
        row /= y->dims[d];
        step *= x->dims[d];
    }
    return at;
}

static bool tile_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct eng_tensor *x = op->in[0], *y = op->out[0];
    size_t size = eng_dtype_size(x->dtype), row_bytes;
    const char *from = op_in(op, frame, 0);
    char *to = op_out(op, frame, 0);
    int64_t rows, repeats;

    if (x->rank == 0)
        return op_copy_run(op, frame, err);
    if (!eng_tensor_count(y))
        return true;
    rows = eng_shape_product(y, 0, y->rank - 1);
    row_bytes = (size_t)x->dims[x->rank - 1] * size;
    repeats = y->dims[y->rank - 1] / x->dims[x->rank - 1];
    for (int64_t row = 0; row < rows; row++) {
        const char *source = from + (size_t)source_of(x, y, row) * size;

        for (int64_t i = 0; i < repeats; i++, to += row_bytes)
            memcpy(to, source, row_bytes);
    }
    return true;
}

const struct op_impl op_tile = {.name = "tile",
                                .in_min = 2,
                                .in_max = 2,
                                .out_min = 1,
                                .out_max = 1,
                                .value_inputs = 2,
                                .infer = tile_infer,
                                .run = tile_run};
