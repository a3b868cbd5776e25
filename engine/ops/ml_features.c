/*
 * Small operators of ai.onnx.ml on features:
 *
 * Binarizer-1: y = x > threshold ? 1 : 0
 *   input   x   float, double, int32 or int64, any shape
 *   output  y   type and shape of x
 *   attr    threshold  float = 0
 * Imputer-1: y = x, missing elements replaced
 *   input   x   float, double or int64 [n, f] or [f]
 *   output  y   type and shape of x
 *   attr    imputed_value_floats or imputed_value_int64s, [f] or [1];
 *           replaced_value_float, replaced_value_int64 = 0: what "missing" is;
 *           NaN is equal to NaN
 * ArrayFeatureExtractor-1: y = columns of x, picked by index
 *   input   x   any type [..., f]; indices  int64, any shape of m elements
 *   output  y   [..., m]; [1, m] for a vector x
 * FeatureVectorizer-1: y = the inputs' rows side by side
 *   input   x   any number, float, double, int32 or int64 [n, fi] or [fi]
 *   output  y   float [n, sum of the dimensions]
 *   attr    inputdimensions  ints = fi; longer rows are cut, shorter ones filled
 *           with 0
 *   errors  ERR_MODEL_INVALID: attributes that do not fit
 *           ERR_VALIDATION_ERROR: an index outside [0, f-1]
 *   source  ONNX ML operator list
 */
#include <string.h>

#include "ml_common.h"

/* --- Binarizer --- */

struct binarizer_state {
    float threshold;
};

static bool binarizer_infer(struct op_node *op, struct error *err)
{
    struct binarizer_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    op_like(op->out[0], op->in[0]);
    return state && op_want_type(op, 0, OP_TYPES_ML, err) &&
           op_attr_float(op, "threshold", &state->threshold, err);
}

#define BINARIZE(name, T)                                                      \
    static void name(const void *from, void *to, int64_t count,                \
                     double threshold)                                         \
    {                                                                          \
        const T *x = from;                                                     \
        T *y = to;                                                             \
                                                                               \
        for (int64_t i = 0; i < count; i++)                                    \
            y[i] = (double)x[i] > threshold;                                   \
    }

BINARIZE(binarize_f32, float)
BINARIZE(binarize_f64, double)
BINARIZE(binarize_i32, int32_t)
BINARIZE(binarize_i64, int64_t)

static bool binarizer_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct binarizer_state *state = op->state;
    enum eng_dtype dtype = op->in[0]->dtype;
    void (*binarize)(const void *, void *, int64_t, double) =
        dtype == ENG_F32   ? binarize_f32
        : dtype == ENG_F64 ? binarize_f64
        : dtype == ENG_I32 ? binarize_i32
                           : binarize_i64;

    (void)err;
    binarize(op_in(op, frame, 0), op_out(op, frame, 0),
             eng_tensor_count(op->in[0]), (double)state->threshold);
    return true;
}

const struct op_impl op_binarizer = {.name = "binarizer",
                                     .in_min = 1,
                                     .in_max = 1,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .in_place = 1,
                                     .infer = binarizer_infer,
                                     .run = binarizer_run};

/* --- Imputer --- */

struct imputer_state {
    int64_t columns;
    const float *floats;
    const int64_t *ints;
    size_t count; /* of the list in use */
    float missing_float;
    int64_t missing_int;
};

static bool imputer_infer(struct op_node *op, struct error *err)
{
    struct imputer_state *state = op_alloc(op, sizeof *state, err);
    bool is_int = op->in[0]->dtype == ENG_I64;
    size_t floats = 0, ints = 0;
    int64_t rows;

    op->state = state;
    if (!state || !op_want_type(op, 0, OP_TYPES_REAL | OP_TYPE(ENG_I64), err) ||
        !op_ml_matrix(op, &rows, &state->columns, err) ||
        !op_attr_floats(op, "imputed_value_floats", &state->floats, &floats,
                        err) ||
        !op_attr_ints(op, "imputed_value_int64s", &state->ints, &ints, err) ||
        !op_attr_float(op, "replaced_value_float", &state->missing_float,
                       err) ||
        !op_attr_int(op, "replaced_value_int64", &state->missing_int, err))
        return false;
    state->count = is_int ? ints : floats;
    if (state->count != 1 && (int64_t)state->count != state->columns)
        return fail(err, ERR_MODEL_INVALID, "%zu values for %lld columns",
                    state->count, (long long)state->columns);
    op_like(op->out[0], op->in[0]);
    return true;
}

/* NaN is missing when the attribute says NaN. */
static bool is_missing(double x, double missing)
{
    return x == missing || (x != x && missing != missing);
}

static void impute(const struct op_node *op, const struct op_frame *frame,
                   int64_t i)
{
    const struct imputer_state *state = op->state;
    int64_t at = state->count == 1 ? 0 : i % state->columns;
    const void *x = op_in(op, frame, 0);
    void *y = op_out(op, frame, 0);
    double missing = (double)state->missing_float;

    if (op->in[0]->dtype == ENG_I64) {
        int64_t value = ((const int64_t *)x)[i];

        ((int64_t *)y)[i] =
            value == state->missing_int ? state->ints[at] : value;
    } else if (op->in[0]->dtype == ENG_F32) {
        float value = ((const float *)x)[i];

        ((float *)y)[i] =
            is_missing((double)value, missing) ? state->floats[at] : value;
    } else {
        double value = ((const double *)x)[i];

        ((double *)y)[i] =
            is_missing(value, missing) ? (double)state->floats[at] : value;
    }
}

