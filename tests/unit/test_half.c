/*
 * half.h: every 16-bit value survives a trip through float, and narrowing
 * rounds to the nearest, ties to even.
 */
#include "half.h"

#include <math.h>

#include "unit.h"

static void test_half_f16_round_trips_every_value(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= UINT16_MAX; i++) {
        float value = half_f16_to_float((uint16_t)i);

        if (isnan(value))
            assert_true(isnan(half_f16_to_float(half_f16_of_float(value))));
        else
            assert_int_equal(half_f16_of_float(value), i);
    }
}

static void test_half_bf16_round_trips_every_value(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= UINT16_MAX; i++) {
        float value = half_bf16_to_float((uint16_t)i);

        if (isnan(value))
            assert_true(isnan(half_bf16_to_float(half_bf16_of_float(value))));
        else
            assert_int_equal(half_bf16_of_float(value), i);
    }
}

static void test_half_f16_rounds_ties_to_even(void **state)
{
    (void)state;
    assert_int_equal(half_f16_of_float(1.0F), 0x3c00);
    assert_int_equal(half_f16_of_float(1.0F + 0x1p-11F), 0x3c00);
    assert_int_equal(half_f16_of_float(1.0F + 0x3p-11F), 0x3c02);
    assert_int_equal(half_f16_of_float(1.0F + 0x1.002p-11F), 0x3c01);
    assert_int_equal(half_f16_of_float(65519.0F), 0x7bff);
    assert_int_equal(half_f16_of_float(65520.0F), 0x7c00);
    assert_int_equal(half_f16_of_float(-INFINITY), 0xfc00);
    assert_int_equal(half_f16_of_float(0x1p-25F), 0);
    assert_int_equal(half_f16_of_float(0x3p-25F), 2);
    assert_int_equal(half_f16_of_float(-0x1p-24F), 0x8001);
}

static void test_half_bf16_rounds_ties_to_even(void **state)
{
    (void)state;
    assert_int_equal(half_bf16_of_float(1.0F + 0x1p-8F), 0x3f80);
    assert_int_equal(half_bf16_of_float(1.0F + 0x3p-8F), 0x3f82);
    assert_int_equal(half_bf16_of_float(3.4e38F), 0x7f80);
}

static void test_half_of_double_rounds_once(void **state)
{
    (void)state;
    /* Just above a tie: rounding to float first would land on the tie. */
    assert_int_equal(half_f16_of_float(half_step_down(1.0 + 0x1.00000001p-11)),
                     0x3c01);
    assert_int_equal(half_f16_of_float(half_step_down(-1.0 - 0x0.ffffffffp-11)),
                     0xbc00);
    assert_true(half_step_down(0.1) > 0.0999F);
    assert_int_equal(half_f16_of_float(half_step_down(1e300)), 0x7c00);
    assert_true(isnan((double)half_step_down((double)NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_f16_round_trips_every_value),
        cmocka_unit_test(test_half_bf16_round_trips_every_value),
        cmocka_unit_test(test_half_f16_rounds_ties_to_even),
        cmocka_unit_test(test_half_bf16_rounds_ties_to_even),
        cmocka_unit_test(test_half_of_double_rounds_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
