/*
 * Rows: loops over the last axis of [rows, length].
 *
 *   softmax_rows(x, y, rows, length)
 *       y = exp(x - m) / sum(exp(x - m)), m = the row's maximum; y may be x;
 *       length >= 1
 */
#ifndef ENGINE_KERNEL_ROWS_H
#define ENGINE_KERNEL_ROWS_H

#include "kernel.h"

#endif
