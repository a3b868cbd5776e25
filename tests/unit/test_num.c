/*
 * Num: against exact integers for the table, against the C library for
 * everything else.
 */
#include "num.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num_pow10.h"
#include "unit.h"

/* ---- the table, recomputed with big integers ---- */

/* 32-bit words, the lowest first: 10^342 times 128 bits is below 2^1280 */
enum { BIG_WORDS = 48 };

struct big {
    uint32_t word[BIG_WORDS];
};

static void big_multiply(struct big *big, uint64_t factor)
{
    wide carry = 0;

    for (size_t i = 0; i < BIG_WORDS; i++) {
        carry += (wide)big->word[i] * factor;
        big->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    assert_true(carry == 0);
}

static struct big big_power_of_ten(int exponent)
{
    struct big big = {{1}};

    while (exponent-- > 0)
        big_multiply(&big, 10);
    return big;
}

static int big_bits(const struct big *big)
{
    for (int i = BIG_WORDS - 1; i >= 0; i--)
        if (big->word[i])
            return 32 * i + 32 - __builtin_clz(big->word[i]);
    return 0;
}

static bool big_bit(const struct big *big, int bit)
{
    return bit >= 0 && (big->word[bit / 32] >> (bit % 32) & 1);
}

/* a * (high:low) */
static struct big big_times(const struct big *a, uint64_t high, uint64_t low)
{
    struct big upper = *a, lower = *a, sum = {{0}};
    wide carry = 0;

    big_multiply(&upper, high);
    big_multiply(&lower, low);
    for (size_t i = 0; i < BIG_WORDS; i++) {
        carry += (wide)lower.word[i] + (i >= 2 ? upper.word[i - 2] : 0);
        sum.word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return sum;
}

static int big_compare(const struct big *a, const struct big *b)
{
    for (int i = BIG_WORDS - 1; i >= 0; i--)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* high:low = ceil(10^exponent / 2^r) for 10^exponent with its top 128 bits */
static void check_positive(int exponent, const struct pow10 *row)
{
    struct big power = big_power_of_ten(exponent);
    int bits = big_bits(&power);
    wide top = 0;
    bool rest = false;

    for (int i = 1; i <= 128; i++)
        top = top << 1 | big_bit(&power, bits - i);
    for (int i = 0; i < bits - 128; i++)
        rest = rest || big_bit(&power, i);
    top += rest;
    assert_true(top == ((wide)row->high << 64 | row->low));
}

/* 2^r <= row * 10^-exponent < 2^r + 10^-exponent: row is the ceiling */
static void check_negative(int exponent, const struct pow10 *row)
{
    struct big power = big_power_of_ten(-exponent);
    struct big product = big_times(&power, row->high, row->low);
    struct big bound = {{0}};
    int top = big_bits(&product) - 1;

    bound.word[top / 32] = 1U << (top % 32);
    assert_true(big_compare(&product, &bound) >= 0);
    for (size_t i = 0, carry = 0; i < BIG_WORDS; i++) {
        uint64_t sum = (uint64_t)bound.word[i] + power.word[i] + carry;

        bound.word[i] = (uint32_t)sum;
        carry = sum >> 32;
    }
    assert_true(big_compare(&product, &bound) < 0);
}

static void test_every_power_of_ten_is_the_exact_ceiling(void **state)
{
    (void)state;
    for (int exponent = POW10_MIN; exponent <= POW10_MAX; exponent++) {
        const struct pow10 *row = &num_pow10[exponent - POW10_MIN];

        assert_true(row->high >> 63);
        if (exponent >= 0)
            check_positive(exponent, row);
        else
            check_negative(exponent, row);
    }
}

/* ---- reading ---- */

static void check_read(const char *text)
{
    const char *end = text + strlen(text);
    double expected = strtod(text, NULL), value = 7;
    float expected_float = strtof(text, NULL), single = 7;

    if (num_scan_double(text, end, &value) != end ||
        memcmp(&value, &expected, sizeof value) != 0)
        fail_msg("%s: %a, expected %a", text, value, expected);
    if (num_scan_float(text, end, &single) != end ||
        memcmp(&single, &expected_float, sizeof single) != 0)
        fail_msg("%s: %a, expected %a", text, (double)single,
                 (double)expected_float);
}

static const char *const hard_numbers[] = {
    "0",
    "-0",
    "0.0",
    "0e5",
    "1",
    "-1",
    "0.1",
    "1e23",
    "8.41e21",
    "9007199254740992",
    "9007199254740993",
    "9007199254740994",
    "9007199254740993.0000000000000000000000001",
    "9007199254740992.9999999999999999999999999",
    "16777216",
    "16777217",
    "16777219",
    "16777217.0000000000000000001",
    "2.2250738585072011e-308",
    "2.2250738585072012e-308",
    "2.2250738585072014e-308",
    ("2.22507385850720113605740979670913197593481954635164564802342610972"
     "48222211e-308"),
    "4.9406564584124654e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "1e-400",
    "1e400",
    "-1e400",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "1.7976931348623159e308",
    "179769313486231580793e289",
    "3.4028234663852886e38",
    "3.4028235677973366e38",
    "3.4028236e38",
    "1.17549435e-38",
    "1.1754943508222875e-38",
    "1.4e-45",
    "7e-46",
    "0.000000000000000000000000000000000000000000000000000000000000000123",
    "123456789012345678901234567890",
    "12345678901234567890",
    "18446744073709551615",
    "18446744073709551616",
    "1e-342",
    "1e-343",
    "1e324",
    "1e325",
    "12345678.12345678",
    "1e+5",
    "1E-5",
    "1.5e0005",
    "6.631236846766476e-316",
    "3.237883913302901e-319",
    "9.5e-322",
    "8388609.5",
    "33554434.99999999999999999999",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "0e99999999999999999999",
    "7.038531e-26",
    "1.00000017881393432617187499",
    "1.00000017881393432617187500",
    "1.00000017881393432617187501"};

static void test_hard_numbers_read_as_the_nearest_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hard_numbers); i++)
        check_read(hard_numbers[i]);
}

