/*
 * ai.onnx.ml TreeEnsembleRegressor-3:  y = sum of the leaves' weights + base
 * ai.onnx.ml TreeEnsembleClassifier-3: the same for classes; label = best class
 *
 *   input   x       float, double, int32 or int64 [n, f] or [f]
 *   output  y       float [n, targets] (regressor)
 *           label   int64 or string [n] (classifier)
 *           scores  float [n, classes]
 *   attr    nodes_treeids, _nodeids, _modes, _featureids, _values(_as_tensor),
 *           _truenodeids, _falsenodeids, _missing_value_tracks_true = 0
 *           target_ or class_ treeids, nodeids, ids, weights(_as_tensor)
 *           base_values(_as_tensor) [targets] or [1] = 0; post_transform = NONE
 *           n_targets int; aggregate_function = SUM, AVERAGE, MIN, MAX
 *           classlabels_int64s or classlabels_strings
 *   errors  ERR_MODEL_INVALID: see ml_trees.h; labels or base values that do
 *           not fit
 *           ERR_MODEL_UNSUPPORTED: PROBIT
 *   source  ONNX ML operator list. Two labels, weights for one class only: the
 *           scores of both follow from that one as ONNX Runtime has it
 */
#include <string.h>

#include "ml_trees.h"

struct ensemble_state {
    struct op_trees trees;
    int64_t rows;
    struct op_tree_reals base;
    int post;
    struct eng_tensor labels; /* of a classifier */
    bool one_sided, all_positive;
};

/* Everything but the targets and labels, which are set. */
static bool read_ensemble(struct op_node *op, const char *weights,
                          struct ensemble_state *state, struct error *err)
{
    struct op_trees *trees = &state->trees;

    if (!op_ml_matrix(op, &state->rows, &trees->features, err) ||
        !op_ml_post_read(op, &state->post, err) ||
        !op_tree_reals_read(op, "base_values", &state->base, err) ||
        !op_trees_read(op, weights, trees, err))
        return false;
    if (state->base.count > 1 && (int64_t)state->base.count != trees->targets)
        return fail(err, ERR_MODEL_INVALID, "%zu base values for %lld targets",
                    state->base.count, (long long)trees->targets);
    return true;
}

/* Features and scores as double, scores as float, what was seen. */
static bool ensemble_prepare(struct op_node *op, struct error *err)
{
    const struct ensemble_state *state = op->state;
    size_t targets = (size_t)state->trees.targets;

    (void)err;
    op->scratch_bytes =
        ((size_t)state->trees.features + targets) * sizeof(double) +
        (targets + 2) * (sizeof(float) + sizeof(bool));
    return true;
}

struct ensemble_row {
    double *x, *sums;
    float *scores;
    bool *seen;
};

static struct ensemble_row scratch_row(const struct op_trees *trees,
                                       void *scratch)
{
    struct ensemble_row row = {.x = scratch};

    row.sums = row.x + trees->features;
    row.scores = (float *)(void *)(row.sums + trees->targets);
    row.seen = (bool *)(void *)(row.scores + trees->targets + 2);
    return row;
}

static void run_row(const struct op_node *op, const struct op_frame *frame,
                    int64_t r, const struct ensemble_row *row)
{
    const struct ensemble_state *state = op->state;
    int64_t features = state->trees.features;

    for (int64_t i = 0; i < features; i++)
        row->x[i] = op_ml_double(op->in[0]->dtype, op_in(op, frame, 0),
                                 r * features + i);
    op_trees_run(&state->trees, row->x, row->sums, row->seen);
}

/* --- regressor --- */

static bool regressor_infer(struct op_node *op, struct error *err)
{
    static const char *const sums[] = {"AVERAGE", "SUM", "MIN", "MAX", NULL};
    struct ensemble_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    state->trees.sum = OP_TREE_SUM;
    state->trees.targets = 1;
    if (!op_attr_word(op, "aggregate_function", sums, &state->trees.sum, err) ||
        !op_attr_int(op, "n_targets", &state->trees.targets, err))
        return false;
    if (state->trees.targets < 1 || state->trees.targets > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "n_targets is %lld",
                    (long long)state->trees.targets);
    if (!read_ensemble(op, "target", state, err))
        return false;
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 2,
                  (const int64_t[]){state->rows, state->trees.targets});
    return true;
}

