/*
 * RNN, opset 14: h = f(x W' + h R' + wb + rb)
 *
 *   input   x, w, r, b, sequence_lens, initial_h: recurrent.h, one gate; float
 *   output  y, y_h: recurrent.h
 *   attr    hidden_size int; direction = forward, reverse, bidirectional
 *           activations = Tanh, activation_alpha, activation_beta, clip;
 *           layout int = 0
 *   errors  ERR_MODEL_INVALID: shapes do not fit
 *           ERR_MODEL_UNSUPPORTED: unknown activations
 *           ERR_VALIDATION_ERROR: a sequence length outside [0, seq]
 *   source  ONNX operator list, RNN-14
 */
#include <string.h>

#include "recurrent.h"

static bool rnn_infer(struct op_node *op, struct error *err)
{
    static const char *const activations[] = {"Tanh", NULL};
    struct op_recurrent *rec = op_alloc(op, sizeof *rec, err);

    op->state = rec;
    return rec && op_recurrent_read(op, 1, activations, rec, err);
}

/* xw of all steps, h R' and h. */
static bool rnn_prepare(struct op_node *op, struct error *err)
{
    const struct op_recurrent *rec = op->state;
    size_t floats;

    if (!op_recurrent_floats(rec, &floats, err))
        return false;
    op->scratch_bytes = (floats + 2 * (size_t)rec->hidden) * sizeof(float);
    return true;
}

struct rnn_sequence {
    int64_t d, b, length;
    const float *xw, *r;
    float *h, *hr; /* [hidden] */
};

static void rnn_run_sequence(const struct op_node *op,
                             const struct op_frame *frame,
                             const struct rnn_sequence *s)
{
    const struct op_recurrent *rec = op->state;
    int64_t n = rec->hidden;
    size_t size = (size_t)n * sizeof(float);
    float *y = op_out(op, frame, 0);

    op_recurrent_start(rec, op_recurrent_optional(op, frame, 5), s->d, s->b,
                       s->h);
    for (int64_t i = 0; i < s->length; i++) {
        int64_t t = op_recurrent_step(rec, s->d, i, s->length);
        const float *xw = s->xw + op_recurrent_row(rec, t, s->b) * n;

        op_recurrent_times(s->r, s->h, n, n, s->hr);
        for (int64_t k = 0; k < n; k++)
            s->h[k] = op_activate(rec, s->d, 0, xw[k] + s->hr[k]);
        memcpy(y + op_recurrent_y(rec, t, s->d, s->b), s->h, size);
    }
    for (int64_t t = s->length; t < rec->seq; t++)
        memset(y + op_recurrent_y(rec, t, s->d, s->b), 0, size);
    if (op->out_count > 1)
        memcpy((float *)op_out(op, frame, 1) +
                   op_recurrent_state(rec, s->d, s->b),
               s->h, size);
}

static bool rnn_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    const struct op_recurrent *rec = op->state;
    int64_t n = rec->hidden;
    struct rnn_sequence s = {.xw = frame->scratch};

    s.h = (float *)frame->scratch + rec->seq * rec->batch * n;
    s.hr = s.h + n;
    for (s.d = 0; s.d < rec->dirs; s.d++) {
        op_recurrent_project(op, frame, rec, s.d, frame->scratch);
        s.r = (const float *)op_in(op, frame, 2) + s.d * n * n;
        for (s.b = 0; s.b < rec->batch; s.b++) {
            if (!op_recurrent_length(op, frame, rec, s.b, &s.length, err))
                return false;
            rnn_run_sequence(op, frame, &s);
        }
    }
    return true;
}

const struct op_impl op_rnn = {.name = "rnn",
                               .in_min = 3,
                               .in_max = 6,
                               .out_min = 1,
                               .out_max = 2,
                               .infer = rnn_infer,
                               .prepare = rnn_prepare,
                               .run = rnn_run};
