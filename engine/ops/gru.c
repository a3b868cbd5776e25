/*
 * GRU, opset 14: gated recurrent unit
 *
 *   z = sigmoid(x Wz' + h Rz' + bz), r = sigmoid(x Wr' + h Rr' + br)
 *   n = tanh(x Wh' + (r * h) Rh' + bh), or with linear_before_reset
 *   n = tanh(x Wh' + r * (h Rh' + rbh) + wbh)
 *   h = (1 - z) * n + z * h
 *
 *   input   x, w, r, b, sequence_lens, initial_h: recurrent.h, three gates in
 *           the order z, r, h; float
 *   output  y, y_h: recurrent.h
 *   attr    hidden_size int; direction = forward, reverse, bidirectional
 *           activations = Sigmoid, Tanh, activation_alpha, activation_beta, clip
 *           linear_before_reset int = 0, layout int = 0
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_MODEL_UNSUPPORTED: unknown activations
 *           ERR_VALIDATION_ERROR: a sequence length outside [0, seq]
 *   source  ONNX operator list, GRU-14
 */
#include <string.h>

#include "recurrent.h"

enum { F, G }; /* activations */

struct gru_state {
    struct op_recurrent rec;
    bool linear_before_reset;
};

static bool gru_infer(struct op_node *op, struct error *err)
{
    static const char *const activations[] = {"Sigmoid", "Tanh", NULL};
    struct gru_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    return state &&
           op_attr_bool(op, "linear_before_reset", &state->linear_before_reset,
                        err) &&
           op_recurrent_read(op, 3, activations, &state->rec, err);
}

/* xw [3 hidden], hr [3 hidden] and r * h [hidden], for one row at a time. */
static bool gru_prepare(struct op_node *op, struct error *err)
{
    const struct gru_state *state = op->state;

    (void)err;
    op->scratch_bytes = (size_t)(8 * state->rec.hidden) * sizeof(float);
    return true;
}

struct gru_cell {
    const struct gru_state *state;
    int64_t d;              /* direction */
    const float *w, *r, *b; /* of this direction; b may be NULL */
    float *xw, *hr, *rh;    /* scratch */
};

static float bias(const struct gru_cell *cell, int64_t i)
{
    return cell->b ? cell->b[i] : 0;
}

/* h [hidden] is updated by one step with x [in]. */
static void gru_step(const struct gru_cell *cell, const float *x, float *h)
{
    int64_t n = cell->state->rec.hidden;
    float *z = cell->hr, *r = cell->hr + n, *new = cell->hr + 2 * n;

    op_recurrent_times(cell->w, x, 3 * n, cell->state->rec.in, cell->xw);
    op_recurrent_times(cell->r, h, 2 * n, n, cell->hr);
    for (int64_t i = 0; i < 2 * n; i++)
        cell->hr[i] = op_activate(&cell->state->rec, cell->d, F,
                                  cell->xw[i] + cell->hr[i] + bias(cell, i) +
                                      bias(cell, 3 * n + i));
    if (cell->state->linear_before_reset) {
        op_recurrent_times(cell->r + 2 * n * n, h, n, n, new);
        for (int64_t i = 0; i < n; i++)
            new[i] = r[i] * (new[i] + bias(cell, 5 * n + i));
    } else {
        for (int64_t i = 0; i < n; i++)
            cell->rh[i] = r[i] * h[i];
        op_recurrent_times(cell->r + 2 * n * n, cell->rh, n, n, new);
        for (int64_t i = 0; i < n; i++)
            new[i] += bias(cell, 5 * n + i);
    }
    for (int64_t i = 0; i < n; i++)
        h[i] = (1 - z[i]) * op_activate(&cell->state->rec, cell->d, G,
                                        cell->xw[2 * n + i] + new[i] +
                                            bias(cell, 2 * n + i)) +
               z[i] * h[i];
}

/* One sequence in the cell's direction; h lies behind rh. */
static void gru_sequence(const struct op_node *op, const struct op_frame *frame,
                         const struct gru_cell *cell, int64_t b, int64_t length)
{
    const struct op_recurrent *rec = &cell->state->rec;
    size_t size = (size_t)rec->hidden * sizeof(float);
    const float *x = op_in(op, frame, 0);
    float *y = op_out(op, frame, 0);
    float *h = cell->rh + rec->hidden;

    op_recurrent_start(rec, op_recurrent_optional(op, frame, 5), cell->d, b, h);
    for (int64_t i = 0; i < length; i++) {
        int64_t t = op_recurrent_step(rec, cell->d, i, length);

        gru_step(cell, x + op_recurrent_row(rec, t, b) * rec->in, h);
        memcpy(y + op_recurrent_y(rec, t, cell->d, b), h, size);
    }
    for (int64_t t = length; t < rec->seq; t++)
        memset(y + op_recurrent_y(rec, t, cell->d, b), 0, size);
    if (op->out_count > 1)
        memcpy((float *)op_out(op, frame, 1) +
                   op_recurrent_state(rec, cell->d, b),
               h, size);
}

static bool gru_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct gru_state *state = op->state;
    const struct op_recurrent *rec = &state->rec;
    int64_t n = rec->hidden;
    float *scratch = frame->scratch;
    struct gru_cell cell = {.state = state,
                            .xw = scratch,
                            .hr = scratch + 3 * n,
                            .rh = scratch + 6 * n};

    for (int64_t d = 0; d < rec->dirs; d++) {
        cell.d = d;
        cell.w = (const float *)op_in(op, frame, 1) + d * 3 * n * rec->in;
        cell.r = (const float *)op_in(op, frame, 2) + d * 3 * n * n;
        cell.b = op_has(op, 3) ? (const float *)op_in(op, frame, 3) + d * 6 * n
                               : NULL;
        for (int64_t b = 0; b < rec->batch; b++) {
            int64_t length;

            if (!op_recurrent_length(op, frame, rec, b, &length, err))
                return false;
            gru_sequence(op, frame, &cell, b, length);
        }
    }
    return true;
}

const struct op_impl op_gru = {.name = "gru",
                               .in_min = 3,
                               .in_max = 6,
                               .out_min = 1,
                               .out_max = 2,
                               .infer = gru_infer,
                               .prepare = gru_prepare,
                               .run = gru_run};
