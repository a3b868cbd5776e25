/*
 * depth_i8: see depth_i8.h.
 *
 * Wide: weights are 16 bits, [tap, channel]; a vector of channels at a time,
 * tap by tap. Every build has it, and with VNNI it is left for weights that are
 * no int8 once their zero point is off.
 *
 * Dot: four taps of 64 channels are interleaved, so that the four of one channel
 * are neighbours, and vpdpbusd adds their products. Interleaving leaves the
 * channels in an order of its own (see order()), which weights and lists follow
 * and narrowing the results undoes.
 */
#include "depth_i8.h"

#include "vec_byte.h"

typedef int16_t vs __attribute__((vector_size(VF * 2)));

enum { LINE = 64, BLOCK = 64 };

static int64_t groups_of(int64_t taps)
{
    return (taps + DEPTH_I8_GROUP - 1) / DEPTH_I8_GROUP;
}

static size_t head_size(int64_t channels)
{
    size_t size = sizeof(struct depth_i8_head) +
                  (size_t)channels * sizeof(int32_t) + LINE - 1;

    return size / LINE * LINE;
}

size_t KERNEL_NAME(depth_i8_packed_size)(int64_t taps, int64_t channels)
{
    size_t blocks = (size_t)(channels + BLOCK - 1) / BLOCK;
    size_t dot = blocks * BLOCK * DEPTH_I8_GROUP * (size_t)groups_of(taps);
    size_t wide = (size_t)taps * (size_t)channels * sizeof(int16_t);

    return head_size(channels) + (dot > wide ? dot : wide);
}

static const void *weights_of(const struct depth_i8_head *head)
{
    return (const char *)head + head_size(head->channels);
}

static int32_t byte_at(const struct depth_i8_source *source, const void *list,
                       int64_t i)
{
    return source->is_signed ? ((const int8_t *)list)[i]
                             : ((const uint8_t *)list)[i];
}

static int16_t weight_at(const struct depth_i8_source *source, int64_t t,
                         int64_t c)
{
    int32_t zero = byte_at(source, source->zeros, c * source->zero_step);

    return (int16_t)(byte_at(source, source->w, c * source->taps + t) - zero);
}

static void sum_weights(const struct depth_i8_source *source,
                        struct depth_i8_head *head)
{
    head->narrow = true;
    for (int64_t c = 0; c < source->channels; c++) {
        head->sums[c] = 0;
        for (int64_t t = 0; t < source->taps; t++) {
            int16_t w = weight_at(source, t, c);

            head->sums[c] += w;
            head->narrow &= w >= INT8_MIN && w <= INT8_MAX;
        }
    }
}

static void pack_wide(const struct depth_i8_source *source, int16_t *to)
{
    for (int64_t t = 0; t < source->taps; t++) {
        for (int64_t c = 0; c < source->channels; c++)
            *to++ = weight_at(source, t, c);
    }
}

/* --- wide --- */

static void wide_rest(const struct depth_i8 *d, const uint8_t *const *x,
                      int64_t c, uint8_t *y)
{
    const struct depth_i8_head *head = d->weights;
    const int16_t *w = weights_of(head);
    float low = (float)(d->y_low - d->y_zero), high = low + UINT8_MAX;

    for (; c < head->channels; c++) {
        uint32_t sum = (uint32_t)d->shift[c];
        float steps;

        for (int64_t t = 0; t < head->taps; t++)
            sum += (uint32_t)((x[t][c] ^ d->flip) * w[t * head->channels + c]);
        steps = (float)(int32_t)sum * d->scale[c] + d->bias[c];
        steps = steps > low ? steps : low;
        steps = steps < high ? steps : high;
        y[c] = (uint8_t)((int32_t)rintf(steps) + d->y_zero);
    }
}

