/*
 * Where, opset 16: y = condition ? a : b
 *
 *   input   condition  bool
 *           a, b       any one type; all three broadcast together
 *   output  y          broadcast shape
 *   errors  ERR_MODEL_INVALID: shapes do not broadcast, types differ
 *   source  ONNX operator list, Where-16
 */
#include <string.h>

#include "walk.h"

static bool where_infer(struct op_node *op, struct error *err)
{
    struct op_walk *walk = op_alloc(op, sizeof *walk, err);
    struct eng_tensor both = {0};

    if (!walk || !op_want_type(op, 0, OP_TYPE(ENG_BOOL), err) ||
        !op_same_type(op, 1, 2, err) ||
        !op_broadcast(op->in[1], op->in[2], &both, err) ||
        !op_broadcast(op->in[0], &both, op->out[0], err))
        return false;
    op->out[0]->dtype = op->in[1]->dtype;
    op_walk_broadcast(walk, op->out[0], 3, op->in);
    op->state = walk;
    return true;
}

#define WHERE_ROW(name, T)                                                     \
    static void name(const struct op_walk *walk, const uint8_t *condition,     \
                     const void *a, const void *b, void *y)                    \
    {                                                                          \
        const int64_t *step = walk->inner_step;                                \
                                                                               \
        for (int64_t i = 0; i < walk->inner; i++)                              \
            ((T *)y)[i] = condition[i * step[0]]                               \
                              ? ((const T *)a)[i * step[1]]                    \
                              : ((const T *)b)[i * step[2]];                   \
    }

WHERE_ROW(where_row_1, uint8_t)
WHERE_ROW(where_row_2, uint16_t)
WHERE_ROW(where_row_4, uint32_t)
WHERE_ROW(where_row_8, uint64_t)
WHERE_ROW(where_row_string, struct eng_string)

typedef void (*where_row_fn)(const struct op_walk *walk,
                             const uint8_t *condition, const void *a,
                             const void *b, void *y);

static where_row_fn pick_row(size_t size)
{
    switch (size) {
    case 1:
        return where_row_1;
    case 2:
        return where_row_2;
    case 4:
        return where_row_4;
    case 8:
        return where_row_8;
    default:
        return where_row_string;
    }
}

static bool where_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct op_walk *walk = op->state;
    int64_t size = (int64_t)eng_dtype_size(op->out[0]->dtype);
    where_row_fn row = pick_row((size_t)size);
    const uint8_t *condition = op_in(op, frame, 0);
    const char *a = op_in(op, frame, 1), *b = op_in(op, frame, 2);
    char *y = op_out(op, frame, 0);
    struct op_place at;

    (void)err;
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at))
        row(walk, condition + at.offset[0], a + at.offset[1] * size,
            b + at.offset[2] * size, y + at.offset[3] * size);
    return true;
}

const struct op_impl op_where = {.name = "where",
                                 .in_min = 3,
                                 .in_max = 3,
                                 .out_min = 1,
                                 .out_max = 1,
                                 .infer = where_infer,
                                 .run = where_run};
