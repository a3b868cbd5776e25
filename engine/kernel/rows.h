/*
 * Rows: loops over the last axis of [rows, length].
 *
 *   softmax_rows(x, y, rows, length)
 *       y = exp(x - m) / sum(exp(x - m)), m = the row's maximum; y may be x;
 *       length >= 1
 *   log_softmax_rows(x, y, rows, length)
 *       y = x - m - log(sum(exp(x - m)))
 *
 * Elements that are -infinity are exactly 0 afterwards; rows with NaN, with
 * infinity, or of -infinity alone become NaN.
 */
#ifndef ENGINE_KERNEL_ROWS_H
#define ENGINE_KERNEL_ROWS_H

#include "kernel.h"

#endif
