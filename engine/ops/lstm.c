/*
 * LSTM, opset 14: long short-term memory
 *
 *   i = f(x Wi' + h Ri' + Pi * c + bi),  g = tanh(x Wc' + h Rc' + bc)
 *   f = f(x Wf' + h Rf' + Pf * c + bf), or 1 - i with input_forget
 *   c = f * c + i * g
 *   o = f(x Wo' + h Ro' + Po * c + bo),  h = o * tanh(c)
 *
 *   input   x, w, r, b, sequence_lens, initial_h: recurrent.h, four gates in
 *           the order i, o, f, c; float
 *           initial_c  like initial_h = 0
 *           p          [dirs, 3 hidden] = 0, in the order i, o, f
 *   output  y, y_h: recurrent.h; y_c like y_h
 *   attr    hidden_size int; direction = forward, reverse, bidirectional
 *           activations = Sigmoid, Tanh, Tanh (f, g, h), activation_alpha,
 *           activation_beta, clip; input_forget int = 0, layout int = 0
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_MODEL_UNSUPPORTED: unknown activations
 *           ERR_VALIDATION_ERROR: a sequence length outside [0, seq]
 *   source  ONNX operator list, LSTM-14
 */
#include <string.h>

#include "recurrent.h"

enum { INITIAL_H = 5, INITIAL_C, PEEPHOLES };
enum { F, G, H }; /* activations */

struct lstm_state {
    struct op_recurrent rec;
    bool input_forget;
};

static bool lstm_infer(struct op_node *op, struct error *err)
{
    static const char *const activations[] = {"Sigmoid", "Tanh", "Tanh", NULL};
    struct lstm_state *state = op_alloc(op, sizeof *state, err);
    struct op_recurrent *rec;

    op->state = state;
    if (!state)
        return false;
    rec = &state->rec;
    return op_attr_bool(op, "input_forget", &state->input_forget, err) &&
           op_recurrent_read(op, 4, activations, rec, err) &&
           op_recurrent_want_state(op, INITIAL_C, rec, err) &&
           op_recurrent_want(op, PEEPHOLES, 2,
                             (const int64_t[]){rec->dirs, 3 * rec->hidden},
                             err);
}

/* xw of all steps, h R' of four gates, h and c. */
static bool lstm_prepare(struct op_node *op, struct error *err)
{
    const struct op_recurrent *rec = &((struct lstm_state *)op->state)->rec;
    size_t floats;

    if (!op_recurrent_floats(rec, &floats, err))
        return false;
    op->scratch_bytes = (floats + 6 * (size_t)rec->hidden) * sizeof(float);
    return true;
}

struct lstm_sequence {
    int64_t d, b, length;
    const float *xw, *r, *p; /* p may be NULL */
    float *h, *c, *gates;    /* [hidden], [hidden], [4 hidden] */
};

/* h and c move on by one step; xw [4 hidden] holds the biases already. */
static void lstm_step(const struct lstm_state *state,
                      const struct lstm_sequence *s, const float *xw)
{
    const struct op_recurrent *rec = &state->rec;
    int64_t n = rec->hidden, d = s->d;
    const float *p = s->p;

    op_recurrent_times(s->r, s->h, 4 * n, n, s->gates);
    for (int64_t k = 0; k < 4 * n; k++)
        s->gates[k] += xw[k];
    for (int64_t k = 0; k < n; k++) {
        float c = s->c[k];
        float i = op_activate(rec, d, F, s->gates[k] + (p ? p[k] * c : 0));
        float f =
            state->input_forget
                ? 1 - i
                : op_activate(rec, d, F,
                              s->gates[2 * n + k] + (p ? p[2 * n + k] * c : 0));
        float o;

        c = f * c + i * op_activate(rec, d, G, s->gates[3 * n + k]);
        o = op_activate(rec, d, F, s->gates[n + k] + (p ? p[n + k] * c : 0));
        s->c[k] = c;
        s->h[k] = o * op_activate(rec, d, H, c);
    }
}

static void lstm_run_sequence(const struct op_node *op,
                              const struct op_frame *frame,
                              const struct lstm_sequence *s)
{
    const struct lstm_state *state = op->state;
    const struct op_recurrent *rec = &state->rec;
    int64_t last = op_recurrent_state(rec, s->d, s->b);
    size_t size = (size_t)rec->hidden * sizeof(float);
    float *y = op_out(op, frame, 0);

    op_recurrent_start(rec, op_recurrent_optional(op, frame, INITIAL_H), s->d,
                       s->b, s->h);
    op_recurrent_start(rec, op_recurrent_optional(op, frame, INITIAL_C), s->d,
                       s->b, s->c);
    for (int64_t i = 0; i < s->length; i++) {
        int64_t t = op_recurrent_step(rec, s->d, i, s->length);

        lstm_step(state, s,
                  s->xw + op_recurrent_row(rec, t, s->b) * 4 * rec->hidden);
        memcpy(y + op_recurrent_y(rec, t, s->d, s->b), s->h, size);
    }
    for (int64_t t = s->length; t < rec->seq; t++)
        memset(y + op_recurrent_y(rec, t, s->d, s->b), 0, size);
    if (op->out_count > 1)
        memcpy((float *)op_out(op, frame, 1) + last, s->h, size);
    if (op->out_count > 2)
        memcpy((float *)op_out(op, frame, 2) + last, s->c, size);
}

static bool lstm_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct op_recurrent *rec = &((struct lstm_state *)op->state)->rec;
    int64_t n = rec->hidden;
    struct lstm_sequence s = {.xw = frame->scratch};

    s.h = (float *)frame->scratch + rec->seq * rec->batch * 4 * n;
    s.c = s.h + n;
    s.gates = s.c + n;
    for (s.d = 0; s.d < rec->dirs; s.d++) {
        op_recurrent_project(op, frame, rec, s.d, frame->scratch);
        s.r = (const float *)op_in(op, frame, 2) + s.d * 4 * n * n;
        if (op_has(op, PEEPHOLES))
            s.p = (const float *)op_in(op, frame, PEEPHOLES) + s.d * 3 * n;
        for (s.b = 0; s.b < rec->batch; s.b++) {
            if (!op_recurrent_length(op, frame, rec, s.b, &s.length, err))
                return false;
            lstm_run_sequence(op, frame, &s);
        }
    }
    return true;
}

const struct op_impl op_lstm = {.name = "lstm",
                                .in_min = 3,
                                .in_max = 8,
                                .out_min = 1,
                                .out_max = 3,
                                .infer = lstm_infer,
                                .prepare = lstm_prepare,
                                .run = lstm_run};
