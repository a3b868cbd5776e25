/*
 * Depthwise convolution of 8-bit integers: every build that this CPU can run
 * against plain C. Results must be equal, not close.
 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/depth_i8.h"

enum { PIXELS = 11, CHANNELS_MAX = 199, TAPS_MAX = 26 };

static uint32_t seed = 1;

/* 0 to 255, the ends often. */
static uint8_t any_byte(void)
{
    uint32_t x;

    seed = seed * 1664525 + 1013904223;
    x = seed >> 16;
    if (x % 8 < 3)
        return (uint8_t[]){0, 128, 255}[x % 8];
    return (uint8_t)(x >> 4);
}

struct shape {
    int64_t positions, taps, channels, zero_step;
    int32_t y_low;
    uint8_t flip;
    bool is_signed, is_wide; /* weights */
};

static const struct shape shapes[] = {
    {1, 1, 1, 0, 0, 0, true, false},
    {PIXELS, 9, 64, 0, 0, 0, true, false},
    {PIXELS, 9, 96, 1, INT8_MIN, 0x80, true, false},
    {PIXELS, 9, 144, 1, INT8_MIN, 0, false, false},
    {PIXELS, 9, 65, 0, 0, 0x80, false, true},
    {PIXELS, 9, CHANNELS_MAX, 1, 0, 0, true, true},
    {7, 25, 63, 1, 0, 0x80, true, false},
    {7, 4, 128, 0, INT8_MIN, 0, true, false},
    {3, 26, 33, 1, INT8_MIN, 0x80, false, true},
};

static struct {
    uint8_t x[PIXELS * TAPS_MAX][CHANNELS_MAX];
    const uint8_t *taps[PIXELS * (TAPS_MAX + DEPTH_I8_GROUP)];
    uint8_t w[CHANNELS_MAX * TAPS_MAX], zeros[CHANNELS_MAX];
    int32_t shift[CHANNELS_MAX];
    float scale[CHANNELS_MAX], bias[CHANNELS_MAX];
    uint8_t y[PIXELS * CHANNELS_MAX + 1];
} in;

static int number(const struct shape *s, uint8_t byte)
{
    return s->is_signed ? (int8_t)byte : byte;
}

/* Narrow: less its zero point, a weight stays an int8. */
static void make_operands(const struct shape *s)
{
    uint8_t middle = s->is_signed ? 0 : 128;
    int64_t step =
        (s->taps + DEPTH_I8_GROUP - 1) / DEPTH_I8_GROUP * DEPTH_I8_GROUP;

    for (size_t i = 0; i < sizeof in.x; i++)
        in.x[i / CHANNELS_MAX][i % CHANNELS_MAX] = any_byte();
    for (int64_t i = 0; i < s->positions * step; i++)
        in.taps[i] = in.x[i * 7 % (int64_t)(sizeof in.x / sizeof in.x[0])];
    for (int64_t c = 0; c < s->channels; c++) {
        in.zeros[c] = s->is_wide ? any_byte() : middle;
        in.shift[c] = any_byte() * 77 - 9000;
        in.scale[c] = 0.0001F + (float)any_byte() / 50000;
        in.bias[c] = ((float)any_byte() - 127.5F) * 0.3F;
    }
    for (int64_t i = 0; i < s->channels * s->taps; i++)
        in.w[i] = any_byte();
}

static int plain(const struct shape *s, const struct depth_i8 *d, int64_t p,
                 int64_t c)
{
    int64_t step =
        (s->taps + DEPTH_I8_GROUP - 1) / DEPTH_I8_GROUP * DEPTH_I8_GROUP;
    int zero = number(s, in.zeros[c * s->zero_step]), sum = in.shift[c];
    float low = (float)d->y_low, y;

    for (int64_t t = 0; t < s->taps; t++)
        sum += (in.taps[p * step + t][c] ^ d->flip) *
               (number(s, in.w[c * s->taps + t]) - zero);
    /* One rounding: kernels may fuse the product and the sum. */
    y = rintf(fmaf((float)sum, in.scale[c], in.bias[c])) + (float)d->y_zero;
    return (int)fminf(fmaxf(y, low), low + 255);
}

static void check(const struct kernels *k, const struct shape *s)
{
    const struct depth_i8_source source = {.w = in.w,
                                           .zeros = in.zeros,
                                           .zero_step = s->zero_step,
                                           .taps = s->taps,
                                           .channels = s->channels,
                                           .is_signed = s->is_signed};
    size_t size = (k->depth_i8_packed_size(s->taps, s->channels) + 63) & ~63UL;
    struct depth_i8_head *head = aligned_alloc(64, size);
    struct depth_i8 d = {.weights = head,
                         .x = in.taps,
                         .positions = s->positions,
                         .flip = s->flip,
                         .shift = in.shift,
                         .scale = in.scale,
                         .bias = in.bias,
                         .y = in.y,
                         .y_zero = s->y_low + 90,
                         .y_low = s->y_low};
    int64_t count = s->positions * s->channels;

    assert_non_null(head);
    make_operands(s);
    k->depth_i8_pack(&source, head);
    assert_int_equal(head->narrow, !s->is_wide);
    in.y[count] = 77;
    k->depth_i8(&d);
    for (int64_t i = 0; i < count; i++) {
        int want = plain(s, &d, i / s->channels, i % s->channels);
        int got = s->y_low ? (int8_t)in.y[i] : in.y[i];

        assert_int_equal(got, want);
    }
    assert_int_equal(in.y[count], 77);
    free(head);
}

static void test_every_build_gives_the_same(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t table = 0; (k = kernels_each(table)); table++) {
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            check(k, &shapes[i]);
    }
}

static void test_sums_of_weights_are_less_their_zero_points(void **state)
{
    static const int8_t w[] = {1, 2, 3, -128, 127, 5}, zeros[] = {1, -1};
    const struct depth_i8_source source = {.w = w,
                                           .zeros = zeros,
                                           .zero_step = 1,
                                           .taps = 3,
                                           .channels = 2,
                                           .is_signed = true};
    const struct kernels *k;

    (void)state;
    for (size_t table = 0; (k = kernels_each(table)); table++) {
        size_t size = (k->depth_i8_packed_size(3, 2) + 63) & ~63UL;
        struct depth_i8_head *head = aligned_alloc(64, size);

        assert_non_null(head);
        k->depth_i8_pack(&source, head);
        assert_int_equal(head->sums[0], 3);
        assert_int_equal(head->sums[1], 7);
        assert_false(head->narrow); /* 127 + 1 */
        free(head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_build_gives_the_same),
        cmocka_unit_test(test_sums_of_weights_are_less_their_zero_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
