/*
 * ai.onnx.ml Scaler-1: y = (x - offset) * scale, per column
 * ai.onnx.ml Normalizer-1: y = x / norm of its row
 *
 *   input   x      float, double, int32 or int64 [n, f] or [f]
 *   output  y      float, shape of x
 *   attr    offset, scale  floats [f] or [1] (Scaler)
 *           norm = MAX, L1, L2 (Normalizer)
 *   errors  ERR_MODEL_INVALID: offset or scale of another length
 *   source  ONNX ML operator list; a row of norm 0 stays as it is
 */
#include <math.h>

#include "ml_common.h"

struct scale_state {
    int64_t rows, columns;
    const float *offset, *scale;
    size_t offset_count, scale_count;
    int norm;
};

static struct scale_state *new_state(struct op_node *op, struct error *err)
{
    struct scale_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state || !op_ml_matrix(op, &state->rows, &state->columns, err))
        return NULL;
    op_like(op->out[0], op->in[0]);
    op->out[0]->dtype = ENG_F32;
    return state;
}

static bool fits(size_t count, int64_t columns)
{
    return count <= 1 || (int64_t)count == columns;
}

static bool scaler_infer(struct op_node *op, struct error *err)
{
    struct scale_state *state = new_state(op, err);

    if (!state ||
        !op_attr_floats(op, "offset", &state->offset, &state->offset_count,
                        err) ||
        !op_attr_floats(op, "scale", &state->scale, &state->scale_count, err))
        return false;
    if (!fits(state->offset_count, state->columns) ||
        !fits(state->scale_count, state->columns))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu offsets and %zu scales for %lld columns",
                    state->offset_count, state->scale_count,
                    (long long)state->columns);
    return true;
}

static float pick(const float *list, size_t count, int64_t i, float missing)
{
    return count == 0 ? missing : count == 1 ? list[0] : list[i];
}

static bool scaler_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct scale_state *state = op->state;
    float *y = op_out(op, frame, 0);

    (void)err;
    op_ml_row(op, op_in(op, frame, 0), 0, state->rows * state->columns, y);
    for (int64_t r = 0; r < state->rows; r++) {
        for (int64_t c = 0; c < state->columns; c++, y++)
            *y = (*y - pick(state->offset, state->offset_count, c, 0)) *
                 pick(state->scale, state->scale_count, c, 1);
    }
    return true;
}

enum norm { NORM_MAX, NORM_L1, NORM_L2 };

static bool normalizer_infer(struct op_node *op, struct error *err)
{
    static const char *const norms[] = {"MAX", "L1", "L2", NULL};
    struct scale_state *state = new_state(op, err);

    return state && op_attr_word(op, "norm", norms, &state->norm, err);
}

static float norm_of(int norm, const float *row, int64_t count)
{
    float result = norm == NORM_MAX && count ? row[0] : 0;

    for (int64_t i = 0; i < count; i++) {
        if (norm == NORM_MAX)
            result = row[i] > result ? row[i] : result;
        else
            result += norm == NORM_L1 ? fabsf(row[i]) : row[i] * row[i];
    }
    return norm == NORM_L2 ? sqrtf(result) : result;
}

static bool normalizer_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct scale_state *state = op->state;
    float *y = op_out(op, frame, 0);

    (void)err;
    op_ml_row(op, op_in(op, frame, 0), 0, state->rows * state->columns, y);
    for (int64_t r = 0; r < state->rows; r++, y += state->columns) {
        float norm = norm_of(state->norm, y, state->columns);

        for (int64_t c = 0; norm != 0 && c < state->columns; c++)
            y[c] /= norm;
    }
    return true;
}

const struct op_impl op_scaler = {.name = "scaler",
                                  .in_min = 1,
                                  .in_max = 1,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .infer = scaler_infer,
                                  .run = scaler_run};

const struct op_impl op_normalizer = {.name = "normalizer",
                                      .in_min = 1,
                                      .in_max = 1,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .infer = normalizer_infer,
                                      .run = normalizer_run};
