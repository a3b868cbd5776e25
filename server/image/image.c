/*
 * Image: which format it is, and how large it may be.
 */
#include "image.h"

#include <string.h>

static const uint8_t png_magic[] = {0x89, 'P',  'N',  'G',
                                    '\r', '\n', 0x1a, '\n'};
static const uint8_t jpeg_magic[] = {0xff, 0xd8, 0xff};

static bool starts_with(const uint8_t *bytes, size_t size, const uint8_t *magic,
                        size_t magic_size)
{
    return size >= magic_size && memcmp(bytes, magic, magic_size) == 0;
}

bool image_check_size(uint64_t width, uint64_t height,
                      const struct image_limits *limits, struct error *err)
{
    if (width == 0 || height == 0)
        return fail(err, ERR_VALIDATION_ERROR, "the image has no pixels");
    if (width <= IMAGE_SIDE_MAX && height <= IMAGE_SIDE_MAX &&
        width * height <= limits->pixels_max)
        return true;
    return fail(err, ERR_VALIDATION_ERROR,
                "the image has %llu x %llu pixels, at most %zu are taken",
                (unsigned long long)width, (unsigned long long)height,
                limits->pixels_max);
}

bool image_decode(const uint8_t *bytes, size_t size,
                  const struct image_limits *limits, struct arena *arena,
                  struct image *image, struct error *err)
{
    if (starts_with(bytes, size, png_magic, sizeof(png_magic)))
        return image_decode_png(bytes, size, limits, arena, image, err);
    if (starts_with(bytes, size, jpeg_magic, sizeof(jpeg_magic)))
        return image_decode_jpeg(bytes, size, limits, arena, image, err);
    return fail(err, ERR_VALIDATION_ERROR,
                "the image is neither a PNG nor a JPEG");
}
