/*
 * ai.onnx.ml SVMRegressor-1:  y = sum of c[v] k(x, support vector v) + rho
 * ai.onnx.ml SVMClassifier-1: one such sum for each pair of classes; label =
 *                             the class that wins most pairs
 *
 *   kernels k(x, v): LINEAR x v; POLY (gamma x v + c0)^degree;
 *   RBF exp(-gamma |x - v|^2); SIGMOID tanh(gamma x v + c0)
 *
 *   input   x       float, double, int32 or int64 [n, f] or [f]
 *   output  y       float [n, 1] (regressor)
 *           label   int64 or string [n] (classifier)
 *           scores  float [n, classes]; without probabilities and with more
 *                   than two classes [n, pairs]
 *   attr    coefficients, support_vectors, rho; kernel_type = LINEAR,
 *           kernel_params [gamma, c0, degree]; post_transform = NONE
 *           n_supports, one_class (regressor)
 *           vectors_per_class, prob_a, prob_b, classlabels_ints or _strings
 *           no support vectors: coefficients are weights of the features
 *   errors  ERR_MODEL_INVALID: lists that do not fit
 *           ERR_MODEL_UNSUPPORTED: PROBIT, other kernels
 *   source  ONNX ML operator list; libsvm: pairs (i, j) with i < j in order,
 *           coefficients [classes - 1, vectors]
 *           probabilities: ml_svm_pairs.c
 */
#include "ml_svm.h"

#include <math.h>
#include <string.h>

#include "ml_common.h"

enum kernel { LINEAR, POLY, RBF, SIGMOID };

struct svm_state {
    int64_t rows, features, vectors;
    const float *coefficients, *support, *rho, *prob_a, *prob_b;
    size_t coefficient_count, rho_count;
    float gamma, c0, degree;
    int kernel, post;
    bool one_class;
    struct eng_tensor labels;
    const int64_t *per_class;
    int64_t classes, pairs, columns; /* columns: of the scores */
    bool all_positive;
};

static bool read_kernel(const struct op_node *op, struct svm_state *state,
                        struct error *err)
{
    static const char *const kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID",
                                          NULL};
    const float *params = NULL;
    size_t count = 0;

    if (!op_attr_word(op, "kernel_type", kernels, &state->kernel, err) ||
        !op_attr_floats(op, "kernel_params", &params, &count, err))
        return false;
    if (count != 0 && count != 3)
        return fail(err, ERR_MODEL_INVALID, "%zu kernel parameters, expected 3",
                    count);
    if (count) {
        state->gamma = params[0];
        state->c0 = params[1];
        state->degree = params[2];
    }
    return true;
}

/* The lists that both operators have; `vectors` is set. */
static bool read_lists(struct op_node *op, struct svm_state *state,
                       struct error *err)
{
    size_t support = 0;

    if (!op_ml_matrix(op, &state->rows, &state->features, err) ||
        !op_ml_post_read(op, &state->post, err) ||
        !read_kernel(op, state, err) ||
        !op_attr_floats(op, "coefficients", &state->coefficients,
                        &state->coefficient_count, err) ||
        !op_attr_floats(op, "support_vectors", &state->support, &support,
                        err) ||
        !op_attr_floats(op, "rho", &state->rho, &state->rho_count, err))
        return false;
    if (state->vectors < 0 || state->vectors > INT32_MAX ||
        state->features > INT32_MAX ||
        (state->vectors &&
         (int64_t)support != state->vectors * state->features))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu numbers for %lld support vectors of %lld features",
                    support, (long long)state->vectors,
                    (long long)state->features);
    if (!state->vectors)
        state->kernel = LINEAR;
    if (!state->rho_count)
        return fail(err, ERR_MODEL_INVALID, "'rho' is missing");
    return true;
}

static float dot(const float *x, const float *v, int64_t count)
{
    float sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += x[i] * v[i];
    return sum;
}

static float kernel(const struct svm_state *state, const float *x,
                    const float *v)
{
    float sum = 0;

    if (state->kernel == RBF) {
        for (int64_t i = 0; i < state->features; i++)
            sum += (x[i] - v[i]) * (x[i] - v[i]);
        return expf(-state->gamma * sum);
    }
    sum = dot(x, v, state->features);
    if (state->kernel == POLY)
        return powf(state->gamma * sum + state->c0, state->degree);
    return state->kernel == SIGMOID ? tanhf(state->gamma * sum + state->c0)
                                    : sum;
}

/* --- regressor --- */

