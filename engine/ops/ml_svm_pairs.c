/*
 * Pairwise coupling: see ml_svm.h.
 *
 * Given r[i][j], the probability of class i against class j, p minimises
 * sum over i, j of (r[j][i] p[i] - r[i][j] p[j])^2. That is p' Q p with
 * Q[i][i] = sum of r[j][i]^2, Q[i][j] = -r[j][i] r[i][j]; the minimum is where
 * all (Q p)[i] are equal, found class by class.
 *
 * Source: Wu, Lin, Weng, "Probability Estimates for Multi-class Classification
 * by Pairwise Coupling", 2004, second approach; limits as in libsvm.
 */
#include "ml_svm.h"

#include <math.h>
#include <string.h>

enum { ROUNDS_MAX = 100 };

int64_t op_svm_pairs_floats(int64_t classes)
{
    return 2 * classes * classes + classes; /* r, Q, Q p */
}

static void fill_r(const struct op_svm_pairs *pairs, float *r)
{
    int64_t n = pairs->classes, at = 0;

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i + 1; j < n; j++, at++) {
            float p =
                1 / (1 + expf(pairs->scores[at] * pairs->a[at] + pairs->b[at]));

            p = p < 1e-7F ? 1e-7F : p > 1 - 1e-7F ? 1 - 1e-7F : p;
            r[i * n + j] = p;
            r[j * n + i] = 1 - p;
        }
    }
}

static void fill_q(int64_t n, const float *r, float *q)
{
    memset(q, 0, (size_t)(n * n) * sizeof *q);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            if (i == j)
                continue;
            q[i * n + i] += r[j * n + i] * r[j * n + i];
            q[i * n + j] = -r[j * n + i] * r[i * n + j];
        }
    }
}

/* qp = Q p; returns p' Q p. */
static float multiply(int64_t n, const float *q, const float *p, float *qp)
{
    float result = 0;

    for (int64_t i = 0; i < n; i++) {
        qp[i] = 0;
        for (int64_t j = 0; j < n; j++)
            qp[i] += q[i * n + j] * p[j];
        result += p[i] * qp[i];
    }
    return result;
}

static float largest_error(int64_t n, const float *qp, float pqp)
{
    float result = 0;

    for (int64_t i = 0; i < n; i++) {
        float error = fabsf(qp[i] - pqp);

        result = error > result ? error : result;
    }
    return result;
}

/* Moves p[i] so that (Q p)[i] fits, and scales p back to the sum 1. */
static float improve(int64_t n, int64_t i, const float *q, float *p, float *qp,
                     float pqp)
{
    float diff = (pqp - qp[i]) / q[i * n + i], scale = 1 / (1 + diff);

    p[i] += diff;
    pqp = (pqp + diff * (diff * q[i * n + i] + 2 * qp[i])) * scale * scale;
    for (int64_t j = 0; j < n; j++) {
        qp[j] = (qp[j] + diff * q[i * n + j]) * scale;
        p[j] *= scale;
    }
    return pqp;
}

void op_svm_pairs_run(const struct op_svm_pairs *pairs, float *work, float *p)
{
    int64_t n = pairs->classes;
    float *r = work, *q = r + n * n, *qp = q + n * n;

    fill_r(pairs, r);
    fill_q(n, r, q);
    for (int64_t i = 0; i < n; i++)
        p[i] = 1 / (float)n;
    for (int round = 0; n > 1 && round < ROUNDS_MAX; round++) {
        float pqp = multiply(n, q, p, qp);

        if (largest_error(n, qp, pqp) < 0.005F / (float)n)
            return;
        for (int64_t i = 0; i < n; i++)
            pqp = improve(n, i, q, p, qp, pqp);
    }
}