static void wide_position(const struct depth_i8 *d, const uint8_t *const *x,
                          uint8_t *y)
{
    const struct depth_i8_head *head = d->weights;
    int64_t c = 0;

    for (; c + VF <= head->channels; c += VF) {
        const int16_t *w = (const int16_t *)weights_of(head) + c;
        vi sum = *(const vi_loose *)(d->shift + c);
        vq bytes;

        for (int64_t t = 0; t < head->taps; t++, w += head->channels) {
            vs weights;

            memcpy(&bytes, x[t] + c, sizeof bytes);
            memcpy(&weights, w, sizeof weights);
            sum += __builtin_convertvector(bytes ^ d->flip, vi) *
                   __builtin_convertvector(weights, vi);
        }
        bytes = vq_quantize(__builtin_convertvector(sum, vf) *
                                    vf_load(d->scale + c) +
                                vf_load(d->bias + c),
                            d->y_zero, d->y_low);
        memcpy(y + c, &bytes, sizeof bytes);
    }
    wide_rest(d, x, c, y);
}

static void wide(const struct depth_i8 *d)
{
    int64_t step = groups_of(d->weights->taps) * DEPTH_I8_GROUP;

    for (int64_t p = 0; p < d->positions; p++)
        wide_position(d, d->x + p * step, d->y + p * d->weights->channels);
}

#if defined(__AVX512VNNI__)

/* --- dot --- */

enum { PARTS = BLOCK / VF, LANE = 4 };

/* The channel of a block that element i of its interleaved form is. */
static int64_t order(int64_t i)
{
    int64_t part = i / VF, lane = i % VF / LANE;

    return lane * VF + part * LANE + i % LANE;
}

/* [block, group, channel in order(), tap of the group] */
static void pack_dot(const struct depth_i8_source *source, int8_t *to)
{
    int64_t taps = groups_of(source->taps) * DEPTH_I8_GROUP;

    for (int64_t first = 0; first < source->channels; first += BLOCK) {
        for (int64_t i = 0; i < taps * BLOCK; i++, to++) {
            int64_t t = i / BLOCK / DEPTH_I8_GROUP * DEPTH_I8_GROUP +
                        i % DEPTH_I8_GROUP;
            int64_t c = first + order(i / DEPTH_I8_GROUP % BLOCK);

            *to = 0;
            if (t < source->taps && c < source->channels)
                *to = (int8_t)weight_at(source, t, c);
        }
    }
}

#define ALWAYS static inline __attribute__((always_inline))

/* What a block of channels needs, in order(). */
struct block {
    const struct depth_i8 *d;
    const vi *weights;
    int64_t first, count; /* channels */
    __mmask64 mask;
    vi shift[PARTS];
    vf scale[PARTS], bias[PARTS];
};

static void load_block(struct block *block, const struct depth_i8 *d,
                       int64_t first)
{
    int64_t channels = d->weights->channels;

    block->d = d;
    block->first = first;
    block->count = channels - first < BLOCK ? channels - first : BLOCK;
    block->mask = ~(__mmask64)0 >> (BLOCK - block->count);
    block->weights = (const vi *)weights_of(d->weights) +
                     first / BLOCK * groups_of(d->weights->taps) * PARTS;
    for (int64_t i = 0; i < BLOCK; i++) {
        int64_t c = order(i);
        bool is_there = c < block->count;

        block->shift[i / VF][i % VF] = is_there ? d->shift[first + c] : 0;
        block->scale[i / VF][i % VF] = is_there ? d->scale[first + c] : 0;
        block->bias[i / VF][i % VF] = is_there ? d->bias[first + c] : 0;
    }
}

