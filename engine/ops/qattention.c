/*
 * com.microsoft QAttention-1: Attention whose rows and weights are quantised
 *
 *   q, k, v = (x - x_zero) (w - w_zero) x_scale w_scale + bias, then
 *   y = softmax(scale q k' + masks) v per head
 *
 *   input   x       uint8 or int8 [batch, s, in];  w  uint8 or int8 [in, 3 h]
 *           bias    float [3 h];  x_scale float [];  w_scale float [] or [3 h]
 *           mask    int32: [batch, t] with 0 = masked; [batch]: rows that count;
 *                   [2 batch]: their ends, then their starts; may be left out
 *           x_zero  [] = 0;  w_zero  like w_scale = 0
 *           past    float [2, batch, heads, p, d]; may be left out
 *   output  y       float [batch, s, h];  present [2, batch, heads, p + s, d]
 *   attr    num_heads int; unidirectional int = 0; scale float = 1 / sqrt(d);
 *           mask_filter_value float = -10000: added where the mask is 0
 *   errors  ERR_MODEL_INVALID: shapes, scales or zero points do not fit
 *           ERR_MODEL_UNSUPPORTED: other masks, do_rotary, shared buffers
 *   source  ONNX Runtime, ContribOperators
 */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "quant.h"

enum { X, W, BIAS, X_SCALE, W_SCALE, MASK, X_ZERO, W_ZERO, PAST };

struct qattention_state {
    struct op_head head;
    struct op_heads past, present, y;
    int64_t batch, heads, in, width, past_rows;
    bool is_causal;
    float filter;
};

static bool read_attrs(const struct op_node *op, struct qattention_state *state,
                       struct error *err)
{
    bool rotary = false, shared = false;

    state->filter = -10000;
    if (!op_attr_int(op, "num_heads", &state->heads, err) ||
        !op_attr_bool(op, "unidirectional", &state->is_causal, err) ||
        !op_attr_float(op, "mask_filter_value", &state->filter, err) ||
        !op_attr_float(op, "scale", &state->head.scale, err) ||
        !op_attr_bool(op, "do_rotary", &rotary, err) ||
        !op_attr_bool(op, "past_present_share_buffer", &shared, err))
        return false;
    if (state->heads < 1 || state->heads > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "num_heads is %lld",
                    (long long)state->heads);
    return (!rotary && !shared) ||
           fail(err, ERR_MODEL_UNSUPPORTED, "do_rotary or shared buffers");
}

static bool read_shapes(const struct op_node *op,
                        struct qattention_state *state, struct error *err)
{
    const struct eng_tensor *x = op->in[X], *w = op->in[W];

    if (x->rank != 3 || w->rank != 2 || x->dims[2] != w->dims[0] ||
        w->dims[1] % (3 * state->heads) != 0)
        return fail(err, ERR_MODEL_INVALID, "input and weights do not fit");
    state->batch = x->dims[0];
    state->in = x->dims[2];
    state->width = w->dims[1];
    state->head.q_seq = x->dims[1];
    state->head.size = state->head.v_size = state->width / (3 * state->heads);
    if (state->head.scale == 0 && state->head.size)
        state->head.scale = 1 / sqrtf((float)state->head.size);
    if (op->in[BIAS]->dtype != ENG_F32 || op->in[BIAS]->rank != 1 ||
        op->in[BIAS]->dims[0] != state->width)
        return fail(err, ERR_MODEL_INVALID, "the bias does not fit");
    return op_want_type(op, X, OP_TYPES_QUANT8, err) &&
           op_want_type(op, W, OP_TYPES_QUANT8, err) &&
           op_quant_check(op, X_SCALE, X_ZERO, x->dtype, 0, err) &&
           op_quant_check(op, W_SCALE, W_ZERO, w->dtype, state->width, err);
}

/* past and present hold k in the first half and v in the second. */
static bool read_half(const struct eng_tensor *both, struct op_heads *half,
                      struct error *err)
{
    struct eng_tensor one = {.dtype = ENG_F32};

    eng_shape_set(&one, 4, both->dims + 1);
    return op_heads_read(&one, 0, half, err);
}

