/*
 * Attention, opset 24: y = softmax(cap(scale q k') + masks) v, head by head
 *
 *   input   q      float, float16 or bfloat16 [batch, heads, s, d] or
 *                  [batch, s, heads d]
 *           k, v   likewise, kv_heads and t rows; v may have another d
 *           mask   bool (false = masked) or the type of q (added), broadcasts
 *                  to [batch, heads, s, all t]; rows it does not reach are
 *                  masked; may be left out
 *           past_k, past_v  [batch, kv_heads, p, d]: rows in front of k and v
 *           nonpad  int64 [batch]: rows of k and v that count, all without it
 *   output  y      shape of q, with v's d
 *           present_k, present_v  past and new rows
 *           scores [batch, heads, s, p + t] as qk_matmul_output_mode says
 *   attr    is_causal int = 0: row i sees the past and i + 1 rows, or, with
 *           nonpad, the last of the rows that count
 *           q_num_heads, kv_num_heads int: needed with rank 3
 *           scale = 1 / sqrt(d), softcap = 0: none; softmax_precision: always
 *           float here; qk_matmul_output_mode = 0: scale q k', 1: after the
 *           cap, 2: with masks, 3: softmax
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_VALIDATION_ERROR: nonpad outside [0, t]
 *   source  ONNX operator list, Attention-23, -24; a row that is masked
 *           altogether gives 0. kv_heads < heads: neighbouring heads share
 */
#include <math.h>
#include <string.h>

#include "attention.h"

enum { Q, K, V, MASK, PAST_K, PAST_V, NONPAD };
enum { Y, PRESENT_K, PRESENT_V, SCORES };
enum { RAW, CAPPED, MASKED, SOFTMAX };

struct attention_state {
    struct op_head head;
    struct op_heads q, k, v, past_k, past_v, y, present_k, present_v, scores;
    int64_t batch, past;
    bool is_causal;
    float softcap;
    int64_t mode;
};

static bool read_attrs(const struct op_node *op, struct attention_state *state,
                       int64_t *q_heads, int64_t *kv_heads, struct error *err)
{
    if (!op_attr_bool(op, "is_causal", &state->is_causal, err) ||
        !op_attr_int(op, "q_num_heads", q_heads, err) ||
        !op_attr_int(op, "kv_num_heads", kv_heads, err) ||
        !op_attr_float(op, "scale", &state->head.scale, err) ||
        !op_attr_float(op, "softcap", &state->softcap, err) ||
        !op_attr_int(op, "qk_matmul_output_mode", &state->mode, err))
        return false;
    if (state->mode < RAW || state->mode > SOFTMAX)
        return fail(err, ERR_MODEL_INVALID, "qk_matmul_output_mode is %lld",
                    (long long)state->mode);
    return true;
}

static bool read_past(const struct op_node *op, struct attention_state *state,
                      struct error *err)
{
    if (op_has(op, PAST_K) != op_has(op, PAST_V))
        return fail(err, ERR_MODEL_INVALID, "past_key needs past_value");
    if (!op_has(op, PAST_K))
        return true;
    if (op->in[PAST_K]->rank != 4 || op->in[PAST_V]->rank != 4 ||
        op->in[PAST_K]->dims[0] != state->batch ||
        op->in[PAST_V]->dims[0] != state->batch)
        return fail(err, ERR_MODEL_INVALID, "the past does not fit");
    if (!op_heads_read(op->in[PAST_K], 0, &state->past_k, err) ||
        !op_heads_read(op->in[PAST_V], 0, &state->past_v, err))
        return false;
    if (state->past_k.heads != state->k.heads ||
        state->past_v.heads != state->v.heads ||
        state->past_k.size != state->k.size ||
        state->past_v.size != state->v.size ||
        state->past_k.rows != state->past_v.rows)
        return fail(err, ERR_MODEL_INVALID, "the past does not fit");
    state->past = state->past_k.rows;
    return true;
}

static bool check_heads(const struct op_node *op,
                        const struct attention_state *state, struct error *err)
{
    const struct op_heads *q = &state->q, *k = &state->k, *v = &state->v;

    if (op->in[K]->dims[0] != state->batch ||
        op->in[V]->dims[0] != state->batch || k->size != q->size ||
        k->rows != v->rows || k->heads != v->heads || !k->heads ||
        q->heads % k->heads != 0)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld heads of %lld, keys: %lld of %lld, values: %lld",
                    (long long)q->heads, (long long)q->size,
                    (long long)k->heads, (long long)k->size,
                    (long long)v->heads);
    return true;
}

