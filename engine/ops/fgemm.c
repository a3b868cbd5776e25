/*
 * FGemm: see fgemm.h.
 */
#include "fgemm.h"

/* From so many rows per thread on, rows are shared out. A part of the work
 * should take PART_NS: so many products, or so many bytes of weights. */
enum { ROWS_FEW = 64, ROWS_EACH = 128 };
enum { PART_NS = 20000, PRODUCTS_PER_NS = 50, BYTES_PER_NS = 16 };

bool op_fgemm_fits(const struct op_node *op, size_t b,
                   const struct op_product *product)
{
    return op->in[0]->dtype == ENG_F32 && op_is_weight(op, b) &&
           op->in[b]->dtype == ENG_F32 && !op->in[0]->data &&
           product->a_col == 1 && product->m > 0 && product->n > 0 &&
           product->k > 0;
}

/* --- packing --- */

/* Plain, so that equal keys have equal bytes. */
struct pack_how {
    const struct kernels *kernels;
    int64_t k, n, row, col;
    double alpha;
};

static struct gemm_f32_weights weights_of(const struct pack_how *how,
                                          const float *w)
{
    return (struct gemm_f32_weights){.w = w,
                                     .k = how->k,
                                     .n = how->n,
                                     .row = how->row,
                                     .col = how->col,
                                     .alpha = (float)how->alpha};
}

static void pack_weights(const void *w, void *packed, const void *context)
{
    const struct pack_how *how = context;
    const struct gemm_f32_weights weights = weights_of(how, w);

    how->kernels->gemm_f32_pack(&weights, packed);
}

static void unpack_weights(const void *packed, void *w, const void *context)
{
    const struct pack_how *how = context;
    const struct gemm_f32_weights weights = weights_of(how, NULL);

    how->kernels->gemm_f32_unpack(packed, &weights, w);
}

bool op_fgemm_prepare(struct op_node *op, size_t b,
                      const struct op_product *product, float alpha,
                      struct op_fgemm *fgemm, struct error *err)
{
    const struct kernels *k = kernels();
    struct pack_how how = {k,
                           product->k,
                           product->n,
                           product->b_row,
                           product->b_col,
                           (double)alpha};
    struct op_pack_key key = {op->in[b]->data, pack_weights, &how, sizeof how};
    size_t size = k->gemm_f32_packed_size(product->k, product->n);

    *fgemm = (struct op_fgemm){.kernels = k,
                               .m = product->m,
                               .n = product->n,
                               .k = product->k,
                               .a_row = product->a_row};
    fgemm->packed =
        op_pack_only(op, &key, alpha == 1 ? unpack_weights : NULL, size, err);
    return fgemm->packed != NULL;
}

/* --- running --- */

struct work {
    const struct kernels *kernels;
    struct gemm_f32 gemm;
    int64_t rows;
    int64_t each; /* rows or columns of a part */
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t share(int64_t total, int64_t parts)
{
    return (total + parts - 1) / parts;
}

static void row_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    int64_t row = part * w->each;

    (void)thread;
    w->kernels->gemm_f32(
        &w->gemm, &(struct gemm_f32_part){row, smaller(row + w->each, w->rows),
                                          0, w->gemm.n});
}

static void column_part(void *context, int64_t part, int thread)
{
    const struct work *w = context;
    int64_t col = part * w->each;

    (void)thread;
    w->kernels->gemm_f32(
        &w->gemm, &(struct gemm_f32_part){0, w->rows, col,
                                          smaller(col + w->each, w->gemm.n)});
}

/* How many parts the work is worth. */
static int64_t worth(const struct work *w)
{
    int64_t weights = w->gemm.n * w->gemm.k;
    int64_t ns_of_sums = weights / PRODUCTS_PER_NS * w->rows;
    int64_t ns_of_bytes = weights * (int64_t)sizeof(float) / BYTES_PER_NS;

    return (ns_of_sums > ns_of_bytes ? ns_of_sums : ns_of_bytes) / PART_NS;
}

static void share_columns(struct work *w, struct team_seat *seat, int64_t parts)
{
    int64_t panel = w->kernels->gemm_f32_panel();

    w->each = share(share(w->gemm.n, parts), panel) * panel;
    team_for(seat, share(w->gemm.n, w->each), column_part, w);
}

void op_fgemm_run(const struct op_node *op, struct team_seat *seat,
                  const struct op_fgemm *fgemm,
                  const struct op_fgemm_data *data)
{
    struct work w = {.kernels = fgemm->kernels,
                     .gemm = {.n = fgemm->n,
                              .k = fgemm->k,
                              .packed = fgemm->packed,
                              .a = data->x,
                              .a_row = fgemm->a_row,
                              .c = data->y,
                              .c_row = fgemm->n,
                              .bias = data->bias,
                              .residual = data->residual,
                              .residual_row = fgemm->n,
                              .act = fgemm->act},
                     .rows = fgemm->m,
                     .each = fgemm->m};
    int64_t parts = team_has_help(seat) ? worth(&w) : 1;

    if (parts < 2) {
        row_part(&w, 0, 0);
    } else if (w.rows >= (int64_t)ROWS_FEW * op->threads) {
        parts = share(share(w.rows, ROWS_EACH), op->threads) * op->threads;
        w.each = share(w.rows, parts);
        team_for(seat, share(w.rows, w.each), row_part, &w);
    } else {
        share_columns(&w, seat, smaller(parts, op->threads));
    }
}

bool op_fgemm_run_one(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct op_fgemm_data data = {.x = op_in(op, frame, 0),
                                       .y = op_out(op, frame, 0)};

    (void)err;
    op_fgemm_run(op, frame->seat, op->state, &data);
    return true;
}
