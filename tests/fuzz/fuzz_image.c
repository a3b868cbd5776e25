/*
 * Fuzz: any bytes as a PNG or JPEG, decoded within a limit of pixels and resized.
 * PNG guards its chunks with checksums that changed bytes break, so each PNG is
 * also tried with the checksums mended.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PIXELS_MAX = 1 << 18,
    MEMORY_MAX = 32 << 20,
    SIDE_MAX = 96,
    SIGNATURE = 8,
    CHUNK = 12 /* length, type and checksum */
};

static volatile uint8_t seen; /* so that every pixel is read */

static void look_at(const struct image *image)
{
    size_t bytes = image->width * image->height * IMAGE_CHANNELS;

    for (size_t i = 0; i < bytes; i++)
        seen ^= image->pixels[i];
}

static void decode(const uint8_t *data, size_t size)
{
    const struct image_limits limits = {.pixels_max = PIXELS_MAX};
    struct error err = {0};
    struct image image, other;
    struct arena arena;

    arena_init(&arena, MEMORY_MAX);
    if (image_decode(data, size, &limits, &arena, &image, &err)) {
        if (image.width == 0 || image.height == 0 ||
            image.width > PIXELS_MAX / image.height)
            abort();
        look_at(&image);
        if (image_resize(&image, 1 + data[size - 1] % SIDE_MAX,
                         1 + data[size / 2] % SIDE_MAX, &arena, &other, &err))
            look_at(&other);
        else if (err.code != ERR_OUT_OF_MEMORY)
            abort();
    } else if (err.code != ERR_VALIDATION_ERROR &&
               err.code != ERR_OUT_OF_MEMORY) {
        abort();
    }
    arena_release(&arena);
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

/* Writes the checksum of every chunk that is whole. */
static void mend(uint8_t *png, size_t size)
{
    size_t at = SIGNATURE;

    while (at + CHUNK <= size && read_u32(png + at) <= size - at - CHUNK) {
        size_t length = read_u32(png + at);
        uint32_t sum = (uint32_t)crc32(0, png + at + 4, (uInt)(length + 4));

        at += length + 8;
        for (int i = 0; i < 4; i++)
            png[at++] = (uint8_t)(sum >> (24 - 8 * i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mended;

    decode(data, size);
    if (size <= SIGNATURE || data[0] != 0x89)
        return 0;
    mended = malloc(size);
    if (!mended)
        abort();
    memcpy(mended, data, size);
    mend(mended, size);
    decode(mended, size);
    free(mended);
    return 0;
}
