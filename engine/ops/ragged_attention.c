/*
 * specserve RaggedAttention-1: AttentionCore for each sequence by itself, where
 * sequences of different length stand one after the other (ragged.h).
 *
 *   input   q, k   float [1, rows, heads, size]
 *           v      float [1, rows, heads, v_size]
 *           starts int64 [sequences + 1]
 *   output  y      float [1, rows, heads, v_size]: softmax(scale q k') v of the
 *                  row's sequence; 0 in rows of no sequence
 *   attr    scale  float = 1
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_VALIDATION_ERROR: starts are not in order or outside
 *   check   AttentionCore of each sequence, bit by bit
 */
#include <math.h>
#include <string.h>

#include "kernel/head.h"
#include "ragged.h"

enum { Q, K, V, STARTS, PARTS_EACH = 8 };

struct ragged_state {
    int64_t rows, heads, size, v_size, sequences;
    float scale;
    const struct kernels *kernels;
    size_t scratch_each;
};

static bool check_side(const struct op_node *op, size_t i, struct error *err)
{
    const struct eng_tensor *q = op->in[Q], *side = op->in[i];
    char text[ENG_SHAPE_TEXT];

    if (!op_want_type(op, i, OP_TYPE(ENG_F32), err))
        return false;
    if (side->rank == 4 && q->rank == 4 && side->dims[0] == q->dims[0] &&
        side->dims[1] == q->dims[1] && side->dims[2] == q->dims[2] &&
        (i == V || side->dims[3] == q->dims[3]))
        return true;
    return fail(err, ERR_MODEL_INVALID, "input %zu has shape %.60s", i,
                eng_shape_text(side, text));
}

static bool ragged_infer(struct op_node *op, struct error *err)
{
    struct ragged_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    state->scale = 1;
    if (!op_attr_float(op, "scale", &state->scale, err) ||
        !op_ragged_check(op, STARTS, err))
        return false;
    for (size_t i = Q; i <= V; i++) {
        if (!check_side(op, i, err))
            return false;
    }
    state->rows = op->in[Q]->dims[1];
    state->heads = op->in[Q]->dims[2];
    state->size = op->in[Q]->dims[3];
    state->v_size = op->in[V]->dims[3];
    state->sequences = op->in[STARTS]->dims[0] - 1;
    op_like(op->out[0], op->in[V]);
    return true;
}

static struct kernel_head make_head(const struct ragged_state *state,
                                    int64_t rows)
{
    return (struct kernel_head){.q_rows = rows,
                                .kv_rows = rows,
                                .size = state->size,
                                .v_size = state->v_size,
                                .q_step = state->heads * state->size,
                                .k_step = state->heads * state->size,
                                .v_step = state->heads * state->v_size,
                                .y_step = state->heads * state->v_size,
                                .scale = state->scale};
}

/* Room for the longest sequence there can be: all rows. */
static bool ragged_prepare(struct op_node *op, struct error *err)
{
    struct ragged_state *state = op->state;
    struct kernel_head head = make_head(state, state->rows);

    state->kernels = kernels();
    if (!kernel_head_scratch(&head, &state->scratch_each) ||
        __builtin_add_overflow(state->scratch_each, 63, &state->scratch_each) ||
        __builtin_mul_overflow(state->scratch_each / 64 * 64,
                               (size_t)op->threads, &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the heads are too large");
    state->scratch_each = state->scratch_each / 64 * 64;
    return true;
}

struct ragged_work {
    const struct op_node *op;
    const struct op_frame *frame;
    const int64_t *starts;
    int64_t parts;
};

static const float *at_head(const struct ragged_work *work, size_t i,
                            int64_t row, int64_t head)
{
    const int64_t *dims = work->op->in[i]->dims;

    return (const float *)op_in(work->op, work->frame, i) +
           (row * dims[2] + head) * dims[3];
}

/* One head of one sequence. */
static void run_head(const struct ragged_work *work, int64_t item,
                     float *scratch)
{
    const struct ragged_state *state = work->op->state;
    int64_t first = work->starts[item / state->heads], h = item % state->heads;
    struct kernel_head head =
        make_head(state, work->starts[item / state->heads + 1] - first);

    if (head.q_rows == 0)
        return;
    head.scratch = scratch;
    head.q = at_head(work, Q, first, h);
    head.k = at_head(work, K, first, h);
    head.v = at_head(work, V, first, h);
    head.y = (float *)op_out(work->op, work->frame, 0) +
             (first * state->heads + h) * state->v_size;
    if (h + 1 < state->heads) {
        head.next_q = head.q + state->size;
        head.next_k = head.k + state->size;
        head.next_v = head.v + state->v_size;
    }
    state->kernels->attention_head(&head);
}

static void run_part(void *data, int64_t part, int thread)
{
    const struct ragged_work *work = data;
    const struct ragged_state *state = work->op->state;
    int64_t count = state->sequences * state->heads;
    float *scratch = (float *)((char *)work->frame->scratch +
                               (size_t)thread * state->scratch_each);

    for (int64_t i = count * part / work->parts;
         i < count * (part + 1) / work->parts; i++)
        run_head(work, i, scratch);
}

/* Small parts: sequences differ in length, and whoever is free takes the next
 * one. */
static int64_t count_parts(const struct op_node *op, const int64_t *starts)
{
    const struct ragged_state *state = op->state;
    double work = 0; /* some 70 operations a nanosecond; a part takes 50 us */
    int64_t most = (int64_t)op->threads * PARTS_EACH;

    if (op->threads == 1)
        return 1;
    for (int64_t i = 0; i < state->sequences; i++)
        work += pow((double)(starts[i + 1] - starts[i]), 2);
    work *= 2.0 * (double)((state->size + state->v_size) * state->heads) / 70 /
            50e3;
    if (work < (double)most)
        most = (int64_t)work;
    if (most > state->sequences * state->heads)
        most = state->sequences * state->heads;
    return most > 1 ? most : 1;
}

static bool ragged_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct ragged_state *state = op->state;
    struct ragged_work work = {op, frame, NULL, 1};
    int64_t each = state->heads * state->v_size, used;

    work.starts = op_ragged_starts(op, frame, STARTS, err);
    if (!work.starts)
        return false;
    used = work.starts[state->sequences];
    memset((float *)op_out(op, frame, 0) + used * each, 0,
           (size_t)((state->rows - used) * each) * sizeof(float));
    work.parts = count_parts(op, work.starts);
    team_for(frame->seat, work.parts, run_part, &work);
    return true;
}

const struct op_impl op_ragged_attention = {.name = "ragged_attention",
                                            .in_min = 4,
                                            .in_max = 4,
                                            .out_min = 1,
                                            .out_max = 1,
                                            .infer = ragged_infer,
                                            .prepare = ragged_prepare,
                                            .run = ragged_run};
