/*
 * oneDNN: the only place that knows the library. Works with 2.6; functions
 * whose form changed in 3.x are used behind DNNL_VERSION_MAJOR in the .c files
 * of this folder.
 *
 * Rules: single-threaded calls (onednn_thread_init in each thread that runs a
 * model), user-managed scratchpads, and no implementation whose name starts
 * with "ref".
 *
 * Threads: any, each after onednn_thread_init().
 */
#ifndef ENGINE_ONEDNN_H
#define ENGINE_ONEDNN_H

#include <stdbool.h>
#include <stdint.h>

/* Keeps OpenMP from starting a team in this thread. Cheap; call it often. */
void onednn_thread_init(void);

/*
 * C = A B (+ C): row-major, A [m, k], B [k, n], C [m, n]; `a_transposed` = A is
 * stored [k, m], likewise B. Leading dimensions are those of the stored rows.
 */
struct onednn_gemm {
    int64_t m, n, k;
    int64_t lda, ldb, ldc;
    bool a_transposed, b_transposed;
    float alpha;
    bool accumulate; /* add to what C holds */
};
bool onednn_sgemm(const struct onednn_gemm *gemm, const float *a,
                  const float *b, float *c);

#endif
