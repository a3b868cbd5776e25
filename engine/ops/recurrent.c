/*
 * Recurrent: see recurrent.h.
 */
#include "recurrent.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum direction { FORWARD, REVERSE, BIDIRECTIONAL };

/* --- activations --- */

static float relu(float x, float alpha, float beta)
{
    (void)alpha;
    (void)beta;
    return x < 0 ? 0 : x;
}

static float hyperbolic(float x, float alpha, float beta)
{
    (void)alpha;
    (void)beta;
    return tanhf(x);
}

static float sigmoid(float x, float alpha, float beta)
{
    (void)alpha;
    (void)beta;
    return 1 / (1 + expf(-x));
}

static float affine(float x, float alpha, float beta)
{
    return alpha * x + beta;
}

static float leaky_relu(float x, float alpha, float beta)
{
    (void)beta;
    return x < 0 ? alpha * x : x;
}

static float thresholded_relu(float x, float alpha, float beta)
{
    (void)beta;
    return x >= alpha ? x : 0;
}

static float scaled_tanh(float x, float alpha, float beta)
{
    return alpha * tanhf(beta * x);
}

static float hard_sigmoid(float x, float alpha, float beta)
{
    float y = alpha * x + beta;

    return y < 0 ? 0 : y > 1 ? 1 : y;
}

static float elu(float x, float alpha, float beta)
{
    (void)beta;
    return x < 0 ? alpha * expm1f(x) : x;
}

static float softsign(float x, float alpha, float beta)
{
    (void)alpha;
    (void)beta;
    return x / (1 + fabsf(x));
}

static float softplus(float x, float alpha, float beta)
{
    (void)alpha;
    (void)beta;
    return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
}

static const struct activation_kind {
    const char *name;
    struct op_activation activation; /* with the default alpha and beta */
    bool has_alpha, has_beta;
} kinds[] = {
    {"Relu", {relu, 0, 0}, false, false},
    {"Tanh", {hyperbolic, 0, 0}, false, false},
    {"Sigmoid", {sigmoid, 0, 0}, false, false},
    {"Affine", {affine, 1, 0}, true, true},
    {"LeakyRelu", {leaky_relu, 0.01F, 0}, true, false},
    {"ThresholdedRelu", {thresholded_relu, 1, 0}, true, false},
    {"ScaledTanh", {scaled_tanh, 1, 1}, true, true},
    {"HardSigmoid", {hard_sigmoid, 0.2F, 0.5F}, true, true},
    {"Elu", {elu, 1, 0}, true, false},
    {"Softsign", {softsign, 0, 0}, false, false},
    {"Softplus", {softplus, 0, 0}, false, false},
};

/* Parameters go to the functions that have some, in order. */
struct parameters {
    const float *alpha, *beta;
    size_t alpha_count, beta_count;
};

static bool find_activation(const char *name, size_t size,
                            struct parameters *left,
                            struct op_activation *activation, struct error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i].name) != size ||
            strncasecmp(kinds[i].name, name, size) != 0)
            continue;
        *activation = kinds[i].activation;
        if (kinds[i].has_alpha && left->alpha_count) {
            activation->alpha = *left->alpha++;
            left->alpha_count--;
        }
        if (kinds[i].has_beta && left->beta_count) {
            activation->beta = *left->beta++;
            left->beta_count--;
        }
        return true;
    }
    return fail(err, ERR_MODEL_UNSUPPORTED, "activation '%.*s'",
                size < 40 ? (int)size : 40, name);
}

static bool read_activations(const struct op_node *op,
                             const char *const *defaults,
                             struct op_recurrent *rec, struct error *err)
{
    const struct eng_attr *attr = op_attr(op, "activations");
    struct parameters left = {0};
    size_t count;

