/*
 * specserve AttentionCore-1: y = softmax(scale q k' + masks) v for every head;
 * what is left of attention as exporters spell it, written by a pass.
 *
 *   input   q      float or double (float16, bfloat16 as float), [batch, rows,
 *                  heads, size] (layout 0) or [batch, heads, rows, size] (1)
 *           k, v   type of q, likewise, with rows of their own; v may have
 *                  another size
 *           add    type of q, is added to the scores; may be left out
 *           keep   bool: scores where it is `drops` become `fill`; may be left
 *                  out
 *                  All broadcast together as [batch, heads, rows, key rows].
 *   output  y      as q, with v's size
 *   attr    layout  ints [4] = 0: of q, k, v and y
 *           scale   float = 1
 *           fill    float = 0;  drops int = 0: 1 = where keep is true
 *           adds_first  int = 0: add comes before fill
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *   source  MatMul, Add, Where, Softmax-13; rows without a finite score are NaN
 *   check   plain: double precision throughout; fast: within 3e-6
 */
#include <math.h>

#include "kernel/head.h"
#include "op.h"

enum { Q, K, V, ADD, KEEP, SIDES = 4, Y = 3 };

/* Where element (b, h, row, i) is: b * batch + h * head + row * row_step + i. */
struct side {
    int64_t batches, heads, rows, size;
    int64_t batch, head, row;
};

struct core_state {
    struct side side[SIDES]; /* q, k, v, y */
    float scale, fill;
    bool drops, adds_first;
    int64_t batches, heads, rows, keys;
    int64_t add[ENG_RANK_MAX], keep[ENG_RANK_MAX]; /* steps */
    const struct kernels *kernels;
    size_t scratch_each;
    int64_t parts;
};

static void read_side(const struct eng_tensor *tensor, int64_t layout,
                      struct side *side)
{
    const int64_t *dims = tensor->dims;

    *side = (struct side){.batches = dims[0],
                          .heads = dims[layout ? 1 : 2],
                          .rows = dims[layout ? 2 : 1],
                          .size = dims[3]};
    side->row = layout ? side->size : side->heads * side->size;
    side->head = layout ? side->rows * side->size : side->size;
    side->batch = side->heads * side->rows * side->size;
}

/* What repeats has a step of 0. */
static void repeat(struct side *side)
{
    side->batch = side->batches == 1 ? 0 : side->batch;
    side->head = side->heads == 1 ? 0 : side->head;
    side->row = side->rows == 1 ? 0 : side->row;
}

static bool read_attrs(const struct op_node *op, struct core_state *state,
                       int64_t *layout, struct error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;

    state->scale = 1;
    if (!op_attr_ints(op, "layout", &list, &count, err) ||
        !op_attr_float(op, "scale", &state->scale, err) ||
        !op_attr_float(op, "fill", &state->fill, err) ||
        !op_attr_bool(op, "drops", &state->drops, err) ||
        !op_attr_bool(op, "adds_first", &state->adds_first, err))
        return false;
    for (size_t i = 0; i < SIDES; i++)
        layout[i] = list && i < count ? list[i] : 0;
    if (list && count != SIDES)
        return fail(err, ERR_MODEL_INVALID, "layout has %zu numbers", count);
    return true;
}

static bool check_types(const struct op_node *op, struct error *err)
{
    if (!op_want_type(op, Q, OP_TYPES_REAL, err) ||
        !op_same_type(op, Q, K, err) || !op_same_type(op, Q, V, err))
        return false;
    for (size_t i = Q; i <= V; i++) {
        if (op->in[i]->rank != 4)
            return fail(err, ERR_MODEL_INVALID, "input %zu has rank %d", i,
                        op->in[i]->rank);
    }
    return (!op_has(op, ADD) || op_same_type(op, Q, ADD, err)) &&
           (!op_has(op, KEEP) ||
            op_want_type(op, KEEP, OP_TYPE(ENG_BOOL), err));
}

/* The scores' shape: what q, k, v and the masks broadcast to. */
static bool score_shape(const struct op_node *op,
                        const struct core_state *state,
                        struct eng_tensor *scores, struct error *err)
{
    const struct side *q = &state->side[Q], *k = &state->side[K];
    const struct side *v = &state->side[V];
    const struct eng_tensor parts[] = {
        {.rank = 4, .dims = {q->batches, q->heads, q->rows, 1}},
        {.rank = 4, .dims = {k->batches, k->heads, 1, k->rows}},
        {.rank = 2, .dims = {v->batches, v->heads}}};
    struct eng_tensor both;

    if (!op_broadcast(&parts[0], &parts[1], scores, err))
        return false;
    for (size_t i = ADD; i <= KEEP; i++) {
        if (!op_has(op, i))
            continue;
        if (op->in[i]->rank > 4)
            return fail(err, ERR_MODEL_UNSUPPORTED, "input %zu has rank %d", i,
                        op->in[i]->rank);
        if (!op_broadcast(scores, op->in[i], &both, err))
            return false;
        *scores = both;
    }
    both = (struct eng_tensor){.rank = 2,
                               .dims = {scores->dims[0], scores->dims[1]}};
    if (q->size != k->size || v->rows != scores->dims[3])
        return fail(err, ERR_MODEL_INVALID, "q, k and v do not fit");
    if (!op_broadcast(&both, &parts[2], &both, err))
        return false;
    scores->dims[0] = both.dims[0];
    scores->dims[1] = both.dims[1];
    return true;
}