static bool read_past(struct op_node *op, struct qattention_state *state,
                      struct error *err)
{
    const struct eng_tensor *past;

    if (op_has(op, PAST)) {
        past = op->in[PAST];
        if (past->dtype != ENG_F32 || past->rank != 5 || past->dims[0] != 2 ||
            past->dims[1] != state->batch || past->dims[2] != state->heads ||
            past->dims[4] != state->head.size)
            return fail(err, ERR_MODEL_INVALID, "the past does not fit");
        state->past_rows = past->dims[3];
        if (!read_half(past, &state->past, err))
            return false;
    }
    state->head.kv_seq = state->past_rows + state->head.q_seq;
    if (op->out_count < 2)
        return true;
    op->out[1]->dtype = ENG_F32;
    eng_shape_set(op->out[1], 5,
                  (const int64_t[]){2, state->batch, state->heads,
                                    state->head.kv_seq, state->head.size});
    return read_half(op->out[1], &state->present, err);
}

static bool check_mask(const struct op_node *op,
                       const struct qattention_state *state, struct error *err)
{
    const struct eng_tensor *mask;
    int64_t b = state->batch;
    char text[ENG_SHAPE_TEXT];

    if (!op_has(op, MASK))
        return true;
    mask = op->in[MASK];
    if (!op_want_type(op, MASK, OP_TYPE(ENG_I32), err))
        return false;
    return (mask->rank == 1 &&
            (mask->dims[0] == b || mask->dims[0] == 2 * b)) ||
           (mask->rank == 2 && mask->dims[0] == b &&
            mask->dims[1] == state->head.kv_seq) ||
           fail(err, ERR_MODEL_UNSUPPORTED, "a mask of shape %.60s",
                eng_shape_text(mask, text));
}

static bool qattention_infer(struct op_node *op, struct error *err)
{
    struct qattention_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state || !read_attrs(op, state, err) || !read_shapes(op, state, err) ||
        !read_past(op, state, err) || !check_mask(op, state, err))
        return false;
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(
        op->out[0], 3,
        (const int64_t[]){state->batch, state->head.q_seq, state->width / 3});
    return op_heads_read(op->out[0], state->heads, &state->y, err);
}

/* q, k and v of one sequence, sums of a row, a row of w; then a head. */
static bool qattention_prepare(struct op_node *op, struct error *err)
{
    const struct qattention_state *state = op->state;
    size_t floats;

    if (__builtin_mul_overflow((size_t)state->head.q_seq + 2,
                               (size_t)state->width, &floats))
        return fail(err, ERR_MODEL_INVALID, "the rows are too large");
    return op_head_room(op, &state->head, floats, err);
}

/* --- running --- */

/* sums [width] = (x - x_zero) (w - w_zero) of the row of x at `first` */
static void sum_row(const struct op_node *op, const struct op_frame *frame,
                    int64_t first, int32_t *sums)
{
    const struct qattention_state *state = op->state;
    int32_t *row = sums + state->width;
    int32_t x_zero = op_zero_of(op, frame, X_ZERO, 0);
    bool one_zero =
        !op_has(op, W_ZERO) || eng_tensor_count(op->in[W_ZERO]) == 1;

    memset(sums, 0, (size_t)state->width * sizeof *sums);
    for (int64_t i = 0; i < state->in; i++) {
        int32_t x =
            op_quant_at(op->in[X]->dtype, op_in(op, frame, X), first + i) -
            x_zero;
        struct op_quant_row part = {
            .dtype = op->in[W]->dtype,
            .first = i * state->width,
            .step = 1,
            .count = state->width,
            .zero = one_zero ? op_zero_of(op, frame, W_ZERO, 0) : 0};

        op_quant_load(&part, op_in(op, frame, W), row);
        for (int64_t c = 0; !one_zero && c < state->width; c++)
            row[c] -= op_zero_of(op, frame, W_ZERO, c);
        for (int64_t c = 0; c < state->width; c++)
            sums[c] += x * row[c];
    }
}

