/*
 * QGemm: see qgemm.h.
 */
#include "qgemm.h"

#include <math.h>
#include <string.h>

#include "kernel/quantize.h"
#include "quant.h"

/* Up to ROWS_FEW rows per thread, columns are shared out. A part should be
 * worth handing out: so many products, so many elements to quantise. */
enum { ROWS_FEW = 64, ROWS_EACH = 128, ALIGNMENT = 64 };
enum { PRODUCTS_EACH = 1 << 20, ELEMENTS_EACH = 1 << 15 };

static bool is_constant(const struct op_node *op, size_t input)
{
    return !op_has(op, input) || op_is_weight(op, input);
}

static bool is_one_or_rows(const struct op_node *op, size_t input, bool matrix)
{
    int64_t count;

    if (!op_has(op, input))
        return true;
    count = eng_tensor_count(op->in[input]);
    return count == 1 || (matrix && count > 0);
}

static bool is_float(const struct op_node *op, size_t input)
{
    return !op_has(op, input) || op->in[input]->dtype == ENG_F32;
}

bool op_qgemm_constants(const struct op_node *op,
                        const struct op_qgemm_inputs *in)
{
    return op_is_weight(op, in->b) && is_constant(op, in->b_scale) &&
           is_constant(op, in->b_zero) && is_float(op, in->a_scale) &&
           is_float(op, in->b_scale);
}

bool op_qgemm_fits(const struct op_node *op, const struct op_qgemm_inputs *in)
{
    const struct eng_tensor *a = op->in[in->a], *b = op->in[in->b];

    return op_qgemm_constants(op, in) && b->rank == 2 &&
           eng_tensor_count(a) > 0 && eng_tensor_count(b) > 0 &&
           is_one_or_rows(op, in->a_scale, a->rank == 2) &&
           is_one_or_rows(op, in->a_zero, a->rank == 2);
}

/* --- packing --- */

/* Plain, so that equal keys have equal bytes. */
struct pack_how {
    const struct kernels *kernels;
    int64_t k, n, k_step, n_step, taps;
    int32_t type; /* enum gemm_i8_type */
    float alpha;
};

/* Scales of float weights lie in front of the panels. */
static size_t scales_size(const struct pack_how *how)
{
    return how->type == GEMM_I8_FROM_FLOAT
               ? op_qgemm_aligned((size_t)how->n * sizeof(float))
               : 0;
}

static void pack_weights(const void *w, void *packed, const void *context)
{
    const struct pack_how *how = context;
    struct gemm_i8_source source = {.w = w,
                                    .type = (enum gemm_i8_type)how->type,
                                    .k = how->k,
                                    .n = how->n,
                                    .k_step = how->k_step,
                                    .n_step = how->n_step,
                                    .scale = packed};

    if (how->taps) {
        source.inner = how->k / how->taps;
        source.k_step = how->taps;
        source.outer_step = 1;
    }
    how->kernels->gemm_i8_pack(&source,
                               (unsigned char *)packed + scales_size(how));
    for (int64_t j = 0; scales_size(how) && j < how->n; j++)
        source.scale[j] *= how->alpha;
}

static enum gemm_i8_type type_of(enum eng_dtype dtype)
{
    if (dtype == ENG_F32)
        return GEMM_I8_FROM_FLOAT;
    return dtype == ENG_U8 ? GEMM_I8_FROM_U8 : GEMM_I8_FROM_S8;
}

static bool pack_b(struct op_node *op, struct op_qgemm *q, struct error *err)
{
    const struct eng_tensor *b = op->in[q->in.b];
    struct pack_how how = {.kernels = q->kernels,
                           .k = q->k,
                           .n = q->n,
                           .k_step = q->transposed ? 1 : q->n,
                           .n_step = q->transposed ? q->k : 1,
                           .taps = q->taps,
                           .type = type_of(b->dtype),
                           .alpha = q->alpha != 0 ? q->alpha : 1};
    struct op_pack_key key = {b->data, pack_weights, &how, sizeof how};
    const unsigned char *packed = op_pack(
        op, &key,
        scales_size(&how) + q->kernels->gemm_i8_packed_size(q->k, q->n), err);

    if (!packed)
        return false;
    q->packed = packed + scales_size(&how);
    if (b->dtype == ENG_F32)
        q->w_scale = (const float *)(const void *)packed;
    return true;
}

/* One value, or one for each column: a list with one for each. */
struct spread_how {
    int64_t n, count;
    int32_t dtype;
    float alpha;
};

static void spread_scales(const void *from, void *to, const void *context)
{
    const struct spread_how *how = context;

    for (int64_t j = 0; j < how->n; j++)
        ((float *)to)[j] =
            ((const float *)from)[how->count == 1 ? 0 : j] * how->alpha;
}

static void spread_zeros(const void *from, void *to, const void *context)
{
    const struct spread_how *how = context;
    enum eng_dtype dtype = (enum eng_dtype)how->dtype;

    for (int64_t j = 0; j < how->n; j++)
        ((int32_t *)to)[j] = op_quant_at(dtype, from, how->count == 1 ? 0 : j) -
                             (dtype == ENG_U8 ? 128 : 0);
}

