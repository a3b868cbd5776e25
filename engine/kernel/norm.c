/*
 * norm_rows, see norm.h. Four rows at a time go through each step: sums across a
 * vector take long one by one, and several may be under way.
 */
#include "norm.h"
#include "vec_math.h"

enum { GROUP = 4, TWO = 2 * VF };

/* The part of a row's end that fills no vector: loads give 0 behind it. */
static inline vf load_or(const float *p, int64_t i, int64_t width, vf other)
{
    if (!p)
        return other;
    return i + VF <= width ? vf_load(p + i) : vf_load_part(p + i, width - i);
}

static inline void store(float *p, int64_t i, int64_t width, vf x)
{
    if (i + VF <= width)
        vf_store(p + i, x);
    else
        vf_store_part(p + i, x, width - i);
}

/* v = x + skip + bias, kept in `v`; returns sums of it. */
static vf add_row(const struct kernel_norm *n, int64_t row, float *v)
{
    const float *x = n->x + row * n->width;
    const float *skip = n->skip ? n->skip + row * n->width : NULL;
    const vf zero = {0};
    vf sum = zero;

    for (int64_t i = 0; i < n->width; i += VF) {
        vf a = load_or(x, i, n->width, zero) +
               load_or(skip, i, n->width, zero) +
               load_or(n->bias, i, n->width, zero);

        store(v, i, n->width, a);
        sum += a;
    }
    return sum;
}

static vf sum_row(const float *v, int64_t width)
{
    vf sum = {0}, other = {0};
    int64_t i = 0;

    for (; i + TWO <= width; i += TWO) {
        sum += vf_load(v + i);
        other += vf_load(v + i + VF);
    }
    for (; i < width; i += VF)
        sum += load_or(v, i, width, sum);
    return sum + other;
}

/* Sums of (v - mean)^2. */
static vf square_row(const float *v, int64_t width, float mean)
{
    vf sum = {0}, other = {0};
    int64_t i = 0;

    for (; i + TWO <= width; i += TWO) {
        vf a = vf_load(v + i) - mean, b = vf_load(v + i + VF) - mean;

        sum += a * a;
        other += b * b;
    }
    for (; i + VF <= width; i += VF) {
        vf a = vf_load(v + i) - mean;

        sum += a * a;
    }
    if (i < width) { /* what is behind the row must not count */
        vf a = vf_load_part(v + i, width - i) - mean;
        float rest[VF] = {0};

        vf_store_part(rest, a, width - i);
        a = vf_load(rest);
        sum += a * a;
    }
    return sum + other;
}

static void scale_row(const struct kernel_norm *n, const float *v, float *y,
                      float mean, float factor)
{
    const vf one = vf_set(1), zero = {0};
    int64_t i = 0;

    for (; n->gamma && n->beta && i + VF <= n->width; i += VF) {
        vf a = (vf_load(v + i) - mean) * factor;

        vf_store(y + i, a * vf_load(n->gamma + i) + vf_load(n->beta + i));
    }
    for (; i < n->width; i += VF) {
        vf a = (load_or(v, i, n->width, zero) - mean) * factor;

        a = a * load_or(n->gamma, i, n->width, one) +
            load_or(n->beta, i, n->width, zero);
        store(y, i, n->width, a);
    }
}

/* The rows to normalise: x, or what add_row() made. */
static const float *make_rows(const struct kernel_norm *n, int64_t first,
                              int64_t count, vf *sum)
{
    float *made = n->sum ? n->sum : n->y;
    int64_t width = n->width;

    if (n->skip || n->bias || n->sum) {
        for (int64_t r = first; r < first + count; r++)
            sum[r - first] = add_row(n, r, made + r * width);
        return made;
    }
    for (int64_t r = 0; !n->rms && r < count; r++)
        sum[r] = sum_row(n->x + (first + r) * width, width);
    return n->x;
}

/* Rows first to first + count - 1. */
static void norm_group(const struct kernel_norm *n, int64_t first,
                       int64_t count)
{
    int64_t width = n->width;
    float mean[GROUP] = {0}, factor[GROUP];
    vf sum[GROUP];
    const float *v = make_rows(n, first, count, sum) + first * width;
    float *y = n->y + first * width;

    for (int64_t r = 0; !n->rms && r < count; r++)
        mean[r] = vf_sum(sum[r]) / (float)width;
    for (int64_t r = 0; r < count; r++)
        sum[r] = square_row(v + r * width, width, mean[r]);
    for (int64_t r = 0; r < count; r++)
        factor[r] = 1 / sqrtf(vf_sum(sum[r]) / (float)width + n->epsilon);
    for (int64_t r = 0; r < count; r++)
        scale_row(n, v + r * width, y + r * width, mean[r], factor[r]);
    if (n->mean)
        memcpy(n->mean + first, mean, (size_t)count * sizeof *mean);
    if (n->inv)
        memcpy(n->inv + first, factor, (size_t)count * sizeof *factor);
}

void KERNEL_NAME(norm_rows)(const struct kernel_norm *norm)
{
    for (int64_t r = 0; r < norm->rows; r += GROUP)
        norm_group(norm, r, norm->rows - r < GROUP ? norm->rows - r : GROUP);
}