    while (defaults[rec->activation_count])
        rec->activation_count++;
    count = (size_t)rec->activation_count * (size_t)rec->dirs;
    if (!op_attr_floats(op, "activation_alpha", &left.alpha, &left.alpha_count,
                        err) ||
        !op_attr_floats(op, "activation_beta", &left.beta, &left.beta_count,
                        err))
        return false;
    if (attr && (attr->type != ENG_ATTR_STRINGS || attr->count != count))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu activations for %lld directions", attr->count,
                    (long long)rec->dirs);
    for (size_t i = 0; i < count; i++) {
        const char *name = defaults[i % (size_t)rec->activation_count];
        size_t size = attr ? attr->strings[i].size : strlen(name);

        if (!find_activation(attr ? attr->strings[i].text : name, size, &left,
                             &rec->activations[i], err))
            return false;
    }
    return true;
}

float op_activate(const struct op_recurrent *rec, int64_t d, int k, float x)
{
    const struct op_activation *activation =
        &rec->activations[d * rec->activation_count + k];

    x = x > rec->clip ? rec->clip : x < -rec->clip ? -rec->clip : x;
    return activation->fn(x, activation->alpha, activation->beta);
}

/* --- shapes --- */

bool op_recurrent_want(const struct op_node *op, size_t i, int rank,
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

bool op_recurrent_want_state(const struct op_node *op, size_t i,
                             const struct op_recurrent *rec, struct error *err)
{
    int64_t first = rec->batch_first ? rec->batch : rec->dirs;
    int64_t second = rec->batch_first ? rec->dirs : rec->batch;

    return op_recurrent_want(
        op, i, 3, (const int64_t[]){first, second, rec->hidden}, err);
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

static bool check_shapes(const struct op_node *op,
                         const struct op_recurrent *rec, struct error *err)
{
    int64_t d = rec->dirs, rows = rec->gates * rec->hidden, h = rec->hidden;

    return op_recurrent_want(op, 1, 3, (const int64_t[]){d, rows, rec->in},
                             err) &&
           op_recurrent_want(op, 2, 3, (const int64_t[]){d, rows, h}, err) &&
           op_recurrent_want(op, 3, 2, (const int64_t[]){d, 2 * rows}, err) &&
           op_recurrent_want(op, 4, 1, &rec->batch, err) &&
           op_recurrent_want_state(op, 5, rec, err);
}

static void set_outputs(struct op_node *op, const struct op_recurrent *rec)
{
    int64_t s = rec->seq, d = rec->dirs, b = rec->batch, h = rec->hidden;
    const int64_t y[2][4] = {{s, d, b, h}, {b, s, d, h}};
    const int64_t state[2][3] = {{d, b, h}, {b, d, h}};

    for (size_t i = 0; i < op->out_count; i++) {
        op->out[i]->dtype = ENG_F32;
        eng_shape_set(op->out[i], i ? 3 : 4,
                      i ? state[rec->batch_first] : y[rec->batch_first]);
    }
}

static bool read_attrs(const struct op_node *op, struct op_recurrent *rec,
                       struct error *err)
{
    static const char *const directions[] = {"forward", "reverse",
                                             "bidirectional", NULL};

    rec->clip = INFINITY;
    if (!op_attr_word(op, "direction", directions, &rec->direction, err) ||
        !op_attr_int(op, "hidden_size", &rec->hidden, err) ||
        !op_attr_float(op, "clip", &rec->clip, err) ||
        !op_attr_bool(op, "layout", &rec->batch_first, err))
        return false;
    if (!(rec->clip > 0))
        return fail(err, ERR_MODEL_INVALID, "clip is %g", (double)rec->clip);
    rec->dirs = rec->direction == BIDIRECTIONAL ? 2 : 1;
    return true;
}

bool op_recurrent_read(struct op_node *op, int64_t gates,
                       const char *const *activations, struct op_recurrent *rec,
                       struct error *err)
{
    const struct eng_tensor *x = op->in[0];

    *rec = (struct op_recurrent){.gates = gates};
    if (!read_attrs(op, rec, err) ||
        !read_activations(op, activations, rec, err) || !check_types(op, err))
        return false;
    if (x->rank != 3 || op->in[2]->rank != 3)
        return fail(err, ERR_MODEL_INVALID, "inputs 0 and 2 need rank 3");
    rec->seq = x->dims[rec->batch_first ? 1 : 0];
    rec->batch = x->dims[rec->batch_first ? 0 : 1];
    rec->in = x->dims[2];
    if (!rec->hidden)
        rec->hidden = op->in[2]->dims[2];
    if (rec->hidden < 1 || rec->hidden > INT32_MAX / 8)
        return fail(err, ERR_MODEL_INVALID, "hidden_size is %lld",
                    (long long)rec->hidden);
    if (!check_shapes(op, rec, err))
        return false;
    set_outputs(op, rec);
    return true;
}

/* --- places --- */

int64_t op_recurrent_row(const struct op_recurrent *rec, int64_t t, int64_t b)
{
    return rec->batch_first ? b * rec->seq + t : t * rec->batch + b;
}

int64_t op_recurrent_y(const struct op_recurrent *rec, int64_t t, int64_t d,
                       int64_t b)
{
    return (rec->batch_first ? (b * rec->seq + t) * rec->dirs + d
                             : (t * rec->dirs + d) * rec->batch + b) *
           rec->hidden;
}

int64_t op_recurrent_state(const struct op_recurrent *rec, int64_t d, int64_t b)
{
    return (rec->batch_first ? b * rec->dirs + d : d * rec->batch + b) *
           rec->hidden;
}

int64_t op_recurrent_step(const struct op_recurrent *rec, int64_t d, int64_t i,
                          int64_t length)
{
    return rec->direction == REVERSE || d == 1 ? length - 1 - i : i;
}

bool op_recurrent_length(const struct op_node *op, const struct op_frame *frame,
                         const struct op_recurrent *rec, int64_t b,
                         int64_t *length, struct error *err)
{
    *length =
        op_has(op, 4) ? ((const int32_t *)op_in(op, frame, 4))[b] : rec->seq;
    if (*length < 0 || *length > rec->seq)
        return fail(err, ERR_VALIDATION_ERROR,
                    "sequence %lld has length %lld of %lld", (long long)b,
                    (long long)*length, (long long)rec->seq);
    return true;
}

/* --- products --- */

void op_recurrent_times(const float *m, const float *v, int64_t rows, int64_t n,
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

void op_recurrent_project(const struct op_node *op,
                          const struct op_frame *frame,
                          const struct op_recurrent *rec, int64_t d, float *xw)
{
    int64_t columns = rec->gates * rec->hidden, rows = rec->seq * rec->batch;
    const float *w = (const float *)op_in(op, frame, 1) + d * columns * rec->in;
    const float *bias = op_has(op, 3) ? op_in(op, frame, 3) : NULL;
    struct op_product product = {.m = rows,
                                 .n = columns,
                                 .k = rec->in,
                                 .a_row = rec->in,
                                 .a_col = 1,
                                 .b_row = 1,
                                 .b_col = rec->in};

    op_product_f32(&product, op_in(op, frame, 0), w, xw);
    if (!bias)
        return;
    bias += d * 2 * columns;
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < columns; i++)
            xw[row * columns + i] += bias[i] + bias[columns + i];
    }
}

bool op_recurrent_floats(const struct op_recurrent *rec, size_t *count,
                         struct error *err)
{
    /* seq and batch come from x, whose size was checked. */
    if (__builtin_mul_overflow((size_t)(rec->seq * rec->batch),
                               (size_t)(rec->gates * rec->hidden), count) ||
        *count > SIZE_MAX / 16)
        return fail(err, ERR_MODEL_INVALID, "the sequences are too large");
    return true;
}

void op_recurrent_start(const struct op_recurrent *rec, const float *initial,
                        int64_t d, int64_t b, float *state)
{
    size_t size = (size_t)rec->hidden * sizeof *state;

    if (initial)
        memcpy(state, initial + op_recurrent_state(rec, d, b), size);
    else
        memset(state, 0, size);
}