static bool spread(struct op_node *op, const struct op_qgemm *q, size_t input,
                   op_pack_fn fn, const void **list, struct error *err)
{
    const struct eng_tensor *from = op->in[input];
    struct spread_how how = {q->n, eng_tensor_count(from), from->dtype,
                             q->alpha != 0 ? q->alpha : 1};
    struct op_pack_key key = {from->data, fn, &how, sizeof how};

    *list = op_pack(op, &key, (size_t)q->n * sizeof(int32_t), err);
    return *list != NULL;
}

static bool any_zero_point(const struct op_qgemm *q)
{
    for (int64_t j = 0; j < q->n; j++) {
        if (q->w_zero[j])
            return true;
    }
    return false;
}

/* Unsigned weights without a zero point have -128 in the kernel's terms. */
static bool default_zeros(struct op_node *op, struct op_qgemm *q,
                          struct error *err)
{
    int32_t *zeros = op_alloc(op, (size_t)q->n * sizeof *zeros, err);

    for (int64_t j = 0; zeros && j < q->n; j++)
        zeros[j] = -128;
    q->w_zero = zeros;
    return zeros != NULL;
}

static bool column_lists(struct op_node *op, struct op_qgemm *q,
                         struct error *err)
{
    const void *list = NULL;

    if (op_has(op, q->in.b_scale)) {
        if (!spread(op, q, q->in.b_scale, spread_scales, &list, err))
            return false;
        q->w_scale = list;
    }
    if (op_has(op, q->in.b_zero)) {
        if (!spread(op, q, q->in.b_zero, spread_zeros, &list, err))
            return false;
        q->w_zero = list;
    } else if (op->in[q->in.b]->dtype == ENG_U8 && !default_zeros(op, q, err)) {
        return false;
    }
    if (q->w_zero && !any_zero_point(q))
        q->w_zero = NULL;
    q->summed = q->w_zero != NULL;
    return true;
}

/* --- scratch memory: bytes of a, then lists by row --- */

static bool set_scratch(struct op_node *op, struct op_qgemm *q,
                        struct error *err)
{
    enum eng_dtype dtype = op->in[q->in.a]->dtype;
    size_t list = op_qgemm_aligned((size_t)q->rows * sizeof(int32_t)),
           bytes = 0;

    q->stride = (q->k + GEMM_I8_GROUP - 1) / GEMM_I8_GROUP * GEMM_I8_GROUP;
    q->staged = dtype != ENG_U8 || q->stride != q->k;
    if (q->staged &&
        __builtin_mul_overflow((size_t)q->rows, (size_t)q->stride, &bytes))
        return fail(err, ERR_MODEL_INVALID, "the product is too large");
    /* Neither rows nor bytes are near the limit: both tensors exist. */
    q->zero_at = op_qgemm_aligned(bytes);
    q->sums_at = q->zero_at + list;
    q->scale_at = q->sums_at + list;
    op->scratch_bytes = q->scale_at + list;
    return true;
}

bool op_qgemm_prepare(struct op_node *op, struct op_qgemm *q, struct error *err)
{
    const struct eng_tensor *b = op->in[q->in.b];
    int64_t panel;

    q->kernels = kernels();
    if (!q->k) {
        q->k = b->dims[q->transposed ? 1 : 0];
        q->n = b->dims[q->transposed ? 0 : 1];
        q->rows = eng_tensor_count(op->in[q->in.a]) / q->k;
    }
    panel = q->kernels->gemm_i8_panel();
    q->panels = (q->n + panel - 1) / panel;
    return pack_b(op, q, err) && column_lists(op, q, err) &&
           set_scratch(op, q, err);
}

/* --- running --- */

struct work {
    const struct op_qgemm *q;
    struct gemm_i8 *g;
    const void *a;
    enum eng_dtype dtype;
    uint8_t *bytes;
    int32_t *zero, *sums;
    float *scale;
    int64_t each; /* rows or panels of a part */
};

/* The rows of a as uint8 in scratch memory. */
static void stage_rows(const struct work *w, int64_t row, int64_t rows)
{
    const struct op_qgemm *q = w->q;
    const struct kernels *k = q->kernels;
    uint8_t *to = w->bytes + row * q->stride;
    struct quantize_step step = {.scale = *w->scale, .zero = *w->zero};
    const float *x = (const float *)w->a + row * q->k;
    struct quantize_rows each = {.x = x,
                                 .rows = rows,
                                 .k = q->k,
                                 .y = to,
                                 .y_stride = q->stride,
                                 .scale = w->scale + row,
                                 .zero = w->zero + row};

    if (q->left == QGEMM_ROWS)
        k->quantize_rows(&each);
    else if (w->dtype == ENG_I8)
        k->flip_rows_i8((const int8_t *)w->a + row * q->k, rows, q->k, to,
                        q->stride);
    for (int64_t i = 0; i < rows && q->left == QGEMM_WHOLE; i++)
        k->quantize_bytes(x + i * q->k, q->k, &step, to + i * q->stride);
    for (int64_t i = 0; i < rows && w->dtype == ENG_U8; i++)
        memcpy(to + i * q->stride, (const uint8_t *)w->a + (row + i) * q->k,
               (size_t)q->k);
}

