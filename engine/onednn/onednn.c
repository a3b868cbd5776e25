/*
 * oneDNN seam: threads and plain GEMM.
 */
#include "onednn.h"

#include <dnnl.h>

/* Of OpenMP's own interface; the header comes with gcc only. */
void omp_set_num_threads(int count);

void onednn_thread_init(void)
{
    omp_set_num_threads(1);
}

bool onednn_sgemm(const struct onednn_gemm *gemm, const float *a,
                  const float *b, float *c)
{
    return dnnl_sgemm(gemm->a_transposed ? 'T' : 'N',
                      gemm->b_transposed ? 'T' : 'N', gemm->m, gemm->n, gemm->k,
                      gemm->alpha, a, gemm->lda, b, gemm->ldb,
                      gemm->accumulate ? 1.0F : 0.0F, c,
                      gemm->ldc) == dnnl_success;
}
