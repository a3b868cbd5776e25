/*
 * GRU, opset 14: gated recurrent unit
 *
 *   z = sigmoid(x Wz' + h Rz' + bz), r = sigmoid(x Wr' + h Rr' + br)
 *   n = tanh(x Wh' + (r * h) Rh' + bh), or with linear_before_reset
 *   n = tanh(x Wh' + r * (h Rh' + rbh) + wbh)
 *   h = (1 - z) * n + z * h
 *
 *   input   x     float [seq, batch, in]; layout 1: [batch, seq, in]
 *           w     [dirs, 3 hidden, in], gates in the order z, r, h
 *           r     [dirs, 3 hidden, hidden]
 *           b     [dirs, 6 hidden] = 0: those of w, then those of r
 *           sequence_lens  int32 [batch] = seq
 *           initial_h      [dirs, batch, hidden] = 0; layout 1: [batch, dirs, ..]
 *   output  y     [seq, dirs, batch, hidden]; layout 1: [batch, seq, dirs, hidden]
 *           y_h   [dirs, batch, hidden]; layout 1: [batch, dirs, hidden]
 *   attr    hidden_size int; direction = forward, reverse, bidirectional
 *           linear_before_reset int = 0, layout int = 0
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_MODEL_UNSUPPORTED: clip, activations other than the default
 *           ERR_VALIDATION_ERROR: a sequence length outside [0, seq]
 *   source  ONNX operator list, GRU-14
 */
#include <math.h>
#include <string.h>

#include "gemm.h"

enum direction { FORWARD, REVERSE, BIDIRECTIONAL };

struct gru_state {
    int64_t seq, batch, in, hidden, dirs;
    int direction;
    bool linear_before_reset, batch_first;
};

static bool check_activations(const struct op_node *op,
                              const struct gru_state *state, struct error *err)
{
    const struct eng_attr *attr = op_attr(op, "activations");

    if (op_attr(op, "clip"))
        return fail(err, ERR_MODEL_UNSUPPORTED, "clip is not supported");
    if (!attr)
        return true;
    if (attr->type != ENG_ATTR_STRINGS ||
        attr->count != 2 * (size_t)state->dirs)
        return fail(err, ERR_MODEL_INVALID,
                    "%zu activations for %lld directions", attr->count,
                    (long long)state->dirs);
    for (size_t i = 0; i < attr->count; i++) {
        const char *want = i % 2 ? "Tanh" : "Sigmoid";

        if (attr->strings[i].size != strlen(want) ||
            memcmp(attr->strings[i].text, want, strlen(want)) != 0)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "activations other than Sigmoid and Tanh");
    }
    return true;
}

static bool read_attrs(const struct op_node *op, struct gru_state *state,
                       struct error *err)
{
    static const char *const directions[] = {"forward", "reverse",
                                             "bidirectional", NULL};

    if (!op_attr_word(op, "direction", directions, &state->direction, err) ||
        !op_attr_int(op, "hidden_size", &state->hidden, err) ||
        !op_attr_bool(op, "linear_before_reset", &state->linear_before_reset,
                      err) ||
        !op_attr_bool(op, "layout", &state->batch_first, err))
        return false;
    state->dirs = state->direction == BIDIRECTIONAL ? 2 : 1;
    return check_activations(op, state, err);
}

/* Input i has exactly these dimensions. */
static bool want_shape(const struct op_node *op, size_t i, int rank,
                       const int64_t *dims, struct error *err)
{
    struct eng_tensor want = {.rank = rank};
    char got_text[ENG_SHAPE_TEXT], want_text[ENG_SHAPE_TEXT];

    if (!op_has(op, i))
        return true;
    eng_shape_set(&want, rank, dims);
    if (eng_shape_equal(op->in[i], &want))
        return true;
    return fail(err, ERR_MODEL_INVALID, "input %zu is %.60s, expected %.60s", i,
                eng_shape_text(op->in[i], got_text),
                eng_shape_text(&want, want_text));
}

