/*
 * Images that are broken: whatever the bytes, there is an image or a refusal,
 * and nothing is read or written outside. Pixels are compared by
 * e2e/test_images.py.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define FOLDER "tests/data/images/"

static const struct image_limits limits = {.pixels_max = 4096};

struct file {
    uint8_t bytes[8192];
    size_t size;
};

static void read_file(const char *name, struct file *file)
{
    char path[128];
    FILE *in;

    (void)snprintf(path, sizeof(path), FOLDER "%s", name);
    in = fopen(path, "rb");
    assert_non_null(in);
    file->size = fread(file->bytes, 1, sizeof(file->bytes), in);
    (void)fclose(in);
    assert_true(file->size > 0 && file->size < sizeof(file->bytes));
}

/* Decodes a copy that ends where the allocation ends. */
static bool decode(const uint8_t *bytes, size_t size, struct arena *arena,
                   struct image *image, struct error *err)
{
    uint8_t *copy = malloc(size + !size);
    bool ok;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    error_clear(err);
    arena_reset(arena);
    ok = image_decode(copy, size, &limits, arena, image, err);
    free(copy);
    if (!ok && err->code != ERR_VALIDATION_ERROR)
        fail_msg("%s: %s\n", err_info(err->code)->name, err->msg);
    return ok;
}

static const char *const names[] = {"wide.png", "palette.png",     "alpha.png",
                                    "wide.jpg", "progressive.jpg", "grey.jpg"};

static void test_image_refuses_every_part_of_a_file(void **state)
{
    struct file file;
    struct image image;
    struct arena arena;
    struct error err = {0};

    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        read_file(names[i], &file);
        for (size_t size = 0; size + 16 < file.size; size++)
            if (decode(file.bytes, size, &arena, &image, &err))
                fail_msg("%s: taken with %zu bytes\n", names[i], size);
        assert_true(decode(file.bytes, file.size, &arena, &image, &err));
        assert_int_equal(image.width * image.height, 37 * 23);
    }
    arena_release(&arena);
}

static void test_image_survives_any_wrong_byte(void **state)
{
    uint64_t random = 7;
    struct file file;
    struct image image;
    struct arena arena;
    struct error err = {0};

    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        read_file(names[i], &file);
        for (size_t at = 0; at < file.size; at++) {
            uint8_t was = file.bytes[at];

            file.bytes[at] ^= (uint8_t)(1 + unit_random(&random) % 255);
            if (decode(file.bytes, file.size, &arena, &image, &err))
                assert_true(image.width * image.height <= limits.pixels_max);
            file.bytes[at] = was;
        }
    }
    arena_release(&arena);
}

/* The claim alone is looked at: no memory is taken for it. */
static void test_image_believes_no_claim_of_size(void **state)
{
    struct file file;
    struct image image;
    struct arena arena;
    struct error err = {0};

    (void)state;
    arena_init(&arena, 0);
    read_file("huge.png", &file);
    assert_false(decode(file.bytes, file.size, &arena, &image, &err));
    assert_int_equal(arena.total_bytes, 0);
    arena_release(&arena);
}

/* A single pixel becomes a surface; a surface of one colour stays one. */
static void test_image_keeps_a_colour_at_any_size(void **state)
{
    uint8_t pixel[] = {10, 200, 255};
    struct image from = {.pixels = pixel, .width = 1, .height = 1};
    struct image large, small;
    struct arena arena;
    struct error err = {0};

    (void)state;
    arena_init(&arena, 0);
    assert_true(image_resize(&from, 50, 3, &arena, &large, &err));
    assert_true(image_resize(&large, 7, 90, &arena, &small, &err));
    for (size_t i = 0; i < small.width * small.height; i++)
        assert_memory_equal(small.pixels + IMAGE_CHANNELS * i, pixel,
                            IMAGE_CHANNELS);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_refuses_every_part_of_a_file),
        cmocka_unit_test(test_image_survives_any_wrong_byte),
        cmocka_unit_test(test_image_believes_no_claim_of_size),
        cmocka_unit_test(test_image_keeps_a_colour_at_any_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
