/*
 * com.microsoft Attention-1:          q, k, v = x w + bias, then attention
 * com.microsoft MultiHeadAttention-1: q, k, v are inputs, bias is added
 *
 *   Attention
 *   input   x     float [batch, s, in];  w [in, 2 q + v];  bias [2 q + v]
 *           mask  int32: [batch, t] or [batch, s, t] with 0 = masked; [batch]:
 *                 rows that count; [2 batch]: their ends, then their starts
 *           past  [2, batch, heads, p, d]
 *           attention_bias  broadcasts to [batch, heads, s, t], t = p + s
 *   output  y [batch, s, v], present [2, batch, heads, t, d]
 *   MultiHeadAttention
 *   input   q     float [batch, s, heads d]
 *           k, v  [batch, l, heads d], or [batch, heads, l, d] without bias
 *           bias  [sum of the widths]; mask, attention_bias  as above
 *           past_k, past_v  [batch, heads, p, d]
 *   output  y [batch, s, heads dv], present_k, present_v [batch, heads, t, d]
 *   attr    num_heads int; unidirectional int = 0, scale = 1 / sqrt(d),
 *           mask_filter_value = -10000: added where the mask is 0
 *           qkv_hidden_sizes ints (Attention)
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_MODEL_UNSUPPORTED: packed q, k, v, shared buffers, do_rotary
 *   source  ONNX Runtime, ContribOperators
 */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "gemm.h"

struct ms_state {
    struct op_head head;
    struct op_heads q, k, v, past_k, past_v, y, present_k, present_v;
    int64_t batch, past, width; /* width: columns of q, k and v together */
    bool is_causal, is_self;    /* is_self: Attention */
    float filter;
    size_t bias, mask, add; /* inputs */
};

static bool read_attrs(const struct op_node *op, struct ms_state *state,
                       int64_t *heads, struct error *err)
{
    bool rotary = false;

    state->head.scale = 0;
    state->filter = -10000;
    if (!op_attr_int(op, "num_heads", heads, err) ||
        !op_attr_bool(op, "unidirectional", &state->is_causal, err) ||
        !op_attr_bool(op, "do_rotary", &rotary, err) ||
        !op_attr_float(op, "scale", &state->head.scale, err) ||
        !op_attr_float(op, "mask_filter_value", &state->filter, err))
        return false;
    if (*heads < 1 || *heads > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "num_heads is %lld",
                    (long long)*heads);
    return !rotary || fail(err, ERR_MODEL_UNSUPPORTED, "do_rotary");
}

static bool all_float(const struct op_node *op, const struct ms_state *state,
                      struct error *err)
{
    for (size_t i = 0; i < op->in_count; i++) {
        enum eng_dtype want = i == state->mask ? ENG_I32 : ENG_F32;

        if (op->in[i] && !op_want_type(op, i, OP_TYPE(want), err))
            return false;
    }
    return true;
}

static bool check_mask(const struct op_node *op, const struct ms_state *state,
                       struct error *err)
{
    const struct eng_tensor *mask;
    int64_t t = state->head.kv_seq, b = state->batch;
    char text[ENG_SHAPE_TEXT];
    bool fits;

    if (!op_has(op, state->mask))
        return true;
    mask = op->in[state->mask];
    fits =
        (mask->rank == 1 && (mask->dims[0] == b || mask->dims[0] == 2 * b)) ||
        (mask->rank == 2 && mask->dims[0] == b && mask->dims[1] == t) ||
        (mask->rank == 3 && mask->dims[0] == b &&
         mask->dims[1] == state->head.q_seq && mask->dims[2] == t);
    return fits || fail(err, ERR_MODEL_UNSUPPORTED, "a mask of shape %.60s",
                        eng_shape_text(mask, text));
}

/* Sizes of the head, checks of bias and masks; q, k, v and the past are set. */
static bool finish(struct op_node *op, struct ms_state *state,
                   struct error *err)
{
    struct op_head *head = &state->head;