static bool check_shapes(const struct op_node *op,
                         const struct gru_state *state, struct error *err)
{
    int64_t d = state->dirs, h = state->hidden, b = state->batch;
    int64_t first = state->batch_first ? b : d;
    int64_t second = state->batch_first ? d : b;

    return want_shape(op, 1, 3, (const int64_t[]){d, 3 * h, state->in}, err) &&
           want_shape(op, 2, 3, (const int64_t[]){d, 3 * h, h}, err) &&
           want_shape(op, 3, 2, (const int64_t[]){d, 6 * h}, err) &&
           want_shape(op, 4, 1, (const int64_t[]){b}, err) &&
           want_shape(op, 5, 3, (const int64_t[]){first, second, h}, err);
}

static bool check_types(const struct op_node *op, struct error *err)
{
    for (size_t i = 0; i < op->in_count; i++) {
        enum eng_dtype want = i == 4 ? ENG_I32 : ENG_F32;

        if (op->in[i] && !op_want_type(op, i, OP_TYPE(want), err))
            return false;
    }
    return true;
}

static void set_outputs(struct op_node *op, const struct gru_state *state)
{
    int64_t s = state->seq, d = state->dirs, b = state->batch;
    int64_t h = state->hidden;
    const int64_t y[2][4] = {{s, d, b, h}, {b, s, d, h}};
    const int64_t y_h[2][3] = {{d, b, h}, {b, d, h}};

    for (size_t i = 0; i < op->out_count; i++)
        op->out[i]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 4, y[state->batch_first]);
    if (op->out_count > 1)
        eng_shape_set(op->out[1], 3, y_h[state->batch_first]);
}

static bool gru_infer(struct op_node *op, struct error *err)
{
    struct gru_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];

    op->state = state;
    if (!state || !read_attrs(op, state, err) || !check_types(op, err))
        return false;
    if (x->rank != 3 || op->in[2]->rank != 3)
        return fail(err, ERR_MODEL_INVALID, "inputs 0 and 2 need rank 3");
    state->seq = x->dims[state->batch_first ? 1 : 0];
    state->batch = x->dims[state->batch_first ? 0 : 1];
    state->in = x->dims[2];
    if (!state->hidden)
        state->hidden = op->in[2]->dims[2];
    if (state->hidden < 1 || state->hidden > INT32_MAX / 6)
        return fail(err, ERR_MODEL_INVALID, "hidden_size is %lld",
                    (long long)state->hidden);
    if (!check_shapes(op, state, err))
        return false;
    set_outputs(op, state);
    return true;
}

