/*
 * com.microsoft EmbedLayerNormalization-1:
 *   y = LayerNorm(word[ids] + position[p] + segment[segment_ids])
 *
 *   input   ids, segment_ids  int32 [batch, seq]; segment_ids may be left out
 *           word [vocabulary, n], position [m, n], segment [s, n], gamma [n],
 *           beta [n]  float
 *           mask          int32 [batch, seq]; may be left out
 *           position_ids  int32 [batch, seq] or [1, seq] = 0, 1, ...
 *   output  y     float [batch, seq, n]
 *           mask_index  int32 [batch]: ones of the mask, 0 without one
 *           sum   what was normalised
 *   attr    epsilon  float = 1e-12; mask_index_type changes nothing here
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_VALIDATION_ERROR: an id outside its table
 *   source  ONNX Runtime, ContribOperators
 */
#include <string.h>

#include "skip_norm.h"

enum {
    IDS,
    SEGMENT_IDS,
    WORD,
    POSITION,
    SEGMENT,
    GAMMA,
    BETA,
    MASK,
    POSITION_IDS
};

struct embed_state {
    struct op_norm norm;
    int64_t batch, seq;
};

static bool check_table(const struct op_node *op, size_t i, int64_t width,
                        struct error *err)
{
    const struct eng_tensor *table = op->in[i];
    char text[ENG_SHAPE_TEXT];

    if (!op_has(op, i))
        return true;
    if (!op_want_type(op, i, OP_TYPE(ENG_F32), err))
        return false;
    if (table->rank != 2 || table->dims[1] != width)
        return fail(err, ERR_MODEL_INVALID, "input %zu has shape %.60s", i,
                    eng_shape_text(table, text));
    return true;
}

static bool check_ids(const struct op_node *op, size_t i, struct error *err)
{
    const struct eng_tensor *ids = op->in[i], *first = op->in[IDS];
    char text[ENG_SHAPE_TEXT];

    if (!op_has(op, i))
        return true;
    if (!op_want_type(op, i, OP_TYPE(ENG_I32), err))
        return false;
    if (ids->rank == 2 && ids->dims[1] == first->dims[1] &&
        (ids->dims[0] == first->dims[0] ||
         (i == POSITION_IDS && ids->dims[0] == 1)))
        return true;
    return fail(err, ERR_MODEL_INVALID, "input %zu has shape %.60s", i,
                eng_shape_text(ids, text));
}

static bool check_inputs(const struct op_node *op, int64_t width,
                         struct error *err)
{
    if (op->in[IDS]->rank != 2)
        return fail(err, ERR_MODEL_INVALID, "the ids have rank %d",
                    op->in[IDS]->rank);
    if (op_has(op, SEGMENT_IDS) != op_has(op, SEGMENT))
        return fail(err, ERR_MODEL_INVALID,
                    "segment ids and their table go together");
    return check_ids(op, IDS, err) && check_ids(op, SEGMENT_IDS, err) &&
           check_ids(op, MASK, err) && check_ids(op, POSITION_IDS, err) &&
           check_table(op, WORD, width, err) &&
           check_table(op, POSITION, width, err) &&
           check_table(op, SEGMENT, width, err) &&
           op_norm_check(op, GAMMA, width, ENG_F32, err) &&
           op_norm_check(op, BETA, width, ENG_F32, err);
}

static bool embed_infer(struct op_node *op, struct error *err)
{
    struct embed_state *state = op_alloc(op, sizeof *state, err);
    int64_t shape[3];

    op->state = state;
    if (!state)
        return false;
    if (!op_has(op, WORD) || op->in[WORD]->rank != 2 || !op_has(op, POSITION) ||
        !op_has(op, GAMMA) || !op_has(op, BETA))
        return fail(err, ERR_MODEL_INVALID, "a table or weight is missing");
    state->norm.width = op->in[WORD]->dims[1];
    state->norm.epsilon = 1e-12F;
    if (!check_inputs(op, state->norm.width, err) ||
        !op_attr_float(op, "epsilon", &state->norm.epsilon, err))
        return false;
    state->batch = shape[0] = op->in[IDS]->dims[0];
    state->seq = shape[1] = op->in[IDS]->dims[1];
    shape[2] = state->norm.width;
    for (size_t i = 0; i < op->out_count; i++) {
        op->out[i]->dtype = i == 1 ? ENG_I32 : ENG_F32;
        eng_shape_set(op->out[i], i == 1 ? 1 : 3, shape);
    }
    return true;
}

/* row += row `id` of table i. */
static bool add_embedding(const struct op_node *op,
                          const struct op_frame *frame, size_t i, int64_t id,
                          float *row, struct error *err)
{
    const struct eng_tensor *table = op->in[i];
    const float *from;

    if (id < 0 || id >= table->dims[0])
        return fail(err, ERR_VALIDATION_ERROR,
                    "id %lld is outside a table of %lld", (long long)id,
                    (long long)table->dims[0]);
    from = (const float *)op_in(op, frame, i) + id * table->dims[1];
    for (int64_t k = 0; k < table->dims[1]; k++)
        row[k] += from[k];
    return true;
}

static int64_t position_of(const struct op_node *op,
                           const struct op_frame *frame, int64_t i)
{
    const struct embed_state *state = op->state;

    if (!op_has(op, POSITION_IDS))
        return i % state->seq;
    return ((const int32_t *)op_in(
        op, frame, POSITION_IDS))[i % eng_tensor_count(op->in[POSITION_IDS])];
}

static bool sum_row(const struct op_node *op, const struct op_frame *frame,
                    int64_t i, float *row, struct error *err)
{
    const struct embed_state *state = op->state;

    memset(row, 0, (size_t)state->norm.width * sizeof *row);
    return add_embedding(op, frame, WORD,
                         ((const int32_t *)op_in(op, frame, IDS))[i], row,
                         err) &&
           add_embedding(op, frame, POSITION, position_of(op, frame, i), row,
                         err) &&
           (!op_has(op, SEGMENT) ||
            add_embedding(op, frame, SEGMENT,
                          ((const int32_t *)op_in(op, frame, SEGMENT_IDS))[i],
                          row, err));
}

static void count_mask(const struct op_node *op, const struct op_frame *frame)
{
    const struct embed_state *state = op->state;
    int32_t *index = op_out(op, frame, 1);

    for (int64_t b = 0; b < state->batch; b++) {
        index[b] = 0;
        for (int64_t s = 0; op_has(op, MASK) && s < state->seq; s++)
            index[b] += ((const int32_t *)op_in(op, frame,
                                                MASK))[b * state->seq + s] == 1;
    }
}

static bool embed_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct embed_state *state = op->state;
    struct op_norm norm = state->norm;

    norm.gamma = op_in(op, frame, GAMMA);
    norm.beta = op_in(op, frame, BETA);
    for (int64_t i = 0; i < state->batch * state->seq; i++) {
        float *row = (float *)op_out(op, frame, 0) + i * norm.width;

        if (!sum_row(op, frame, i, row, err))
            return false;
        if (op->out_count > 2)
            memcpy((float *)op_out(op, frame, 2) + i * norm.width, row,
                   (size_t)norm.width * sizeof *row);
        if (norm.width)
            (void)op_norm_row(&norm, row);
    }
    if (op->out_count > 1)
        count_mask(op, frame);
    return true;
}

const struct op_impl op_embed_norm = {.name = "embed_norm",
                                      .in_min = 1,
                                      .in_max = 9,
                                      .out_min = 1,
                                      .out_max = 3,
                                      .infer = embed_infer,
                                      .run = embed_run};