    if (state->k.heads != state->q.heads || state->v.heads != state->q.heads ||
        state->k.size != state->q.size || state->k.rows != state->v.rows)
        return fail(err, ERR_MODEL_INVALID, "q, k and v do not fit");
    head->q_seq = state->q.rows;
    head->kv_seq = state->past + state->k.rows;
    head->size = state->q.size;
    head->v_size = state->v.size;
    if (head->scale == 0)
        head->scale = 1 / sqrtf((float)head->size);
    if (op_has(op, state->bias) &&
        (op->in[state->bias]->rank != 1 ||
         op->in[state->bias]->dims[0] != state->width))
        return fail(err, ERR_MODEL_INVALID, "the bias is not [%lld]",
                    (long long)state->width);
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 3,
                  (const int64_t[]){state->batch, head->q_seq,
                                    state->v.heads * state->v.size});
    return check_mask(op, state, err) &&
           (!op_has(op, state->add) ||
            op_head_check_add(op, state->add, state->batch, state->q.heads,
                              head, err)) &&
           op_heads_read(op->out[0], state->q.heads, &state->y, err);
}

/* --- one head --- */

static void add_bias(const struct op_heads *stack, const float *bias, int64_t h,
                     float *rows)
{
    for (int64_t i = 0; bias && i < stack->rows * stack->size; i++)
        rows[i] += bias[h * stack->size + i % stack->size];
}

/* Does row t of sequence b count for row s? */
static bool counts(const struct op_node *op, const int32_t *mask, int64_t b,
                   int64_t s, int64_t t)
{
    const struct ms_state *state = op->state;
    const struct eng_tensor *shape = op->in[state->mask];
    int64_t kv = state->head.kv_seq;

    if (shape->rank == 3)
        return mask[(b * state->head.q_seq + s) * kv + t] != 0;
    if (shape->rank == 2)
        return mask[b * kv + t] != 0;
    return t < mask[b] &&
           (shape->dims[0] == state->batch || t >= mask[state->batch + b]);
}

/* The addends of head h; returns whether there are any. Heads share them
 * unless they come from a tensor. */
static bool mask_head(const struct op_node *op, const struct op_frame *frame,
                      const struct op_head *head, int64_t b, int64_t h)
{
    const struct ms_state *state = op->state;
    const int32_t *mask =
        op_has(op, state->mask) ? op_in(op, frame, state->mask) : NULL;

    if (!mask && !op_has(op, state->add) && !state->is_causal)
        return false;
    if (h && !op_has(op, state->add))
        return true;
    op_head_clear(head);

    for (int64_t i = 0; mask && i < head->q_seq * head->kv_seq; i++) {
        if (!counts(op, mask, b, i / head->kv_seq, i % head->kv_seq))
            head->scores[i] += state->filter;
    }
    if (op_has(op, state->add))
        op_head_add(head, op->in[state->add], op_in(op, frame, state->add), b,
                    h);
    if (state->is_causal)
        op_head_causal(head, head->kv_seq - head->q_seq);
    return true;
}

/* Where the elements of q, k and v are, and the bias of each (or NULL). */
struct sources {
    const void *q, *k, *v, *past_k, *past_v;
    const float *q_bias, *k_bias, *v_bias;
    void *present_k, *present_v;
};

static void run_head(const struct op_node *op, const struct op_frame *frame,
                     const struct op_head *head, const struct sources *from,
                     const int64_t *at)
{
    const struct ms_state *state = op->state;
    float *k = head->k + state->past * head->size;
    float *v = head->v + state->past * head->v_size;
    /* q, k and v of Attention were computed for this sequence alone. */
    int64_t b = at[0], h = at[1], row = state->is_self ? 0 : b;

    op_heads_load(&state->q, from->q, row, h, head->q);
    op_heads_load(&state->k, from->k, row, h, k);
    op_heads_load(&state->v, from->v, row, h, v);
    add_bias(&state->q, from->q_bias, h, head->q);
    add_bias(&state->k, from->k_bias, h, k);
    add_bias(&state->v, from->v_bias, h, v);
    if (state->past) {
        op_heads_load(&state->past_k, from->past_k, b, h, head->k);
        op_heads_load(&state->past_v, from->past_v, b, h, head->v);
    }
    if (from->present_k)
        op_heads_store(&state->present_k, head->k, b, h, from->present_k);
    if (from->present_v)
        op_heads_store(&state->present_v, head->v, b, h, from->present_v);
    op_head_attend(head, mask_head(op, frame, head, b, h));
    op_heads_store(&state->y, head->y, b, h, op_out(op, frame, 0));
}