/* A number with up to 40 digits, a point somewhere and perhaps an exponent. */
static void random_text(uint64_t *seed, char *text)
{
    size_t digits = 1 + unit_random(seed) % 40;
    size_t point = unit_random(seed) % 40;
    int range = unit_random(seed) % 2 ? 20 : 340;
    char *out = text;

    if (unit_random(seed) % 2)
        *out++ = '-';
    *out++ = (char)('1' + unit_random(seed) % 9);
    for (size_t i = 1; i < digits; i++) {
        if (i == point)
            *out++ = '.';
        *out++ = (char)('0' + unit_random(seed) % 10);
    }
    *out = '\0';
    if (unit_random(seed) % 2)
        (void)sprintf(out, "e%d",
                      (int)(unit_random(seed) % (2U * range)) - range);
}

static void test_random_texts_read_as_the_c_library_reads_them(void **state)
{
    uint64_t seed = 42;
    char text[80];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        random_text(&seed, text);
        check_read(text);
    }
}

/* Texts half way between two floats, and one digit off. */
static void test_ties_go_to_even(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)(unit_random(&seed) >> 32) & 0x7fffffffU;
        float low, high;
        char text[400];

        memcpy(&low, &bits, sizeof low);
        bits++;
        memcpy(&high, &bits, sizeof high);
        if (!isfinite(low) || !isfinite(high))
            continue;
        (void)snprintf(text, sizeof text, "%.160e",
                       ((double)low + (double)high) / 2);
        check_read(text);
        text[strlen("0.0")] = '1';
        check_read(text);
    }
}

static void test_a_digit_far_behind_decides_a_tie(void **state)
{
    char text[2000];
    size_t size;

    (void)state;
    (void)snprintf(text, sizeof text, "9007199254740993.%01500d1", 0);
    check_read(text);
    size = strlen(text);
    text[size - 1] = '0';
    check_read(text);
    memset(text, '9', 900);
    (void)snprintf(text + 900, sizeof text - 900, "e-800");
    check_read(text);
}

static void test_only_json_numbers_are_read(void **state)
{
    static const struct {
        const char *text;
        int taken; /* bytes; -1: none */
    } cases[] = {{"", -1},    {"-", -1},    {"+1", -1},      {".5", -1},
                 {"1.", -1},  {"1.e5", -1}, {"1e", -1},      {"1e+", -1},
                 {"NaN", -1}, {"inf", -1},  {"0x10", 1},     {"01", 1},
                 {"-01", 2},  {"1,2", 1},   {"1.5]", 3},     {"1e5x", 3},
                 {"--1", -1}, {"1 2", 1},   {"12345678a", 8}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = cases[i].text, *end = text + strlen(text);
        const char *behind = cases[i].taken < 0 ? NULL : text + cases[i].taken;
        struct num_integer integer;
        double value = 7;
        float single = 7;

        assert_ptr_equal(num_scan_double(text, end, &value), behind);
        assert_ptr_equal(num_scan_float(text, end, &single), behind);
        assert_ptr_equal(num_scan_integer(text, end, &integer), behind);
        if (!behind)
            assert_true(value == 7 && single == 7);
    }
}