static bool regressor_infer(struct op_node *op, struct error *err)
{
    struct svm_state *state = op_alloc(op, sizeof *state, err);
    int64_t wanted;

    op->state = state;
    if (!state || !op_attr_int(op, "n_supports", &state->vectors, err) ||
        !op_attr_bool(op, "one_class", &state->one_class, err) ||
        !read_lists(op, state, err))
        return false;
    wanted = state->vectors ? state->vectors : state->features;
    if ((int64_t)state->coefficient_count != wanted)
        return fail(err, ERR_MODEL_INVALID, "%zu coefficients, expected %lld",
                    state->coefficient_count, (long long)wanted);
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 2, (const int64_t[]){state->rows, 1});
    return true;
}

static bool regressor_prepare(struct op_node *op, struct error *err)
{
    const struct svm_state *state = op->state;

    (void)err;
    op->scratch_bytes = (size_t)(state->features + 1) * sizeof(float);
    return true;
}

static bool regressor_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct svm_state *state = op->state;
    float *x = frame->scratch, *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t r = 0; r < state->rows; r++) {
        float sum = 0;

        op_ml_row(op, op_in(op, frame, 0), r * state->features, state->features,
                  x);
        for (int64_t v = 0; v < state->vectors; v++)
            sum += state->coefficients[v] *
                   kernel(state, x, state->support + v * state->features);
        if (!state->vectors)
            sum = dot(x, state->coefficients, state->features);
        sum += state->rho[0];
        y[r] = !state->one_class ? sum : sum > 0 ? 1 : -1;
    }
    return true;
}

const struct op_impl op_svm_regressor = {.name = "svm_regressor",
                                         .in_min = 1,
                                         .in_max = 1,
                                         .out_min = 1,
                                         .out_max = 1,
                                         .infer = regressor_infer,
                                         .prepare = regressor_prepare,
                                         .run = regressor_run};

/* --- classifier --- */

static bool read_classes(struct op_node *op, struct svm_state *state,
                         struct error *err)
{
    size_t count = 0;

    if (!op_ml_labels(op, "classlabels_ints", "classlabels_strings",
                      &state->labels, err) ||
        !op_attr_ints(op, "vectors_per_class", &state->per_class, &count, err))
        return false;
    state->classes = state->labels.dims[0];
    if (state->classes > UINT16_MAX ||
        (count && (int64_t)count != state->classes))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu counts of vectors for %lld classes", count,
                    (long long)state->classes);
    state->pairs = state->classes * (state->classes - 1) / 2;
    for (size_t i = 0; i < count; i++) {
        if (state->per_class[i] < 0 ||
            __builtin_add_overflow(state->vectors, state->per_class[i],
                                   &state->vectors))
            return fail(err, ERR_MODEL_INVALID, "class %zu has %lld vectors", i,
                        (long long)state->per_class[i]);
    }
    return true;
}

static bool read_probabilities(struct op_node *op, struct svm_state *state,
                               struct error *err)
{
    size_t a = 0, b = 0;

    if (!op_attr_floats(op, "prob_a", &state->prob_a, &a, err) ||
        !op_attr_floats(op, "prob_b", &state->prob_b, &b, err))
        return false;
    if (a != b || (a && (int64_t)a < state->pairs))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu and %zu probabilities for %lld pairs", a, b,
                    (long long)state->pairs);
    /* Without support vectors there are no pairs. */
    if (!a || !state->vectors)
        state->prob_a = NULL;
    if (!state->vectors)
        state->pairs = 0;
    return true;
}

/* The lists hold what is read from them. */
static bool check_lists(const struct svm_state *state, struct error *err)
{
    int64_t coefficients = state->vectors
                               ? (state->classes - 1) * state->vectors
                               : state->classes * state->features;
    int64_t rhos = state->vectors ? state->pairs : 1;

    if ((int64_t)state->coefficient_count < coefficients ||
        (int64_t)state->rho_count < rhos)
        return fail(err, ERR_MODEL_INVALID,
                    "%zu coefficients and %zu rho, expected %lld and %lld",
                    state->coefficient_count, state->rho_count,
                    (long long)coefficients, (long long)rhos);
    return true;
}

static bool classifier_infer(struct op_node *op, struct error *err)
{
    struct svm_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state || !read_classes(op, state, err) ||
        !read_lists(op, state, err) || !read_probabilities(op, state, err) ||
        !check_lists(state, err))
        return false;
    state->all_positive = true;
    for (size_t i = 0; i < state->coefficient_count; i++)
        state->all_positive &= state->coefficients[i] >= 0;
    state->columns = state->vectors && !state->prob_a && state->classes > 2
                         ? state->pairs
                         : state->classes;
    op->out[0]->dtype = state->labels.dtype;
    eng_shape_set(op->out[0], 1, &state->rows);
    op->out[1]->dtype = ENG_F32;
    eng_shape_set(op->out[1], 2,
                  (const int64_t[]){state->rows, state->columns});
    return true;
}

