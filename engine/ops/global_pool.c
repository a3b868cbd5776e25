/*
 * GlobalAveragePool-1 GlobalMaxPool-1: one value per channel
 *
 *   input   x   float or double [n, c, s0, ...]
 *   output  y   [n, c, 1, ...]
 *   errors  ERR_MODEL_INVALID: rank below 3
 *   source  ONNX operator list
 */
#include <string.h>

#include "op.h"

static bool global_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0];

    if (!op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    if (x->rank < 3)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected at least 3",
                    x->rank);
    op_like(op->out[0], x);
    for (int i = 2; i < x->rank; i++)
        op->out[0]->dims[i] = 1;
    return true;
}

#define GLOBAL(name, T)                                                        \
    static T name(const T *x, int64_t count, bool is_max)                      \
    {                                                                          \
        T result = is_max && count ? x[0] : 0;                                 \
                                                                               \
        for (int64_t i = 0; i < count; i++) {                                  \
            if (!is_max)                                                       \
                result += x[i];                                                \
            else if (x[i] > result)                                            \
                result = x[i];                                                 \
        }                                                                      \
        return is_max || !count ? result : result / (T)count;                  \
    }

GLOBAL(global_f32, float)
GLOBAL(global_f64, double)

static bool global_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    bool is_max = strcmp(op->node->op, "GlobalMaxPool") == 0;
    int64_t planes = x->dims[0] * x->dims[1];
    int64_t count = eng_shape_product(x, 2, x->rank);
    const void *from = op_in(op, frame, 0);
    void *to = op_out(op, frame, 0);

    (void)err;
    for (int64_t p = 0; p < planes; p++) {
        if (x->dtype == ENG_F32)
            ((float *)to)[p] =
                global_f32((const float *)from + p * count, count, is_max);
        else
            ((double *)to)[p] =
                global_f64((const double *)from + p * count, count, is_max);
    }
    return true;
}

const struct op_impl op_global_pool = {.name = "global_pool",
                                       .in_min = 1,
                                       .in_max = 1,
                                       .out_min = 1,
                                       .out_max = 1,
                                       .flags = OP_WIDEN,
                                       .infer = global_infer,
                                       .run = global_run};