ALWAYS void add_group(const struct block *block, uint8_t flips,
                      const uint8_t *const *x, const vi *weights, vi sum[PARTS])
{
    const __m512i flip = _mm512_set1_epi8((char)flips);
    __m512i tap[DEPTH_I8_GROUP], low[2], high[2];

    VEC_UNROLL
    for (int t = 0; t < DEPTH_I8_GROUP; t++)
        tap[t] = _mm512_xor_si512(
            flip, _mm512_maskz_loadu_epi8(block->mask, x[t] + block->first));
    VEC_UNROLL
    for (int64_t i = 0; i < 2; i++) {
        low[i] = _mm512_unpacklo_epi8(tap[2 * i], tap[2 * i + 1]);
        high[i] = _mm512_unpackhi_epi8(tap[2 * i], tap[2 * i + 1]);
    }
    tap[0] = _mm512_unpacklo_epi16(low[0], low[1]);
    tap[1] = _mm512_unpackhi_epi16(low[0], low[1]);
    tap[2] = _mm512_unpacklo_epi16(high[0], high[1]);
    tap[3] = _mm512_unpackhi_epi16(high[0], high[1]);
    VEC_UNROLL
    for (int i = 0; i < PARTS; i++)
        sum[i] = (vi)_mm512_dpbusd_epi32((__m512i)sum[i], tap[i],
                                         (__m512i)weights[i]);
}

ALWAYS void put_block(const struct block *block, const struct depth_i8 *d,
                      const vi sum[PARTS], uint8_t *y)
{
    __m512i whole[PARTS], bytes;

    VEC_UNROLL
    for (int i = 0; i < PARTS; i++)
        whole[i] = (__m512i)vi_quantize(__builtin_convertvector(sum[i], vf) *
                                                block->scale[i] +
                                            block->bias[i],
                                        d->y_zero, d->y_low);
    whole[0] = _mm512_packs_epi32(whole[0], whole[1]);
    whole[2] = _mm512_packs_epi32(whole[2], whole[3]);
    bytes = d->y_low ? _mm512_packs_epi16(whole[0], whole[2])
                     : _mm512_packus_epi16(whole[0], whole[2]);
    if (block->count == BLOCK)
        _mm512_storeu_si512(y, bytes);
    else
        memcpy(y, &bytes, (size_t)block->count);
}

/* `groups` is a constant where it is small. */
ALWAYS void dot_block(const struct block *block, const int64_t groups)
{
    /* A copy, which what is written to y cannot change. */
    const struct depth_i8 d = *block->d;
    const int64_t channels = d.weights->channels;
    const uint8_t *const *x = d.x;
    uint8_t *y = d.y + block->first;

    for (int64_t p = 0; p < d.positions; p++) {
        vi sum[PARTS];

        VEC_UNROLL
        for (int i = 0; i < PARTS; i++)
            sum[i] = block->shift[i];
        for (int64_t g = 0; g < groups; g++, x += DEPTH_I8_GROUP)
            add_group(block, d.flip, x, block->weights + g * PARTS, sum);
        put_block(block, &d, sum, y);
        y += channels;
    }
}

static void dot(const struct depth_i8 *d)
{
    enum { OF_3X3 = 3 };
    int64_t groups = groups_of(d->weights->taps);

    for (int64_t c = 0; c < d->weights->channels; c += BLOCK) {
        struct block block;

        load_block(&block, d, c);
        if (groups == OF_3X3)
            dot_block(&block, OF_3X3);
        else
            dot_block(&block, groups);
    }
}
#endif

/* --- either --- */

void KERNEL_NAME(depth_i8_pack)(const struct depth_i8_source *source,
                                void *packed)
{
    struct depth_i8_head *head = packed;
    void *to;

    head->taps = source->taps;
    head->channels = source->channels;
    sum_weights(source, head);
    to = (char *)packed + head_size(source->channels);
#if defined(__AVX512VNNI__)
    if (head->narrow) {
        pack_dot(source, to);
        return;
    }
#endif
    pack_wide(source, to);
}

void KERNEL_NAME(depth_i8)(const struct depth_i8 *d)
{
#if defined(__AVX512VNNI__)
    if (d->weights->narrow) {
        dot(d);
        return;
    }
#endif
    wide(d);
}
