/*
 * TopK, opset 11: the k largest (or smallest) elements along an axis, in order
 *
 *   input   x        number [d0, ..., dn-1] (float16, bfloat16 as float)
 *           k        int64, one element, known while planning (below opset 10:
 *                    an attribute)
 *   output  values   type of x, the axis has k elements
 *           indices  int64, where they were; may be left out
 *   attr    axis     int = -1
 *           largest  int = 1
 *           sorted   int = 1; they are sorted either way
 *   errors  ERR_MODEL_INVALID: axis outside, k outside [0, d]
 *   source  ONNX operator list, TopK-11; of equal elements the first counts
 *   check   O(d log k) per row: a heap of the k best so far, the worst on top
 */
#include <string.h>

#include "op.h"

/* Of two places in a row: does `a` come before `b`? */
typedef bool (*before_fn)(const void *row, int64_t a, int64_t b, bool largest);

#define BEFORE(name, T)                                                        \
    static bool name(const void *row, int64_t a, int64_t b, bool largest)      \
    {                                                                          \
        T p = ((const T *)row)[a], q = ((const T *)row)[b];                    \
                                                                               \
        if (p != q)                                                            \
            return largest ? p > q : p < q;                                    \
        return a < b;                                                          \
    }

BEFORE(before_f32, float)
BEFORE(before_f64, double)
BEFORE(before_i8, int8_t)
BEFORE(before_i16, int16_t)
BEFORE(before_i32, int32_t)
BEFORE(before_i64, int64_t)
BEFORE(before_u8, uint8_t)
BEFORE(before_u16, uint16_t)
BEFORE(before_u32, uint32_t)
BEFORE(before_u64, uint64_t)

static const before_fn befores[ENG_BF16 + 1] = {
    [ENG_F32] = before_f32, [ENG_F64] = before_f64, [ENG_I8] = before_i8,
    [ENG_I16] = before_i16, [ENG_I32] = before_i32, [ENG_I64] = before_i64,
    [ENG_U8] = before_u8,   [ENG_U16] = before_u16, [ENG_U32] = before_u32,
    [ENG_U64] = before_u64};

struct topk_state {
    int64_t outer, length, inner; /* of x: [outer, length, inner] */
    int64_t k;
    before_fn before;
    bool largest;
};

static bool read_k(const struct op_node *op, int64_t *k, struct error *err)
{
    size_t count = 1;

    if (op->node->version >= 10) {
        if (!op_known_ints(op, 1, k, 1, &count, err))
            return false;
        return count == 1 || fail(err, ERR_MODEL_INVALID, "k has no element");
    }
    *k = -1;
    return op_attr_int(op, "k", k, err);
}

static bool set_outputs(struct op_node *op, int axis)
{
    const struct topk_state *state = op->state;

    for (size_t i = 0; i < op->out_count; i++) {
        op_like(op->out[i], op->in[0]);
        op->out[i]->dims[axis] = state->k;
    }
    if (op->out_count > 1)
        op->out[1]->dtype = ENG_I64;
    return true;
}

static bool topk_infer(struct op_node *op, struct error *err)
{
    struct topk_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    int64_t axis = -1;
    bool sorted = true;

    if (!state)
        return false;
    op->state = state;
    state->largest = true;
    if (!op_attr_int(op, "axis", &axis, err) ||
        !op_attr_bool(op, "largest", &state->largest, err) ||
        !op_attr_bool(op, "sorted", &sorted, err) ||
        !op_axis(&axis, x->rank, err) || !read_k(op, &state->k, err) ||
        !op_want_type(op, 0, OP_TYPES_NUMBER, err))
        return false;
    if (state->k < 0 || state->k > x->dims[axis])
        return fail(err, ERR_MODEL_INVALID, "k is %lld of %lld",
                    (long long)state->k, (long long)x->dims[axis]);
    state->outer = eng_shape_product(x, 0, (int)axis);
    state->length = x->dims[axis];
    state->inner = eng_shape_product(x, (int)axis + 1, x->rank);
    state->before = befores[x->dtype];
    return set_outputs(op, (int)axis);
}

/* Scratch: the row, close together, and the heap. */
static bool topk_prepare(struct op_node *op, struct error *err)
{
    const struct topk_state *state = op->state;

    (void)err;
    op->scratch_bytes =
        (size_t)state->k * sizeof(int64_t) +
        (size_t)state->length * eng_dtype_size(op->in[0]->dtype);
    return true;
}

/* Lets heap[i] sink until none below it is worse. */
static void sink(const struct topk_state *state, const void *row, int64_t *heap,
                 int64_t count, int64_t i)
{
    for (;;) {
        int64_t child = 2 * i + 1, place = heap[i];

        if (child >= count)
            return;
        if (child + 1 < count &&
            state->before(row, heap[child], heap[child + 1], state->largest))
            child++;
        if (!state->before(row, place, heap[child], state->largest))
            return;
        heap[i] = heap[child];
        heap[child] = place;
        i = child;
    }
}

/* The places of the k best in heap[k], best first. */
static void select_row(const struct topk_state *state, const void *row,
                       int64_t *heap)
{
    int64_t k = state->k;

    for (int64_t i = 0; i < k; i++)
        heap[i] = i;
    for (int64_t i = k / 2 - 1; i >= 0; i--)
        sink(state, row, heap, k, i);
    for (int64_t i = k; k && i < state->length; i++) {
        if (state->before(row, i, heap[0], state->largest)) {
            heap[0] = i;
            sink(state, row, heap, k, 0);
        }
    }
    for (int64_t i = k - 1; i > 0; i--) {
        int64_t worst = heap[0];

        heap[0] = heap[i];
        heap[i] = worst;
        sink(state, row, heap, i, 0);
    }
}

static void topk_row(const struct op_node *op, const struct op_frame *frame,
                     int64_t o, int64_t inner)
{
    const struct topk_state *state = op->state;
    size_t size = eng_dtype_size(op->in[0]->dtype);
    const char *x = op_in(op, frame, 0);
    char *values = op_out(op, frame, 0);
    int64_t *heap = frame->scratch;
    char *row = (char *)(heap + state->k);

    for (int64_t i = 0; i < state->length; i++) {
        int64_t at = (o * state->length + i) * state->inner + inner;

        memcpy(row + (size_t)i * size, x + (size_t)at * size, size);
    }
    select_row(state, row, heap);
    for (int64_t i = 0; i < state->k; i++) {
        int64_t at = (o * state->k + i) * state->inner + inner;

        memcpy(values + (size_t)at * size, row + (size_t)heap[i] * size, size);
        if (op->out_count > 1)
            ((int64_t *)op_out(op, frame, 1))[at] = heap[i];
    }
}

static bool topk_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct topk_state *state = op->state;

    (void)err;
    for (int64_t o = 0; state->k && o < state->outer; o++) {
        for (int64_t i = 0; i < state->inner; i++)
            topk_row(op, frame, o, i);
    }
    return true;
}

const struct op_impl op_topk = {.name = "topk",
                                .in_min = 1,
                                .in_max = 2,
                                .out_min = 1,
                                .out_max = 2,
                                .flags = OP_WIDEN,
                                .value_inputs = 2,
                                .infer = topk_infer,
                                .prepare = topk_prepare,
                                .run = topk_run};
