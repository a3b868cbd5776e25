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

/* Elements of a part that is worth handing out, and how many at most. */
enum { EACH = 1 << 15, PARTS_MAX = 64 };

struct work {
    const float *x;
    uint8_t *y;
    int64_t count, each;
    float (*range)[2]; /* by part */
    struct quantize_step step;
};

static int64_t part_size(const struct work *w, int64_t part)
{
    int64_t rest = w->count - part * w->each;

    return rest < w->each ? rest : w->each;
}

static void range_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;

    (void)thread;
    kernels()->float_range(w->x + part * w->each, part_size(w, part),
                           w->range[part]);
}

static void quantize_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;

    (void)thread;
    kernels()->quantize_bytes(w->x + part * w->each, part_size(w, part),
                              &w->step, w->y + part * w->each);
}

static bool dynamic_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    float range[PARTS_MAX][2];
    float *scale = op_out(op, frame, 1);
    uint8_t *zero = op_out(op, frame, 2);
    struct work w = {.x = op_in(op, frame, 0),
                     .y = op_out(op, frame, 0),
                     .count = eng_tensor_count(op->in[0]),
                     .range = range};
    int64_t parts = (w.count + EACH - 1) / EACH;

    (void)err;
    parts = parts > PARTS_MAX ? PARTS_MAX : parts > 0 ? parts : 1;
    w.each = (w.count + parts - 1) / parts;
    if (w.each > 0)
        parts = (w.count + w.each - 1) / w.each;
    team_for(frame->seat, parts, range_part, &w);
    /* The range of all ends is that of all elements. */
    *scale = op_quant_range(&range[0][0], 2 * parts, zero);
    w.step.scale = *scale;
    w.step.zero = *zero;
    team_for(frame->seat, parts, quantize_part, &w);
    return true;
}

const struct op_impl op_quantize_dynamic = {.name = "quantize.dynamic",
                                            .in_min = 1,
                                            .in_max = 1,
                                            .out_min = 3,
                                            .out_max = 3,
                                            .infer = dynamic_infer,
                                            .run = dynamic_run};
