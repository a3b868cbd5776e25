/*
 * Bench: the JSON codec, per number and per message, beside jansson doing the
 * same work (tree in, walk; tree, dump out).
 *
 *   bench_json [seconds per row]
 *
 * Prints nanoseconds, the smallest of all rounds: the machine's noise only ever
 * adds. jansson prints doubles; what it writes for a float is longer.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "codec_json.h"
#include "num.h"
#include "runtime_msg.h"
#include "validate.h"

enum { FLOATS = 10000 };

/* What the rows work on. */
struct input {
    struct buf text; /* a PredictRequest */
    size_t floats;   /* in data.x */
    struct arena arena;
    void *message; /* decoded from text */
    json_t *tree;  /* the same */
    struct buf out;
};

static void check(bool ok)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_json: a step failed\n");
    exit(1);
}

static void fill(struct input *in, size_t floats)
{
    uint64_t seed = 1;

    in->floats = floats;
    buf_string(&in->text, "{\"input_type\":\"tabular\",\"data\":{\"x\":[");
    for (size_t i = 0; i < floats; i++) {
        char number[NUM_TEXT_MAX];

        seed = seed * 6364136223846793005U + 1442695040888963407U;
        if (i > 0)
            buf_char(&in->text, ',');
        buf_append(&in->text, number,
                   num_print_float((float)((double)(seed >> 11) * 0x1p-52 - 1),
                                   number));
    }
    buf_string(&in->text, "],\"top_k\":5,\"unit\":\"mol\"}}");
    check(buf_ok(&in->text));
}

static void decode_own(struct input *in)
{
    struct error err;

    arena_reset(&in->arena);
    check(json_decode(&runtime_predict_request_def, in->text.data,
                      in->text.size, &in->arena, &in->message, &err));
}

static void validate_own(struct input *in)
{
    struct error err;

    check(validate_message(&runtime_predict_request_def, in->message,
                           &in->arena, &err));
}

static void encode_own(struct input *in)
{
    struct error err;

    buf_clear(&in->out);
    check(
        json_encode(&runtime_predict_request_def, in->message, &in->out, &err));
}

static void decode_jansson(struct input *in)
{
    json_t *list;
    float *floats;

    json_decref(in->tree);
    in->tree =
        json_loadb(in->text.data, in->text.size, JSON_REJECT_DUPLICATES, NULL);
    check(in->tree != NULL);
    arena_reset(&in->arena);
    list = json_object_get(json_object_get(in->tree, "data"), "x");
    floats = arena_alloc(&in->arena, json_array_size(list) * sizeof *floats);
    check(floats != NULL);
    for (size_t i = 0; i < json_array_size(list); i++)
        floats[i] = (float)json_number_value(json_array_get(list, i));
}

static void encode_jansson(struct input *in)
{
    char *text;
    json_t *list = json_array();
    json_t *tree = json_deep_copy(in->tree);

    for (size_t i = 0; i < in->floats; i++)
        check(json_array_append_new(
                  list, json_real(0.123456789 * (double)(i + 1))) == 0);
    check(json_object_set_new(json_object_get(tree, "data"), "x", list) == 0);
    text = json_dumps(tree, JSON_COMPACT | JSON_REAL_PRECISION(9));
    check(text != NULL);
    free(text);
    json_decref(tree);
}

/* The fastest of all runs, in nanoseconds. */
static double best_of(void (*step)(struct input *in), struct input *in,
                      double seconds)
{
    uint64_t end = clock_now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t best = UINT64_MAX;

    while (clock_now_ns() < end) {
        uint64_t before = clock_now_ns();

        for (int i = 0; i < 16; i++)
            step(in);
        before = clock_now_ns() - before;
        if (before < best)
            best = before;
    }
    return (double)best / 16;
}

static void print_row(const char *name, double ns, size_t floats)
{
    (void)printf("  %-16s %12.0f ns", name, ns);
    if (floats >= 100)
        (void)printf("  %7.1f ns per float", ns / (double)floats);
    (void)printf("\n");
}

static void measure(size_t floats, double seconds)
{
    struct input in = {0};

    fill(&in, floats);
    (void)printf("predict, %zu floats, %zu bytes\n", floats, in.text.size);
    print_row("decode", best_of(decode_own, &in, seconds), floats);
    print_row("validate", best_of(validate_own, &in, seconds), floats);
    print_row("encode", best_of(encode_own, &in, seconds), floats);
    print_row("jansson decode", best_of(decode_jansson, &in, seconds), floats);
    print_row("jansson encode", best_of(encode_jansson, &in, seconds), floats);
    json_decref(in.tree);
    buf_release(&in.text);
    buf_release(&in.out);
    arena_release(&in.arena);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;

    measure(4, seconds);
    measure(FLOATS, seconds);
    return 0;
}