static void run_heads(const struct op_node *op, const struct op_frame *frame,
                      const struct op_head *head, const struct sources *from,
                      int64_t b)
{
    const struct ms_state *state = op->state;

    for (int64_t h = 0; h < state->q.heads; h++)
        run_head(op, frame, head, from, (const int64_t[]){b, h});
}

/* --- MultiHeadAttention --- */

enum { Q, K, V, BIAS, MASK, ADD, PAST_K, PAST_V };

static bool read_past(const struct op_node *op, struct ms_state *state,
                      struct error *err)
{
    if (op_has(op, PAST_K) != op_has(op, PAST_V))
        return fail(err, ERR_MODEL_INVALID, "past_key needs past_value");
    if (!op_has(op, PAST_K))
        return true;
    if (op->in[PAST_K]->rank != 4 || op->in[PAST_V]->rank != 4 ||
        op->in[PAST_K]->dims[0] != state->batch ||
        op->in[PAST_V]->dims[0] != state->batch ||
        !op_heads_read(op->in[PAST_K], 0, &state->past_k, err) ||
        !op_heads_read(op->in[PAST_V], 0, &state->past_v, err) ||
        state->past_k.heads != state->k.heads ||
        state->past_v.heads != state->k.heads ||
        state->past_k.size != state->k.size ||
        state->past_v.size != state->v.size ||
        state->past_k.rows != state->past_v.rows)
        return fail(err, ERR_MODEL_INVALID, "the past does not fit");
    state->past = state->past_k.rows;
    return true;
}

static bool set_present(struct op_node *op, size_t i, struct op_heads *stack,
                        const struct op_heads *from, struct error *err)
{
    const struct ms_state *state = op->state;

    if (i >= op->out_count)
        return true;
    op->out[i]->dtype = ENG_F32;
    eng_shape_set(op->out[i], 4,
                  (const int64_t[]){state->batch, from->heads,
                                    state->head.kv_seq, from->size});
    return op_heads_read(op->out[i], 0, stack, err);
}

static bool mha_infer(struct op_node *op, struct error *err)
{
    struct ms_state *state = op_alloc(op, sizeof *state, err);
    int64_t heads = 0;

    op->state = state;
    if (!state)
        return false;
    state->bias = BIAS;
    state->mask = MASK;
    state->add = ADD;
    if (!all_float(op, state, err) || !read_attrs(op, state, &heads, err))
        return false;
    if (op->in[Q]->rank != 3 || !op_has(op, K) || !op_has(op, V))
        return fail(err, ERR_MODEL_UNSUPPORTED, "packed queries and keys");
    state->batch = op->in[Q]->dims[0];
    if (!op_heads_read(op->in[Q], heads, &state->q, err) ||
        !op_heads_read(op->in[K], heads, &state->k, err) ||
        !op_heads_read(op->in[V], heads, &state->v, err))
        return false;
    if (op->in[K]->dims[0] != state->batch ||
        op->in[V]->dims[0] != state->batch)
        return fail(err, ERR_MODEL_INVALID, "the batches differ");
    state->width = heads * (state->q.size + state->k.size + state->v.size);
    return read_past(op, state, err) && finish(op, state, err) &&
           set_present(op, 1, &state->present_k, &state->k, err) &&
           set_present(op, 2, &state->present_v, &state->v, err);
}

