/*
 * DynamicQuantizeLinear, opset 11: y = saturate(round(x / scale) + zero)
 *
 *   scale = (high - low) / 255, zero = round(saturate(-low / scale)), where
 *   [low, high] is the range of x, widened to hold 0
 *
 *   input   x      float [d0, ..., dn-1]
 *   output  y      uint8, shape of x
 *           scale  float []
 *           zero   uint8 []
 *   errors  none of its own
 *   source  ONNX operator list; a range without extent has scale 1, as ONNX
 *           Runtime gives it
 */
#include "kernel/quantize.h"
#include "quant.h"

static bool dynamic_infer(struct op_node *op, struct error *err)
{
    static const enum eng_dtype types[] = {ENG_U8, ENG_F32, ENG_U8};

    if (!op_want_type(op, 0, OP_TYPE(ENG_F32), err))
        return false;
    op_like(op->out[0], op->in[0]);
    for (size_t i = 0; i < 3; i++) {
        op->out[i]->dtype = types[i];
        if (i)
            op->out[i]->rank = 0;
    }
    return true;
}

float op_quant_range(const float *x, int64_t count, uint8_t *zero)
{
    float range[2], scale;

    kernels()->float_range(x, count, range);
    scale = range[1] == range[0] ? 1 : (range[1] - range[0]) / UINT8_MAX;
    op_quant_put(ENG_U8, zero, 0, -range[0] / scale, 0);
    return scale;
}

static bool dynamic_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const float *x = op_in(op, frame, 0);
    float *scale = op_out(op, frame, 1);
    uint8_t *zero = op_out(op, frame, 2);
    int64_t count = eng_tensor_count(op->in[0]);
    struct quantize_step step = {.low = 0};

    (void)err;
    *scale = op_quant_range(x, count, zero);
    step.scale = *scale;
    step.zero = *zero;
    kernels()->quantize_bytes(x, count, &step, op_out(op, frame, 0));
    return true;
}

const struct op_impl op_quantize_dynamic = {.name = "quantize.dynamic",
                                            .in_min = 1,
                                            .in_max = 1,
                                            .out_min = 3,
                                            .out_max = 3,
                                            .infer = dynamic_infer,
                                            .run = dynamic_run};