static bool imputer_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    int64_t count = eng_tensor_count(op->in[0]);

    (void)err;
    for (int64_t i = 0; i < count; i++)
        impute(op, frame, i);
    return true;
}

const struct op_impl op_imputer = {.name = "imputer",
                                   .in_min = 1,
                                   .in_max = 1,
                                   .out_min = 1,
                                   .out_max = 1,
                                   .in_place = 1,
                                   .infer = imputer_infer,
                                   .run = imputer_run};

/* --- ArrayFeatureExtractor --- */

static bool extractor_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t picked = eng_tensor_count(op->in[1]);
    struct eng_tensor *y = op->out[0];

    if (!op_want_type(op, 1, OP_TYPE(ENG_I64), err))
        return false;
    if (!x->rank)
        return fail(err, ERR_MODEL_INVALID, "input 0 is a scalar");
    op_like(y, x);
    if (x->rank == 1)
        eng_shape_set(y, 2, (const int64_t[]){1, picked});
    y->dims[y->rank - 1] = picked;
    return true;
}

static bool extractor_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t width = x->dims[x->rank - 1], count = eng_tensor_count(op->out[0]);
    int64_t picked = eng_tensor_count(op->in[1]);
    size_t size = eng_dtype_size(x->dtype);
    const int64_t *index = op_in(op, frame, 1);
    const char *from = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    for (int64_t i = 0; i < count; i++) {
        int64_t column = index[i % picked];

        if (column < 0 || column >= width)
            return fail(err, ERR_VALIDATION_ERROR,
                        "index %lld is outside %lld columns", (long long)column,
                        (long long)width);
        memcpy(y + (size_t)i * size,
               from + (size_t)(i / picked * width + column) * size, size);
    }
    return true;
}

const struct op_impl op_feature_extractor = {.name = "feature_extractor",
                                             .in_min = 2,
                                             .in_max = 2,
                                             .out_min = 1,
                                             .out_max = 1,
                                             .infer = extractor_infer,
                                             .run = extractor_run};

/* --- FeatureVectorizer --- */

/* Width in y of every input; [in_count]. */
static bool read_widths(const struct op_node *op, int64_t *widths,
                        int64_t *total, struct error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;

    if (!op_attr_ints(op, "inputdimensions", &list, &count, err))
        return false;
    if (list && count != op->in_count)
        return fail(err, ERR_MODEL_INVALID, "%zu dimensions for %zu inputs",
                    count, op->in_count);
    *total = 0;
    for (size_t i = 0; i < op->in_count; i++) {
        const struct eng_tensor *x = op->in[i];

        if (!x || x->rank < 1 || x->rank > 2 ||
            (x->rank == 2 ? x->dims[0] : 1) !=
                (op->in[0]->rank == 2 ? op->in[0]->dims[0] : 1))
            return fail(err, ERR_MODEL_INVALID, "input %zu does not fit", i);
        widths[i] = list ? list[i] : x->dims[x->rank - 1];
        if (widths[i] < 0 || __builtin_add_overflow(*total, widths[i], total))
            return fail(err, ERR_MODEL_INVALID, "input %zu has width %lld", i,
                        (long long)widths[i]);
    }
    return true;
}

static bool vectorizer_infer(struct op_node *op, struct error *err)
{
    int64_t *widths = op_alloc(op, op->in_count * sizeof *widths, err);
    int64_t rows = op->in[0]->rank == 2 ? op->in[0]->dims[0] : 1, total = 0;

    op->state = widths;
    if (!widths || !read_widths(op, widths, &total, err))
        return false;
    for (size_t i = 0; i < op->in_count; i++) {
        if (!op_want_type(op, i, OP_TYPES_ML, err))
            return false;
    }
    op->out[0]->dtype = ENG_F32;
    eng_shape_set(op->out[0], 2, (const int64_t[]){rows, total});
    return true;
}

static bool vectorizer_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const int64_t *widths = op->state;
    float *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t row = 0; row < op->out[0]->dims[0]; row++) {
        for (size_t i = 0; i < op->in_count; i++) {
            const struct eng_tensor *x = op->in[i];
            int64_t features = x->dims[x->rank - 1];
            int64_t taken = features < widths[i] ? features : widths[i];

            op_ml_floats(x->dtype, op_in(op, frame, i), row * features, taken,
                         y);
            memset(y + taken, 0, (size_t)(widths[i] - taken) * sizeof *y);
            y += widths[i];
        }
    }
    return true;
}

const struct op_impl op_feature_vectorizer = {.name = "feature_vectorizer",
                                              .in_min = 1,
                                              .in_max = OP_MANY,
                                              .out_min = 1,
                                              .out_max = 1,
                                              .infer = vectorizer_infer,
                                              .run = vectorizer_run};
