/*
 * Pipeline: what a bundle declares is what a request meets.
 *
 * The documents are those of the bundled model and alterations of them, the
 * model is fake: it notes what it was fed and answers what a test asks for.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "fake_solubility.h"
#include "pipeline/step.h"
#include "pipeline_fixture.h"

/* ---- the bundle, as it is or altered ---- */

static bool open_altered(struct fixture *f, const char *from, const char *to)
{
    return fixture_open(f, "models/solubility", &fake_model, from, to);
}

static void open_fixture(struct fixture *f)
{
    memset(&fake_fed, 0, sizeof(fake_fed));
    fake_answer_with(-1.5F, -0.7F, 0.25F);
    if (!open_altered(f, "", ""))
        fail_msg("%s\n", f->err.msg);
}

/* ---- answers ---- */

static void test_pipeline_answers_one_text(void **state)
{
    static const int64_t ids[] = {2, 37, 37, 49};
    struct fixture f;

    (void)state;
    open_fixture(&f);
    assert_true(fixture_run_text(&f, "CCO"));
    assert_int_equal(fake_fed.rows, 1);
    assert_int_equal(fake_fed.columns, 4);
    assert_memory_equal(fake_fed.ids, ids, sizeof(ids));
    assert_int_equal(f.out.result_count, 5);
    assert_int_equal(fixture_result(&f, "LogS")->kind, PIPELINE_NUMBER);
    /* -0.7f comes out as the double -0.7: the shortest text of the float */
    assert_true(fabs(fixture_result(&f, "LogS")->number + 0.7) < 1e-15);
    assert_true(fabs(fixture_result(&f, "LogS_low")->number + 1.5) < 1e-15);
    assert_true(fabs(fixture_result(&f, "LogS_high")->number - 0.25) < 1e-15);
    assert_string_equal(fixture_result(&f, "smiles")->string, "CCO");
    assert_string_equal(fixture_result(&f, "LogS_range")->string, "trained");
    assert_int_equal(f.out.warning_count, 0);
    fixture_close(&f);
}

