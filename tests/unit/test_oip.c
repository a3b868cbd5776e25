/*
 * Open Inference Protocol: tensor data in JSON, to the last value of each
 * datatype; encodings; where a body's JSON ends. What needs a model is in
 * tests/e2e/test_open_inference.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "unit.h"

/* Reads `text` as [count] elements and writes them again into `out`; what went
 * wrong instead. */
static void there_and_back(enum eng_dtype dtype, int64_t count,
                           const char *text, struct buf *out)
{
    const int64_t dims[] = {count};
    struct oip_data data = {.name = "x",
                            .dtype = dtype,
                            .dims = dims,
                            .rank = 1,
                            .count = count,
                            .text = text,
                            .size = strlen(text)};
    struct error err = {0};
    struct oip_bytes raw;
    struct arena arena;

    arena_init(&arena, 0);
    buf_clear(out);
    if (!oip_data_read(&data, &arena, &raw, &err) ||
        !oip_data_write("y", dtype, &raw, out, &err)) {
        buf_clear(out);
        buf_string(out, err.msg);
    }
    arena_release(&arena);
}

static void test_oip_data_is_exact_to_the_ends_of_each_datatype(void **state)
{
    static const struct {
        enum eng_dtype dtype;
        int64_t count;
        const char *text, *back;
    } cases[] = {
        {ENG_BOOL, 2, "[true,false]", "[true,false]"},
        {ENG_I8, 2, "[-128,127]", "[-128,127]"},
        {ENG_I16, 2, "[-32768, 3.2767e4]", "[-32768,32767]"},
        {ENG_I32, 2, "[-2147483648,2147483647]", "[-2147483648,2147483647]"},
        {ENG_I64, 2, "[-9223372036854775808,9223372036854775807]",
         "[-9223372036854775808,9223372036854775807]"},
        {ENG_U8, 2, "[0,255]", "[0,255]"},
        {ENG_U16, 1, "[65535]", "[65535]"},
        {ENG_U32, 1, "[4294967295]", "[4294967295]"},
        {ENG_U64, 2, "[18446744073709551615,-0]", "[18446744073709551615,0]"},
        {ENG_F32, 2, "[0.1,-3.4028235e38]", "[0.1,-3.4028235e38]"},
        {ENG_F64, 2, "[0.1,1e-320]", "[0.1,1e-320]"},
        {ENG_F16, 2, "[65504,0.5]", "[65504.0,0.5]"},
        {ENG_BF16, 2, "[1.5,-2]", "[1.5,-2.0]"},
        {ENG_STRING, 2, "[\"\",\"a\\u00fc\"]", "[\"\",\"aü\"]"},
        {ENG_F32, 0, "[]", "[]"},
        {ENG_I8, 1, "[128]", "input 'x' has a number outside its datatype"},
        {ENG_U8, 1, "[-1]", "input 'x' has a number outside its datatype"},
        {ENG_I64, 1, "[9223372036854775808]",
         "input 'x' has a number outside its datatype"},
        {ENG_U64, 1, "[18446744073709551616]",
         "input 'x' has a number that is no integer of 64 bits"},
        {ENG_F16, 1, "[65520]", "input 'x' has a number that is too large"},
        {ENG_F32, 1, "[1,2]",
         "input 'x' has more elements than its shape says"},
        {ENG_F32, 2, "[1]", "input 'x' has 1 elements, its shape says 2"},
        {ENG_F32, 1, "[[1]]", "input 'x' has an element that is no number"},
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        there_and_back(cases[i].dtype, cases[i].count, cases[i].text, &out);
        assert_string_equal(out.data, cases[i].back);
    }
    buf_release(&out);
}

static void test_oip_data_does_not_write_what_is_no_number(void **state)
{
    static const float values[] = {1, INFINITY};
    const struct oip_bytes raw = {(const uint8_t *)values, sizeof values};
    struct buf out = {0};
    struct error err = {0};

    (void)state;
    assert_false(oip_data_write("y", ENG_F32, &raw, &out, &err));
    assert_int_equal(err.code, ERR_OUTPUT_INVALID);
    assert_non_null(strstr(err.msg, "'y'"));
    buf_release(&out);
}

static void test_oip_accepts_the_encoding_that_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(oip_encoding_accepted(NULL), OIP_IDENTITY);
    assert_int_equal(oip_encoding_accepted("br, gzip;q=0.5"), OIP_GZIP);
    assert_int_equal(oip_encoding_accepted("deflate"), OIP_DEFLATE);
    assert_int_equal(oip_encoding_accepted("gzip;q=0, deflate;q=1"),
                     OIP_DEFLATE);
    assert_int_equal(oip_encoding_accepted("gzip;q=0.0"), OIP_IDENTITY);
    assert_int_equal(oip_encoding_accepted("gzippy"), OIP_IDENTITY);
}

static void test_oip_unpacks_no_more_than_it_may(void **state)
{
    enum { SIZE = 100000 };
    struct buf packed = {0};
    struct oip_bytes in, out;
    struct arena arena;
    struct error err = {0};

    (void)state;
    arena_init(&arena, 0);
    for (int i = 0; i < SIZE; i++)
        buf_char(&packed, 'a');
    assert_true(oip_pack(OIP_DEFLATE, &packed, &err));
    assert_true(packed.size < SIZE / 100);
    in = (struct oip_bytes){(const uint8_t *)packed.data, packed.size};
    assert_true(oip_unpack(OIP_DEFLATE, &in, SIZE, &arena, &out, &err));
    assert_int_equal(out.size, SIZE);
    assert_false(oip_unpack(OIP_DEFLATE, &in, SIZE - 1, &arena, &out, &err));
    assert_int_equal(err.code, ERR_PAYLOAD_TOO_LARGE);
    in.size--;
    assert_false(oip_unpack(OIP_DEFLATE, &in, SIZE, &arena, &out, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    buf_release(&packed);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oip_data_is_exact_to_the_ends_of_each_datatype),
        cmocka_unit_test(test_oip_data_does_not_write_what_is_no_number),
        cmocka_unit_test(test_oip_accepts_the_encoding_that_is_allowed),
        cmocka_unit_test(test_oip_unpacks_no_more_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
