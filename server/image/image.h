/*
 * Image: PNG and JPEG bytes to pixels, and pixels to another size.
 *
 *   image_decode(bytes, size, &limits, arena, &image, err)
 *   image_resize(&image, width, height, arena, &smaller, err)
 *
 * The header is read and held against the limits before anything is decoded or
 * allocated: a file that claims to be huge costs nothing. What comes out is
 * always RGB with 8 bits: palettes and grey are spread out, 16 bits cut to 8,
 * transparency is left out, and the orientation that a camera notes is not
 * followed.
 *
 * Threads: any; an arena belongs to its caller.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

enum {
    IMAGE_CHANNELS = 3,
    IMAGE_SIDE_MAX = 65500,    /* as JPEG */
    IMAGE_PIXELS_MAX = 1 << 26 /* what a limit may be */
};

struct image {
    uint8_t *pixels; /* [height, width, 3], RGB */
    size_t width, height;
};

struct image_limits {
    size_t pixels_max; /* width x height */
};

/*
 * Decodes one image; its pixels lie in `arena`.
 *   ERR_VALIDATION_ERROR  neither PNG nor JPEG, broken or cut off, in colours
 *                         that are not supported, or with more pixels than the
 *                         limit
 *   ERR_OUT_OF_MEMORY
 */
bool image_decode(const uint8_t *bytes, size_t size,
                  const struct image_limits *limits, struct arena *arena,
                  struct image *image, struct error *err);

/*
 * Another size, by bilinear interpolation; when it gets smaller, over as many
 * pixels as fall on one (a triangle of that width). First across, then down,
 * each rounded to 8 bits: the numbers are those of Pillow's BILINEAR, whose
 * newer releases may go down first, which moves some by one. Both sides at least 1 and at most IMAGE_SIDE_MAX. ERR_OUT_OF_MEMORY.
 */
bool image_resize(const struct image *from, size_t width, size_t height,
                  struct arena *arena, struct image *to, struct error *err);

/* ---- between the files here ---- */

/* ERR_VALIDATION_ERROR if the size is 0 or beyond the limits. */
bool image_check_size(uint64_t width, uint64_t height,
                      const struct image_limits *limits, struct error *err);

bool image_decode_png(const uint8_t *bytes, size_t size,
                      const struct image_limits *limits, struct arena *arena,
                      struct image *image, struct error *err);
bool image_decode_jpeg(const uint8_t *bytes, size_t size,
                       const struct image_limits *limits, struct arena *arena,
                       struct image *image, struct error *err);

#endif