static void test_pipeline_pads_a_batch_and_answers_arrays(void **state)
{
    char first[] = "CCO", second[] = "C", third[] = "c1ccccc1";
    char *texts[] = {first, second, third};
    static const int64_t mask[] = {1, 1, 1, 1, 0, 0, 0, 0, 0, /* CCO */
                                   1, 1, 0, 0, 0, 0, 0, 0, 0,
                                   1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct fixture f;

    (void)state;
    open_fixture(&f);
    fake_answers[4] = 1.25F; /* row 1, LogS */
    fake_answers[5] = 1.5F;
    assert_true(fixture_run_texts(&f, texts, COUNT_OF(texts)));
    assert_int_equal(fake_fed.rows, 3);
    assert_int_equal(fake_fed.columns, 9);
    assert_memory_equal(fake_fed.mask, mask, sizeof(mask));
    assert_int_equal(fake_fed.ids[9 + 2], 0); /* padding */
    assert_int_equal(fixture_result(&f, "LogS")->kind, PIPELINE_FLOATS);
    assert_int_equal(fixture_result(&f, "LogS")->floats.count, 3);
    assert_true(fabsf(fixture_result(&f, "LogS")->floats.items[1] - 1.25F) <
                1e-9F);
    assert_int_equal(fixture_result(&f, "smiles")->kind, PIPELINE_STRINGS);
    assert_string_equal(fixture_result(&f, "smiles")->strings.items[2],
                        "c1ccccc1");
    assert_string_equal(fixture_result(&f, "LogS_range")->strings.items[0],
                        "trained");
    fixture_close(&f);
}

static void test_pipeline_keeps_workers_apart(void **state)
{
    struct pipeline_worker *first, *second;
    struct fixture f;
    double before;

    (void)state;
    open_fixture(&f);
    first = f.worker;
    second = pipeline_worker_new(f.pipeline, &f.err);
    assert_non_null(second);
    assert_true(fixture_run_text(&f, "CCO"));
    before = fixture_result(&f, "LogS")->number;
    f.worker = second;
    fake_answer_with(-3.0F, -2.0F, -1.0F);
    {
        struct pipeline_output kept = f.out;

        assert_true(fixture_run_text(&f, "CCN"));
        f.out = kept;
    }
    assert_true(fabs(fixture_result(&f, "LogS")->number - before) < 1e-15);
    assert_string_equal(fixture_result(&f, "smiles")->string, "CCO");
    pipeline_worker_free(second);
    f.worker = first;
    fixture_close(&f);
}

/* ---- declines ---- */

static void test_pipeline_declines_what_is_no_smiles(void **state)
{
    struct fixture f;
    char good[] = "CC", bad[] = "C1CC";
    char *texts[] = {good, bad};

    (void)state;
    open_fixture(&f);
    fixture_declined(&f, fixture_run_text(&f, "hello world"), ERR_INVALID_INPUT,
                     "input 'text' is not a SMILES: 'h' is not part of a "
                     "SMILES (character 1)");
    fixture_declined(&f, fixture_run_text(&f, ""), ERR_INVALID_INPUT, "empty");
    fixture_declined(&f, fixture_run_texts(&f, texts, 2), ERR_INVALID_INPUT,
                     "input 'text[1]' is not a SMILES: ring bond 1");
    fixture_close(&f);
}

static void test_pipeline_declines_what_is_out_of_domain(void **state)
{
    struct fixture f;
    struct pipeline_value values[] = {
        {.name = "text", .kind = PIPELINE_STRING, .string = "CC"},
        {.name = "property", .kind = PIPELINE_STRING, .string = "Tg"}};

    (void)state;
    open_fixture(&f);
    fixture_declined(&f, fixture_run_text(&f, "C[U]C"), ERR_OUT_OF_DOMAIN,
                     "not trained on: U");
    fixture_declined(&f, fixture_run_text(&f, "*CC*"), ERR_OUT_OF_DOMAIN,
                     "wildcard");
    fixture_declined(&f, fixture_run(&f, values, 2), ERR_OUT_OF_DOMAIN,
                     "parameter 'property' is 'Tg'");
    values[1].string = "LogS";
    assert_true(fixture_run(&f, values, 2));
    fixture_close(&f);
}

static void test_pipeline_declines_what_is_too_long(void **state)
{
    struct fixture f;
    char text[4096];

    (void)state;
    open_fixture(&f);
    memset(text, 'C', sizeof(text));
    text[511] = '\0';
    assert_true(fixture_run_text(&f, text)); /* 512 tokens with [CLS] */
    text[511] = 'C';
    text[512] = '\0';
    fixture_declined(&f, fixture_run_text(&f, text), ERR_INPUT_TOO_LONG,
                     "input 'text' has 513 tokens, at most 512");
    text[512] = 'C';
    text[2049] = '\0';
    fixture_declined(&f, fixture_run_text(&f, text), ERR_INPUT_TOO_LONG,
                     "input 'text' has 2049 bytes, at most 2048");
    fixture_close(&f);
}

static void test_pipeline_refuses_values_of_the_wrong_shape(void **state)
{
    struct pipeline_value number = {
        .name = "text", .kind = PIPELINE_NUMBER, .number = 1.0};
    struct pipeline_value other = {
        .name = "texts", .kind = PIPELINE_STRING, .string = "CC"};
    char one[] = "C";
    char *many[65];
    struct fixture f;

    (void)state;
    open_fixture(&f);
    fixture_declined(&f, fixture_run(&f, &number, 1), ERR_VALIDATION_ERROR,
                     "data.text must be a text");
    fixture_declined(&f, fixture_run(&f, &other, 1), ERR_VALIDATION_ERROR,
                     "data.text is missing");
    fixture_declined(&f, fixture_run(&f, NULL, 0), ERR_VALIDATION_ERROR,
                     "data.text is missing");
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = one;
    assert_true(fixture_run_texts(&f, many, 64));
    fixture_declined(&f, fixture_run_texts(&f, many, 65), ERR_VALIDATION_ERROR,
                     "data.text has 65 texts, from 1 to 64");
    fixture_declined(&f, fixture_run_texts(&f, many, 0), ERR_VALIDATION_ERROR,
                     "data.text has 0 texts");
    fixture_close(&f);
}

static void test_pipeline_takes_numbers_that_are_floats(void **state)
{
    static const struct {
        double number;
        bool taken;
    } cases[] = {{0, true},
                 {3.4028234e38, true},
                 {-3.4028234e38, true},
                 {3.5e38, false},
                 {-1e300, false}};
    const struct bundle_input input = {.name = "x", .type = BUNDLE_FLOAT};
    const struct srv_bundle bundle = {
        .signature = {.inputs = &input, .input_count = 1}};
    const struct pipeline pipeline = {.bundle = &bundle, .rows_max = 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pipeline_value value = {
            .name = "x", .kind = PIPELINE_NUMBER, .number = cases[i].number};
        struct pipeline_request request = {.values = &value, .count = 1};
        struct call_input slot = {0};
        struct arena arena;
        struct pipeline_call call = {.pipeline = &pipeline,
                                     .request = request,
                                     .arena = &arena,
                                     .inputs = &slot,
                                     .rows = 1};
        struct error err = {0};

        arena_init(&arena, 0);
        assert_int_equal(inputs_check(&call, &err), cases[i].taken);
        assert_int_equal(err.code,
                         cases[i].taken ? ERR_NONE : ERR_VALIDATION_ERROR);
        arena_release(&arena);
    }
}

/* ---- marks ---- */

static void test_pipeline_marks_what_lies_outside_the_training(void **state)
{
    struct fixture f;
    char text[400];

    (void)state;
    open_fixture(&f);
    assert_true(fixture_run_text(&f, "[Au]Cl"));
    assert_string_equal(fixture_result(&f, "LogS_range")->string,
                        "extrapolated");
    assert_true(
        fixture_warned(&f, "few training compounds have these elements: Au"));

    assert_true(fixture_run_text(&f, "C%12CCCCC%12"));
    assert_string_equal(fixture_result(&f, "LogS_range")->string, "unreliable");
    assert_true(fixture_warned(&f, "no training text has the character '%'"));

    memset(text, 'C', sizeof(text));
    text[399] = '\0';
    assert_true(fixture_run_text(&f, text));
    assert_string_equal(fixture_result(&f, "LogS_range")->string, "unreliable");
    assert_true(
        fixture_warned(&f, "input_tokens is 400, the training range is 2"));

    fake_answer_with(2.0F, 3.5F, 4.0F);
    assert_true(fixture_run_text(&f, "CC"));
    assert_string_equal(fixture_result(&f, "LogS_range")->string, "unreliable");
    assert_true(
        fixture_warned(&f, "LogS is 3.5, the training range is -13.17"));
    fixture_close(&f);
}

static void test_pipeline_marks_the_row_of_a_batch(void **state)
{
    char first[] = "CC", second[] = "[Au]";
    char *texts[] = {first, second};
    struct fixture f;

    (void)state;
    open_fixture(&f);
    assert_true(fixture_run_texts(&f, texts, 2));
    assert_string_equal(fixture_result(&f, "LogS_range")->strings.items[0],
                        "trained");
    assert_string_equal(fixture_result(&f, "LogS_range")->strings.items[1],
                        "extrapolated");
    assert_int_equal(f.out.warning_count, 1);
    assert_true(fixture_warned(&f, "row 1: few training compounds"));
    fixture_close(&f);
}

static void test_pipeline_says_which_keys_it_ignores(void **state)
{
    struct pipeline_value values[] = {
        {.name = "text", .kind = PIPELINE_STRING, .string = "CC"},
        {.name = "colour", .kind = PIPELINE_BOOL, .boolean = true}};
    struct fixture f;

    (void)state;
    open_fixture(&f);
    assert_true(fixture_run(&f, values, 2));
    assert_true(fixture_warned(&f, "data.colour is neither an input"));
    fixture_close(&f);

    assert_true(open_altered(&f, "strict: false", "strict: true"));
    fixture_declined(&f, fixture_run(&f, values, 2), ERR_VALIDATION_ERROR,
                     "data.colour is neither an input");
    fixture_close(&f);
}

static void test_pipeline_warns_in_utf8(void **state)
{
    static const char name[] = /* 65 bytes, the last two are one character */
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "\xc3\xa9";
    struct pipeline_value values[] = {
        {.name = "text", .kind = PIPELINE_STRING, .string = "CC"},
        {.name = name, .kind = PIPELINE_BOOL}};
    struct fixture f;

    (void)state;
    open_fixture(&f);
    assert_true(fixture_run(&f, values, 2));
    assert_true(fixture_warned(&f, "xx? is neither an input"));
    fixture_close(&f);
}

static void test_pipeline_keeps_at_most_so_many_warnings(void **state)
{
    struct pipeline_value values[100];
    struct fixture f;

    (void)state;
    open_fixture(&f);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        values[i] = (struct pipeline_value){.name = "x", .kind = PIPELINE_BOOL};
    values[0] = (struct pipeline_value){
        .name = "text", .kind = PIPELINE_STRING, .string = "CC"};
    assert_true(fixture_run(&f, values, COUNT_OF(values)));
    assert_int_equal(f.out.warning_count, 32);
    assert_string_equal(f.out.warnings[31], "further warnings are left out");
    fixture_close(&f);
}

/* ---- a model that misbehaves ---- */

static void test_pipeline_never_answers_a_number_that_is_none(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    fake_answer_with(-1.0F, NAN, 1.0F);
    fixture_declined(&f, fixture_run_text(&f, "CC"), ERR_OUTPUT_INVALID,
                     "'LogS'");
    fake_answer_with(-INFINITY, 0.0F, 1.0F);
    fixture_declined(&f, fixture_run_text(&f, "CC"), ERR_OUTPUT_INVALID,
                     "'LogS_low'");
    fake_answer_with(0.5F, 0.0F, 1.0F);
    fixture_declined(&f, fixture_run_text(&f, "CC"), ERR_OUTPUT_INVALID,
                     "does not contain its value");
    fixture_close(&f);
}

static void test_pipeline_passes_on_why_a_run_failed(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    fake_fed.fails_with = ERR_TIMEOUT;
    fixture_declined(&f, fixture_run_text(&f, "CC"), ERR_TIMEOUT,
                     "the run failed");
    /* what the engine cannot take was ours to check */
    fake_fed.fails_with = ERR_VALIDATION_ERROR;
    fixture_declined(&f, fixture_run_text(&f, "CC"), ERR_INTERNAL,
                     "the run failed");
    fake_fed.fails_with = ERR_NONE;
    fixture_close(&f);
}

/* Every request works, or says that memory is out, at each limit. */
static void test_pipeline_survives_any_limit_of_memory(void **state)
{
    struct pipeline_value value = {
        .name = "text", .kind = PIPELINE_STRING, .string = "CCO"};
    bool ok = false;
    struct fixture f;

    (void)state;
    open_fixture(&f);
    for (size_t limit = 1; !ok && limit < 1 << 20; limit *= 2) {
        struct arena arena;
        struct pipeline_request request = {
            .values = &value, .count = 1, .arena = &arena};

        arena_init(&arena, limit);
        error_clear(&f.err);
        ok = pipeline_run(f.worker, &request, &f.out, &f.err);
        if (!ok)
            assert_int_equal(f.err.code, ERR_OUT_OF_MEMORY);
        arena_release(&arena);
    }
    assert_true(ok);
    fixture_close(&f);
}

/* ---- documents that do not fit ---- */

struct misfit {
    const char *from, *to, *says;
};

static const struct misfit misfits[] = {
    {"type: smiles_syntax", "type: smiles_magic",
     "pipeline step 'check-smiles': there is no step type 'smiles_magic'"},
    {"type: range_check", "type: tokenize",
     "pipeline step 'bands': 'tokenize' belongs into preprocess"},
    {"ids: input_ids", "ids: tokens",
     "pipeline step 'tokenize': the model has no input 'tokens'"},
    {"mask: attention_mask", "mask: input_ids",
     "another step fills the model's input 'input_ids'"},
    {", mask: attention_mask", "",
     "nothing fills the model's input 'attention_mask'"},
    {"mask: attention_mask", "mash: attention_mask",
     "type 'tokenize' has no parameter 'mash'"},
    {"interval: {low: LogS_low", "interval: {low: LogX",
     "the signature has no output 'LogX'"},
    {"interval: {low: LogS_low, ", "interval: {", "parameter 'low' is missing"},
    {"tokens: input_tokens", "tokens: input_letters",
     "there is no range 'input_letters'"},
    {"output: LogS_range", "output: smiles",
     "output 'smiles' is filled by another"},
    {"output: LogS_range", "output: LogS",
     "output 'LogS' is float, expected string"},
    {"rareElements: [\"", "rareElements: [\"Xx\", \"",
     "'Xx' is no symbol of an element"},
    {"    parameters:\n    - {name: property",
     "    - {name: note, type: text, required: false, "
     "specialTokens: parse}\n"
     "    parameters:\n    - {name: property",
     "input 'note' says specialTokens: parse, but no tokenize step reads it"},
    {"\"type\": \"ByteLevel\",\n  \"add",
     "\"type\": \"UnicodeScripts\",\n  \"add",
     "pre_tokenizer 'UnicodeScripts' is not supported"},
};

static void test_pipeline_names_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(misfits); i++) {
        struct fixture f;

        if (open_altered(&f, misfits[i].from, misfits[i].to))
            fail_msg("row %zu: opened\n", i);
        if (!strstr(f.err.msg, misfits[i].says))
            fail_msg("row %zu: '%s'\n", i, f.err.msg);
        fixture_close(&f);
    }
}