static bool check_masks(const struct op_node *op,
                        const struct attention_state *state, struct error *err)
{
    uint32_t types = OP_TYPES_SHORT_REAL | OP_TYPE(ENG_BOOL);

    if (op_has(op, MASK) &&
        (!op_want_type(op, MASK, types, err) ||
         !op_head_check_add(op, MASK, state->batch, state->q.heads,
                            &state->head, err)))
        return false;
    if (op_has(op, NONPAD) &&
        (!op_want_type(op, NONPAD, OP_TYPE(ENG_I64), err) ||
         eng_tensor_count(op->in[NONPAD]) != state->batch))
        return fail(err, ERR_MODEL_INVALID, "input %d does not fit", NONPAD);
    return true;
}

static void set_present(struct op_node *op, size_t i, struct op_heads *stack,
                        const struct op_heads *from,
                        const struct attention_state *state)
{
    struct eng_tensor *out;
    struct error err;

    if (i >= op->out_count)
        return;
    out = op->out[i];
    out->dtype = from->dtype;
    eng_shape_set(out, 4,
                  (const int64_t[]){state->batch, from->heads,
                                    state->head.kv_seq, from->size});
    (void)op_heads_read(out, 0, stack, &err);
}

static bool set_outputs(struct op_node *op, struct attention_state *state,
                        struct error *err)
{
    const struct op_heads *q = &state->q;
    struct eng_tensor *y = op->out[Y];
    int64_t width;

    if (__builtin_mul_overflow(q->heads, state->v.size, &width))
        return fail(err, ERR_MODEL_INVALID, "the output is too large");
    op_like(y, op->in[Q]);
    y->dims[y->rank - 1] = y->rank == 4 ? state->v.size : width;
    set_present(op, PRESENT_K, &state->present_k, &state->k, state);
    set_present(op, PRESENT_V, &state->present_v, &state->v, state);
    if (op->out_count > SCORES) {
        op->out[SCORES]->dtype = q->dtype;
        eng_shape_set(op->out[SCORES], 4,
                      (const int64_t[]){state->batch, q->heads, q->rows,
                                        state->head.kv_seq});
        if (!op_heads_read(op->out[SCORES], 0, &state->scores, err))
            return false;
    }
    return op_heads_read(y, q->heads, &state->y, err);
}

static bool attention_infer(struct op_node *op, struct error *err)
{
    struct attention_state *state = op_alloc(op, sizeof *state, err);
    int64_t q_heads = 0, kv_heads = 0;

    op->state = state;
    if (!state)
        return false;
    state->head.scale = NAN;
    for (size_t i = Q; i <= PAST_V; i++) {
        if (i != MASK && op_has(op, i) &&
            !op_want_type(op, i, OP_TYPES_SHORT_REAL, err))
            return false;
    }
    if (!read_attrs(op, state, &q_heads, &kv_heads, err) ||
        !op_heads_read(op->in[Q], q_heads, &state->q, err) ||
        !op_heads_read(op->in[K], kv_heads, &state->k, err) ||
        !op_heads_read(op->in[V], kv_heads, &state->v, err))
        return false;
    state->batch = op->in[Q]->dims[0];
    if (!check_heads(op, state, err) || !read_past(op, state, err))
        return false;
    state->head.q_seq = state->q.rows;
    state->head.kv_seq = state->past + state->k.rows;
    state->head.size = state->q.size;
    state->head.v_size = state->v.size;
    if (isnan(state->head.scale))
        state->head.scale = 1 / sqrtf((float)state->q.size);
    return check_masks(op, state, err) && set_outputs(op, state, err);
}

static bool attention_prepare(struct op_node *op, struct error *err)
{
    const struct attention_state *state = op->state;

    return op_head_room(op, &state->head, 0, err);
}