static void test_reading_stops_at_the_end_of_the_text(void **state)
{
    static const char text[] = "1234567890.125e10";
    double value;

    (void)state;
    assert_ptr_equal(num_scan_double(text, text + 10, &value), text + 10);
    assert_true(value == 1234567890);
    assert_ptr_equal(num_scan_double(text, text + 13, &value), text + 13);
    assert_true(value == 1234567890.12);
    assert_null(num_scan_double(text, text + 11, &value));
}

static void test_integers_are_exact(void **state)
{
    static const struct {
        const char *text;
        enum num_fit fit;
        bool negative;
        uint64_t magnitude;
    } cases[] = {
        {"0", NUM_INTEGER, false, 0},
        {"-0", NUM_INTEGER, false, 0},
        {"0.000e-99999999999", NUM_INTEGER, false, 0},
        {"0e99999999999", NUM_INTEGER, false, 0},
        {"17", NUM_INTEGER, false, 17},
        {"-17", NUM_INTEGER, true, 17},
        {"17.0", NUM_INTEGER, false, 17},
        {"1.7e1", NUM_INTEGER, false, 17},
        {"1700e-2", NUM_INTEGER, false, 17},
        {"1.5", NUM_FRACTION, false, 0},
        {"1e-1", NUM_FRACTION, false, 0},
        {"0.30", NUM_FRACTION, false, 0},
        {"123456789012345678901234567890.5", NUM_FRACTION, false, 0},
        {"9223372036854775807", NUM_INTEGER, false, INT64_MAX},
        {"9223372036854775808", NUM_INTEGER, false, (uint64_t)1 << 63},
        {"18446744073709551615", NUM_INTEGER, false, UINT64_MAX},
        {"18446744073709551615.000", NUM_INTEGER, false, UINT64_MAX},
        {"1844674407370955161.5e1", NUM_INTEGER, false, UINT64_MAX},
        {"18446744073709551616", NUM_TOO_LARGE, false, 0},
        {"1e19", NUM_INTEGER, false, 10000000000000000000U},
        {"1e20", NUM_TOO_LARGE, false, 0},
        {"1e999999999999", NUM_TOO_LARGE, false, 0},
        {"1.00000000000000000000000000", NUM_INTEGER, false, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = cases[i].text, *end = text + strlen(text);
        struct num_integer value;

        assert_ptr_equal(num_scan_integer(text, end, &value), end);
        if (value.fit != cases[i].fit)
            fail_msg("%s: %d, expected %d", text, (int)value.fit,
                     (int)cases[i].fit);
        if (value.fit == NUM_INTEGER) {
            assert_int_equal(value.negative, cases[i].negative);
            assert_true(value.magnitude == cases[i].magnitude);
        }
    }
}

/* ---- printing ---- */

static void test_numbers_print_in_the_shortest_form(void **state)
{
    static const struct {
        double value;
        const char *text, *as_float;
    } cases[] = {
        {0.0, "0.0", "0.0"},
        {-0.0, "-0.0", "-0.0"},
        {1, "1.0", "1.0"},
        {-1.5, "-1.5", "-1.5"},
        {0.1, "0.1", "0.1"},
        {0.1 + 0.2, "0.30000000000000004", "0.3"},
        {1.0 / 3, "0.3333333333333333", "0.33333334"},
        {284.5, "284.5", "284.5"},
        {100000, "100000.0", "100000.0"},
        {1e16, "1e16", "1e16"},
        {1234567890123456.0, "1234567890123456.0", "1234568000000000.0"},
        {0.00001, "0.00001", "0.00001"},
        {0.000001, "1e-6", "1e-6"},
        {1.5e-7, "1.5e-7", "1.5e-7"},
        {1e23, "1e23", "1e23"},
        {16777216, "16777216.0", "16777216.0"},
        {3.4028234663852886e38, "3.4028234663852886e38", "3.4028235e38"},
    };
    char text[NUM_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        text[num_print_double(cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].text);
        text[num_print_float((float)cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].as_float);
    }
    text[num_print_double(5e-324, text)] = '\0';
    assert_string_equal(text, "5e-324");
    text[num_print_double(1.7976931348623157e308, text)] = '\0';
    assert_string_equal(text, "1.7976931348623157e308");
    text[num_print_float(1e-45F, text)] = '\0';
    assert_string_equal(text, "1e-45");
    text[num_print_float(1.17549435e-38F, text)] = '\0';
    assert_string_equal(text, "1.1754944e-38");
}

/* Significant digits of a printed number. */
static int digits_of(const char *text)
{
    int digits = 0, zeros = 0;

    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (digits == 0 && *text == '0'))
            continue;
        digits++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return digits - zeros;
}