static bool regressor_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct ensemble_state *state = op->state;
    int64_t targets = state->trees.targets;
    struct ensemble_row row = scratch_row(&state->trees, frame->scratch);

    (void)err;
    for (int64_t r = 0; r < state->rows; r++) {
        float *y = (float *)op_out(op, frame, 0) + r * targets;

        run_row(op, frame, r, &row);
        for (int64_t i = 0; i < targets; i++)
            y[i] = (float)(row.sums[i] +
                           ((int64_t)state->base.count == targets
                                ? op_tree_real(&state->base, (size_t)i)
                                : 0));
        /* A single target is left alone, as ONNX Runtime does. */
        if (targets > 1)
            op_ml_post(state->post, y, targets);
    }
    return true;
}

const struct op_impl op_tree_regressor = {.name = "tree_regressor",
                                          .in_min = 1,
                                          .in_max = 1,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = regressor_infer,
                                          .prepare = ensemble_prepare,
                                          .run = regressor_run};

/* --- classifier --- */

/* Two labels, but all weights belong to one class. */
static void look_at_weights(struct ensemble_state *state)
{
    const struct op_trees *trees = &state->trees;

    state->one_sided = trees->targets == 2;
    state->all_positive = true;
    for (size_t i = 0; i < trees->weight_count; i++) {
        state->one_sided &=
            trees->weights[i].target == trees->weights[0].target;
        state->all_positive &= trees->weights[i].value >= 0;
    }
}

static bool classifier_infer(struct op_node *op, struct error *err)
{
    struct ensemble_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state || !op_ml_labels(op, "classlabels_int64s", "classlabels_strings",
                                &state->labels, err))
        return false;
    state->trees.sum = OP_TREE_SUM;
    state->trees.targets = state->labels.dims[0];
    if (!read_ensemble(op, "class", state, err))
        return false;
    look_at_weights(state);
    op->out[0]->dtype = state->labels.dtype;
    eng_shape_set(op->out[0], 1, &state->rows);
    if (op->out_count > 1) {
        op->out[1]->dtype = ENG_F32;
        eng_shape_set(op->out[1], 2,
                      (const int64_t[]){state->rows, state->trees.targets});
    }
    return true;
}

/*
 * Scores of two classes from the one that has weights. Weights that are never
 * negative are read as probabilities (limit 0.5), others as margins (limit 0).
 */
static int64_t one_sided_class(const struct ensemble_state *state,
                               const struct ensemble_row *row)
{
    double sum = row->sums[0] + row->sums[1];
    size_t base = state->base.count;
    bool positive;

    if (base)
        sum += op_tree_real(&state->base, base - 1);
    positive = sum > (state->all_positive ? 0.5 : 0);
    row->scores[1] = (float)sum;
    row->scores[0] = (float)-sum;
    if (base == 2 || (!state->all_positive && state->post == OP_POST_LOGISTIC))
        op_ml_post(state->post, row->scores, 2);
    else if (state->all_positive)
        row->scores[0] = 1 - row->scores[1];
    if (base != 2 && !state->all_positive && !positive &&
        state->post != OP_POST_LOGISTIC) {
        /* ONNX Runtime swaps the two here. */
        row->scores[0] = (float)sum;
        row->scores[1] = (float)-sum;
    }
    return positive;
}

static int64_t best_class(const struct ensemble_state *state,
                          const struct ensemble_row *row)
{
    int64_t classes = state->trees.targets, best = -1;

    for (int64_t i = 0; i < classes; i++) {
        if ((int64_t)state->base.count == classes) {
            row->sums[i] += op_tree_real(&state->base, (size_t)i);
            row->seen[i] = true;
        }
        row->scores[i] = (float)row->sums[i];
        if (row->seen[i] && (best < 0 || row->scores[i] > row->scores[best]))
            best = i;
    }
    op_ml_post(state->post, row->scores, classes);
    return best < 0 ? 0 : best;
}

static bool classifier_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct ensemble_state *state = op->state;
    size_t classes = (size_t)state->trees.targets;
    size_t size = eng_dtype_size(state->labels.dtype);
    struct ensemble_row row = scratch_row(&state->trees, frame->scratch);

    (void)err;
    for (int64_t r = 0; r < state->rows; r++) {
        int64_t best;

        run_row(op, frame, r, &row);
        best = state->one_sided ? one_sided_class(state, &row)
                                : best_class(state, &row);
        memcpy((char *)op_out(op, frame, 0) + (size_t)r * size,
               (const char *)state->labels.data + (size_t)best * size, size);
        if (op->out_count > 1)
            memcpy((float *)op_out(op, frame, 1) + (size_t)r * classes,
                   row.scores, classes * sizeof(float));
    }
    return true;
}

const struct op_impl op_tree_classifier = {.name = "tree_classifier",
                                           .in_min = 1,
                                           .in_max = 1,
                                           .out_min = 1,
                                           .out_max = 2,
                                           .infer = classifier_infer,
                                           .prepare = ensemble_prepare,
                                           .run = classifier_run};
