/*
 * Products: C = A B by the definition, for every type; float goes to oneDNN,
 * or to a loop of our own when A is a single row.
 */
#include <string.h>

#include "clones.h"
#include "gemm.h"
#include "onednn/onednn.h"

/* Row by row of B, so that the inner loop is contiguous when b_col is 1. */
#define PRODUCT(name, T)                                                       \
    static void name(const struct op_product *p, const T *a, const T *b, T *c) \
    {                                                                          \
        for (int64_t i = 0; i < p->m; i++) {                                   \
            T *row = c + i * p->n;                                             \
                                                                               \
            memset(row, 0, (size_t)p->n * sizeof *row);                        \
            for (int64_t j = 0; j < p->k; j++) {                               \
                T factor = a[i * p->a_row + j * p->a_col];                     \
                                                                               \
                for (int64_t l = 0; l < p->n; l++)                             \
                    row[l] += factor * b[j * p->b_row + l * p->b_col];         \
            }                                                                  \
        }                                                                      \
    }

PRODUCT(product_f64, double)
PRODUCT(product_u32, uint32_t) /* wraps; the same bits as int32 */
PRODUCT(product_u64, uint64_t)

bool op_product_run(enum eng_dtype dtype, const struct op_product *product,
                    const void *a, const void *b, void *c)
{
    if (dtype == ENG_F32)
        op_product_f32(product, a, b, c);
    else if (dtype == ENG_F64)
        product_f64(product, a, b, c);
    else if (dtype == ENG_I32 || dtype == ENG_U32)
        product_u32(product, a, b, c);
    else if (dtype == ENG_I64 || dtype == ENG_U64)
        product_u64(product, a, b, c);
    else
        return false;
    return true;
}

/* One row times a matrix whose rows are contiguous. */
OP_CLONES static void row_times_rows(const struct op_product *p, const float *a,
                                     const float *b, float *c)
{
    memset(c, 0, (size_t)p->n * sizeof *c);
    for (int64_t j = 0; j < p->k; j++) {
        float factor = a[j * p->a_col];
        const float *row = b + j * p->b_row;

        for (int64_t l = 0; l < p->n; l++)
            c[l] += factor * row[l];
    }
}

enum { LANES = 16 };

/* Sixteen sums side by side: the compiler may not reorder one by itself. */
OP_CLONES static float dot(const float *a, const float *b, int64_t count)
{
    float lanes[LANES] = {0};
    float sum = 0;
    int64_t i = 0;

    for (; i + LANES <= count; i += LANES) {
        for (int64_t j = 0; j < LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    }
    for (; i < count; i++)
        sum += a[i] * b[i];
    for (int64_t j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

/* One row times a matrix whose columns are contiguous. */
static void row_times_columns(const struct op_product *p, const float *a,
                              const float *b, float *c)
{
    for (int64_t l = 0; l < p->n; l++)
        c[l] = dot(a, b + l * p->b_col, p->k);
}

/* Any steps; for what oneDNN cannot take. */
PRODUCT(product_f32, float)

/* A stored matrix is dense along its rows or along its columns. */
static bool dense(int64_t row, int64_t col, int64_t rows, int64_t cols)
{
    return (col == 1 && row >= cols) || (row == 1 && col >= rows);
}

void op_product_f32(const struct op_product *p, const float *a, const float *b,
                    float *c)
{
    struct onednn_gemm gemm = {.m = p->m, .n = p->n, .k = p->k, .alpha = 1};

    if (p->m == 1 && p->b_col == 1) {
        row_times_rows(p, a, b, c);
        return;
    }
    if (p->m == 1 && p->b_row == 1 && p->a_col == 1) {
        row_times_columns(p, a, b, c);
        return;
    }
    gemm.a_transposed = p->a_col != 1;
    gemm.b_transposed = p->b_col != 1;
    gemm.lda = gemm.a_transposed ? p->a_col : p->a_row;
    gemm.ldb = gemm.b_transposed ? p->b_col : p->b_row;
    gemm.ldc = p->n;
    if (p->k == 0 || p->m == 0 || p->n == 0 ||
        !dense(p->a_row, p->a_col, p->m, p->k) ||
        !dense(p->b_row, p->b_col, p->k, p->n) || !onednn_sgemm(&gemm, a, b, c))
        product_f32(p, a, b, c);
}
