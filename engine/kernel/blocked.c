/*
 * to_blocked, from_blocked, pool_blocked: see blocked.h.
 */
#include "blocked.h"
#include "vec.h"

/* --- order --- */

#if defined(__AVX512F__)

/* The transpose of 16 rows of 16. */
static inline void transpose(__m512 r[16])
{
    __m512 t[16];

    for (int i = 0; i < 16; i += 4) {
        __m512 a = _mm512_unpacklo_ps(r[i], r[i + 1]);
        __m512 b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        __m512 c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
        __m512 d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);

        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xEE);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        __m512 b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD);
        __m512 c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        __m512 d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xDD);

        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xDD);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xDD);
    }
}

/* Blocks of 16. The places done; the rest is left to the plain loop. */
static int64_t to_blocked_tiles(const struct kernel_order *order,
                                const float *x, float *y)
{
    int64_t p = 0;

    for (; p + 16 <= order->size; p += 16) {
        __m512 r[16];

        for (int i = 0; i < 16; i++)
            r[i] = i < order->channels
                       ? _mm512_loadu_ps(x + i * order->size + p)
                       : _mm512_setzero_ps();
        transpose(r);
        for (int i = 0; i < 16; i++)
            _mm512_storeu_ps(y + (p + i) * 16, r[i]);
    }
    return p;
}

static int64_t from_blocked_tiles(const struct kernel_order *order,
                                  const float *x, float *y)
{
    int64_t p = 0;

    for (; p + 16 <= order->size; p += 16) {
        __m512 r[16];

        for (int i = 0; i < 16; i++)
            r[i] = _mm512_loadu_ps(x + (p + i) * 16);
        transpose(r);
        for (int i = 0; i < 16 && i < order->channels; i++)
            _mm512_storeu_ps(y + i * order->size + p, r[i]);
    }
    return p;
}

#endif

void KERNEL_NAME(to_blocked)(const struct kernel_order *order, const float *x,
                             float *y)
{
    int64_t done = 0;

#if defined(__AVX512F__)
    if (order->block == 16)
        done = to_blocked_tiles(order, x, y);
#endif
    for (int64_t p = done; p < order->size; p++) {
        for (int64_t c = 0; c < order->block; c++)
            y[p * order->block + c] =
                c < order->channels ? x[c * order->size + p] : 0;
    }
}

void KERNEL_NAME(from_blocked)(const struct kernel_order *order, const float *x,
                               float *y)
{
    int64_t done = 0;

#if defined(__AVX512F__)
    if (order->block == 16)
        done = from_blocked_tiles(order, x, y);
#endif
    for (int64_t c = 0; c < order->channels; c++) {
        for (int64_t p = done; p < order->size; p++)
            y[c * order->size + p] = x[p * order->block + c];
    }
}

/* --- pooling --- */

/* The part of a window that lies inside the input, in one dimension. */
struct span {
    int64_t first, count; /* input index of its first tap; taps */
    int64_t padded;       /* taps inside input and border */
};

static struct span clip_span(const struct kernel_pool *pool, int d, int64_t out)
{
    int64_t start = out * pool->stride[d] - pool->pad[d];
    int64_t step = pool->dilation[d];
    int64_t skip = start < 0 ? (-start + step - 1) / step : 0;
    int64_t last = pool->kernel[d] - 1, border = last;

    if (start + last * step >= pool->in[d])
        last = pool->in[d] - 1 < start ? -1 : (pool->in[d] - 1 - start) / step;
    if (start + border * step >= pool->in[d] + pool->pad_end[d])
        border = (pool->in[d] + pool->pad_end[d] - 1 - start) / step;
    return (struct span){.first = start + skip * step,
                         .count = last >= skip ? last - skip + 1 : 0,
                         .padded = border + 1};
}

struct window {
    const float *first; /* tap (0, 0) */
    int64_t rows, columns, row_step, column_step;
};

static vf window_max(const struct window *w, int64_t lanes)
{
    vf max = vf_load_part(w->first, lanes);

    for (int64_t r = 0; r < w->rows; r++) {
        const float *x = w->first + r * w->row_step;

        for (int64_t c = 0; c < w->columns; c++, x += w->column_step)
            max =
                vf_max(max, lanes == VF ? vf_load(x) : vf_load_part(x, lanes));
    }
    return max;
}

static vf window_sum(const struct window *w, int64_t lanes)
{
    vf sum = {0};

    for (int64_t r = 0; r < w->rows; r++) {
        const float *x = w->first + r * w->row_step;

        for (int64_t c = 0; c < w->columns; c++, x += w->column_step)
            sum += lanes == VF ? vf_load(x) : vf_load_part(x, lanes);
    }
    return sum;
}

/* All channels of one output place. */
static void pool_place(const struct kernel_pool *pool, struct window window,
                       float scale, float *y)
{
    for (int64_t i = 0; i < pool->block; i += VF) {
        int64_t lanes = pool->block - i < VF ? pool->block - i : VF;
        vf value = {0};

        if (window.rows * window.columns == 0)
            value = vf_set(0);
        else if (pool->is_max)
            value = window_max(&window, lanes);
        else
            value = window_sum(&window, lanes) * scale;
        vf_store_part(y + i, value, lanes);
        window.first += VF;
    }
}

void KERNEL_NAME(pool_blocked)(const struct kernel_pool *pool, const float *x,
                               float *y)
{
    for (int64_t oy = 0; oy < pool->out[0]; oy++) {
        struct span row = clip_span(pool, 0, oy);

        for (int64_t ox = 0; ox < pool->out[1]; ox++, y += pool->block) {
            struct span column = clip_span(pool, 1, ox);
            int64_t taps = pool->count_pad ? row.padded * column.padded
                                           : row.count * column.count;
            struct window window = {
                .first =
                    x + (row.first * pool->in[1] + column.first) * pool->block,
                .rows = row.count,
                .columns = column.count,
                .row_step = pool->dilation[0] * pool->in[1] * pool->block,
                .column_step = pool->dilation[1] * pool->block};

            pool_place(pool, window, taps ? 1.0F / (float)taps : 0, y);
        }
    }
}