/* q, k and v of head h, the past in front. */
static void load_head(const struct op_node *op, const struct op_frame *frame,
                      const struct op_head *head, int64_t b, int64_t h)
{
    const struct attention_state *state = op->state;
    int64_t shared = h / (state->q.heads / state->k.heads);

    op_heads_load(&state->q, op_in(op, frame, Q), b, h, head->q);
    if (state->past) {
        op_heads_load(&state->past_k, op_in(op, frame, PAST_K), b, shared,
                      head->k);
        op_heads_load(&state->past_v, op_in(op, frame, PAST_V), b, shared,
                      head->v);
    }
    op_heads_load(&state->k, op_in(op, frame, K), b, shared,
                  head->k + state->past * head->size);
    op_heads_load(&state->v, op_in(op, frame, V), b, shared,
                  head->v + state->past * head->v_size);
    if (op->out_count > PRESENT_K)
        op_heads_store(&state->present_k, head->k, b, shared,
                       op_out(op, frame, PRESENT_K));
    if (op->out_count > PRESENT_V)
        op_heads_store(&state->present_v, head->v, b, shared,
                       op_out(op, frame, PRESENT_V));
}

static void put_scores(const struct op_node *op, const struct op_frame *frame,
                       const struct op_head *head, const int64_t *at, int mode)
{
    const struct attention_state *state = op->state;

    if (op->out_count > SCORES && state->mode == mode)
        op_heads_store(&state->scores, head->scores, at[0], at[1],
                       op_out(op, frame, SCORES));
}

static void cap(const struct attention_state *state, const struct op_head *head)
{
    for (int64_t i = 0; state->softcap > 0 && i < head->q_seq * head->kv_seq;
         i++)
        head->scores[i] =
            state->softcap * tanhf(head->scores[i] / state->softcap);
}

/* Rows of k from `count` on do not count. */
static void hide_padding(const struct op_head *head, int64_t count)
{
    for (int64_t s = 0; s < head->q_seq; s++) {
        for (int64_t t = count; t < head->kv_seq; t++)
            head->scores[s * head->kv_seq + t] = -INFINITY;
    }
}

static void mask_head(const struct op_node *op, const struct op_frame *frame,
                      const struct op_head *head, int64_t b, int64_t h)
{
    const struct attention_state *state = op->state;
    int64_t counted = op_has(op, NONPAD)
                          ? ((const int64_t *)op_in(op, frame, NONPAD))[b]
                          : head->kv_seq;

    if (op_has(op, MASK))
        op_head_add(head, op->in[MASK], op_in(op, frame, MASK), b, h);
    if (state->is_causal)
        op_head_causal(head, op_has(op, NONPAD) ? counted - head->q_seq
                                                : state->past);
    hide_padding(head, counted);
}

static void run_head(const struct op_node *op, const struct op_frame *frame,
                     const struct op_head *head, int64_t b, int64_t h)
{
    const struct attention_state *state = op->state;
    const int64_t at[] = {b, h};

    load_head(op, frame, head, b, h);
    if (state->softcap <= 0 && op->out_count <= SCORES) {
        bool adds = op_has(op, MASK) || op_has(op, NONPAD) || state->is_causal;

        if (adds) {
            op_head_clear(head);
            mask_head(op, frame, head, b, h);
        }
        op_head_attend(head, adds);
        op_heads_store(&state->y, head->y, b, h, op_out(op, frame, Y));
        return;
    }
    op_head_scores(head);
    put_scores(op, frame, head, at, RAW);
    cap(state, head);
    put_scores(op, frame, head, at, CAPPED);
    mask_head(op, frame, head, b, h);
    put_scores(op, frame, head, at, MASKED);
    op_head_softmax(head);
    put_scores(op, frame, head, at, SOFTMAX);
    op_head_values(head);
    op_heads_store(&state->y, head->y, b, h, op_out(op, frame, Y));
}

static bool attention_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct attention_state *state = op->state;
    struct op_head head = state->head;

    op_head_place(&head, frame->scratch);
    for (int64_t b = 0; b < state->batch; b++) {
        int64_t counted = op_has(op, NONPAD)
                              ? ((const int64_t *)op_in(op, frame, NONPAD))[b]
                              : 0;

        if (counted < 0 || counted > head.kv_seq)
            return fail(err, ERR_VALIDATION_ERROR, "%lld of %lld rows count",
                        (long long)counted, (long long)head.kv_seq);
        for (int64_t h = 0; h < state->q.heads; h++)
            run_head(op, frame, &head, b, h);
    }
    return true;
}

const struct op_impl op_attention = {.name = "attention",
                                     .in_min = 3,
                                     .in_max = 7,
                                     .out_min = 1,
                                     .out_max = 4,
                                     .infer = attention_infer,
                                     .prepare = attention_prepare,
                                     .run = attention_run};
