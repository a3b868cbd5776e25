/*
 * JSON codec: random messages come back as they were, and damaged texts are
 * refused without harm.
 */
#include "codec_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec_messages.h"
#include "unit.h"
#include "utf8.h"

struct maker {
    uint64_t seed;
    struct arena *arena;
};

static uint64_t pick(struct maker *maker, uint64_t below)
{
    return unit_random(&maker->seed) % below;
}

static void *make_array(struct maker *maker, size_t count, size_t size)
{
    void *array = arena_zalloc(maker->arena, count, size);

    assert_non_null(array);
    return array;
}

static double random_double(struct maker *maker)
{
    double value;

    do {
        uint64_t bits = unit_random(&maker->seed);

        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static float random_float(struct maker *maker)
{
    float value;

    do {
        uint32_t bits = (uint32_t)(unit_random(&maker->seed) >> 32);

        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

/* Any code points but NUL and surrogates, often from the low end. */
static char *random_text(struct maker *maker)
{
    size_t points = pick(maker, 12);
    char *text = make_array(maker, points * 4 + 1, 1), *out = text;

    for (size_t i = 0; i < points; i++) {
        uint32_t limit = pick(maker, 2) ? 0x80 : 0x110000;
        uint32_t point = 1 + (uint32_t)pick(maker, limit - 1);

        if (point >= 0xd800 && point <= 0xdfff)
            point = 0xe000;
        out += utf8_put(point, out);
    }
    return text;
}

static struct any *random_any(struct maker *maker)
{
    struct any *any = make_array(maker, 1, sizeof *any);

    any->kind = (int)pick(maker, 5) + 1;
    switch (any->kind) {
    case ANY_NUMBER:
        any->number = random_double(maker);
        break;
    case ANY_FLAG:
        any->flag = (int)pick(maker, 2);
        break;
    case ANY_TEXT:
        any->text = random_text(maker);
        break;
    case ANY_FLOATS:
        any->floats = make_array(maker, 1, sizeof *any->floats);
        any->floats->n_items = pick(maker, 20);
        any->floats->items = make_array(maker, 20, sizeof(float));
        for (size_t i = 0; i < any->floats->n_items; i++)
            any->floats->items[i] = random_float(maker);
        break;
    default:
        any->kind = ANY_STRINGS;
        any->strings = make_array(maker, 1, sizeof *any->strings);
        any->strings->n_items = 1 + pick(maker, 3);
        any->strings->items = make_array(maker, 4, sizeof(char *));
        for (size_t i = 0; i < any->strings->n_items; i++)
            any->strings->items[i] = random_text(maker);
        break;
    }
    return any;
}

static struct inner *random_inner(struct maker *maker, int depth)
{
    struct inner *inner = make_array(maker, 1, sizeof *inner);

    inner->label = random_text(maker);
    inner->has_size = (int)pick(maker, 2);
    inner->size = inner->has_size ? (int32_t)unit_random(&maker->seed) : 0;
    if (depth > 0 && pick(maker, 2))
        inner->inner = random_inner(maker, depth - 1);
    return inner;
}

static void random_scalars(struct maker *maker, struct sample *sample)
{
    sample->has_yes = sample->has_i32 = sample->has_f32 = 1;
    sample->yes = (int)pick(maker, 2);
    sample->i32 = (int32_t)unit_random(&maker->seed);
    sample->f32 = random_float(maker);
    sample->has_f64 = sample->has_u64 = sample->has_i64 = (int)pick(maker, 2);
    if (sample->has_f64) {
        sample->f64 = random_double(maker);
        sample->u64 = unit_random(&maker->seed) >> pick(maker, 64);
        sample->i64 = (int64_t)unit_random(&maker->seed);
    }
    sample->text = random_text(maker);
    sample->has_bytes = 1;
    sample->bytes.len = pick(maker, 20);
    sample->bytes.data = make_array(maker, 20, 1);
    for (size_t i = 0; i < sample->bytes.len; i++)
        sample->bytes.data[i] = (uint8_t)pick(maker, 256);
    sample->when = make_array(maker, 1, sizeof *sample->when);
    sample->when->seconds = (int64_t)pick(maker, 315537897600U) - 62135596800;
    sample->when->nanos = (int32_t)pick(maker, 1000000000);
    sample->has_color = 1;
    sample->color = 1 + (int)pick(maker, 2);
    sample->choice = pick(maker, 2) ? 15 : 0;
    sample->left = (int64_t)unit_random(&maker->seed);
}

static void random_lists(struct maker *maker, struct sample *sample)
{
    sample->n_numbers = pick(maker, 10);
    sample->numbers = make_array(maker, 10, sizeof *sample->numbers);
    for (size_t i = 0; i < sample->n_numbers; i++)
        sample->numbers[i] = (int64_t)unit_random(&maker->seed);
    sample->n_doubles = pick(maker, 10);
    sample->doubles = make_array(maker, 10, sizeof *sample->doubles);
    for (size_t i = 0; i < sample->n_doubles; i++)
        sample->doubles[i] = random_double(maker);
    sample->n_inners = pick(maker, 4);
    sample->inners = make_array(maker, 4, sizeof(void *));
    for (size_t i = 0; i < sample->n_inners; i++)
        sample->inners[i] = random_inner(maker, 4);
    sample->n_values = pick(maker, 6);
    sample->values = make_array(maker, 6, sizeof(void *));
    for (size_t i = 0; i < sample->n_values; i++) {
        sample->values[i] = make_array(maker, 1, sizeof(struct any_entry));
        sample->values[i]->key =
            arena_printf(maker->arena, "%zu%s", 9 - i, random_text(maker));
        sample->values[i]->value = random_any(maker);
    }
}

static void check_round_trip(const struct sample *sample, struct arena *arena)
{
    struct buf first = {0}, second = {0};
    struct error err;
    void *back = NULL;
    const struct sample *read;

    if (!json_encode(&sample_def, sample, &first, &err))
        fail_msg("encode: %s", err.msg);
    if (!json_decode(&sample_def, first.data, first.size, arena, &back, &err))
        fail_msg("%s: %s", err.msg, first.data);
    assert_true(json_encode(&sample_def, back, &second, &err));
    assert_string_equal(first.data, second.data);
    read = back;
    assert_true(read->f32 == sample->f32 && read->f64 == sample->f64);
    assert_true(read->u64 == sample->u64 && read->i32 == sample->i32);
    assert_string_equal(read->text, sample->text);
    assert_int_equal(read->bytes.len, sample->bytes.len);
    assert_memory_equal(read->bytes.data, sample->bytes.data,
                        sample->bytes.len);
    assert_int_equal(read->when->seconds, sample->when->seconds);
    assert_int_equal(read->when->nanos, sample->when->nanos);
    assert_int_equal(read->n_doubles, sample->n_doubles);
    assert_memory_equal(read->doubles, sample->doubles,
                        sample->n_doubles * sizeof(double));
    buf_release(&first);
    buf_release(&second);
}

static void test_random_messages_come_back(void **state)
{
    struct arena arena;
    struct maker maker = {.seed = 11, .arena = &arena};

    (void)state;
    arena_init(&arena, 0);
    for (int i = 0; i < 3000; i++) {
        struct sample sample = {.has_u32 = 1, .u32 = (uint32_t)i};

        random_scalars(&maker, &sample);
        random_lists(&maker, &sample);
        check_round_trip(&sample, &arena);
        arena_reset(&arena);
    }
    arena_release(&arena);
}

/* Bytes changed at random: refused or taken, but never a crash, and what is
 * taken can be written and read again. */
static void test_damaged_texts_never_crash(void **state)
{
    static const char text[] =
        "{\"i32\":-5,\"f64\":1.5e3,\"text\":\"a\\u00e9b\",\"bytes\":\"QUJD\","
        "\"free\":{\"a\":[1,{}]},\"when\":\"2026-01-05T12:00:00Z\","
        "\"color\":\"red\",\"inner\":{\"label\":\"A\"},\"floats\":[1,2.5],"
        "\"values\":{\"x\":[1,\"a\"],\"y\":null},\"counts\":{\"a\":1}}";
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char damaged[sizeof text];
        struct buf out = {0};
        struct arena arena;
        struct error err;
        void *message = NULL;

        arena_init(&arena, 1 << 20);
        memcpy(damaged, text, sizeof text);
        for (int n = (int)(unit_random(&seed) % 4); n >= 0; n--)
            damaged[unit_random(&seed) % (sizeof text - 1)] =
                text[unit_random(&seed) % (sizeof text - 1)];
        if (json_decode(&sample_def, damaged, sizeof text - 1, &arena, &message,
                        &err) &&
            json_encode(&sample_def, message, &out, &err))
            assert_true(json_decode(&sample_def, out.data, out.size, &arena,
                                    &message, &err));
        buf_release(&out);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_messages_come_back),
        cmocka_unit_test(test_damaged_texts_never_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
