/*
 * Resize: bilinear, with a triangle as wide as the pixels that fall on one.
 *
 *   output pixel i lies at c = (i + 1/2) s of the input, s = from / to
 *   its weights are max(0, 1 - |x + 1/2 - c| / max(s, 1)), their sum made 1
 *
 * in whole numbers of 22 bits, so that sums are exact and rounding is the same
 * everywhere. The sides are done one after the other, with 8 bits in between.
 *
 *   source  the resampling that Pillow documents; compared with it by
 *           tests/e2e/test_images.py
 */
#include <math.h>
#include <string.h>

#include "image.h"

enum { SHIFT = 22 };

/* What one output pixel takes of the input. */
struct taps {
    size_t first, count;
    int32_t *weights; /* of SHIFT bits */
};

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for the image");
}

static size_t clamp(double value, size_t most)
{
    return value <= 0.0 ? 0 : value >= (double)most ? most : (size_t)value;
}

/* Weights of output pixel `i`; `room` holds as many doubles as a pixel has. */
static void set_taps(struct taps *taps, size_t i, size_t from, double step,
                     double *room)
{
    double reach = fmax(step, 1.0), centre = ((double)i + 0.5) * step;
    size_t end = clamp(centre + reach + 0.5, from);
    double sum = 0.0;

    taps->first = clamp(centre - reach + 0.5, from);
    taps->count = end - taps->first;
    for (size_t k = 0; k < taps->count; k++) {
        double x = ((double)(taps->first + k) - centre + 0.5) / reach;

        room[k] = fmax(0.0, 1.0 - fabs(x));
        sum += room[k];
    }
    for (size_t k = 0; k < taps->count; k++) {
        double share = sum > 0.0 ? room[k] / sum : room[k];

        taps->weights[k] = (int32_t)lrint(floor(0.5 + share * (1 << SHIFT)));
    }
}

static struct taps *make_taps(size_t from, size_t to, struct arena *arena)
{
    double step = (double)from / (double)to;
    size_t most = (size_t)ceil(fmax(step, 1.0)) * 2 + 2;
    struct taps *taps = arena_zalloc(arena, to, sizeof(*taps));
    int32_t *weights = arena_zalloc(arena, to * most, sizeof(*weights));
    double *room = arena_zalloc(arena, most, sizeof(*room));

    if (!taps || !weights || !room)
        return NULL;
    for (size_t i = 0; i < to; i++) {
        taps[i].weights = weights + i * most;
        set_taps(&taps[i], i, from, step, room);
    }
    return taps;
}

/* One sum: `stride` bytes lie between the inputs. */
static uint8_t mix(const uint8_t *in, size_t stride, const struct taps *taps)
{
    int64_t sum = 1 << (SHIFT - 1);

    for (size_t k = 0; k < taps->count; k++)
        sum += (int64_t)in[k * stride] * taps->weights[k];
    sum >>= SHIFT;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static bool across(const struct image *from, size_t width, struct arena *arena,
                   struct image *to, struct error *err)
{
    const struct taps *taps = make_taps(from->width, width, arena);
    uint8_t *out = arena_alloc(arena, from->height * width * IMAGE_CHANNELS);

    if (!taps || !out)
        return no_memory(err);
    *to = (struct image){out, width, from->height};
    for (size_t y = 0; y < from->height; y++) {
        const uint8_t *row = from->pixels + y * from->width * IMAGE_CHANNELS;

        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < IMAGE_CHANNELS; c++)
                *out++ = mix(row + taps[x].first * IMAGE_CHANNELS + c,
                             IMAGE_CHANNELS, &taps[x]);
    }
    return true;
}

static bool down(const struct image *from, size_t height, struct arena *arena,
                 struct image *to, struct error *err)
{
    size_t stride = from->width * IMAGE_CHANNELS;
    const struct taps *taps = make_taps(from->height, height, arena);
    uint8_t *out = arena_alloc(arena, height * stride);

    if (!taps || !out)
        return no_memory(err);
    *to = (struct image){out, from->width, height};
    for (size_t y = 0; y < height; y++)
        for (size_t i = 0; i < stride; i++)
            *out++ = mix(from->pixels + taps[y].first * stride + i, stride,
                         &taps[y]);
    return true;
}

bool image_resize(const struct image *from, size_t width, size_t height,
                  struct arena *arena, struct image *to, struct error *err)
{
    struct image half = *from;

    if (width != from->width && !across(from, width, arena, &half, err))
        return false;
    if (height != from->height)
        return down(&half, height, arena, to, err);
    *to = half;
    return true;
}
