/*
 * PRelu, opset 16: y = x < 0 ? slope * x : x
 *
 *   input   x      float, double or 32 and 64 bit integer (float16, bfloat16 as
 *                  float)
 *           slope  type of x, broadcasts to x's shape
 *   output  y      shape of x; may share memory with x
 *   errors  ERR_MODEL_INVALID: slope has another type, or does not broadcast
 *   source  ONNX operator list, PRelu-16, "Unidirectional Broadcasting"
 */
#include "binary.h"

/* Integers wrap; an unsigned x is never below 0 */
#define ROW(name, T, value)                                                    \
    static bool name(const void *a, int64_t sa, const void *b, int64_t sb,     \
                     void *y, int64_t count)                                   \
    {                                                                          \
        for (int64_t i = 0; i < count; i++) {                                  \
            T x = ((const T *)a)[i * sa], slope = ((const T *)b)[i * sb];      \
                                                                               \
            (void)slope;                                                       \
            ((T *)y)[i] = (value);                                             \
        }                                                                      \
        return true;                                                           \
    }

ROW(prelu_f32, float, x < 0 ? (float)((float)x * (float)slope) : x)
ROW(prelu_f64, double, x < 0 ? (double)((double)x * (double)slope) : x)
ROW(prelu_i32, int32_t, x < 0 ? (int32_t)((uint32_t)x * (uint32_t)slope) : x)
ROW(prelu_i64, int64_t, x < 0 ? (int64_t)((uint64_t)x * (uint64_t)slope) : x)
ROW(prelu_u32, uint32_t, x)
ROW(prelu_u64, uint64_t, x)

static const op_binary_fn rows[ENG_BF16 + 1] = {
    [ENG_F32] = prelu_f32, [ENG_F64] = prelu_f64, [ENG_I32] = prelu_i32,
    [ENG_I64] = prelu_i64, [ENG_U32] = prelu_u32, [ENG_U64] = prelu_u64};

static bool prelu_infer(struct op_node *op, struct error *err)
{
    struct op_walk *walk = op_alloc(op, sizeof *walk, err);

    if (!walk || !op_same_type(op, 0, 1, err) ||
        !op_broadcast(op->in[0], op->in[1], op->out[0], err))
        return false;
    if (!eng_shape_equal(op->in[0], op->out[0]))
        return fail(err, ERR_MODEL_INVALID,
                    "the slope does not broadcast to the shape of x");
    op->state = walk;
    op->out[0]->dtype = op->in[0]->dtype;
    op_walk_broadcast(walk, op->out[0], 2, op->in);
    return rows[op->in[0]->dtype] || op_want_type(op, 0, 0, err);
}

static bool prelu_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    size_t size = eng_dtype_size(op->in[0]->dtype);
    struct op_binary_data data = {op_in(op, frame, 0), op_in(op, frame, 1),
                                  op_out(op, frame, 0), size, size};

    return op_binary_run(rows[op->in[0]->dtype], op->state, &data, err);
}

const struct op_impl op_prelu = {.name = "prelu",
                                 .in_min = 2,
                                 .in_max = 2,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .flags = OP_WIDEN,
                                 .in_place = 1,
                                 .infer = prelu_infer,
                                 .run = prelu_run};
