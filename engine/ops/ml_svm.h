/*
 * Probabilities of classes from the scores of pairs of classes.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_ML_SVM_H
#define ENGINE_OPS_ML_SVM_H

#include <stdint.h>

/* Score s of a pair (i, j), i < j, means P(i) = 1 / (1 + exp(a s + b)). */
struct op_svm_pairs {
    int64_t classes;
    const float *scores, *a, *b; /* [classes (classes - 1) / 2] */
};

/* Floats of work space for op_svm_pairs_run(). */
int64_t op_svm_pairs_floats(int64_t classes);

/* p [classes], which sum up to 1. */
void op_svm_pairs_run(const struct op_svm_pairs *pairs, float *work, float *p);

#endif
