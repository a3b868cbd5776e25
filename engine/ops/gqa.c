/*
 * com.microsoft GroupQueryAttention-1: causal attention whose keys and values
 * have fewer heads than the queries and are kept from one call to the next
 *
 *   input   q     float, float16 or bfloat16 [batch, s, heads d]
 *           k, v  [batch, s, kv_heads d]; both left out = q holds all three,
 *                 [batch, s, (heads + 2 kv_heads) d]
 *           past_k, past_v  [batch, kv_heads, p, d]; may be left out
 *           seqlens   int32 [batch]: rows that count in the end, less 1
 *           total     int32, one element, known while planning: rows that
 *                     present has at least
 *           cos, sin  [positions, r / 2], needed with do_rotary
 *   output  y     [batch, s, heads d]
 *           present_k, present_v  [batch, kv_heads, max(p, total), d]
 *   attr    num_heads, kv_num_heads int; scale float = 1 / sqrt(d); softcap
 *           float = 0: scores become softcap tanh(scores / softcap);
 *           local_window_size int = -1: how many keys a query sees, its own
 *           among them; do_rotary, rotary_interleaved int = 0
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_VALIDATION_ERROR: a length or position outside
 *           ERR_MODEL_UNSUPPORTED: smooth_softmax
 *   source  ONNX Runtime, ContribOperators
 */
#include <math.h>
#include <string.h>

#include "attention.h"

/* Inputs. */
enum { Q, K, V, PAST_K, PAST_V, SEQLENS, TOTAL, COS, SIN };

struct gqa_state {
    struct op_head head;
    struct op_heads q, k, v, past_k, past_v, y, present_k, present_v;
    int64_t batch, past, window, half, positions; /* half: r / 2 */
    bool rotary, interleaved;
    float softcap;
};

static bool read_attrs(const struct op_node *op, struct gqa_state *state,
                       int64_t *heads, struct error *err)
{
    int64_t smooth = 0;

    state->window = -1;
    if (!op_attr_int(op, "num_heads", &heads[0], err) ||
        !op_attr_int(op, "kv_num_heads", &heads[1], err) ||
        !op_attr_float(op, "scale", &state->head.scale, err) ||
        !op_attr_float(op, "softcap", &state->softcap, err) ||
        !op_attr_int(op, "local_window_size", &state->window, err) ||
        !op_attr_bool(op, "do_rotary", &state->rotary, err) ||
        !op_attr_bool(op, "rotary_interleaved", &state->interleaved, err) ||
        !op_attr_int(op, "smooth_softmax", &smooth, err))
        return false;
    if (heads[1] < 1 || heads[0] < heads[1] || heads[0] > INT32_MAX ||
        heads[0] % heads[1] != 0)
        return fail(err, ERR_MODEL_INVALID, "%lld heads, %lld of keys",
                    (long long)heads[0], (long long)heads[1]);
    return smooth < 1 || fail(err, ERR_MODEL_UNSUPPORTED, "smooth_softmax");
}

/* Heads in the columns of q, from column `first` on. */
static struct op_heads columns(const struct op_heads *all, int64_t first,
                               int64_t heads)
{
    struct op_heads part = *all;

    part.first = first * all->size;
    part.heads = heads;
    return part;
}

static bool read_operands(const struct op_node *op, struct gqa_state *state,
                          const int64_t *heads, struct error *err)
{
    if (op->in[Q]->rank != 3 || op_has(op, K) != op_has(op, V))
        return fail(err, ERR_MODEL_INVALID, "q, k and v do not fit");
    state->batch = op->in[Q]->dims[0];
    if (!op_has(op, K)) {
        struct op_heads all;

        if (!op_heads_read(op->in[Q], heads[0] + 2 * heads[1], &all, err))
            return false;
        state->q = columns(&all, 0, heads[0]);
        state->k = columns(&all, heads[0], heads[1]);
        state->v = columns(&all, heads[0] + heads[1], heads[1]);
        return true;
    }
    return (op->in[K]->rank == 3 && op->in[V]->rank == 3 &&
            op->in[K]->dims[0] == state->batch &&
            op->in[V]->dims[0] == state->batch &&
            op_heads_read(op->in[Q], heads[0], &state->q, err) &&
            op_heads_read(op->in[K], heads[1], &state->k, err) &&
            op_heads_read(op->in[V], heads[1], &state->v, err) &&
            state->k.rows == state->q.rows && state->v.rows == state->q.rows &&
            state->k.size == state->q.size && state->v.size == state->q.size) ||
           fail(err, ERR_MODEL_INVALID, "q, k and v do not fit");
}

static bool fits_past(const struct gqa_state *state,
                      const struct op_heads *past,
                      const struct eng_tensor *tensor)
{
    return tensor->dims[0] == state->batch && past->heads == state->k.heads &&
           past->size == state->k.size;
}