static void set_output(struct op_node *op, struct core_state *state,
                       int64_t layout)
{
    int64_t dims[] = {state->batches, layout ? state->heads : state->rows,
                      layout ? state->rows : state->heads, state->side[V].size};

    op->out[0]->dtype = op->in[Q]->dtype;
    eng_shape_set(op->out[0], 4, dims);
    read_side(op->out[0], layout, &state->side[Y]);
}

static bool core_infer(struct op_node *op, struct error *err)
{
    struct core_state *state = op_alloc(op, sizeof *state, err);
    struct eng_tensor scores = {0};
    int64_t layout[SIDES];

    op->state = state;
    if (!state || !read_attrs(op, state, layout, err) || !check_types(op, err))
        return false;
    for (size_t i = Q; i <= V; i++)
        read_side(op->in[i], layout[i], &state->side[i]);
    if (!score_shape(op, state, &scores, err))
        return false;
    state->batches = scores.dims[0];
    state->heads = scores.dims[1];
    state->rows = scores.dims[2];
    state->keys = scores.dims[3];
    for (size_t i = Q; i <= V; i++)
        repeat(&state->side[i]);
    if (op_has(op, ADD))
        op_broadcast_steps(op->in[ADD], &scores, state->add);
    if (op_has(op, KEEP))
        op_broadcast_steps(op->in[KEEP], &scores, state->keep);
    set_output(op, state, layout[Y]);
    return true;
}

/* --- fast: float --- */

static struct kernel_head make_head(const struct core_state *state)
{
    const struct side *side = state->side;

    return (struct kernel_head){.q_rows = state->rows,
                                .kv_rows = state->keys,
                                .size = side[Q].size,
                                .v_size = side[V].size,
                                .q_step = side[Q].row,
                                .k_step = side[K].row,
                                .v_step = side[V].row,
                                .y_step = side[Y].row,
                                .scale = state->scale,
                                .fill = state->fill,
                                .drops = state->drops,
                                .adds_first = state->adds_first,
                                .add_row = state->add[2],
                                .add_column = state->add[3],
                                .keep_row = state->keep[2],
                                .keep_column = state->keep[3]};
}

static bool fast_accepts(const struct op_node *op)
{
    const struct core_state *state = op->state;
    struct kernel_head head = make_head(state);
    size_t bytes;

    return op->in[Q]->dtype == ENG_F32 && state->keys > 0 &&
           kernel_head_scratch(&head, &bytes);
}