/* The documents agree with each other, but not with the weights. */
static void test_pipeline_names_what_the_model_lacks(void **state)
{
    struct fixture f;

    (void)state;
    fake_model.outputs[0].name = "z";
    assert_false(open_altered(&f, "", ""));
    assert_non_null(
        strstr(f.err.msg, "output 'LogS': the model has no tensor 'y'"));
    fixture_close(&f);
    fake_model.outputs[0].name = "y";
    fake_model.outputs[0].dtype = ENG_STRING;
    assert_false(open_altered(&f, "", ""));
    assert_non_null(
        strstr(f.err.msg, "output 'LogS': its type cannot hold the tensor's"));
    fixture_close(&f);
    fake_model.outputs[0].dtype = ENG_F32;
    fake_model.outputs[0].dims[1] = 2;
    assert_false(open_altered(&f, "", ""));
    assert_non_null(strstr(f.err.msg, "its index is outside the tensor 'y'"));
    fixture_close(&f);
    fake_model.outputs[0].dims[1] = 3;
    fake_model.inputs[0].dtype = ENG_F32;
    assert_false(open_altered(&f, "", ""));
    assert_non_null(strstr(f.err.msg, "'input_ids' is float32"));
    fixture_close(&f);
    fake_model.inputs[0].dtype = ENG_I64;
}