static bool read_past(const struct op_node *op, struct gqa_state *state,
                      struct error *err)
{
    if (op_has(op, PAST_K) != op_has(op, PAST_V))
        return fail(err, ERR_MODEL_INVALID, "past_key needs past_value");
    if (!op_has(op, PAST_K))
        return true;
    if (op->in[PAST_K]->rank != 4 || op->in[PAST_V]->rank != 4 ||
        !op_heads_read(op->in[PAST_K], 0, &state->past_k, err) ||
        !op_heads_read(op->in[PAST_V], 0, &state->past_v, err) ||
        !fits_past(state, &state->past_k, op->in[PAST_K]) ||
        !fits_past(state, &state->past_v, op->in[PAST_V]) ||
        state->past_k.rows != state->past_v.rows)
        return fail(err, ERR_MODEL_INVALID, "the past does not fit");
    state->past = state->past_k.rows;
    return true;
}

static bool read_tables(const struct op_node *op, struct gqa_state *state,
                        struct error *err)
{
    if (!state->rotary)
        return true;
    if (!op_has(op, COS) || !op_has(op, SIN) || op->in[COS]->rank != 2 ||
        !eng_shape_equal(op->in[COS], op->in[SIN]) ||
        op->in[COS]->dims[1] > state->q.size / 2)
        return fail(err, ERR_MODEL_INVALID, "do_rotary without fitting tables");
    state->positions = op->in[COS]->dims[0];
    state->half = op->in[COS]->dims[1];
    return op_want_type(op, COS, OP_TYPE(ENG_F32), err) &&
           op_want_type(op, SIN, OP_TYPE(ENG_F32), err);
}

static bool set_present(struct op_node *op, size_t i, struct op_heads *stack,
                        struct error *err)
{
    const struct gqa_state *state = op->state;

    if (i >= op->out_count)
        return true;
    op->out[i]->dtype = ENG_F32;
    eng_shape_set(op->out[i], 4,
                  (const int64_t[]){state->batch, state->k.heads,
                                    state->head.kv_seq, state->k.size});
    return op_heads_read(op->out[i], 0, stack, err);
}

static bool gqa_infer(struct op_node *op, struct error *err)
{
    struct gqa_state *state = op_alloc(op, sizeof *state, err);
    int64_t heads[2] = {0}, total;
    size_t count;

    op->state = state;
    if (state && (!op_has(op, SEQLENS) || !op_has(op, TOTAL)))
        return fail(err, ERR_MODEL_INVALID, "the lengths are left out");
    if (!state || !op_want_type(op, Q, OP_TYPE(ENG_F32), err) ||
        !read_attrs(op, state, heads, err) ||
        !read_operands(op, state, heads, err) || !read_past(op, state, err) ||
        !read_tables(op, state, err) ||
        !op_known_ints(op, TOTAL, &total, 1, &count, err) ||
        !op_want_type(op, SEQLENS, OP_TYPE(ENG_I32), err))
        return false;
    if (count != 1 || total < 0 ||
        eng_tensor_count(op->in[SEQLENS]) != state->batch)
        return fail(err, ERR_MODEL_INVALID, "the lengths do not fit");
    state->head.q_seq = state->q.rows;
    state->head.kv_seq = state->past > total ? state->past : total;
    if (state->head.kv_seq < state->q.rows)
        return fail(err, ERR_MODEL_INVALID, "%lld rows, %lld of them new",
                    (long long)state->head.kv_seq, (long long)state->q.rows);
    state->head.size = state->head.v_size = state->q.size;
    if (state->head.scale == 0)
        state->head.scale = 1 / sqrtf((float)state->q.size);
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 3,
                  (const int64_t[]){state->batch, state->q.rows,
                                    state->q.heads * state->q.size});
    return op_heads_read(op->out[0], heads[0], &state->y, err) &&
           set_present(op, 1, &state->present_k, err) &&
           set_present(op, 2, &state->present_v, err);
}

static bool gqa_prepare(struct op_node *op, struct error *err)
{
    const struct gqa_state *state = op->state;

    return op_head_room(op, &state->head, 0, err);
}

/* --- running --- */

/* Turns rows that begin at position `first`. */
static void turn(const struct op_node *op, const struct op_frame *frame,
                 int64_t first, float *rows)
{
    const struct gqa_state *state = op->state;
    int64_t half = state->half;

    if (!state->rotary)
        return;
    for (int64_t i = 0; i < state->q.rows * half; i++) {
        int64_t row = i / half, pair = i % half;
        int64_t entry = (first + row) * half + pair;
        float c = ((const float *)op_in(op, frame, COS))[entry];
        float s = ((const float *)op_in(op, frame, SIN))[entry];
        float *x = rows + row * state->q.size;
        float *a = x + (state->interleaved ? 2 * pair : pair);
        float *b = a + (state->interleaved ? 1 : half);
        float left = *a, right = *b;

        *a = left * c - right * s;
        *b = left * s + right * c;
    }
}

