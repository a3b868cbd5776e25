/*
 * Precision int8: near the floats, the same whatever the batch and however many
 * threads, and refused or left alone where it cannot be.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "engine.h"

#define MODELS "tests/data/models/"

enum { WIDTH = 64, RESULTS = 72, ROWS_MAX = 200 };

static float input[ROWS_MAX * WIDTH];

static void make_input(void)
{
    uint64_t state = 7;

    for (int i = 0; i < ROWS_MAX * WIDTH; i++)
        input[i] = (float)(unit_random(&state) % 2001) / 500 - 2;
}

static struct eng_model *open_model(const char *path,
                                    const struct eng_options *options)
{
    struct error err;
    struct eng_model *model = eng_model_open(path, options, &err);

    if (!model)
        fail_msg("%s: %s\n", path, err.msg);
    return model;
}

/* transformer_block on `rows` rows from `first` on. */
static void run_block(const struct eng_options *options, int64_t first,
                      int64_t rows, float *result)
{
    struct eng_model *model =
        open_model(MODELS "transformer_block/model.onnx", options);
    struct eng_tensor out, in = {.dtype = ENG_F32,
                                 .rank = 2,
                                 .dims = {rows, WIDTH},
                                 .data = input + first * WIDTH};
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);

    assert_non_null(run);
    if (!eng_run_execute(run, &in, &out, NULL, &err))
        fail_msg("%s\n", err.msg);
    memcpy(result, out.data, (size_t)(rows * RESULTS) * sizeof *result);
    eng_run_free(run);
    eng_model_put(model);
}

static const struct eng_options int8 = {.precision = ENG_PRECISION_INT8};

static void test_int8_stays_near_float(void **state)
{
    static float got[ROWS_MAX * RESULTS], want[ROWS_MAX * RESULTS];
    double square = 0, error_square = 0;
    float worst = 0;

    (void)state;
    run_block(NULL, 0, ROWS_MAX, want);
    run_block(&int8, 0, ROWS_MAX, got);
    for (int i = 0; i < ROWS_MAX * RESULTS; i++) {
        float error = fabsf(got[i] - want[i]);

        worst = fmaxf(worst, error);
        square += (double)want[i] * (double)want[i];
        error_square += (double)error * (double)error;
    }
    /* Measured: 0.0096 of the norm, 0.046 at most. */
    assert_true(sqrt(error_square / square) < 0.015);
    assert_true(worst < 0.06F);
    assert_true(worst > 0);
}

static void test_a_row_does_not_depend_on_its_batch(void **state)
{
    static float many[ROWS_MAX * RESULTS], one[RESULTS];

    (void)state;
    run_block(&int8, 0, ROWS_MAX, many);
    for (int64_t row = 0; row < ROWS_MAX; row += 33) {
        run_block(&int8, row, 1, one);
        assert_memory_equal(one, many + row * RESULTS, sizeof one);
    }
}

static void test_threads_change_nothing(void **state)
{
    static const int64_t rows[] = {1, 3, 60, 129, ROWS_MAX};
    static float alone[ROWS_MAX * RESULTS], shared[ROWS_MAX * RESULTS];
    struct eng_options options = int8;
    struct error err;

    (void)state;
    options.team = eng_team_new(3, &err);
    assert_non_null(options.team);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        run_block(&int8, 0, rows[i], alone);
        run_block(&options, 0, rows[i], shared);
        assert_memory_equal(alone, shared,
                            (size_t)(rows[i] * RESULTS) * sizeof *alone);
    }
    eng_team_free(options.team);
}

static void check_stats(const char *path, enum eng_precision asked,
                        enum eng_precision used, size_t in_8_bits)
{
    const struct eng_options options = {.precision = asked};
    struct eng_model *model = open_model(path, &options);
    struct eng_stats stats;

    eng_model_stats(model, &stats);
    assert_int_equal(stats.precision, used);
    assert_int_equal(stats.int8_products, in_8_bits);
    assert_int_equal(strcmp(stats.precision_reason, "as asked") == 0,
                     asked == used);
    eng_model_put(model);
}

static void test_stats_say_what_was_chosen(void **state)
{
    (void)state;
    check_stats(MODELS "transformer_block/model.onnx", ENG_PRECISION_FP32,
                ENG_PRECISION_FP32, 0);
    check_stats(MODELS "transformer_block/model.onnx", ENG_PRECISION_INT8,
                ENG_PRECISION_INT8, 3);
    check_stats(MODELS "transformer_block/model.onnx", ENG_PRECISION_BF16,
                ENG_PRECISION_FP32, 0);
    /* Its weights are too few. */
    check_stats(MODELS "torch_mlp/model.onnx", ENG_PRECISION_INT8,
                ENG_PRECISION_FP32, 0);
}

static void test_precisions_have_names(void **state)
{
    enum eng_precision precision = ENG_PRECISION_BF16;

    (void)state;
    assert_true(eng_precision_by_name("int8", &precision));
    assert_int_equal(precision, ENG_PRECISION_INT8);
    assert_true(eng_precision_by_name("fp32", &precision));
    assert_int_equal(precision, ENG_PRECISION_FP32);
    assert_false(eng_precision_by_name("int4", &precision));
    assert_int_equal(precision, ENG_PRECISION_FP32);
    assert_string_equal(eng_precision_name(ENG_PRECISION_BF16), "bf16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int8_stays_near_float),
        cmocka_unit_test(test_a_row_does_not_depend_on_its_batch),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_stats_say_what_was_chosen),
        cmocka_unit_test(test_precisions_have_names),
    };

    make_input();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