/* ---- examples ---- */

static const struct bundle_example *example(const struct fixture *f,
                                            const char *name)
{
    for (size_t i = 0; i < f->bundle->example_count; i++) {
        if (strcmp(f->bundle->examples[i].name, name) == 0)
            return &f->bundle->examples[i];
    }
    fail_msg("there is no example '%s'\n", name);
    return NULL;
}

static bool check(struct fixture *f, const char *name)
{
    struct eng_limits limits = {.deadline_ns = UINT64_MAX};

    error_clear(&f->err);
    return pipeline_example_check(f->worker, example(f, name), &limits,
                                  &f->err);
}

static double expected(const struct fixture *f, const char *output)
{
    return doc_number(doc_get(example(f, "Ethanol")->expect.values, output),
                      (double)NAN);
}

static void test_pipeline_compares_examples_with_what_is_expected(void **state)
{
    struct fixture f;
    float low, mid, high;

    (void)state;
    open_fixture(&f);
    low = (float)expected(&f, "LogS_low");
    mid = (float)expected(&f, "LogS");
    high = (float)expected(&f, "LogS_high");
    fake_answer_with(low, mid, high);
    assert_true(check(&f, "Ethanol"));
    fake_answer_with(low, mid + 0.0005F, high);
    assert_true(check(&f, "Ethanol"));
    fake_answer_with(low, mid + 0.01F, high);
    fixture_declined(&f, check(&f, "Ethanol"), ERR_OUTPUT_INVALID,
                     "example 'Ethanol': LogS is");
    assert_true(check(&f, "Not a SMILES"));
    assert_true(check(&f, "Uranium"));
    fixture_close(&f);
}

