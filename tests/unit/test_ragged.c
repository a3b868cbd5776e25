/*
 * Ragged: sequences of different length without padding, for every encoder in
 * tests/data/ragged. A sequence must come out the same alone and in company,
 * and as the model gives it by itself.
 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "engine.h"

#define FOLDER "tests/data/ragged/"

enum { INPUTS_MAX = 4, OUTPUTS_MAX = 4, SEQUENCES = 9, TOKENS_MAX = 64 };

/* Among them: one token, several of one length, the longest. */
static const int64_t lengths[SEQUENCES] = {5, 1, 17, 3, 3, 24, 2, 9, 11};

struct fixture {
    struct eng_model *model;
    struct eng_run *run;
    size_t inputs, outputs;
    struct eng_ragged info;
};

static const struct eng_limits no_limits = {.deadline_ns = CLOCK_NEVER};

static void open_model(struct fixture *f, const char *name,
                       const struct eng_options *options)
{
    struct error err = {0};
    char path[256];

    (void)snprintf(path, sizeof path, FOLDER "%s.onnx", name);
    f->model = eng_model_open(path, options, &err);
    if (!f->model)
        fail_msg("%s: %s\n", name, err.msg);
    f->run = eng_run_new(f->model, &err);
    assert_non_null(f->run);
    f->inputs = eng_model_input_count(f->model);
    f->outputs = eng_model_output_count(f->model);
    assert_true(f->inputs <= INPUTS_MAX && f->outputs <= OUTPUTS_MAX);
    eng_model_ragged(f->model, &f->info);
}

static void close_model(struct fixture *f)
{
    eng_run_free(f->run);
    eng_model_put(f->model);
}

/* Ids, ones and types of one sequence, by the input's name. */
static int64_t element(const struct fixture *f, size_t input, size_t sequence,
                       int64_t i)
{
    const char *name = eng_model_input(f->model, input)->name;

    if (strstr(name, "mask"))
        return 1;
    if (strstr(name, "type") || strstr(name, "segment"))
        return i > 2 && sequence % 2;
    return 3 + (int64_t)((sequence * 31 + (size_t)i * 7) % 40);
}

static void store(void *to, enum eng_dtype dtype, int64_t i, int64_t x)
{
    if (dtype == ENG_I64)
        ((int64_t *)to)[i] = x;
    else
        ((int32_t *)to)[i] = (int32_t)x;
}

/* Runs `count` sequences from `first` on together; copies of the outputs. */
static void run_ragged(struct fixture *f, size_t first, size_t count,
                       struct arena *arena, struct eng_tensor *outputs)
{
    const void *inputs[INPUTS_MAX];
    struct eng_ragged_batch batch = {&lengths[first], count, inputs};
    struct error err = {0};

    for (size_t k = 0; k < f->inputs; k++) {
        enum eng_dtype dtype = eng_model_input(f->model, k)->dtype;
        void *data = arena_zalloc(arena, (size_t)SEQUENCES * TOKENS_MAX, 8);
        int64_t at = 0;

        for (size_t s = first; s < first + count; s++) {
            for (int64_t i = 0; i < lengths[s]; i++)
                store(data, dtype, at++, element(f, k, s, i));
        }
        inputs[k] = data;
    }
    if (!eng_run_ragged(f->run, &batch, outputs, &no_limits, &err))
        fail_msg("%s\n", err.msg);
    for (size_t k = 0; k < f->outputs; k++)
        outputs[k].data =
            arena_copy(arena, outputs[k].data, eng_tensor_size(&outputs[k]));
}

/* One sequence by the model as it is. */
static void run_plain(struct fixture *f, size_t sequence, struct arena *arena,
                      struct eng_tensor *outputs)
{
    struct eng_tensor inputs[INPUTS_MAX];
    struct error err = {0};

    for (size_t k = 0; k < f->inputs; k++) {
        inputs[k] =
            (struct eng_tensor){.dtype = eng_model_input(f->model, k)->dtype,
                                .rank = 2,
                                .dims = {1, lengths[sequence]},
                                .data = arena_zalloc(arena, TOKENS_MAX, 8)};
        for (int64_t i = 0; i < lengths[sequence]; i++)
            store(inputs[k].data, inputs[k].dtype, i,
                  element(f, k, sequence, i));
    }
    if (!eng_run_execute(f->run, inputs, outputs, &no_limits, &err))
        fail_msg("%s\n", err.msg);
    for (size_t k = 0; k < f->outputs; k++)
        outputs[k].data =
            arena_copy(arena, outputs[k].data, eng_tensor_size(&outputs[k]));
}