static bool mha_prepare(struct op_node *op, struct error *err)
{
    const struct ms_state *state = op->state;

    return op_head_room(op, &state->head, 0, err);
}

static bool mha_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct ms_state *state = op->state;
    const float *bias = op_has(op, BIAS) ? op_in(op, frame, BIAS) : NULL;
    int64_t columns = state->q.heads * state->q.size;
    struct sources from = {
        .q = op_in(op, frame, Q),
        .k = op_in(op, frame, K),
        .v = op_in(op, frame, V),
        .past_k = state->past ? op_in(op, frame, PAST_K) : NULL,
        .past_v = state->past ? op_in(op, frame, PAST_V) : NULL,
        .q_bias = bias,
        .k_bias = bias ? bias + columns : NULL,
        .v_bias = bias ? bias + 2 * columns : NULL,
        .present_k = op->out_count > 1 ? op_out(op, frame, 1) : NULL,
        .present_v = op->out_count > 2 ? op_out(op, frame, 2) : NULL};
    struct op_head head = state->head;

    (void)err;
    op_head_place(&head, frame->scratch);
    for (int64_t b = 0; b < state->batch; b++)
        run_heads(op, frame, &head, &from, b);
    return true;
}

const struct op_impl op_ms_mha = {.name = "ms_mha",
                                  .in_min = 1,
                                  .in_max = 8,
                                  .out_min = 1,
                                  .out_max = 3,
                                  .infer = mha_infer,
                                  .prepare = mha_prepare,
                                  .run = mha_run};

/* --- Attention --- */

enum { X, W, SELF_BIAS, SELF_MASK, PAST, SELF_ADD };

/* Widths of q, k and v in the columns of w. */
static bool read_widths(const struct op_node *op, int64_t columns,
                        int64_t *widths, struct error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;

    if (!op_attr_ints(op, "qkv_hidden_sizes", &list, &count, err))
        return false;
    for (size_t i = 0; i < 3; i++)
        widths[i] = count == 3 ? list[i] : columns / 3;
    if ((count && count != 3) || widths[0] < 1 || widths[0] > columns ||
        widths[1] != widths[0] || widths[2] < 1 || widths[2] > columns ||
        widths[0] + widths[1] + widths[2] != columns)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld columns are not those of q, k and v",
                    (long long)columns);
    return true;
}

/* Heads in rows of `width` columns, from column `first` on. */
static bool set_columns(const struct ms_state *state, int64_t first,
                        int64_t columns, int64_t heads, struct op_heads *stack,
                        struct error *err)
{
    if (columns % heads != 0)
        return fail(err, ERR_MODEL_INVALID, "%lld columns for %lld heads",
                    (long long)columns, (long long)heads);
    *stack = (struct op_heads){.dtype = ENG_F32,
                               .head = columns / heads,
                               .row = state->width,
                               .first = first,
                               .heads = heads,
                               .rows = state->head.q_seq,
                               .size = columns / heads};
    return true;
}

/* past and present: k in the first half, v in the second. */
static bool set_halves(const struct eng_tensor *both, struct op_heads *k,
                       struct op_heads *v, struct error *err)
{
    struct eng_tensor half = {.dtype = ENG_F32};

    eng_shape_set(&half, 4, both->dims + 1);
    if (!op_heads_read(&half, 0, k, err))
        return false;
    *v = *k;
    v->first = k->batch * half.dims[0];
    return true;
}

static bool read_self_past(struct op_node *op, struct ms_state *state,
                           struct error *err)
{
    const struct eng_tensor *past;