/* qkv [s, width] of sequence b */
static void project(const struct op_node *op, const struct op_frame *frame,
                    int64_t b, float *qkv)
{
    const struct qattention_state *state = op->state;
    const float *bias = op_in(op, frame, BIAS);
    float x_scale = op_scale_of(op, frame, X_SCALE, 0);
    int64_t rows = state->head.q_seq;
    int32_t *sums = (int32_t *)(void *)(qkv + rows * state->width);

    for (int64_t r = 0; r < rows; r++) {
        float *to = qkv + r * state->width;

        sum_row(op, frame, (b * rows + r) * state->in, sums);
        for (int64_t c = 0; c < state->width; c++)
            to[c] = (float)sums[c] *
                        (x_scale * op_scale_of(op, frame, W_SCALE, c)) +
                    bias[c];
    }
}

/* Does row t of sequence b count? */
static bool counts(const struct op_node *op, const int32_t *mask, int64_t b,
                   int64_t t)
{
    const struct qattention_state *state = op->state;
    const struct eng_tensor *shape = op->in[MASK];

    if (shape->rank == 2)
        return mask[b * state->head.kv_seq + t] != 0;
    return t < mask[b] &&
           (shape->dims[0] == state->batch || t >= mask[state->batch + b]);
}

static void mask_head(const struct op_node *op, const struct op_frame *frame,
                      const struct op_head *head, int64_t b)
{
    const struct qattention_state *state = op->state;
    const int32_t *mask = op_has(op, MASK) ? op_in(op, frame, MASK) : NULL;

    for (int64_t i = 0; mask && i < head->q_seq * head->kv_seq; i++) {
        if (!counts(op, mask, b, i % head->kv_seq))
            head->scores[i] += state->filter;
    }
    if (state->is_causal)
        op_head_causal(head, head->kv_seq - head->q_seq);
}

/* Columns `first` to `first` + size of every row of qkv. */
static void take(const struct qattention_state *state, const float *qkv,
                 int64_t first, float *to)
{
    int64_t size = state->head.size;

    for (int64_t r = 0; r < state->head.q_seq; r++)
        memcpy(to + r * size, qkv + r * state->width + first,
               (size_t)size * sizeof *to);
}

static void run_head(const struct op_node *op, const struct op_frame *frame,
                     const struct op_head *head, const float *qkv,
                     const int64_t *at)
{
    const struct qattention_state *state = op->state;
    int64_t b = at[0], h = at[1], size = head->size;
    int64_t third = state->width / 3, before = state->past_rows * size;

    take(state, qkv, h * size, head->q);
    take(state, qkv, third + h * size, head->k + before);
    take(state, qkv, 2 * third + h * size, head->v + before);
    if (state->past_rows) {
        const float *past = op_in(op, frame, PAST);

        op_heads_load(&state->past, past, b, h, head->k);
        op_heads_load(&state->past, past + state->batch * state->past.batch, b,
                      h, head->v);
    }
    if (op->out_count > 1) {
        float *present = op_out(op, frame, 1);

        op_heads_store(&state->present, head->k, b, h, present);
        op_heads_store(&state->present, head->v, b, h,
                       present + state->batch * state->present.batch);
    }
    op_head_scores(head);
    mask_head(op, frame, head, b);
    op_head_softmax(head);
    op_head_values(head);
    op_heads_store(&state->y, head->y, b, h, op_out(op, frame, 0));
}

static bool qattention_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct qattention_state *state = op->state;
    float *qkv = frame->scratch;
    struct op_head head = state->head;

    (void)err;
    op_head_place(&head, qkv + (head.q_seq + 2) * state->width);
    for (int64_t b = 0; b < state->batch; b++) {
        project(op, frame, b, qkv);
        for (int64_t h = 0; h < state->heads; h++)
            run_head(op, frame, &head, qkv, (const int64_t[]){b, h});
    }
    return true;
}

const struct op_impl op_qattention = {.name = "qattention",
                                      .in_min = 5,
                                      .in_max = 9,
                                      .out_min = 1,
                                      .out_max = 2,
                                      .infer = qattention_infer,
                                      .prepare = qattention_prepare,
                                      .run = qattention_run};
