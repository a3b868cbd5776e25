/*
 * ai.onnx.ml ZipMap-1: a row of scores becomes a map from label to score
 *
 *   input   x   float [n, classes] or [classes]
 *   output  y   the same floats; the labels are its map_keys (engine.h), so
 *               sequence(map) needs no type of its own
 *   attr    classlabels_int64s or classlabels_strings
 *   errors  ERR_MODEL_INVALID: as many labels as columns are needed
 *   source  ONNX ML operator list
 */
#include "ml_common.h"

static bool zipmap_infer(struct op_node *op, struct error *err)
{
    struct eng_tensor *keys = op_alloc(op, sizeof *keys, err);
    int64_t rows, columns;

    if (!keys || !op_want_type(op, 0, OP_TYPE(ENG_F32), err) ||
        !op_ml_matrix(op, &rows, &columns, err) ||
        !op_ml_labels(op, "classlabels_int64s", "classlabels_strings", keys,
                      err))
        return false;
    if (keys->dims[0] != columns)
        return fail(err, ERR_MODEL_INVALID, "%lld labels for %lld columns",
                    (long long)keys->dims[0], (long long)columns);
    op_like(op->out[0], op->in[0]);
    op->out[0]->map_keys = keys;
    return true;
}

const struct op_impl op_zipmap = {.name = "zipmap",
                                  .in_min = 1,
                                  .in_max = 1,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_ALIAS,
                                  .infer = zipmap_infer,
                                  .run = op_copy_run};