    if (op_has(op, PAST)) {
        past = op->in[PAST];
        if (past->rank != 5 || past->dims[0] != 2 ||
            past->dims[1] != state->batch || past->dims[2] != state->q.heads ||
            past->dims[4] != state->q.size || state->v.size != state->q.size)
            return fail(err, ERR_MODEL_INVALID, "the past does not fit");
        if (!set_halves(past, &state->past_k, &state->past_v, err))
            return false;
        state->past = past->dims[3];
    }
    if (op->out_count < 2)
        return true;
    if (state->v.size != state->q.size)
        return fail(err, ERR_MODEL_INVALID, "k and v differ in size");
    op->out[1]->dtype = ENG_F32;
    eng_shape_set(op->out[1], 5,
                  (const int64_t[]){2, state->batch, state->q.heads,
                                    state->past + state->head.q_seq,
                                    state->q.size});
    return set_halves(op->out[1], &state->present_k, &state->present_v, err);
}

static bool self_infer(struct op_node *op, struct error *err)
{
    struct ms_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[X], *w = op->in[W];
    int64_t heads = 0, widths[3];

    op->state = state;
    if (!state)
        return false;
    state->is_self = true;
    state->bias = SELF_BIAS;
    state->mask = SELF_MASK;
    state->add = SELF_ADD;
    if (!all_float(op, state, err) || !read_attrs(op, state, &heads, err))
        return false;
    if (x->rank != 3 || w->rank != 2 || x->dims[2] != w->dims[0])
        return fail(err, ERR_MODEL_INVALID, "input and weights do not fit");
    state->batch = x->dims[0];
    state->head.q_seq = x->dims[1];
    state->width = w->dims[1];
    return read_widths(op, state->width, widths, err) &&
           set_columns(state, 0, widths[0], heads, &state->q, err) &&
           set_columns(state, widths[0], widths[1], heads, &state->k, err) &&
           set_columns(state, widths[0] + widths[1], widths[2], heads,
                       &state->v, err) &&
           read_self_past(op, state, err) && finish(op, state, err);
}

/* q, k and v of one sequence, then a head. */
static bool self_prepare(struct op_node *op, struct error *err)
{
    const struct ms_state *state = op->state;
    size_t floats;

    if (__builtin_mul_overflow((size_t)state->head.q_seq, (size_t)state->width,
                               &floats))
        return fail(err, ERR_MODEL_INVALID, "the rows are too large");
    return op_head_room(op, &state->head, floats, err);
}

/* qkv [s, width] = x w of sequence b */
static void project(const struct op_node *op, const struct op_frame *frame,
                    int64_t b, float *qkv)
{
    const struct ms_state *state = op->state;
    int64_t in = op->in[X]->dims[2], rows = state->head.q_seq;
    struct op_product product = {.m = rows,
                                 .n = state->width,
                                 .k = in,
                                 .a_row = in,
                                 .a_col = 1,
                                 .b_row = state->width,
                                 .b_col = 1};

    op_product_f32(&product, (const float *)op_in(op, frame, X) + b * rows * in,
                   op_in(op, frame, W), qkv);
}

static bool self_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct ms_state *state = op->state;
    float *qkv = frame->scratch;
    const float *bias =
        op_has(op, SELF_BIAS) ? op_in(op, frame, SELF_BIAS) : NULL;
    void *past = op_has(op, PAST) ? frame->data[op->in_value[PAST]] : NULL;
    void *present = op->out_count > 1 ? op_out(op, frame, 1) : NULL;
    struct sources from = {.q = qkv,
                           .k = qkv,
                           .v = qkv,
                           .past_k = past,
                           .past_v = past,
                           .q_bias = bias,
                           .k_bias = bias ? bias + state->k.first : NULL,
                           .v_bias = bias ? bias + state->v.first : NULL,
                           .present_k = present,
                           .present_v = present};
    struct op_head head = state->head;

    (void)err;
    op_head_place(&head, qkv + state->head.q_seq * state->width);
    for (int64_t b = 0; b < state->batch; b++) {
        project(op, frame, b, qkv);
        run_heads(op, frame, &head, &from, b);
    }
    return true;
}

const struct op_impl op_ms_attention = {.name = "ms_attention",
                                        .in_min = 2,
                                        .in_max = 6,
                                        .out_min = 1,
                                        .out_max = 2,
                                        .infer = self_infer,
                                        .prepare = self_prepare,
                                        .run = self_run};