static double difference(const float *a, const float *b, int64_t count)
{
    double worst = 0;

    for (int64_t i = 0; i < count; i++)
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

/* The rows of sequence `s` in an output of all of them. */
static const float *rows_of(const struct eng_tensor *output,
                            enum eng_ragged_kind kind, size_t s, int64_t *count)
{
    int64_t each = eng_tensor_count(output) / output->dims[0], first = 0;

    for (size_t i = 0; i < s; i++)
        first += kind == ENG_RAGGED_TOKENS ? lengths[i] : 1;
    *count = each * (kind == ENG_RAGGED_TOKENS ? lengths[s] : 1);
    return (const float *)output->data + first * each;
}

static void compare_one(struct fixture *f, const char *name, size_t s,
                        const struct eng_tensor *all, double within)
{
    struct eng_tensor one[OUTPUTS_MAX], plain[OUTPUTS_MAX];
    struct arena arena;

    arena_init(&arena, 0);
    run_ragged(f, s, 1, &arena, one);
    run_plain(f, s, &arena, plain);
    for (size_t k = 0; k < f->outputs; k++) {
        int64_t count;
        const float *rows = rows_of(&all[k], f->info.outputs[k], s, &count);

        assert_int_equal(all[k].dtype, ENG_F32);
        assert_int_equal(eng_tensor_count(&one[k]), count);
        assert_int_equal(eng_tensor_count(&plain[k]), count);
        if (difference(rows, one[k].data, count) > 1e-6)
            fail_msg("%s: sequence %zu differs by %g in company\n", name, s,
                     difference(rows, one[k].data, count));
        if (difference(rows, plain[k].data, count) > within)
            fail_msg("%s: sequence %zu differs by %g from the model's\n", name,
                     s, difference(rows, plain[k].data, count));
    }
    arena_release(&arena);
}

static void compare(struct fixture *f, const char *name, double within)
{
    struct eng_tensor all[OUTPUTS_MAX];
    struct arena arena;

    arena_init(&arena, 0);
    run_ragged(f, 0, SEQUENCES, &arena, all);
    for (size_t s = 0; s < SEQUENCES; s++)
        compare_one(f, name, s, all, within);
    arena_release(&arena);
}

static const char *const encoders[] = {
    "torch_bert_cls",       "torch_minilm_mean", "torch_roberta_hidden",
    "encoder_64",           "ort_bert_cls",      "fused_bert_cls",
    "fused_roberta_hidden", "sliced_positions",
};

static void test_ragged_gives_what_the_model_gives_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(encoders); i++) {
        struct fixture f;

        open_model(&f, encoders[i], NULL);
        if (!f.info.possible)
            fail_msg("%s: %s\n", encoders[i], f.info.reason);
        compare(&f, encoders[i], 1e-5);
        close_model(&f);
    }
}

static void test_ragged_shares_its_work_among_threads(void **state)
{
    struct error err = {0};
    struct eng_team *team = eng_team_new(3, &err);
    struct eng_options options = {.team = team};
    struct fixture f;

    (void)state;
    assert_non_null(team);
    open_model(&f, "torch_minilm_mean", &options);
    compare(&f, "torch_minilm_mean", 1e-5);
    close_model(&f);
    eng_team_free(team);
}

static void test_ragged_in_int8_does_not_see_company(void **state)
{
    struct eng_options options = {.precision = ENG_PRECISION_INT8};
    struct eng_stats stats;
    struct fixture f;

    (void)state;
    open_model(&f, "encoder_64", &options);
    assert_true(f.info.possible);
    eng_model_stats(f.model, &stats);
    assert_true(stats.int8_products > 0);
    compare(&f, "encoder_64", 1e-5);
    close_model(&f);
}

static void test_ragged_says_why_a_graph_is_not_taken(void **state)
{
    static const struct {
        const char *name, *reason;
    } cases[] = {{"quant_bert_dyn_s8", "DynamicQuantizeLinear"},
                 {"torch_t5_encoder", "has no row per token"}};
    const void *inputs[INPUTS_MAX] = {0};
    struct eng_ragged_batch batch = {lengths, 1, inputs};
    struct eng_tensor outputs[OUTPUTS_MAX];
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;

        open_model(&f, cases[i].name, NULL);
        assert_false(f.info.possible);
        if (!strstr(f.info.reason, cases[i].reason))
            fail_msg("%s: %s\n", cases[i].name, f.info.reason);
        assert_false(eng_run_ragged(f.run, &batch, outputs, &no_limits, &err));
        assert_int_equal(err.code, ERR_MODEL_UNSUPPORTED);
        close_model(&f);
    }
}

static void refuses(struct fixture *f, int64_t length, bool has_data)
{
    static int64_t zeros[4096];
    const void *inputs[INPUTS_MAX] = {0};
    struct eng_ragged_batch batch = {&length, 1, inputs};
    struct eng_tensor outputs[OUTPUTS_MAX];
    struct error err = {0};

    for (size_t i = 0; i < f->inputs && has_data; i++)
        inputs[i] = zeros;
    assert_false(eng_run_ragged(f->run, &batch, outputs, &no_limits, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
}

static void test_ragged_refuses_lengths_that_the_model_cannot_take(void **state)
{
    struct fixture f;

    (void)state;
    open_model(&f, "torch_roberta_hidden", NULL);
    refuses(&f, 0, true);
    refuses(&f, -1, true);
    refuses(&f, f.info.length_max + 1, true);
    refuses(&f, 3, false);
    compare(&f, "torch_roberta_hidden", 1e-5); /* and goes on */
    close_model(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ragged_gives_what_the_model_gives_alone),
        cmocka_unit_test(test_ragged_shares_its_work_among_threads),
        cmocka_unit_test(test_ragged_in_int8_does_not_see_company),
        cmocka_unit_test(test_ragged_says_why_a_graph_is_not_taken),
        cmocka_unit_test(
            test_ragged_refuses_lengths_that_the_model_cannot_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
