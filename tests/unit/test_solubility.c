/*
 * The bundled model, end to end without a door: documents, weights, engine,
 * pipeline. Its examples carry what ONNX Runtime answered.
 */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum { THREADS = 4, ROUNDS = 10 };

struct loaded {
    struct arena arena;
    struct srv_bundle *bundle;
    struct eng_model *model;
    struct pipeline *pipeline;
};

static struct loaded loaded;

static int load(void **state)
{
    struct doc_report report;
    struct error err = {0};

    (void)state;
    arena_init(&loaded.arena, 0);
    doc_report_init(&report, &loaded.arena);
    loaded.bundle = bundle_open("models/solubility", &report);
    if (!loaded.bundle)
        return -1;
    loaded.model = eng_model_open(loaded.bundle->model_path, NULL, &err);
    if (loaded.model)
        loaded.pipeline = pipeline_open(loaded.bundle, loaded.model, &err);
    if (!loaded.pipeline)
        print_error("%s\n", err.msg);
    return loaded.pipeline ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    pipeline_close(loaded.pipeline);
    eng_model_put(loaded.model);
    bundle_close(loaded.bundle);
    arena_release(&loaded.arena);
    return 0;
}

/* Runs every example; the first that differs is in `err`. */
static bool check_all(struct pipeline_worker *worker, struct error *err)
{
    struct eng_limits limits = {.deadline_ns = UINT64_MAX};

    for (size_t i = 0; i < loaded.bundle->example_count; i++) {
        if (!pipeline_example_check(worker, &loaded.bundle->examples[i],
                                    &limits, err))
            return false;
    }
    return true;
}

static void test_solubility_answers_its_examples_as_declared(void **state)
{
    struct error err = {0};
    struct pipeline_worker *worker = pipeline_worker_new(loaded.pipeline, &err);

    (void)state;
    assert_non_null(worker);
    assert_true(loaded.bundle->example_count >= 10);
    if (!check_all(worker, &err))
        fail_msg("%s\n", err.msg);
    pipeline_worker_free(worker);
}

static void *check_often(void *context)
{
    bool *ok = context;
    struct error err = {0};
    struct pipeline_worker *worker = pipeline_worker_new(loaded.pipeline, &err);

    *ok = worker != NULL;
    for (int i = 0; *ok && i < ROUNDS; i++)
        *ok = check_all(worker, &err);
    pipeline_worker_free(worker);
    return NULL;
}

static void test_solubility_answers_the_same_from_many_threads(void **state)
{
    pthread_t threads[THREADS];
    bool ok[THREADS] = {false};

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_often, &ok[i]),
                         0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_true(ok[i]);
}

/* One request with `count` copies of texts; LogS of each. */
static void run(struct pipeline_worker *worker, char *const *texts,
                size_t count, float *out)
{
    struct eng_limits limits = {.deadline_ns = UINT64_MAX};
    struct pipeline_value value = {.name = "text", .kind = PIPELINE_STRINGS};
    struct pipeline_output output;
    struct error err = {0};
    struct arena arena;

    arena_init(&arena, 0);
    value.strings.items = texts;
    value.strings.count = count;
    if (!pipeline_run(worker,
                      &(struct pipeline_request){.values = &value,
                                                 .count = 1,
                                                 .arena = &arena,
                                                 .limits = &limits},
                      &output, &err))
        fail_msg("%s\n", err.msg);
    assert_string_equal(output.results[0].name, "LogS");
    memcpy(out, output.results[0].floats.items, count * sizeof(*out));
    arena_release(&arena);
}

static void test_solubility_of_a_row_does_not_see_its_neighbours(void **state)
{
    char a[] = "CCO", b[] = "CC(=O)Oc1ccccc1C(=O)O";
    char c[] = "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O";
    char *texts[] = {a, b, c};
    struct error err = {0};
    struct pipeline_worker *worker = pipeline_worker_new(loaded.pipeline, &err);
    float together[3];

    (void)state;
    assert_non_null(worker);
    run(worker, texts, COUNT_OF(texts), together);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        float alone;

        run(worker, &texts[i], 1, &alone);
        if (alone - together[i] > 1e-4F || together[i] - alone > 1e-4F)
            fail_msg("%s: %g alone, %g in a batch\n", texts[i], (double)alone,
                     (double)together[i]);
    }
    pipeline_worker_free(worker);
}

/* Requests of one text each, in one run of the engine; LogS of each. */
static void run_together(struct pipeline_worker *worker, char *const *texts,
                         size_t count, float *out)
{
    enum { MOST = 8 };
    struct eng_limits limits = {.deadline_ns = UINT64_MAX};
    struct pipeline_value values[MOST];
    struct pipeline_call *calls[MOST];
    struct arena arenas[MOST];
    struct error err = {0};

    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        values[i] = (struct pipeline_value){
            .name = "text", .kind = PIPELINE_STRING, .string = texts[i]};
        arena_init(&arenas[i], 0);
        calls[i] =
            pipeline_prepare(worker,
                             &(struct pipeline_request){.values = &values[i],
                                                        .count = 1,
                                                        .arena = &arenas[i],
                                                        .limits = &limits},
                             &err);
        assert_non_null(calls[i]);
    }
    pipeline_execute(worker, calls, count, NULL);
    for (size_t i = 0; i < count; i++) {
        struct pipeline_output output;

        assert_true(pipeline_finish(worker, calls[i], &output, &err));
        out[i] = (float)output.results[0].number;
        assert_true(output.tokens >= 3 && !output.truncated);
        arena_release(&arenas[i]);
    }
}

static void test_solubility_of_a_request_does_not_see_its_company(void **state)
{
    char a[] = "CCO", b[] = "CC(=O)Oc1ccccc1C(=O)O";
    char c[] = "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O";
    char *texts[] = {b, a, c, a};
    struct error err = {0};
    struct pipeline_worker *worker = pipeline_worker_new(loaded.pipeline, &err);
    float together[4], alone;

    (void)state;
    assert_non_null(worker);
    run_together(worker, texts, COUNT_OF(texts), together);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        run_together(worker, &texts[i], 1, &alone);
        if (alone - together[i] > 1e-5F || together[i] - alone > 1e-5F)
            fail_msg("%s: %g alone, %g in company\n", texts[i], (double)alone,
                     (double)together[i]);
    }
    pipeline_worker_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_solubility_answers_its_examples_as_declared),
        cmocka_unit_test(test_solubility_answers_the_same_from_many_threads),
        cmocka_unit_test(test_solubility_of_a_row_does_not_see_its_neighbours),
        cmocka_unit_test(test_solubility_of_a_request_does_not_see_its_company),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