/* Row s stands at `before` + s and sees itself, and what is before it. */
static void mask_scores(const struct gqa_state *state,
                        const struct op_head *head, int64_t before)
{
    for (int64_t s = 0; s < head->q_seq; s++) {
        float *row = head->scores + s * head->kv_seq;
        int64_t own = before + s;

        for (int64_t t = 0; t < head->kv_seq; t++) {
            if (state->softcap > 0)
                row[t] = state->softcap * tanhf(row[t] / state->softcap);
            if (t > own || (state->window >= 0 && t + state->window <= own))
                row[t] = -INFINITY;
        }
    }
}

struct sources {
    const void *q, *k, *v, *past_k, *past_v;
    int64_t before; /* rows of the past that count, of this sequence */
};

static void run_group(const struct op_node *op, const struct op_frame *frame,
                      const struct op_head *head, const struct sources *from,
                      const int64_t *at)
{
    const struct gqa_state *state = op->state;
    int64_t b = at[0], g = at[1], share = state->q.heads / state->k.heads;
    float *new_k = head->k + from->before * head->size;
    float *new_v = head->v + from->before * head->size;
    int64_t end = (from->before + state->q.rows) * head->size;
    size_t rest = (size_t)(head->kv_seq * head->size - end) * sizeof(float);

    if (state->past) {
        op_heads_load(&state->past_k, from->past_k, b, g, head->k);
        op_heads_load(&state->past_v, from->past_v, b, g, head->v);
    }
    op_heads_load(&state->k, from->k, b, g, new_k);
    op_heads_load(&state->v, from->v, b, g, new_v);
    turn(op, frame, from->before, new_k);
    /* Rows of the past behind this sequence's end do not count. */
    memset(head->k + end, 0, rest);
    memset(head->v + end, 0, rest);
    if (op->out_count > 1)
        op_heads_store(&state->present_k, head->k, b, g, op_out(op, frame, 1));
    if (op->out_count > 2)
        op_heads_store(&state->present_v, head->v, b, g, op_out(op, frame, 2));
    for (int64_t h = g * share; h < (g + 1) * share; h++) {
        op_heads_load(&state->q, from->q, b, h, head->q);
        turn(op, frame, from->before, head->q);
        op_head_scores(head);
        mask_scores(state, head, from->before);
        op_head_softmax(head);
        op_head_values(head);
        op_heads_store(&state->y, head->y, b, h, op_out(op, frame, 0));
    }
}

/* Where the new rows of sequence b begin. */
static bool find_before(const struct op_node *op, const struct op_frame *frame,
                        int64_t b, int64_t *before, struct error *err)
{
    const struct gqa_state *state = op->state;
    int64_t length = ((const int32_t *)op_in(op, frame, SEQLENS))[b] + 1LL;
    int64_t rows = state->q.rows;

    /* A first call may be padded behind; it begins at 0 all the same. */
    *before = rows == state->head.kv_seq ? 0 : length - rows;
    if (length < 0 || length > state->head.kv_seq || *before < 0 ||
        (state->rotary && *before + rows > state->positions))
        return fail(err, ERR_VALIDATION_ERROR,
                    "sequence %lld has %lld rows, with %lld new and room for "
                    "%lld",
                    (long long)b, (long long)length, (long long)rows,
                    (long long)state->head.kv_seq);
    return true;
}

static bool gqa_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct gqa_state *state = op->state;
    bool packed = !op_has(op, K);
    struct sources from = {
        .q = op_in(op, frame, Q),
        .k = op_in(op, frame, packed ? Q : K),
        .v = op_in(op, frame, packed ? Q : V),
        .past_k = state->past ? op_in(op, frame, PAST_K) : NULL,
        .past_v = state->past ? op_in(op, frame, PAST_V) : NULL};
    struct op_head head = state->head;

    op_head_place(&head, frame->scratch);
    for (int64_t b = 0; b < state->batch; b++) {
        if (!find_before(op, frame, b, &from.before, err))
            return false;
        for (int64_t g = 0; g < state->k.heads; g++)
            run_group(op, frame, &head, &from, (const int64_t[]){b, g});
    }
    return true;
}

const struct op_impl op_gqa = {.name = "gqa",
                               .in_min = 1,
                               .in_max = 9,
                               .out_min = 1,
                               .out_max = 3,
                               .flags = OP_WIDEN,
                               .value_inputs = 1U << TOTAL,
                               .infer = gqa_infer,
                               .prepare = gqa_prepare,
                               .run = gqa_run};
