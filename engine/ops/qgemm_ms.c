/*
 * com.microsoft QGemm-1: y = alpha (a - a_zero) (b - b_zero) a_scale b_scale + c,
 * quantised again or as float
 *
 *   input   a  uint8 or int8 [m, k];  a_scale float [];  a_zero [] = 0
 *           b  uint8 or int8 [k, n];  b_scale float [] or [n];  b_zero like it
 *           c  int32, broadcasts to [m, n], in steps of alpha a_scale b_scale;
 *              may be left out = 0
 *           y_scale float [];  y_zero  type of y: both or none
 *   output  y  type of a, or float without y_scale, [m, n]
 *   attr    alpha float = 1; transA, transB int = 0
 *   errors  ERR_MODEL_INVALID: shapes, scales or zero points do not fit
 *   source  ONNX Runtime, ContribOperators; rounding is half to even; sums wrap
 */
#include "qgemm_ms.h"

#include "quant.h"

static bool check_types(const struct op_node *op, const struct op_qgemm_ms *s,
                        struct error *err)
{
    enum eng_dtype a = op->in[QGEMM_A]->dtype, b = op->in[QGEMM_B]->dtype;

    if (!op_want_type(op, QGEMM_A, OP_TYPES_QUANT8, err) ||
        !op_want_type(op, QGEMM_B, OP_TYPES_QUANT8, err) ||
        !op_quant_check(op, QGEMM_A_SCALE, QGEMM_A_ZERO, a, 0, err) ||
        !op_quant_check(op, QGEMM_B_SCALE, QGEMM_B_ZERO, b, s->n, err))
        return false;
    if (op_has(op, QGEMM_C) &&
        !op_want_type(op, QGEMM_C, OP_TYPE(ENG_I32), err))
        return false;
    return !op_has(op, QGEMM_Y_SCALE) ||
           op_quant_check(op, QGEMM_Y_SCALE, QGEMM_Y_ZERO, a, 0, err);
}

static bool read_shapes(struct op_node *op, struct op_qgemm_ms *s,
                        struct error *err)
{
    const struct eng_tensor *a = op->in[QGEMM_A], *b = op->in[QGEMM_B];
    struct eng_tensor *y = op->out[0], wide;

    if (a->rank != 2 || b->rank != 2 ||
        a->dims[!s->trans_a] != b->dims[s->trans_b])
        return fail(err, ERR_MODEL_INVALID, "the operands do not fit");
    s->m = a->dims[s->trans_a];
    s->k = a->dims[!s->trans_a];
    s->n = b->dims[!s->trans_b];
    eng_shape_set(y, 2, (const int64_t[]){s->m, s->n});
    y->dtype = op_has(op, QGEMM_Y_SCALE) ? a->dtype : ENG_F32;
    if (!op_has(op, QGEMM_C))
        return true;
    wide = (struct eng_tensor){0};
    if (!op_broadcast(op->in[QGEMM_C], y, &wide, err))
        return false;
    if (!eng_shape_equal(&wide, y))
        return fail(err, ERR_MODEL_INVALID, "c does not broadcast to y");
    op_broadcast_steps(op->in[QGEMM_C], y, s->c_steps);
    return true;
}

bool op_qgemm_ms_infer(struct op_node *op, struct error *err)
{
    struct op_qgemm_ms *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    state->alpha = 1;
    if (!op_has(op, QGEMM_A_SCALE) || !op_has(op, QGEMM_B) ||
        !op_has(op, QGEMM_B_SCALE))
        return fail(err, ERR_MODEL_INVALID, "an operand or scale is missing");
    return op_attr_bool(op, "transA", &state->trans_a, err) &&
           op_attr_bool(op, "transB", &state->trans_b, err) &&
           op_attr_float(op, "alpha", &state->alpha, err) &&
           read_shapes(op, state, err) && check_types(op, state, err);
}

/* A row of sums, and a row of b. */
static bool qgemm_prepare(struct op_node *op, struct error *err)
{
    const struct op_qgemm_ms *state = op->state;

    (void)err;
    op->scratch_bytes = 2 * (size_t)state->n * sizeof(int32_t);
    return true;
}

/* sums = row i of (a - a_zero) (b - b_zero), plus c */
static void sum_row(const struct op_node *op, const struct op_frame *frame,
                    int64_t i, uint32_t *sums)
{
    const struct op_qgemm_ms *s = op->state;
    const int32_t *c = op_has(op, QGEMM_C) ? op_in(op, frame, QGEMM_C) : NULL;
    int32_t *row = (int32_t *)sums + s->n;
    int32_t a_zero = op_zero_of(op, frame, QGEMM_A_ZERO, 0);
    bool by_column =
        op_has(op, QGEMM_B_ZERO) && eng_tensor_count(op->in[QGEMM_B_ZERO]) > 1;

    for (int64_t j = 0; j < s->n; j++)
        sums[j] = c ? (uint32_t)c[i * s->c_steps[0] + j * s->c_steps[1]] : 0;
    for (int64_t k = 0; k < s->k; k++) {
        int64_t at = s->trans_a ? k * s->m + i : i * s->k + k;
        uint32_t a = (uint32_t)(op_quant_at(op->in[QGEMM_A]->dtype,
                                            op_in(op, frame, QGEMM_A), at) -
                                a_zero);
        struct op_quant_row b = {
            .dtype = op->in[QGEMM_B]->dtype,
            .first = s->trans_b ? k : k * s->n,
            .step = s->trans_b ? s->k : 1,
            .count = s->n,
            .zero = by_column ? 0 : op_zero_of(op, frame, QGEMM_B_ZERO, 0)};

        op_quant_load(&b, op_in(op, frame, QGEMM_B), row);
        for (int64_t j = 0; by_column && j < s->n; j++)
            row[j] -= op_zero_of(op, frame, QGEMM_B_ZERO, j);
        for (int64_t j = 0; j < s->n; j++)
            sums[j] += a * (uint32_t)row[j];
    }
}

static bool qgemm_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct op_qgemm_ms *s = op->state;
    uint32_t *sums = frame->scratch;
    float a_scale = op_scale_of(op, frame, QGEMM_A_SCALE, 0) * s->alpha;
    enum eng_dtype dtype = op->out[0]->dtype;
    float *y = op_out(op, frame, 0);

    (void)err;
    for (int64_t i = 0; i < s->m; i++) {
        sum_row(op, frame, i, sums);
        for (int64_t j = 0; j < s->n; j++) {
            float scale = a_scale * op_scale_of(op, frame, QGEMM_B_SCALE, j);
            float value = (float)(int32_t)sums[j] * scale;

            if (dtype == ENG_F32)
                y[i * s->n + j] = value;
            else
                op_quant_put(dtype, y, i * s->n + j,
                             value / op_scale_of(op, frame, QGEMM_Y_SCALE, 0),
                             op_zero_of(op, frame, QGEMM_Y_ZERO, 0));
        }
    }
    return true;
}

const struct op_impl op_qgemm_ms = {.name = "qgemm_ms",
                                    .in_min = 1,
                                    .in_max = 9,
                                    .out_min = 1,
                                    .out_max = 1,
                                    .infer = op_qgemm_ms_infer,
                                    .prepare = qgemm_prepare,
                                    .run = qgemm_run};
