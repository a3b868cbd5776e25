/*
 * com.microsoft QGemm with a constant right side and a c that is one number for
 * each column, or none: see qgemm_ms.c for what it computes, qgemm.h for how.
 * Sums are the same, floats differ by rounding alone.
 */
#include "qgemm_ms.h"

#include "qgemm.h"
#include "quant.h"

static const struct op_qgemm_inputs inputs = {.a = QGEMM_A,
                                              .a_scale = QGEMM_A_SCALE,
                                              .a_zero = QGEMM_A_ZERO,
                                              .b = QGEMM_B,
                                              .b_scale = QGEMM_B_SCALE,
                                              .b_zero = QGEMM_B_ZERO};

static bool packed_accepts(const struct op_node *op)
{
    const struct op_qgemm_ms *s = op->state;
    bool by_column = !op_has(op, QGEMM_C) ||
                     (s->c_steps[0] == 0 && (s->c_steps[1] == 1 || s->n == 1));

    return by_column && !s->trans_a && op_qgemm_fits(op, &inputs);
}

static bool packed_prepare(struct op_node *op, struct error *err)
{
    const struct op_qgemm_ms *s = op->state;
    struct op_qgemm *q = op_alloc(op, sizeof *q, err);

    if (!q)
        return false;
    *q = (struct op_qgemm){
        .in = inputs, .transposed = s->trans_b, .alpha = s->alpha};
    op->state = q;
    return op_qgemm_prepare(op, q, err);
}

static bool packed_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    struct gemm_i8 g = {.out = GEMM_I8_FLOAT, .y = op_out(op, frame, 0)};

    (void)err;
    if (op_has(op, QGEMM_C))
        g.offset = op_in(op, frame, QGEMM_C);
    if (op_has(op, QGEMM_Y_SCALE)) {
        g.out = op->out[0]->dtype == ENG_U8 ? GEMM_I8_U8 : GEMM_I8_S8;
        g.y_scale = op_scale_of(op, frame, QGEMM_Y_SCALE, 0);
        g.y_zero = op_zero_of(op, frame, QGEMM_Y_ZERO, 0);
    }
    op_qgemm_run(op, frame, op->state, &g);
    return true;
}

const struct op_impl op_qgemm_ms_packed = {.name = "qgemm_ms.packed",
                                           .in_min = 1,
                                           .in_max = 9,
                                           .out_min = 1,
                                           .out_max = 1,
                                           .infer = op_qgemm_ms_infer,
                                           .accepts = packed_accepts,
                                           .prepare = packed_prepare,
                                           .run = packed_run};
