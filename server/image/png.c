/*
 * PNG, by libpng; the only file that includes it.
 *
 * libpng leaves its functions by longjmp() when a file is broken. So everything
 * that happens between setjmp() and there is in one struct, which the caller
 * owns and releases.
 */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "image.h"

/* Of one chunk that is not pixels; profiles and texts are skipped anyway. */
enum { CHUNK_SIZE_MAX = 1 << 20 };

struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t size, at;
    const struct image_limits *limits;
    struct arena *arena;
    struct error *err;
    struct image image;
    png_bytep *rows;
};

static void take(png_structp png, png_bytep out, size_t size)
{
    struct reader *in = png_get_io_ptr(png);

    if (size > in->size - in->at)
        png_error(png, "it is cut off");
    memcpy(out, in->bytes + in->at, size);
    in->at += size;
}

static void on_error(png_structp png, png_const_charp message)
{
    const struct reader *in = png_get_error_ptr(png);

    if (in->err->code == ERR_NONE)
        (void)fail(in->err, ERR_VALIDATION_ERROR, "the PNG is broken: %.100s",
                   message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* Whatever the file has becomes RGB with 8 bits. */
static void set_form(png_structp png)
{
    png_set_strip_16(png);
    png_set_expand(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    (void)png_set_interlace_handling(png);
}

static bool make_rows(struct reader *in)
{
    size_t stride = in->image.width * IMAGE_CHANNELS;

    if (png_get_rowbytes(in->png, in->info) != stride)
        return fail(in->err, ERR_VALIDATION_ERROR,
                    "the PNG has colours that are not supported");
    in->image.pixels = arena_alloc(in->arena, stride * in->image.height);
    in->rows = arena_zalloc(in->arena, in->image.height, sizeof(*in->rows));
    if (!in->image.pixels || !in->rows)
        return fail(in->err, ERR_OUT_OF_MEMORY, "no memory left for the image");
    for (size_t y = 0; y < in->image.height; y++)
        in->rows[y] = in->image.pixels + y * stride;
    return true;
}

/* All calls that may jump. */
static bool read_all(struct reader *in)
{
    if (setjmp(png_jmpbuf(in->png)))
        return false;
    png_set_read_fn(in->png, in, take);
    png_set_user_limits(in->png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    png_set_chunk_malloc_max(in->png, CHUNK_SIZE_MAX);
    png_set_keep_unknown_chunks(in->png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_read_info(in->png, in->info);
    in->image.width = png_get_image_width(in->png, in->info);
    in->image.height = png_get_image_height(in->png, in->info);
    if (!image_check_size(in->image.width, in->image.height, in->limits,
                          in->err))
        return false;
    set_form(in->png);
    png_read_update_info(in->png, in->info);
    if (!make_rows(in))
        return false;
    png_read_image(in->png, in->rows);
    png_read_end(in->png, NULL);
    return true;
}

bool image_decode_png(const uint8_t *bytes, size_t size,
                      const struct image_limits *limits, struct arena *arena,
                      struct image *image, struct error *err)
{
    struct reader in = {.bytes = bytes,
                        .size = size,
                        .limits = limits,
                        .arena = arena,
                        .err = err};
    bool ok;

    in.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &in, on_error,
                                    on_warning);
    if (in.png)
        in.info = png_create_info_struct(in.png);
    ok = in.info ? read_all(&in)
                 : fail(err, ERR_OUT_OF_MEMORY, "no memory left for the image");
    png_destroy_read_struct(&in.png, &in.info, NULL);
    if (ok)
        *image = in.image;
    return ok;
}
