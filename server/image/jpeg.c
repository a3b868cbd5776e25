/*
 * JPEG, by libjpeg-turbo; the only file that includes it.
 *
 * As with PNG, a broken file leaves the library by longjmp(). A file that is
 * cut off would be filled up with grey there; here it is refused. Progressive
 * files are decoded scan by scan, so the number of scans is limited, too.
 */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */

#include <jpeglib.h>

#include "image.h"

enum { SCANS_MAX = 64, MEMORY_SPARE = 16 << 20 };

struct reader {
    struct jpeg_error_mgr errors; /* first: the library has its address */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf jump;
    const struct image_limits *limits;
    struct arena *arena;
    struct error *err;
    struct image image;
};

static bool broken(const struct reader *in, const char *why)
{
    return fail(in->err, ERR_VALIDATION_ERROR, "the JPEG is broken: %.100s",
                why);
}

static struct reader *reader_of(j_common_ptr jpeg)
{
    return (struct reader *)(void *)jpeg->err;
}

static void on_error(j_common_ptr jpeg)
{
    struct reader *in = reader_of(jpeg);
    char text[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, text);
    (void)broken(in, text);
    longjmp(in->jump, 1);
}

/* Level -1 is a warning: the file is corrupt, the library would guess. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0)
        on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *in = reader_of(jpeg);

    if (in->jpeg.input_scan_number <= SCANS_MAX)
        return;
    (void)broken(in, "too many scans");
    longjmp(in->jump, 1);
}

static bool read_rows(struct reader *in)
{
    size_t stride = in->image.width * IMAGE_CHANNELS;

    in->image.pixels = arena_alloc(in->arena, stride * in->image.height);
    if (!in->image.pixels)
        return fail(in->err, ERR_OUT_OF_MEMORY, "no memory left for the image");
    while (in->jpeg.output_scanline < in->jpeg.output_height) {
        JSAMPROW row = in->image.pixels + in->jpeg.output_scanline * stride;

        (void)jpeg_read_scanlines(&in->jpeg, &row, 1);
    }
    (void)jpeg_finish_decompress(&in->jpeg);
    return true;
}

/* All calls that may jump. */
static bool read_all(struct reader *in, const uint8_t *bytes, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &in->jpeg;

    if (setjmp(in->jump))
        return false;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &in->progress;
    jpeg_mem_src(jpeg, bytes, (unsigned long)size);
    (void)jpeg_read_header(jpeg, TRUE);
    if (!image_check_size(jpeg->image_width, jpeg->image_height, in->limits,
                          in->err))
        return false;
    if (jpeg->num_components == 4)
        return fail(in->err, ERR_VALIDATION_ERROR,
                    "the JPEG has four colours (CMYK), which are not "
                    "supported");
    in->image.width = jpeg->image_width;
    in->image.height = jpeg->image_height;
    /* a progressive file holds all its coefficients, two bytes each */
    jpeg->mem->max_memory_to_use =
        (long)(in->image.width * in->image.height * IMAGE_CHANNELS * 2 * 2) +
        MEMORY_SPARE;
    jpeg->out_color_space = JCS_RGB;
    (void)jpeg_start_decompress(jpeg);
    return read_rows(in);
}

bool image_decode_jpeg(const uint8_t *bytes, size_t size,
                       const struct image_limits *limits, struct arena *arena,
                       struct image *image, struct error *err)
{
    struct reader in = {.limits = limits, .arena = arena, .err = err};
    bool ok;

    in.jpeg.err = jpeg_std_error(&in.errors);
    in.errors.error_exit = on_error;
    in.errors.emit_message = on_message;
    in.progress.progress_monitor = on_progress;
    ok = read_all(&in, bytes, size);
    jpeg_destroy_decompress(&in.jpeg);
    if (ok)
        *image = in.image;
    return ok;
}