static void test_pipeline_finds_examples_that_should_be_declined(void **state)
{
    struct fixture f;

    (void)state;
    memset(&fake_fed, 0, sizeof(fake_fed));
    fake_answer_with(-1.0F, 0.0F, 1.0F);
    assert_true(open_altered(&f, "data: {text: \"hello world\"}",
                             "data: {text: \"CCO\"}"));
    fixture_declined(&f, check(&f, "Not a SMILES"), ERR_OUTPUT_INVALID,
                     "was not declined");
    fixture_close(&f);
    assert_true(open_altered(&f, "data: {text: \"hello world\"}",
                             "data: {text: \"[U]\"}"));
    fixture_declined(&f, check(&f, "Not a SMILES"), ERR_OUTPUT_INVALID,
                     "declined with OUT_OF_DOMAIN, expected INVALID_INPUT");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipeline_answers_one_text),
        cmocka_unit_test(test_pipeline_pads_a_batch_and_answers_arrays),
        cmocka_unit_test(test_pipeline_keeps_workers_apart),
        cmocka_unit_test(test_pipeline_declines_what_is_no_smiles),
        cmocka_unit_test(test_pipeline_declines_what_is_out_of_domain),
        cmocka_unit_test(test_pipeline_declines_what_is_too_long),
        cmocka_unit_test(test_pipeline_refuses_values_of_the_wrong_shape),
        cmocka_unit_test(test_pipeline_takes_numbers_that_are_floats),
        cmocka_unit_test(test_pipeline_marks_what_lies_outside_the_training),
        cmocka_unit_test(test_pipeline_marks_the_row_of_a_batch),
        cmocka_unit_test(test_pipeline_says_which_keys_it_ignores),
        cmocka_unit_test(test_pipeline_warns_in_utf8),
        cmocka_unit_test(test_pipeline_keeps_at_most_so_many_warnings),
        cmocka_unit_test(test_pipeline_never_answers_a_number_that_is_none),
        cmocka_unit_test(test_pipeline_passes_on_why_a_run_failed),
        cmocka_unit_test(test_pipeline_survives_any_limit_of_memory),
        cmocka_unit_test(test_pipeline_names_what_does_not_fit),
        cmocka_unit_test(test_pipeline_names_what_the_model_lacks),
        cmocka_unit_test(test_pipeline_compares_examples_with_what_is_expected),
        cmocka_unit_test(test_pipeline_finds_examples_that_should_be_declined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