static void check_double(double value)
{
    char text[NUM_TEXT_MAX + 1], other[64];
    size_t size = num_print_double(value, text);
    double back = 7;
    int precision = 0;

    assert_true(size <= NUM_TEXT_MAX);
    text[size] = '\0';
    assert_ptr_equal(num_scan_double(text, text + size, &back), text + size);
    if (memcmp(&back, &value, sizeof value) != 0 || strtod(text, NULL) != value)
        fail_msg("%a printed as %s", value, text);
    do
        (void)snprintf(other, sizeof other, "%.*e", precision++, value);
    while (strtod(other, NULL) != value);
    if (digits_of(text) > precision)
        fail_msg("%s is longer than %s", text, other);
}

static void check_float(float value)
{
    char text[NUM_TEXT_MAX + 1], other[64];
    size_t size = num_print_float(value, text);
    float back = 7;
    int precision = 0;

    assert_true(size <= NUM_TEXT_MAX);
    text[size] = '\0';
    assert_ptr_equal(num_scan_float(text, text + size, &back), text + size);
    if (memcmp(&back, &value, sizeof value) != 0 || strtof(text, NULL) != value)
        fail_msg("%a printed as %s", (double)value, text);
    do
        (void)snprintf(other, sizeof other, "%.*e", precision++, (double)value);
    while (strtof(other, NULL) != value);
    if (digits_of(text) > precision)
        fail_msg("%s is longer than %s", text, other);
}

static void test_random_doubles_come_back_and_are_short(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = unit_random(&seed);
        double value;

        if (i % 4 == 0)
            bits &= 0xfff0000000000000U; /* powers of two: uneven interval */
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_double(value);
        check_double((double)(int64_t)bits / 1000);
    }
}

static void test_random_floats_come_back_and_are_short(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)(unit_random(&seed) >> 32);
        float value;

        if (i % 4 == 0)
            bits &= 0xff800000U;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_float(value);
    }
    for (uint32_t bits = 1; bits < 5000; bits++) { /* smallest subnormals */
        float value;

        memcpy(&value, &bits, sizeof value);
        check_float(value);
    }
}

static void test_integers_print_as_printf_does(void **state)
{
    static const int64_t values[] = {
        0, 1, -1, 9, 10, 99, 100, 101, 12345, -12345, INT64_MAX, INT64_MIN};
    char text[NUM_TEXT_MAX + 1], expected[32];
    uint64_t seed = 3;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        int64_t value =
            i < COUNT_OF(values)
                ? values[i]
                : (int64_t)(unit_random(&seed) >> unit_random(&seed) % 64);

        text[num_print_i64(value, text)] = '\0';
        (void)snprintf(expected, sizeof expected, "%lld", (long long)value);
        assert_string_equal(text, expected);
        text[num_print_u64((uint64_t)value, text)] = '\0';
        (void)snprintf(expected, sizeof expected, "%llu",
                       (unsigned long long)value);
        assert_string_equal(text, expected);
    }
}

static void test_the_locale_does_not_matter(void **state)
{
    static const char text[] = "0.50000000000000000000000000000000000001";
    char out[NUM_TEXT_MAX + 1];
    double value = 0;

    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        skip(); /* not installed */
    assert_non_null(num_scan_double(text, text + sizeof text - 1, &value));
    out[num_print_double(1.5, out)] = '\0';
    (void)setlocale(LC_NUMERIC, "C");
    assert_true(value == 0.5);
    assert_string_equal(out, "1.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_power_of_ten_is_the_exact_ceiling),
        cmocka_unit_test(test_hard_numbers_read_as_the_nearest_value),
        cmocka_unit_test(test_random_texts_read_as_the_c_library_reads_them),
        cmocka_unit_test(test_ties_go_to_even),
        cmocka_unit_test(test_a_digit_far_behind_decides_a_tie),
        cmocka_unit_test(test_only_json_numbers_are_read),
        cmocka_unit_test(test_reading_stops_at_the_end_of_the_text),
        cmocka_unit_test(test_integers_are_exact),
        cmocka_unit_test(test_numbers_print_in_the_shortest_form),
        cmocka_unit_test(test_random_doubles_come_back_and_are_short),
        cmocka_unit_test(test_random_floats_come_back_and_are_short),
        cmocka_unit_test(test_integers_print_as_printf_does),
        cmocka_unit_test(test_the_locale_does_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
