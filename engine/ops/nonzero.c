/*
 * NonZero, opset 13: where x is not 0, in row-major order
 *
 *   input   x   number or bool [d0, ..., dn-1], known while planning (float16,
 *               bfloat16 as float)
 *   output  y   int64 [n, count]: a column of coordinates per element; a scalar
 *               counts as one dimension
 *   errors  ERR_MODEL_UNSUPPORTED: x is not known before the run
 *   source  ONNX operator list, NonZero-13, numpy.nonzero
 */
#include "cast.h"

enum { CHUNK = 256 };

/* Is element i of x not 0? Looked up in `truth`, which holds a chunk. */
struct reader {
    op_cast_fn to_truth;
    const char *x;
    size_t size;
    int64_t count;
    uint8_t truth[CHUNK];
};

static struct reader reader_of(const struct eng_tensor *tensor, const void *x)
{
    return (struct reader){.to_truth = op_cast_find(tensor->dtype, ENG_BOOL),
                           .x = x,
                           .size = eng_dtype_size(tensor->dtype),
                           .count = eng_tensor_count(tensor)};
}

/* Must be asked for i = 0, 1, 2, ... */
static bool read_next(struct reader *reader, int64_t i)
{
    int64_t left = reader->count - i;

    if (i % CHUNK == 0)
        reader->to_truth(reader->x + (size_t)i * reader->size, reader->truth,
                         left < CHUNK ? left : CHUNK);
    return reader->truth[i % CHUNK];
}

static bool nonzero_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];
    struct reader reader;

    if (!op_want_type(op, 0, OP_TYPES_NUMBER | OP_TYPE(ENG_BOOL), err))
        return false;
    if (!x->data)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "a shape depends on input 0, which is not known before "
                    "the run");
    reader = reader_of(x, x->data);
    y->dtype = ENG_I64;
    y->rank = 2;
    y->dims[0] = x->rank ? x->rank : 1;
    y->dims[1] = 0;
    for (int64_t i = 0; i < reader.count; i++)
        y->dims[1] += read_next(&reader, i);
    return true;
}

static void write_column(const struct eng_tensor *x, int64_t i, int64_t *column,
                         int64_t step)
{
    column[0] = 0;
    for (int d = x->rank - 1; d >= 0; d--) {
        column[d * step] = i % x->dims[d];
        i /= x->dims[d];
    }
}

static bool nonzero_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    struct reader reader = reader_of(op->in[0], op_in(op, frame, 0));
    int64_t *y = op_out(op, frame, 0), found = 0;
    int64_t columns = op->out[0]->dims[1];

    for (int64_t i = 0; i < reader.count; i++) {
        if (!read_next(&reader, i))
            continue;
        if (found == columns)
            return fail(err, ERR_VALIDATION_ERROR,
                        "more than the %lld elements planned are not 0",
                        (long long)columns);
        write_column(op->in[0], i, y + found++, columns);
    }
    return true;
}

const struct op_impl op_nonzero = {.name = "nonzero",
                                   .in_min = 1,
                                   .in_max = 1,
                                   .out_min = 1,
                                   .out_max = 1,
                                   .flags = OP_WIDEN,
                                   .value_inputs = 1,
                                   .infer = nonzero_infer,
                                   .run = nonzero_run};
