/*
 * Maps, every build that this CPU can run, against libm in double precision.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "kernel/map.h"

enum { SAMPLES = 40001, ODD_MAX = 67 };

static double sigmoid_of(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus_of(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double mish_of(double x)
{
    return x * tanh(softplus_of(x));
}

static double hard_swish_of(double x)
{
    return x * fmin(1, fmax(0, x / 6 + 0.5));
}

static double gelu_of(double x)
{
    return x / 2 * erfc(-x / sqrt(2));
}

static double gelu_tanh_of(double x)
{
    return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

/* The attributes a and b of the maps that have some. */
static const float attr[] = {0.75F, 1.25F};

static double swish_of(double x)
{
    return x * sigmoid_of(0.75 * x);
}

static double elu_of(double x)
{
    return x < 0 ? 0.75 * expm1(x) : x;
}

static double celu_of(double x)
{
    return x < 0 ? 0.75 * expm1(x / 0.75) : x;
}

static double selu_of(double x)
{
    return 1.25 * elu_of(x);
}

static double hard_sigmoid_of(double x)
{
    return fmin(1, fmax(0, 0.75 * x + 1.25));
}

/* Within `relative` of the value or `absolute`, for low <= x <= high; then the
 * values for the two infinities. */
static const struct map_case {
    const char *name;
    size_t place; /* in struct kernels */
    double (*want)(double);
    float low, high;
    double relative, absolute;
    float at_minus, at_plus;
} cases[] = {
#define CASE(name, ...)                                                        \
    {                                                                          \
#name, offsetof(struct kernels, name##_map), __VA_ARGS__               \
    }
    CASE(exp, exp, -87.3F, 88.72F, 3e-7, 0, 0, INFINITY),
    CASE(log, log, 1e-42F, 3e38F, 2e-7, 0, NAN, INFINITY),
    CASE(tanh, tanh, -12, 12, 4e-7, 0, -1, 1),
    CASE(erf, erf, -5, 5, 4e-7, 0, -1, 1),
    CASE(sigmoid, sigmoid_of, -87, 87, 4e-7, 0, 0, 1),
    CASE(softplus, softplus_of, -87, 87, 5e-7, 0, 0, INFINITY),
    CASE(mish, mish_of, -60, 60, 1e-6, 0, NAN, INFINITY),
    CASE(hard_swish, hard_swish_of, -9, 9, 2e-7, 3e-7, NAN, INFINITY),
    CASE(gelu, gelu_of, -9, 9, 3e-6, 1.2e-7, 0, INFINITY),
    CASE(gelu_tanh, gelu_tanh_of, -9, 9, 4e-7, 4e-7, NAN, INFINITY),
    CASE(swish, swish_of, -60, 60, 6e-6, 0, NAN, INFINITY),
    CASE(elu, elu_of, -60, 60, 5e-7, 0, -0.75F, INFINITY),
    CASE(celu, celu_of, -60, 60, 6e-7, 0, -0.75F, INFINITY),
    CASE(selu, selu_of, -60, 60, 6e-7, 0, -0.9375F, INFINITY),
    CASE(hard_sigmoid, hard_sigmoid_of, -4, 4, 2e-7, 1e-7, 0, 1),
#undef CASE
};

static kernel_map_fn fn_of(const struct kernels *k, const struct map_case *c)
{
    kernel_map_fn fn;

    memcpy(&fn, (const char *)k + c->place, sizeof fn);
    return fn;
}

static void check_one(const struct kernels *k, const struct map_case *c,
                      float x, float y)
{
    double want = c->want((double)x);
    double error = fabs((double)y - want);

    if (!(error <= c->relative * fabs(want) + c->absolute))
        fail_msg("%s of %s: %.9g gives %.9g, not %.9g", c->name, k->isa,
                 (double)x, (double)y, want);
}

/* Dense samples of the range; where it spans many powers of two, of those. */
static void fill(const struct map_case *c, float *x)
{
    for (int i = 0; i < SAMPLES; i++) {
        double at = (double)i / (SAMPLES - 1);

        if (c->low > 0)
            x[i] = (float)exp(log((double)c->low) * (1 - at) +
                              log((double)c->high) * at);
        else
            x[i] = (float)((double)c->low * (1 - at) + (double)c->high * at);
        if (i % 3 == 0) /* and close to 0, or to 1 */
            x[i] = c->low > 0 ? 1 + (float)(at - 0.5) / 4 : x[i] * 0x1p-12F;
    }
}

static void test_maps_match_double(void **state)
{
    static float x[SAMPLES], y[SAMPLES];
    const struct kernels *k;

    (void)state;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        fill(&cases[n], x);
        for (size_t i = 0; (k = kernels_each(i)); i++) {
            fn_of(k, &cases[n])(x, y, SAMPLES, attr);
            for (int j = 0; j < SAMPLES; j++)
                check_one(k, &cases[n], x[j], y[j]);
        }
    }
}

static void check_value(const struct kernels *k, const struct map_case *c,
                        float x, float want)
{
    float y = 0;

    fn_of(k, c)(&x, &y, 1, attr);
    if (isnan(want) ? !isnan(y) : y != want)
        fail_msg("%s of %s: %g gives %g, not %g", c->name, k->isa, (double)x,
                 (double)y, (double)want);
}

static void test_maps_of_infinity_and_nan(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        for (size_t i = 0; (k = kernels_each(i)); i++) {
            check_value(k, &cases[n], -INFINITY, cases[n].at_minus);
            check_value(k, &cases[n], INFINITY, cases[n].at_plus);
            check_value(k, &cases[n], NAN, NAN);
        }
    }
}

static void test_log_of_zero_and_below(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        check_value(k, &cases[1], 0, -INFINITY);
        check_value(k, &cases[1], 1, 0);
        check_value(k, &cases[1], -1, NAN);
    }
}

/* Any count, in place, and nothing behind the last element is touched. */
static void test_maps_of_any_count_in_place(void **state)
{
    const struct kernels *k;
    float x[ODD_MAX + 1];

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int count = 0; count <= ODD_MAX; count++) {
            for (int j = 0; j <= ODD_MAX; j++)
                x[j] = (float)j * 0.1F - 3;
            k->exp_map(x, x, count, NULL);
            for (int j = 0; j < count; j++)
                check_one(k, &cases[0], (float)j * 0.1F - 3, x[j]);
            assert_true(x[count] == (float)count * 0.1F - 3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_match_double),
        cmocka_unit_test(test_maps_of_infinity_and_nan),
        cmocka_unit_test(test_log_of_zero_and_below),
        cmocka_unit_test(test_maps_of_any_count_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
