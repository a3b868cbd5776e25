/*
 * Head: attention of one head, y = softmax(scale q k' + masks) v.
 *
 * q [q_rows, size], k [kv_rows, size], v [kv_rows, v_size] and y [q_rows,
 * v_size] lie in larger tensors: a row is contiguous, rows are `..._step`
 * floats apart. So heads are read out of [batch, rows, heads, size] and
 * [batch, heads, rows, size] alike. Masks have steps of 0 or more in rows and of
 * 0 or 1 along them, so that they broadcast.
 *
 *   scores = scale q k'; elements where `keep` is `drops` (false, or true)
 *   become `fill`; `add` is added - before that with `adds_first`; elements
 *   t > row + causal_offset are left out when `is_causal`.
 *
 * A row of which nothing is left (all -infinity) gives NaN as Softmax does, or 0
 * with `zero_empty`.
 */
#ifndef ENGINE_KERNEL_HEAD_H
#define ENGINE_KERNEL_HEAD_H

#include "kernel.h"

struct kernel_head {
    int64_t q_rows, kv_rows, size, v_size;
    int64_t q_step, k_step, v_step, y_step;
    const float *q, *k, *v;
    float *y;
    float scale;

    const float *add; /* NULL: none */
    int64_t add_row, add_column;
    bool adds_first;

    const uint8_t *keep; /* NULL: none; 0 or 1 each */
    int64_t keep_row, keep_column;
    bool drops;
    float fill;

    bool is_causal, zero_empty;
    int64_t causal_offset;

    /* What the next call reads, with the same sizes and steps: it is fetched
     * into the cache meanwhile. NULL: nothing. */
    const float *next_q, *next_k, *next_v;

    float *scratch; /* kernel_head_scratch() bytes, 64-byte aligned */
};

/* Largest panel and block of rows of all builds. */
enum { HEAD_PANEL_MAX = 32, HEAD_ROWS_MAX = 12 };

/* Bytes of scratch memory of one head; false: too large to count. Only the
 * sizes of `head` are read. */
static inline bool kernel_head_scratch(const struct kernel_head *head,
                                       size_t *bytes)
{
    int64_t rows = head->kv_rows, columns = head->v_size, floats, values;

    return !__builtin_add_overflow(rows, HEAD_PANEL_MAX, &rows) &&
           !__builtin_add_overflow(columns, HEAD_PANEL_MAX, &columns) &&
           !__builtin_add_overflow(head->size, HEAD_ROWS_MAX, &floats) &&
           !__builtin_mul_overflow(rows, floats, &floats) &&
           !__builtin_mul_overflow(rows, columns, &values) &&
           !__builtin_add_overflow(floats, values, &floats) &&
           !__builtin_mul_overflow(floats, (int64_t)sizeof(float), bytes);
}

#endif
