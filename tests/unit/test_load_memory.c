/*
 * Loading and answering with the bundled model while each allocation fails in
 * turn: documents, weights, tokenizer, pipeline, one request. Whatever fails
 * says why and leaves nothing behind (the address sanitizer's build sees to
 * that).
 */
#include "unit.h"

#include "pipeline.h"
#include "scarce.h"

/* One request through a new worker. */
static bool ask(const struct pipeline *pipeline, struct error *err)
{
    static char text[] = "CCO";
    static char *texts[] = {text};
    const struct eng_limits limits = {.deadline_ns = UINT64_MAX};
    const struct pipeline_value value = {
        .name = "text",
        .kind = PIPELINE_STRINGS,
        .strings = {.items = texts, .count = COUNT_OF(texts)}};
    struct pipeline_worker *worker = pipeline_worker_new(pipeline, err);
    struct pipeline_output output;
    struct arena arena;
    bool ok = false;

    arena_init(&arena, 0);
    if (worker)
        ok = pipeline_run(worker,
                          &(struct pipeline_request){.values = &value,
                                                     .count = 1,
                                                     .arena = &arena,
                                                     .limits = &limits},
                          &output, err);
    arena_release(&arena);
    pipeline_worker_free(worker);
    return ok;
}

static bool serve(const struct srv_bundle *bundle, struct error *err)
{
    struct eng_model *model = eng_model_open(bundle->model_path, NULL, err);
    struct pipeline *pipeline = NULL;
    bool ok = false;

    if (model)
        pipeline = pipeline_open(bundle, model, err);
    if (pipeline)
        ok = ask(pipeline, err);
    pipeline_close(pipeline);
    eng_model_put(model);
    return ok;
}

static void test_documents_load_or_say_what_failed(void **state)
{
    size_t used = 0;

    (void)state;
    for (size_t number = 1; number == 1 || number <= used + 1; number++) {
        struct srv_bundle *bundle;
        struct doc_report report;
        struct arena arena;

        arena_init(&arena, 0);
        doc_report_init(&report, &arena);
        scarce_begin(number);
        bundle = bundle_open("models/solubility", &report);
        used = scarce_end();
        assert_true(bundle || report.faults > 0);
        assert_true(bundle || used >= number);
        bundle_close(bundle);
        arena_release(&arena);
    }
    assert_true(used > 10);
}

static void test_model_answers_or_says_what_failed(void **state)
{
    struct srv_bundle *bundle;
    struct doc_report report;
    struct arena arena;
    size_t used = 0;

    (void)state;
    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    bundle = bundle_open("models/solubility", &report);
    assert_non_null(bundle);
    for (size_t number = 1; number == 1 || number <= used + 1; number++) {
        struct error err = {0};
        bool ok;

        scarce_begin(number);
        ok = serve(bundle, &err);
        used = scarce_end();
        assert_true(ok || used >= number);
        if (!ok && err.code != ERR_OUT_OF_MEMORY)
            fail_msg("allocation %zu: %s\n", number, err.msg);
    }
    assert_true(used > 10);
    bundle_close(bundle);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_load_or_say_what_failed),
        cmocka_unit_test(test_model_answers_or_says_what_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
