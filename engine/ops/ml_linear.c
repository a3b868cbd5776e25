/*
 * ai.onnx.ml LinearClassifier-1: scores = x C' + intercepts, label = best class
 * ai.onnx.ml LinearRegressor-1:  y = x C' + intercepts
 *
 *   input   x       float, double, int32 or int64 [n, f] or [f]
 *   output  label   int64 or string [n] (classifier)
 *           scores  float [n, classes] (classifier's second, regressor's only one)
 *   attr    coefficients  floats [classes * f]; intercepts floats = 0
 *           classlabels_ints or classlabels_strings (classifier)
 *           targets  int = 1 (regressor)
 *           post_transform = NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO
 *   errors  ERR_MODEL_INVALID: coefficients, intercepts, labels and f do not fit
 *           ERR_MODEL_UNSUPPORTED: PROBIT
 *   source  ONNX ML operator list. Two labels and one row of coefficients: the
 *           score is that of the second class, the label is the sign's
 */
#include <string.h>

#include "gemm.h"
#include "ml_common.h"

struct linear_state {
    int64_t rows, features, scores; /* scores: rows of coefficients */
    const float *coefficients, *intercepts;
    struct eng_tensor labels;
    int post;
    bool is_binary;
};

static bool read_attrs(struct op_node *op, struct linear_state *state,
                       struct error *err)
{
    size_t weights = 0, intercepts = 0;

    if (!op_ml_matrix(op, &state->rows, &state->features, err) ||
        !op_ml_post_read(op, &state->post, err) ||
        !op_attr_floats(op, "coefficients", &state->coefficients, &weights,
                        err) ||
        !op_attr_floats(op, "intercepts", &state->intercepts, &intercepts, err))
        return false;
    /*
     * There are as many scores as intercepts. Old converters wrote more
     * coefficients than the input has features; the surplus is not read.
     */
    state->scores = intercepts || !state->features
                        ? (int64_t)intercepts
                        : (int64_t)weights / state->features;
    if (!state->scores || (int64_t)weights / state->scores < state->features)
        return fail(err, ERR_MODEL_INVALID,
                    "%zu coefficients for %lld scores of %lld features",
                    weights, (long long)state->scores,
                    (long long)state->features);
    if (!intercepts)
        state->intercepts = NULL;
    return true;
}

static bool classifier_infer(struct op_node *op, struct error *err)
{
    struct linear_state *state = op_alloc(op, sizeof *state, err);
    int64_t classes;

    op->state = state;
    if (!state || !read_attrs(op, state, err) ||
        !op_ml_labels(op, "classlabels_ints", "classlabels_strings",
                      &state->labels, err))
        return false;
    classes = state->labels.dims[0];
    state->is_binary = state->scores == 1 && classes == 2;
    if (state->scores != classes && !state->is_binary)
        return fail(err, ERR_MODEL_INVALID, "%lld labels for %lld scores",
                    (long long)classes, (long long)state->scores);
    op->out[0]->dtype = state->labels.dtype;
    eng_shape_set(op->out[0], 1, &state->rows);
    if (op->out_count > 1) {
        op->out[1]->dtype = ENG_F32;
        eng_shape_set(op->out[1], 2, (const int64_t[]){state->rows, classes});
    }
    return true;
}

/* A row of features and a row of scores (two for the binary case). */
static bool linear_prepare(struct op_node *op, struct error *err)
{
    const struct linear_state *state = op->state;

    (void)err;
    op->scratch_bytes =
        (size_t)(state->features + state->scores + 1) * sizeof(float);
    return true;
}

static void score_row(const struct op_node *op, const struct op_frame *frame,
                      int64_t row, float *features, float *scores)
{
    const struct linear_state *state = op->state;
    struct op_product product = {.m = 1,
                                 .n = state->scores,
                                 .k = state->features,
                                 .a_row = state->features,
                                 .a_col = 1,
                                 .b_row = 1,
                                 .b_col = state->features};

    op_ml_row(op, op_in(op, frame, 0), row * state->features, state->features,
              features);
    op_product_f32(&product, features, state->coefficients, scores);
    for (int64_t i = 0; state->intercepts && i < state->scores; i++)
        scores[i] += state->intercepts[i];
}

/* Scores of two classes from that of the second one. */
static void binary_scores(int post, float *scores)
{
    float second = scores[0];

    if (post == OP_POST_LOGISTIC)
        op_ml_post(post, &second, 1);
    scores[1] = second;
    scores[0] = post == OP_POST_SOFTMAX || post == OP_POST_SOFTMAX_ZERO
                    ? -second
                    : 1 - second;
    if (post != OP_POST_LOGISTIC)
        op_ml_post(post, scores, 2);
}

static int64_t best_class(const struct linear_state *state, const float *scores)
{
    int64_t best = 0;

    if (state->is_binary)
        return scores[0] > 0;
    for (int64_t i = 1; i < state->scores; i++) {
        if (scores[i] > scores[best])
            best = i;
    }
    return best;
}

static bool classifier_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct linear_state *state = op->state;
    int64_t classes = state->labels.dims[0];
    size_t label_size = eng_dtype_size(state->labels.dtype);
    float *features = frame->scratch, *scores = features + state->features;

    (void)err;
    for (int64_t row = 0; row < state->rows; row++) {
        int64_t best;

        score_row(op, frame, row, features, scores);
        best = best_class(state, scores);
        memcpy((char *)op_out(op, frame, 0) + (size_t)row * label_size,
               (const char *)state->labels.data + (size_t)best * label_size,
               label_size);
        if (op->out_count < 2)
            continue;
        if (state->is_binary)
            binary_scores(state->post, scores);
        else
            op_ml_post(state->post, scores, classes);
        memcpy((float *)op_out(op, frame, 1) + row * classes, scores,
               (size_t)classes * sizeof(float));
    }
    return true;
}

static bool regressor_infer(struct op_node *op, struct error *err)
{
    struct linear_state *state = op_alloc(op, sizeof *state, err);
    int64_t targets = 1;

    op->state = state;
    if (!state || !read_attrs(op, state, err) ||
        !op_attr_int(op, "targets", &targets, err))
        return false;
    if (targets != state->scores)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld targets, coefficients for %lld", (long long)targets,
                    (long long)state->scores);
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 2, (const int64_t[]){state->rows, targets});
    return true;
}

static bool regressor_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct linear_state *state = op->state;

    (void)err;
    for (int64_t row = 0; row < state->rows; row++) {
        float *scores = (float *)op_out(op, frame, 0) + row * state->scores;

        score_row(op, frame, row, frame->scratch, scores);
        op_ml_post(state->post, scores, state->scores);
    }
    return true;
}

const struct op_impl op_linear_classifier = {.name = "linear_classifier",
                                             .in_min = 1,
                                             .in_max = 1,
                                             .out_min = 1,
                                             .out_max = 2,
                                             .infer = classifier_infer,
                                             .prepare = linear_prepare,
                                             .run = classifier_run};

const struct op_impl op_linear_regressor = {.name = "linear_regressor",
                                            .in_min = 1,
                                            .in_max = 1,
                                            .out_min = 1,
                                            .out_max = 1,
                                            .infer = regressor_infer,
                                            .prepare = linear_prepare,
                                            .run = regressor_run};
