/*
 * ai.onnx.ml: see ml_common.h.
 */
#include "ml_common.h"

#include <math.h>

bool op_ml_matrix(const struct op_node *op, int64_t *rows, int64_t *columns,
                  struct error *err)
{
    const struct eng_tensor *x = op->in[0];

    if (!op_want_type(op, 0, OP_TYPES_ML, err))
        return false;
    if (x->rank != 1 && x->rank != 2)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected 1 or 2",
                    x->rank);
    *rows = x->rank == 2 ? x->dims[0] : 1;
    *columns = x->dims[x->rank - 1];
    return true;
}

void op_ml_floats(enum eng_dtype dtype, const void *x, int64_t first,
                  int64_t count, float *row)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t at = first + i;

        if (dtype == ENG_F32)
            row[i] = ((const float *)x)[at];
        else if (dtype == ENG_F64)
            row[i] = (float)((const double *)x)[at];
        else if (dtype == ENG_I32)
            row[i] = (float)((const int32_t *)x)[at];
        else
            row[i] = (float)((const int64_t *)x)[at];
    }
}

void op_ml_row(const struct op_node *op, const void *x, int64_t first,
               int64_t count, float *row)
{
    op_ml_floats(op->in[0]->dtype, x, first, count, row);
}

double op_ml_double(enum eng_dtype dtype, const void *x, int64_t i)
{
    if (dtype == ENG_F32)
        return (double)((const float *)x)[i];
    if (dtype == ENG_F64)
        return ((const double *)x)[i];
    if (dtype == ENG_I32)
        return ((const int32_t *)x)[i];
    return (double)((const int64_t *)x)[i];
}

bool op_ml_integer(enum eng_dtype dtype, const void *x, int64_t i,
                   int64_t *number)
{
    double value;

    if (dtype == ENG_I64) {
        *number = ((const int64_t *)x)[i];
        return true;
    }
    value = op_ml_double(dtype, x, i);
    if (!(value >= -0x1p63 && value < 0x1p63))
        return false;
    *number = (int64_t)value;
    return true;
}

bool op_ml_post_read(const struct op_node *op, int *post, struct error *err)
{
    static const char *const words[] = {"NONE", "SOFTMAX", "LOGISTIC",
                                        "SOFTMAX_ZERO", NULL};

    *post = OP_POST_NONE;
    return op_attr_word(op, "post_transform", words, post, err);
}

static void softmax(float *scores, int64_t count, bool keep_zeros)
{
    float max = -INFINITY, sum = 0;

    for (int64_t i = 0; i < count; i++)
        max = scores[i] > max ? scores[i] : max;
    for (int64_t i = 0; i < count; i++) {
        /* SOFTMAX_ZERO leaves scores of zero out. */
        if (!(keep_zeros && fabsf(scores[i]) < 1e-7F))
            scores[i] = expf(scores[i] - max);
        sum += scores[i];
    }
    for (int64_t i = 0; sum != 0 && i < count; i++)
        scores[i] /= sum;
}

void op_ml_post(int post, float *scores, int64_t count)
{
    if (post == OP_POST_SOFTMAX || post == OP_POST_SOFTMAX_ZERO)
        softmax(scores, count, post == OP_POST_SOFTMAX_ZERO);
    for (int64_t i = 0; post == OP_POST_LOGISTIC && i < count; i++)
        scores[i] = 1 / (1 + expf(-scores[i]));
}

bool op_ml_labels(struct op_node *op, const char *ints, const char *strings,
                  struct eng_tensor *labels, struct error *err)
{
    const struct eng_attr *i = op_attr(op, ints), *s = op_attr(op, strings);
    const struct eng_attr *one;

    if (i && i->type == ENG_ATTR_INTS && !i->count)
        i = NULL;
    if (s && s->type == ENG_ATTR_STRINGS && !s->count)
        s = NULL;
    one = i ? i : s;
    if (!one || (i && s) || one->type != (i ? ENG_ATTR_INTS : ENG_ATTR_STRINGS))
        return fail(err, ERR_MODEL_INVALID, "needs one of '%s' and '%s'", ints,
                    strings);
    *labels = (struct eng_tensor){.dtype = i ? ENG_I64 : ENG_STRING, .rank = 1};
    labels->dims[0] = (int64_t)one->count;
    labels->data = arena_copy(
        op->arena, i ? (const void *)one->ints : (const void *)one->strings,
        eng_tensor_size(labels));
    return labels->data ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for the labels");
}
