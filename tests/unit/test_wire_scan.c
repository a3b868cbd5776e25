/*
 * The scan refuses what protobuf-c would crash on, and nothing honest.
 *
 * ONNX messages serve where nesting is needed (a graph holds nodes, a node
 * attributes, an attribute a graph), our own where strings and maps are.
 */
#include <stdlib.h>

#include "onnx.pb-c.h"
#include "runtime_msg.h"
#include "unit.h"
#include "wire_put.h"
#include "wire_scan.h"

static const struct msg_def model_def = {
    .name = "onnx.ModelProto",
    .descriptor = &onnx__model_proto__descriptor,
    .size = sizeof(Onnx__ModelProto),
};

static const struct msg_def tensor_def = {
    .name = "onnx.TensorProto",
    .descriptor = &onnx__tensor_proto__descriptor,
    .size = sizeof(Onnx__TensorProto),
};

struct row {
    const char *name;
    const char *bytes;
    size_t size;
    const char *refused; /* part of the message; NULL = accepted */
};

#define BYTES(text) text, sizeof(text) - 1

/* PredictRequest: input_type 1, data 2 {key 1, value 2 {number 1, text 3}} */
static const struct row rows[] = {
    {"nothing", BYTES(""), NULL},
    {"a string", BYTES("\x0a\x04text"), NULL},
    {"UTF-8 of every length",
     BYTES("\x0a\x09\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), NULL},
    {"a map entry", BYTES("\x12\x09\x0a\x01k\x12\x04\x1a\x02hi"), NULL},
    {"an unknown varint", BYTES("\x98\x06\x01"), NULL},
    {"an unknown string that is not UTF-8", BYTES("\x9a\x06\x01\xff"), NULL},
    {"the largest varint",
     BYTES("\x98\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL},
    {"a tag that never ends", BYTES("\xff\xff\xff\xff\xff\xff"), "tag"},
    {"a tag above 32 bits", BYTES("\xff\xff\xff\xff\x7f\x01"), "tag"},
    {"half a tag", BYTES("\x8a"), "tag"},
    {"field number 0", BYTES("\x02\x01x"), "field number 0"},
    {"half a varint", BYTES("\x98\x06\x80"), "varint"},
    {"a varint of 11 bytes",
     BYTES("\x98\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "varint"},
    {"half a length", BYTES("\x0a\x80"), "length"},
    {"a length past the end", BYTES("\x0a\x05text"), "past the end"},
    {"a length of 2^32", BYTES("\x0a\x80\x80\x80\x80\x10"), "past the end"},
    {"a length past the end of its message",
     BYTES("\x12\x03\x0a\x05k\x0a\x01x"), "past the end"},
    {"half a fixed64", BYTES("\x99\x06\x01\x02\x03"), "past the end"},
    {"half a fixed32", BYTES("\x9d\x06\x01"), "past the end"},
    {"the start of a group", BYTES("\x9b\x06"), "group"},
    {"the end of a group", BYTES("\x9c\x06"), "group"},
    {"wire type 6", BYTES("\x9e\x06"), "wire type"},
    {"wire type 7", BYTES("\x9f\x06"), "wire type"},
    {"text", BYTES("hello, world"), ""},
    {"bad UTF-8", BYTES("\x0a\x01\xff"), "UTF-8"},
    {"an overlong form", BYTES("\x0a\x02\xc0\x80"), "UTF-8"},
    {"a surrogate", BYTES("\x0a\x03\xed\xa0\x80"), "UTF-8"},
    {"NUL in a string",
     BYTES("\x0a\x03"
           "a\0b"),
     "NUL"},
    {"NUL in a key", BYTES("\x12\x03\x0a\x01\0"), "NUL"},
    {"bad UTF-8 deep inside", BYTES("\x12\x05\x12\x03\x1a\x01\xff"), "UTF-8"},
};

static void test_wire_scan_refuses_what_is_no_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct error err = {0};
        bool ok = wire_scan(&runtime_predict_request_def, row->bytes, row->size,
                            &err);

        if (ok != !row->refused)
            fail_msg("%s: %s", row->name, ok ? "accepted" : err.msg);
        if (ok)
            continue;
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        if (!strstr(err.msg, row->refused))
            fail_msg("%s: '%s' does not say '%s'", row->name, err.msg,
                     row->refused);
    }
}

/* A model with `levels` messages in each other, the outermost included. */
static void nest(struct buf *out, size_t levels)
{
    static const uint8_t path[] = {1, 5, 6}; /* node, attribute, g */
    size_t *sizes = calloc(levels, sizeof *sizes);
    size_t size = 0;

    assert_non_null(sizes);
    for (size_t i = levels - 1; i > 0; i--) {
        size_t prefix = 1;

        for (size_t rest = size; rest >= 0x80; rest >>= 7)
            prefix++;
        sizes[i] = size;
        size += 1 + prefix;
    }
    for (size_t i = 1; i < levels; i++) {
        put_tag(out, i == 1 ? 7 : path[(i - 2) % 3], PUT_BYTES);
        put_varint(out, sizes[i]);
    }
    free(sizes);
}

static bool scan_nested(size_t levels, struct error *err)
{
    struct buf bytes = {0};
    bool ok;

    nest(&bytes, levels);
    assert_true(buf_ok(&bytes));
    ok = wire_scan(&model_def, bytes.data, bytes.size, err);
    buf_release(&bytes);
    return ok;
}

static void test_wire_scan_stops_at_64_levels(void **state)
{
    static const size_t refused[] = {65, 66, 1000, 100000};
    struct error err;

    (void)state;
    assert_true(scan_nested(2, &err));
    assert_true(scan_nested(64, &err));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_false(scan_nested(refused[i], &err));
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        assert_non_null(strstr(err.msg, "nested"));
    }
}

/* Sibling messages do not add up to depth. */
static void test_wire_scan_counts_open_messages_only(void **state)
{
    struct buf bytes = {0};
    struct error err;

    (void)state;
    for (int i = 0; i < 1000; i++)
        put_bytes(&bytes, 2, "\x0a\x01k", 3);
    assert_true(
        wire_scan(&runtime_predict_request_def, bytes.data, bytes.size, &err));
    buf_release(&bytes);
}

static void test_wire_scan_refuses_millions_of_empty_messages(void **state)
{
    struct buf bytes = {0};
    struct error err;

    (void)state;
    for (int i = 0; i < 5000000; i++)
        put_bytes(&bytes, 2, "", 0);
    assert_int_equal(bytes.size, 10000000);
    assert_false(
        wire_scan(&runtime_predict_request_def, bytes.data, bytes.size, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    buf_release(&bytes);
}

/* 700,000 map entries fit the field budget, but not the memory. */
static void test_wire_scan_refuses_by_memory_before_it_is_used(void **state)
{
    struct buf bytes = {0};
    struct error err;

    (void)state;
    for (int i = 0; i < 700000; i++)
        put_bytes(&bytes, 2, "", 0);
    assert_false(
        wire_scan(&runtime_predict_request_def, bytes.data, bytes.size, &err));
    assert_non_null(strstr(err.msg, "memory"));
    buf_release(&bytes);
}

/* UsageInstructions.body_format is single; protobuf merges repetitions. */
static bool scan_repeated(size_t times)
{
    struct buf bytes = {0};
    struct error err;
    bool ok;

    for (size_t i = 0; i < times; i++)
        put_bytes(&bytes, 3, "\x12\x03\x0a\x01k", 5);
    ok = wire_scan(&runtime_usage_instructions_def, bytes.data, bytes.size,
                   &err);
    buf_release(&bytes);
    return ok;
}

static void test_wire_scan_refuses_endless_merging(void **state)
{
    (void)state;
    assert_true(scan_repeated(1));
    assert_true(scan_repeated(8));
    assert_false(scan_repeated(10000));
}

static bool scan_packed(size_t count, char byte)
{
    struct buf numbers = {0}, bytes = {0};
    struct error err;
    bool ok;

    assert_true(buf_reserve(&numbers, count));
    memset(numbers.data, byte, count);
    numbers.size = count;
    put_buf(&bytes, 7, &numbers); /* int64_data */
    ok = wire_scan(&tensor_def, bytes.data, bytes.size, &err);
    buf_release(&bytes);
    return ok;
}

/* One byte becomes eight: 4 x 20 MB + 64 MiB is less than 160 MB. */
static void test_wire_scan_counts_the_elements_of_packed_lists(void **state)
{
    (void)state;
    assert_true(scan_packed(10 << 20, 1));
    assert_false(scan_packed(20 << 20, 1));
}

static void test_wire_scan_takes_a_large_list_of_floats(void **state)
{
    enum { COUNT = 16 << 20 };
    struct buf floats = {0}, bytes = {0};
    struct error err;

    (void)state;
    assert_true(buf_reserve(&floats, COUNT * sizeof(float)));
    memset(floats.data, 0, COUNT * sizeof(float));
    floats.size = COUNT * sizeof(float);
    put_buf(&bytes, 1, &floats);
    assert_true(
        wire_scan(&runtime_float_list_def, bytes.data, bytes.size, &err));
    buf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_scan_refuses_what_is_no_message),
        cmocka_unit_test(test_wire_scan_stops_at_64_levels),
        cmocka_unit_test(test_wire_scan_counts_open_messages_only),
        cmocka_unit_test(test_wire_scan_refuses_millions_of_empty_messages),
        cmocka_unit_test(test_wire_scan_refuses_by_memory_before_it_is_used),
        cmocka_unit_test(test_wire_scan_refuses_endless_merging),
        cmocka_unit_test(test_wire_scan_counts_the_elements_of_packed_lists),
        cmocka_unit_test(test_wire_scan_takes_a_large_list_of_floats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
