/*
 * What the ai.onnx.ml operators share: inputs of any numeric type as rows of
 * floats, class labels, and the transforms of scores.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_ML_COMMON_H
#define ENGINE_OPS_ML_COMMON_H

#include "op.h"

/* Types of features. */
enum { OP_TYPES_ML = OP_TYPES_REAL | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) };

/* x as [rows, columns]: a vector is one row. ERR_MODEL_INVALID: other ranks;
 * ERR_MODEL_UNSUPPORTED: not float, double, int32 or int64. */
bool op_ml_matrix(const struct op_node *op, int64_t *rows, int64_t *columns,
                  struct error *err);

/* Copies `count` elements of input 0 from `first` on, as floats. */
void op_ml_row(const struct op_node *op, const void *x, int64_t first,
               int64_t count, float *row);

/* The same for elements of any of OP_TYPES_ML. */
void op_ml_floats(enum eng_dtype dtype, const void *x, int64_t first,
                  int64_t count, float *row);

/* Element i as double; exact but for large int64. */
double op_ml_double(enum eng_dtype dtype, const void *x, int64_t i);

/* Element i as an integer, cut towards zero; false if none can hold it. */
bool op_ml_integer(enum eng_dtype dtype, const void *x, int64_t i,
                   int64_t *number);

enum op_post {
    OP_POST_NONE,
    OP_POST_SOFTMAX,
    OP_POST_LOGISTIC,
    OP_POST_SOFTMAX_ZERO
};

/* The attribute post_transform. ERR_MODEL_UNSUPPORTED: PROBIT. */
bool op_ml_post_read(const struct op_node *op, int *post, struct error *err);

/* Applies it to the scores of one row. */
void op_ml_post(int post, float *scores, int64_t count);

/*
 * Class labels from the attributes `ints` or `strings`, exactly one of them.
 * ERR_MODEL_INVALID otherwise. *labels: int64 or string [count], known.
 */
bool op_ml_labels(struct op_node *op, const char *ints, const char *strings,
                  struct eng_tensor *labels, struct error *err);

#endif
