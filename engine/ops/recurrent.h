/*
 * Recurrent: what RNN, GRU and LSTM share: attributes, shapes, activations and
 * where rows lie.
 *
 * Inputs 0 to 5 are x, w, r, b, sequence_lens, initial_h, outputs 0 and 1 are y
 * and y_h:
 *
 *   x  [seq, batch, in], w [dirs, gates hidden, in], r [dirs, gates hidden,
 *   hidden], b [dirs, 2 gates hidden], sequence_lens [batch],
 *   initial_h [dirs, batch, hidden], y [seq, dirs, batch, hidden],
 *   y_h [dirs, batch, hidden]; layout 1 puts batch in front
 *
 * Threads: immutable after reading.
 */
#ifndef ENGINE_OPS_RECURRENT_H
#define ENGINE_OPS_RECURRENT_H

#include "gemm.h"

enum { OP_ACTIVATIONS_MAX = 6 };

struct op_activation {
    float (*fn)(float x, float alpha, float beta);
    float alpha, beta;
};

struct op_recurrent {
    int64_t gates, seq, batch, in, hidden, dirs;
    int direction;
    bool batch_first;
    float clip;           /* of the activations' inputs; infinity = none */
    int activation_count; /* per direction */
    struct op_activation activations[OP_ACTIVATIONS_MAX]; /* by direction */
};

/*
 * Reads attributes and checks inputs 0 to 5; sets all outputs. `activations`
 * are the default names, NULL-terminated.
 *   ERR_MODEL_INVALID      shapes or counts do not fit
 *   ERR_MODEL_UNSUPPORTED  not float, unknown activations
 */
bool op_recurrent_read(struct op_node *op, int64_t gates,
                       const char *const *activations, struct op_recurrent *rec,
                       struct error *err);

/* Input i is left out or has exactly these dimensions. ERR_MODEL_INVALID. */
bool op_recurrent_want(const struct op_node *op, size_t i, int rank,
                       const int64_t *dims, struct error *err);

/* As op_recurrent_want() for a state [dirs, batch, hidden]. */
bool op_recurrent_want_state(const struct op_node *op, size_t i,
                             const struct op_recurrent *rec, struct error *err);

/* Activation k of direction d, of x within the clip. */
float op_activate(const struct op_recurrent *rec, int64_t d, int k, float x);

/* Element offsets: of row (step t, sequence b) and direction d. */
int64_t op_recurrent_row(const struct op_recurrent *rec, int64_t t, int64_t b);
int64_t op_recurrent_y(const struct op_recurrent *rec, int64_t t, int64_t d,
                       int64_t b);
int64_t op_recurrent_state(const struct op_recurrent *rec, int64_t d,
                           int64_t b);

/* Step i of a sequence of `length` in direction d. */
int64_t op_recurrent_step(const struct op_recurrent *rec, int64_t d, int64_t i,
                          int64_t length);

/* Length of sequence b. ERR_VALIDATION_ERROR: outside [0, seq]. */
bool op_recurrent_length(const struct op_node *op, const struct op_frame *frame,
                         const struct op_recurrent *rec, int64_t b,
                         int64_t *length, struct error *err);

/* out [rows] = m [rows, n] v [n] */
void op_recurrent_times(const float *m, const float *v, int64_t rows, int64_t n,
                        float *out);

/* xw [seq batch, gates hidden] = x w' + both biases, of direction d. */
void op_recurrent_project(const struct op_node *op,
                          const struct op_frame *frame,
                          const struct op_recurrent *rec, int64_t d, float *xw);

/* Floats of xw. ERR_MODEL_INVALID: too many. */
bool op_recurrent_floats(const struct op_recurrent *rec, size_t *count,
                         struct error *err);

/* state [hidden] = that of (d, b) in `initial`; NULL = zeros. */
void op_recurrent_start(const struct op_recurrent *rec, const float *initial,
                        int64_t d, int64_t b, float *state);

/* Elements of an input that may be left out: NULL. */
static inline const void *op_recurrent_optional(const struct op_node *op,
                                                const struct op_frame *frame,
                                                size_t i)
{
    return op_has(op, i) ? op_in(op, frame, i) : NULL;
}

#endif