/* xw [3 hidden], hr [3 hidden] and r * h [hidden], for one row at a time. */
static bool gru_prepare(struct op_node *op, struct error *err)
{
    const struct gru_state *state = op->state;

    (void)err;
    op->scratch_bytes = (size_t)(8 * state->hidden) * sizeof(float);
    return true;
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

struct gru_cell {
    const struct gru_state *state;
    const float *w, *r, *b; /* of this direction; b may be NULL */
    float *xw, *hr, *rh;    /* scratch */
};

static float bias(const struct gru_cell *cell, int64_t i)
{
    return cell->b ? cell->b[i] : 0;
}

/* out [rows] = m [rows, n] v [n] */
static void times(const float *m, const float *v, int64_t rows, int64_t n,
                  float *out)
{
    struct op_product product = {.m = 1,
                                 .n = rows,
                                 .k = n,
                                 .a_row = n,
                                 .a_col = 1,
                                 .b_row = 1,
                                 .b_col = n};

    op_product_f32(&product, v, m, out);
}

/* h [hidden] is updated by one step with x [in]. */
static void gru_step(const struct gru_cell *cell, const float *x, float *h)
{
    int64_t n = cell->state->hidden;
    float *z = cell->hr, *r = cell->hr + n, *new = cell->hr + 2 * n;

    times(cell->w, x, 3 * n, cell->state->in, cell->xw);
    times(cell->r, h, 2 * n, n, cell->hr);
    for (int64_t i = 0; i < 2 * n; i++)
        cell->hr[i] = sigmoid(cell->xw[i] + cell->hr[i] + bias(cell, i) +
                              bias(cell, 3 * n + i));
    if (cell->state->linear_before_reset) {
        times(cell->r + 2 * n * n, h, n, n, new);
        for (int64_t i = 0; i < n; i++)
            new[i] = r[i] * (new[i] + bias(cell, 5 * n + i));
    } else {
        for (int64_t i = 0; i < n; i++)
            cell->rh[i] = r[i] * h[i];
        times(cell->r + 2 * n * n, cell->rh, n, n, new);
        for (int64_t i = 0; i < n; i++)
            new[i] += bias(cell, 5 * n + i);
    }
    for (int64_t i = 0; i < n; i++)
        h[i] = (1 - z[i]) *
                   tanhf(cell->xw[2 * n + i] + new[i] + bias(cell, 2 * n + i)) +
               z[i] * h[i];
}

/* Element offsets of row (step t, sequence b) and of direction d. */
static int64_t x_at(const struct gru_state *state, int64_t t, int64_t b)
{
    return (state->batch_first ? b * state->seq + t : t * state->batch + b) *
           state->in;
}

static int64_t y_at(const struct gru_state *state, int64_t t, int64_t d,
                    int64_t b)
{
    return (state->batch_first ? (b * state->seq + t) * state->dirs + d
                               : (t * state->dirs + d) * state->batch + b) *
           state->hidden;
}

static int64_t h_at(const struct gru_state *state, int64_t d, int64_t b)
{
    return (state->batch_first ? b * state->dirs + d : d * state->batch + b) *
           state->hidden;
}

/* One sequence in one direction; the state after it goes to `h`. */
static void gru_sequence(const struct op_node *op, const struct op_frame *frame,
                         const struct gru_cell *cell, int64_t d, int64_t b,
                         int64_t length)
{
    const struct gru_state *state = op->state;
    bool backwards = state->direction == REVERSE || d == 1;
    size_t size = (size_t)state->hidden * sizeof(float);
    const float *x = op_in(op, frame, 0);
    float *y = op_out(op, frame, 0);
    float *h = cell->rh + state->hidden;

    memset(h, 0, size);
    if (op_has(op, 5))
        memcpy(h, (const float *)op_in(op, frame, 5) + h_at(state, d, b), size);
    for (int64_t i = 0; i < length; i++) {
        int64_t t = backwards ? length - 1 - i : i;

        gru_step(cell, x + x_at(state, t, b), h);
        memcpy(y + y_at(state, t, d, b), h, size);
    }
    for (int64_t t = length; t < state->seq; t++)
        memset(y + y_at(state, t, d, b), 0, size);
    if (op->out_count > 1)
        memcpy((float *)op_out(op, frame, 1) + h_at(state, d, b), h, size);
}

static bool gru_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct gru_state *state = op->state;
    int64_t n = state->hidden;
    float *scratch = frame->scratch;
    struct gru_cell cell = {.state = state,
                            .xw = scratch,
                            .hr = scratch + 3 * n,
                            .rh = scratch + 6 * n};

    for (int64_t d = 0; d < state->dirs; d++) {
        cell.w = (const float *)op_in(op, frame, 1) + d * 3 * n * state->in;
        cell.r = (const float *)op_in(op, frame, 2) + d * 3 * n * n;
        cell.b = op_has(op, 3) ? (const float *)op_in(op, frame, 3) + d * 6 * n
                               : NULL;
        for (int64_t b = 0; b < state->batch; b++) {
            int64_t length = op_has(op, 4)
                                 ? ((const int32_t *)op_in(op, frame, 4))[b]
                                 : state->seq;

            if (length < 0 || length > state->seq)
                return fail(err, ERR_VALIDATION_ERROR,
                            "sequence %lld has length %lld of %lld",
                            (long long)b, (long long)length,
                            (long long)state->seq);
            gru_sequence(op, frame, &cell, d, b, length);
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