static bool fast_prepare(struct op_node *op, struct error *err)
{
    struct core_state *state = op->state;
    struct kernel_head head = make_head(state);
    /* Some 70 operations a nanosecond; a part should last 50 us. */
    double work = 2.0 * (double)state->rows * (double)state->keys *
                  (double)(head.size + head.v_size) / 70 / 50e3;
    double count = (double)state->batches * (double)state->heads;

    state->kernels = kernels();
    state->parts = op->threads > 1 ? (int64_t)fmin(count, work * count) : 1;
    if (state->parts < 1)
        state->parts = 1;
    if (!kernel_head_scratch(&head, &state->scratch_each) ||
        __builtin_add_overflow(state->scratch_each, 63, &state->scratch_each))
        return fail(err, ERR_MODEL_INVALID, "the heads are too large");
    state->scratch_each = state->scratch_each / 64 * 64;
    if (__builtin_mul_overflow(state->scratch_each, (size_t)op->threads,
                               &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the heads are too large");
    return true;
}

struct core_work {
    const struct op_node *op;
    const struct op_frame *frame;
};

static const float *at_head(const struct core_work *work, size_t i,
                            int64_t index)
{
    const struct core_state *state = work->op->state;
    const struct side *side = &state->side[i];
    int64_t b = index / state->heads, h = index % state->heads;
    const float *data = op_in(work->op, work->frame, i);

    return data + b * side->batch + h * side->head;
}

static void place_head(const struct core_work *work, int64_t index,
                       struct kernel_head *head)
{
    const struct op_node *op = work->op;
    const struct core_state *state = op->state;
    const struct side *y = &state->side[Y];
    int64_t b = index / state->heads, h = index % state->heads;

    head->q = at_head(work, Q, index);
    head->k = at_head(work, K, index);
    head->v = at_head(work, V, index);
    head->y = (float *)op_out(op, work->frame, 0) + b * y->batch + h * y->head;
    if (op_has(op, ADD))
        head->add = (const float *)op_in(op, work->frame, ADD) +
                    b * state->add[0] + h * state->add[1];
    if (op_has(op, KEEP))
        head->keep = (const uint8_t *)op_in(op, work->frame, KEEP) +
                     b * state->keep[0] + h * state->keep[1];
}

static void run_part(void *data, int64_t part, int thread)
{
    const struct core_work *work = data;
    const struct core_state *state = work->op->state;
    struct kernel_head head = make_head(state);
    int64_t count = state->batches * state->heads;
    int64_t i = count * part / state->parts;
    int64_t end = count * (part + 1) / state->parts;

    head.scratch = (float *)((char *)work->frame->scratch +
                             (size_t)thread * state->scratch_each);
    for (; i < end; i++) {
        bool more = i + 1 < end;

        place_head(work, i, &head);
        head.next_q = more ? at_head(work, Q, i + 1) : NULL;
        head.next_k = more ? at_head(work, K, i + 1) : NULL;
        head.next_v = more ? at_head(work, V, i + 1) : NULL;
        state->kernels->attention_head(&head);
    }
}

static bool fast_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct core_state *state = op->state;
    struct core_work work = {op, frame};

    (void)err;
    team_for(frame->seat, state->parts, run_part, &work);
    return true;
}

const struct op_impl op_attention_core = {.name = "attention_core",
                                          .in_min = 3,
                                          .in_max = 5,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .flags = OP_WIDEN,
                                          .infer = core_infer,
                                          .accepts = fast_accepts,
                                          .prepare = fast_prepare,
                                          .run = fast_run};

/* --- plain --- */

static double element(const struct op_node *op, const struct op_frame *frame,
                      size_t i, int64_t at)
{
    if (op->in[i]->dtype == ENG_F64)
        return ((const double *)op_in(op, frame, i))[at];
    return (double)((const float *)op_in(op, frame, i))[at];
}

static int64_t place(const struct core_state *state, size_t i,
                     const int64_t *at, int64_t row)
{
    const struct side *side = &state->side[i];

    return at[0] * side->batch + at[1] * side->head + row * side->row;
}

static int64_t masked(const int64_t *steps, const int64_t *at, int64_t t)
{
    return at[0] * steps[0] + at[1] * steps[1] + at[2] * steps[2] +
           t * steps[3];
}

/* Score of key t; `at`: batch, head, row. */
static double plain_score(const struct op_node *op,
                          const struct op_frame *frame, const int64_t *at,
                          int64_t t)
{
    const struct core_state *state = op->state;
    int64_t q = place(state, Q, at, at[2]), k = place(state, K, at, t);
    double sum = 0, add = 0;

    for (int64_t i = 0; i < state->side[Q].size; i++)
        sum += element(op, frame, Q, q + i) * element(op, frame, K, k + i);
    sum *= (double)state->scale;
    if (op_has(op, ADD))
        add = element(op, frame, ADD, masked(state->add, at, t));
    if (state->adds_first)
        sum += add;
    if (op_has(op, KEEP) &&
        ((const uint8_t *)op_in(op, frame, KEEP))[masked(state->keep, at, t)] ==
            state->drops)
        sum = (double)state->fill;
    return state->adds_first ? sum : sum + add;
}

static void plain_row(const struct op_node *op, const struct op_frame *frame,
                      const int64_t *at)
{
    const struct core_state *state = op->state;
    double *weights = frame->scratch, max = (double)-INFINITY, total = 0;
    int64_t y = place(state, Y, at, at[2]);

    for (int64_t t = 0; t < state->keys; t++) {
        weights[t] = plain_score(op, frame, at, t);
        max = fmax(max, weights[t]);
    }
    for (int64_t t = 0; t < state->keys; t++)
        total += weights[t] = exp(weights[t] - max);
    for (int64_t i = 0; i < state->side[V].size; i++) {
        double sum = 0;

        for (int64_t t = 0; t < state->keys; t++)
            sum += weights[t] / total *
                   element(op, frame, V, place(state, V, at, t) + i);
        if (op->out[0]->dtype == ENG_F64)
            ((double *)op_out(op, frame, 0))[y + i] = sum;
        else
            ((float *)op_out(op, frame, 0))[y + i] = (float)sum;
    }
}

static bool plain_prepare(struct op_node *op, struct error *err)
{
    const struct core_state *state = op->state;

    if (__builtin_mul_overflow((size_t)state->keys, sizeof(double),
                               &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the rows are too large");
    return true;
}

static bool plain_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct core_state *state = op->state;

    (void)err;
    for (int64_t b = 0; b < state->batches; b++) {
        for (int64_t i = 0; i < state->heads * state->rows; i++)
            plain_row(op, frame,
                      (const int64_t[]){b, i / state->rows, i % state->rows});
    }
    return true;
}

const struct op_impl op_attention_core_plain = {.name = "attention_core.plain",
                                                .in_min = 3,
                                                .in_max = 5,
                                                .out_min = 1,
                                                .out_max = 1,
                                                .flags = OP_WIDEN,
                                                .infer = core_infer,
                                                .prepare = plain_prepare,
                                                .run = plain_run};