/* One row's x, kernels, scores of pairs, votes, and what probabilities need. */
static bool classifier_prepare(struct op_node *op, struct error *err)
{
    const struct svm_state *state = op->state;
    int64_t floats =
        state->features + state->vectors + state->pairs + state->classes + 1;

    (void)err;
    if (state->prob_a)
        floats += op_svm_pairs_floats(state->classes);
    op->scratch_bytes = (size_t)floats * sizeof(float);
    return true;
}

struct svm_row {
    float *x, *kernels, *pairs, *votes, *work;
};

static struct svm_row scratch_row(const struct svm_state *state,
                                  const struct op_frame *frame)
{
    struct svm_row row = {.x = frame->scratch};

    row.kernels = row.x + state->features;
    row.pairs = row.kernels + state->vectors;
    row.votes = row.pairs + state->pairs + 1;
    row.work = row.votes + state->classes;
    return row;
}

/* The sum of classes i < j; their vectors start at `from` and `to`. */
static float pair_score(const struct svm_state *state, const float *kernels,
                        const int64_t *classes, const int64_t *starts)
{
    int64_t i = classes[0], j = classes[1];
    const float *of_i =
        state->coefficients + (j - 1) * state->vectors + starts[0];
    const float *of_j = state->coefficients + i * state->vectors + starts[1];

    return dot(of_i, kernels + starts[0], state->per_class[i]) +
           dot(of_j, kernels + starts[1], state->per_class[j]);
}

static void score_pairs(const struct svm_state *state,
                        const struct svm_row *row)
{
    int64_t at = 0, starts[2] = {0, 0};

    memset(row->votes, 0, (size_t)state->classes * sizeof(float));
    for (int64_t i = 0; i < state->classes; i++) {
        starts[1] = starts[0] + state->per_class[i];
        for (int64_t j = i + 1; j < state->classes; j++, at++) {
            float score = pair_score(state, row->kernels,
                                     (const int64_t[]){i, j}, starts) +
                          state->rho[at];

            row->pairs[at] = score;
            row->votes[score > 0 ? i : j]++;
            starts[1] += state->per_class[j];
        }
        starts[0] += state->per_class[i];
    }
}

static int64_t largest(const float *list, int64_t count)
{
    int64_t best = 0;

    for (int64_t i = 1; i < count; i++) {
        if (list[i] > list[best])
            best = i;
    }
    return best;
}

/* Weights of features: one sum for each class. */
static int64_t linear_row(const struct svm_state *state,
                          const struct svm_row *row, float *scores)
{
    int64_t best;

    for (int64_t c = 0; c < state->classes; c++)
        scores[c] = dot(row->x, state->coefficients + c * state->features,
                        state->features) +
                    state->rho[0];
    best = largest(scores, state->classes);
    if (state->classes == 2 &&
        (state->all_positive ? scores[best] >= 0.5F : scores[best] > 0))
        best = 1;
    op_ml_post(state->post, scores, state->classes);
    return best;
}

static int64_t vector_row(const struct svm_state *state,
                          const struct svm_row *row, float *scores)
{
    for (int64_t v = 0; v < state->vectors; v++)
        row->kernels[v] =
            kernel(state, row->x, state->support + v * state->features);
    score_pairs(state, row);
    if (state->prob_a) {
        struct op_svm_pairs pairs = {state->classes, row->pairs, state->prob_a,
                                     state->prob_b};

        op_svm_pairs_run(&pairs, row->work, scores);
        op_ml_post(state->post, scores, state->classes);
    } else if (state->classes == 2) {
        scores[1] = row->pairs[0];
        scores[0] = state->post == OP_POST_NONE ? -scores[1] : 1 - scores[1];
    } else {
        memcpy(scores, row->pairs, (size_t)state->columns * sizeof *scores);
        op_ml_post(state->post, scores, state->columns);
    }
    return largest(row->votes, state->classes);
}

static bool classifier_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct svm_state *state = op->state;
    struct svm_row row = scratch_row(state, frame);
    size_t size = eng_dtype_size(state->labels.dtype);

    (void)err;
    for (int64_t r = 0; r < state->rows; r++) {
        float *scores = (float *)op_out(op, frame, 1) + r * state->columns;
        int64_t best;

        op_ml_row(op, op_in(op, frame, 0), r * state->features, state->features,
                  row.x);
        best = state->vectors ? vector_row(state, &row, scores)
                              : linear_row(state, &row, scores);
        memcpy((char *)op_out(op, frame, 0) + (size_t)r * size,
               (const char *)state->labels.data + (size_t)best * size, size);
    }
    return true;
}

const struct op_impl op_svm_classifier = {.name = "svm_classifier",
                                          .in_min = 1,
                                          .in_max = 1,
                                          .out_min = 2,
                                          .out_max = 2,
                                          .infer = classifier_infer,
                                          .prepare = classifier_prepare,
                                          .run = classifier_run};