static void stage_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct op_qgemm *q = w->q;
    int64_t row = part * w->each;
    int64_t rows = q->rows - row < w->each ? q->rows - row : w->each;

    (void)thread;
    if (q->staged)
        stage_rows(w, row, rows);
    if (q->summed)
        q->kernels->sum_rows_u8(w->g->a + row * w->g->a_stride, rows, q->k,
                                w->g->a_stride, w->sums + row);
}

static void column_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct op_qgemm *q = w->q;
    int64_t panel = part * w->each;
    struct gemm_i8_part all = {0, q->rows, panel,
                               q->panels - panel < w->each ? q->panels - panel
                                                           : w->each};

    (void)thread;
    q->kernels->gemm_i8(w->g, &all);
}

static void row_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    const struct op_qgemm *q = w->q;
    int64_t row = part * w->each;
    struct gemm_i8_part all = {
        row, q->rows - row < w->each ? q->rows - row : w->each, 0, q->panels};

    (void)thread;
    q->kernels->gemm_i8(w->g, &all);
}

/* How large each of (at least one) parts is, rounded up. */
static int64_t share(int64_t total, int64_t parts)
{
    if (parts < 1)
        parts = 1;
    return (total + parts - 1) / parts;
}

static void stage(struct team_seat *seat, struct work *w)
{
    const struct op_qgemm *q = w->q;

    if (!q->staged && !q->summed)
        return;
    w->each = share(q->rows, q->rows * q->k / ELEMENTS_EACH);
    team_for(seat, share(q->rows, w->each), stage_part, w);
}

static void multiply(const struct op_node *op, struct team_seat *seat,
                     struct work *w)
{
    const struct op_qgemm *q = w->q;
    double products = (double)q->rows * (double)q->k * (double)q->n;
    int64_t parts = op->threads;

    if (op->threads > 1 && q->rows >= (int64_t)ROWS_FEW * op->threads) {
        w->each = ROWS_EACH < q->rows / op->threads ? ROWS_EACH : ROWS_FEW;
        team_for(seat, share(q->rows, w->each), row_part, w);
        return;
    }
    if (products < (double)parts * PRODUCTS_EACH)
        parts = (int64_t)(products / PRODUCTS_EACH);
    w->each = share(q->panels, parts);
    team_for(seat, share(q->panels, w->each), column_part, w);
}

/* Zero points of a as the kernel wants them; a's scale. */
static void set_left(const struct op_node *op, const struct op_frame *frame,
                     struct work *w)
{
    const struct op_qgemm *q = w->q;
    const struct op_qgemm_inputs *in = &q->in;
    int32_t shift = w->dtype == ENG_I8 ? 128 : 0;
    int64_t zeros = 1, scales = 1;

    if (q->left == QGEMM_WHOLE) {
        uint8_t zero;

        *w->scale = op_quant_range(w->a, q->rows * q->k, &zero);
        *w->zero = zero;
    }
    w->g->a_scale = w->scale;
    w->g->a_step = q->left == QGEMM_ROWS;
    w->g->a_zero = w->zero;
    if (q->left != QGEMM_BYTES)
        return;
    if (op_has(op, in->a_zero))
        zeros = eng_tensor_count(op->in[in->a_zero]);
    if (op_has(op, in->a_scale))
        scales = eng_tensor_count(op->in[in->a_scale]);
    w->g->a_step = zeros > 1 || scales > 1;
    for (int64_t i = 0; i < (w->g->a_step ? q->rows : 1); i++) {
        w->zero[i] = op_zero_of(op, frame, in->a_zero, i) + shift;
        w->scale[i] = op_has(op, in->a_scale)
                          ? op_scale_of(op, frame, in->a_scale, i)
                          : 1;
    }
}

void op_qgemm_side(const struct op_qgemm *q, struct gemm_i8 *g)
{
    g->a_stride = q->stride;
    g->weights = q->packed;
    g->k = q->k;
    g->n = q->n;
    g->w_scale = q->w_scale;
    g->w_zero = q->w_zero;
    g->y_stride = q->n;
}

void op_qgemm_run(const struct op_node *op, const struct op_frame *frame,
                  const struct op_qgemm *q, struct gemm_i8 *g)
{
    unsigned char *scratch = frame->scratch;
    struct work w = {.q = q,
                     .g = g,
                     .a = op_in(op, frame, q->in.a),
                     .dtype = op->in[q->in.a]->dtype,
                     .bytes = scratch,
                     .zero = (int32_t *)(void *)(scratch + q->zero_at),
                     .sums = (int32_t *)(void *)(scratch + q->sums_at),
                     .scale = (float *)(void *)(scratch + q->scale_at)};

    g->a = q->staged ? w.bytes : (const uint8_t *)w.a;
    op_qgemm_side(q, g);
    g->a_sums = w.sums;
    g->y_stride = q->n;
    set_left(op, frame, &w);
    stage(frame->seat, &w);
    multiply(op, frame->seat, &w);
}
