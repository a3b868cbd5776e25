/*
 * The steps behind a model: what they make of tensors of the test's, one row at
 * a time and several together, and which documents they refuse.
 *
 * Documents and tokenizer are those of tests/data/bundles; each text
 * below is tokenized to itself in bytes between [CLS] and [SEP].
 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fake_engine.h"
#include "pipeline_fixture.h"

#define BUNDLE "tests/data/bundles/sentences"
#define LABELS "tests/data/bundles/labels"

/* How the documents say it; tests put other lines there. */
#define STEPS                                                                  \
    "    pool: {tensor: last_hidden_state, method: mean, output: embedding}\n"
#define UNIT "    unit: {value: embedding}\n"

enum { WIDTH = 32, TOKENS_MAX = 16, ROWS_MAX = 4 };

static float states[ROWS_MAX * TOKENS_MAX * WIDTH];
static int64_t types[ROWS_MAX * TOKENS_MAX];
static int64_t ids[ROWS_MAX * TOKENS_MAX];
static size_t id_count; /* of the last run, padding and all */

/* Token t of row r has the number 100 r + t + column / 100 in each column;
 * padding has one that would be seen anywhere. */
static bool answer(const struct eng_tensor *inputs, struct eng_tensor *outputs,
                   struct error *err)
{
    size_t rows = (size_t)inputs[0].dims[0], tokens = (size_t)inputs[0].dims[1];
    const int64_t *mask = inputs[1].data;

    (void)err;
    assert_true(rows <= ROWS_MAX && tokens <= TOKENS_MAX);
    memcpy(types, inputs[2].data, rows * tokens * sizeof(*types));
    memcpy(ids, inputs[0].data, rows * tokens * sizeof(*ids));
    id_count = rows * tokens;
    for (size_t i = 0; i < rows * tokens * WIDTH; i++) {
        size_t token = i / WIDTH, row = token / tokens;
        size_t whole = 100 * row + token % tokens;

        states[i] =
            mask[token] ? (float)whole + (float)(i % WIDTH) / 100 : 1e6F;
    }
    outputs[0] = fake_states(&inputs[0], WIDTH, states);
    return true;
}

static struct eng_model model = {.inputs = {FAKE_TOKENS("input_ids"),
                                            FAKE_TOKENS("attention_mask"),
                                            FAKE_TOKENS("token_type_ids")},
                                 .outputs = {FAKE_STATES(WIDTH)},
                                 .input_count = 3,
                                 .output_count = 1,
                                 .answer = answer};

/* ---- a classifier: one row of four numbers for each text ---- */

static float logits[ROWS_MAX * 4];

static bool classify(const struct eng_tensor *inputs,
                     struct eng_tensor *outputs, struct error *err)
{
    (void)err;
    outputs[0] = (struct eng_tensor){.dtype = ENG_F32,
                                     .rank = 2,
                                     .dims = {inputs[0].dims[0], 4},
                                     .data = logits};
    return true;
}

static struct eng_model classifier = {
    .inputs = {FAKE_TOKENS("input_ids"), FAKE_TOKENS("attention_mask")},
    .outputs =
        {{.name = "logits", .dtype = ENG_F32, .rank = 2, .dims = {-1, 4}}},
    .input_count = 2,
    .output_count = 1,
    .answer = classify};

static void open_with(struct fixture *f, const char *from, const char *to)
{
    if (!fixture_open(f, BUNDLE, &model, from, to))
        fail_msg("%s\n", f->err.msg);
}

static void expect_near(float number, double expected)
{
    if (!(fabs((double)number - expected) <= 1e-6 * fmax(1, fabs(expected))))
        fail_msg("%.9g, expected %.9g\n", (double)number, expected);
}

/* ---- normalize_text ---- */

#define TOKENS      "    tokens: {input: text, ids"
#define TOKENS_STEP "      - {name: tokens, type: tokenize}\n"

/* Parameters of a step before the tokenizer. */
static bool open_normalizing(struct fixture *f, const char *params,
                             const char *bytes_max)
{
    char line[160];
    const struct fixture_edit edits[] = {
        {TOKENS_STEP,
         "      - {name: tidy, type: normalize_text}\n" TOKENS_STEP},
        {TOKENS, line},
        {"maxBytes: 4096", bytes_max}};

    (void)snprintf(line, sizeof(line), "    tidy: {%s}\n%s", params, TOKENS);
    return fixture_open_edited(f, BUNDLE, &model, edits, COUNT_OF(edits));
}

/* What the tokenizer got is seen from the ids: one for each byte. */
static void expect_tokens_of(struct fixture *plain, char *const *rows,
                             size_t count)
{
    int64_t got[ROWS_MAX * TOKENS_MAX];
    size_t got_count = id_count;

    memcpy(got, ids, id_count * sizeof(*ids));
    if (!fixture_run_texts(plain, rows, count))
        fail_msg("%s\n", plain->err.msg);
    assert_int_equal(got_count, id_count);
    assert_memory_equal(got, ids, id_count * sizeof(*ids));
}

static const struct {
    const char *params;
    char text[16], becomes[16];
} normal[] = {
    {"form: NFC", "e\xcc\x81", "\xc3\xa9"},
    {"form: NFD", "\xc3\xa9", "e\xcc\x81"},
    {"form: NFC", "\xef\xac\x81", "\xef\xac\x81"},
    {"form: NFKC", "\xef\xac\x81 \xef\xbc\xa1", "fi A"},
    {"form: NFKD", "\xef\xac\x81\xc3\xa9", "fie\xcc\x81"},
    {"lower: true", "A\xc3\x89 z", "a\xc3\xa9 z"},
    {"strip: true", " \t a  b\xc2\xa0\n", "a  b"},
    {"strip: true", " \n ", ""},
    {"collapse: true", "\t\ta \xe3\x80\x80 b\n", " a b "},
    {"form: NFKC, lower: true, collapse: true, strip: true",
     "  \xef\xbc\xa1\t\tB ", "a b"},
    {"lower: true, strip: false", " A", " a"},
};

static void test_steps_normalize_texts(void **state)
{
    struct fixture plain;

    (void)state;
    open_with(&plain, "", "");
    for (size_t i = 0; i < COUNT_OF(normal); i++) {
        char params[96], text[16], becomes[16], same[] = "x";
        char *rows[] = {same, text}, *expected[] = {same, becomes};
        struct fixture f;

        (void)snprintf(params, sizeof(params), "input: text, %s",
                       normal[i].params);
        memcpy(text, normal[i].text, sizeof(text));
        memcpy(becomes, normal[i].becomes, sizeof(becomes));
        if (!open_normalizing(&f, params, "maxBytes: 4096") ||
            !fixture_run_texts(&f, rows, COUNT_OF(rows)))
            fail_msg("row %zu: %s\n", i, f.err.msg);
        expect_tokens_of(&plain, expected, COUNT_OF(expected));
        assert_true(fixture_run_text(&f, text)); /* alone, too */
        expect_tokens_of(&plain, &expected[1], 1);
        assert_string_equal(text, normal[i].text); /* the request's own */
        fixture_close(&f);
    }
    fixture_close(&plain);
}

static void test_steps_bound_what_normalizing_adds(void **state)
{
    char fits[] = "abc", grows[] = "\xef\xb7\xba"; /* 3 bytes, then 33 */
    char *rows[] = {fits, grows};
    struct fixture f;

    (void)state;
    assert_true(
        open_normalizing(&f, "input: text, form: NFKC", "maxBytes: 32"));
    assert_true(fixture_run_text(&f, fits));
    fixture_declined(
        &f, fixture_run_texts(&f, rows, 2), ERR_INPUT_TOO_LONG,
        "input 'text[1]' has 33 bytes when normalized, at most 32");
    fixture_close(&f);
}

static const struct {
    const char *params, *says;
} no_rules[] = {
    {"input: text, form: nfc", "form 'nfc' is none of NFC, NFD, NFKC and NFKD"},
    {"input: text, form: 4", "is none of NFC"},
    {"input: text, lower: 1", "lower is true or false"},
    {"input: text, lower: false", "neither form, lower, collapse nor strip"},
    {"input: texts, lower: true",
     "the signature has no required text input 'texts'"},
    {"lower: true", "parameter 'input' is missing"},
    {"input: text, upper: true", "has no parameter 'upper'"},
};

static void test_steps_refuse_rules_they_do_not_have(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(no_rules); i++) {
        struct fixture f;

        fixture_declined(
            &f, open_normalizing(&f, no_rules[i].params, "maxBytes: 4096"),
            ERR_DOCUMENT_INVALID, no_rules[i].says);
        fixture_close(&f);
    }
}

/* ---- special tokens that a user wrote ---- */

enum { CLS = 1, SEP = 2 };

static size_t count_id(int64_t id)
{
    size_t count = 0;

    for (size_t i = 0; i < id_count; i++)
        count += ids[i] == id;
    return count;
}

static void expect_specials(const char *says, size_t tokens, size_t cls)
{
    struct fixture f;

    open_with(&f, "maxTokens: 64", says);
    assert_true(fixture_run_text(&f, "a[CLS]b"));
    assert_int_equal(id_count, tokens);
    assert_int_equal(count_id(CLS), cls);
    assert_int_equal(count_id(SEP), 1);
    fixture_close(&f);
}

static void test_steps_parse_special_tokens_only_when_told(void **state)
{
    (void)state;
    expect_specials("maxTokens: 64", 2 + 7, 1);
    expect_specials("maxTokens: 64, specialTokens: text", 2 + 7, 1);
    expect_specials("maxTokens: 64, specialTokens: parse", 2 + 3, 2);
    assert_int_equal(ids[2], CLS); /* after [CLS] a */
}

static void
test_steps_take_the_types_of_one_text_from_its_template(void **state)
{
    struct fixture f;

    (void)state; /* the first such place is in the template of one text */
    open_with(&f, "\"[SEP]\",\n\"type_id\": 0", "\"[SEP]\",\n\"type_id\": 2");
    assert_true(fixture_run_text(&f, "ab"));
    assert_int_equal(id_count, 4);
    assert_int_equal(types[0] + types[1] + types[2], 0);
    assert_int_equal(types[3], 2);
    fixture_close(&f);
}

static void test_steps_take_pairs_that_agree_on_special_tokens(void **state)
{
    struct fixture_edit edits[] = {
        {"    outputs:\n    - {name: embedding",
         "    - {name: other, type: text, specialTokens: parse}\n"
         "    outputs:\n    - {name: embedding"},
        {"tokens: {input: text", "tokens: {input: text, pair: other"},
        {"data: {text:", "data: {other: b, text:"},
        {"maxTokens: 64", "maxTokens: 64, specialTokens: parse"}};
    struct pipeline_value values[] = {
        {.name = "text", .kind = PIPELINE_STRING, .string = "a"},
        {.name = "other", .kind = PIPELINE_STRING, .string = "[CLS]"}};
    struct fixture f;

    (void)state;
    fixture_declined(&f, fixture_open_edited(&f, BUNDLE, &model, edits, 3),
                     ERR_DOCUMENT_INVALID,
                     "specialTokens of 'text' and 'other' must be the same");
    fixture_close(&f);
    assert_true(fixture_open_edited(&f, BUNDLE, &model, edits, 4));
    assert_true(fixture_run(&f, values, COUNT_OF(values)));
    assert_int_equal(id_count, 5); /* [CLS] a [SEP] [CLS] [SEP] */
    assert_int_equal(ids[3], CLS);
    fixture_close(&f);
}

static void test_steps_refuse_limits_of_tokens_that_nobody_makes(void **state)
{
    static const char *const said[] = {
        "maxTokens: 8", "onExcess: annotate-truncated", "specialTokens: parse"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        char input[160], says[32];
        struct fixture_edit edits[] = {
            {"    outputs:\n    - {name: embedding", input},
            {"data: {text:", "data: {other: b, text:"}};
        struct fixture f;

        (void)snprintf(input, sizeof input,
                       "    - {name: other, type: text, %s}\n"
                       "    outputs:\n    - {name: embedding",
                       said[i]);
        (void)snprintf(says, sizeof says, "input 'other' says %.9s", said[i]);
        fixture_declined(
            &f, fixture_open_edited(&f, BUNDLE, &model, edits, COUNT_OF(edits)),
            ERR_DOCUMENT_INVALID, says);
        assert_non_null(strstr(f.err.msg, "no tokenize step reads it"));
        fixture_close(&f);
    }
}

/* ---- pooling ---- */

/* Rows of 3, 5 and 2 tokens. */
static char first[] = "a", second[] = "abc", third[] = "";
static char *const texts[] = {first, second, third};

static void expect_pooled(const char *method, const double *tokens)
{
    const struct pipeline_value *value;
    char to[160];
    struct fixture f;

    (void)snprintf(to, sizeof(to),
                   "    pool: {tensor: last_hidden_state, method: %s, output: "
                   "raw}\n    unit: {value: raw, output: embedding}\n",
                   method);
    open_with(&f, STEPS UNIT, to);
    assert_true(fixture_run_texts(&f, texts, COUNT_OF(texts)));
    value = fixture_result(&f, "embedding");
    assert_int_equal(value->kind, PIPELINE_VECTORS);
    assert_int_equal(value->vectors.count, 3);
    assert_int_equal(value->vectors.width, WIDTH);
    for (size_t row = 0; row < 3; row++) {
        double norm = 0;

        for (size_t i = 0; i < WIDTH; i++) {
            double number = tokens[row] + (double)((float)i / 100);

            norm += number * number;
        }
        for (size_t i = 0; i < WIDTH; i++)
            expect_near(value->vectors.items[row * WIDTH + i],
                        (tokens[row] + (double)((float)i / 100)) / sqrt(norm));
    }
    assert_int_equal(f.out.tokens, 10);
    fixture_close(&f);
}

static void test_steps_pool_the_tokens_of_each_text(void **state)
{
    static const double mean[] = {1, 102, 200.5}, cls[] = {0, 100, 200},
                        max[] = {2, 104, 201};

    (void)state;
    expect_pooled("mean", mean);
    expect_pooled("cls", cls);
    expect_pooled("max", max);
}

static void test_steps_change_an_output_in_place(void **state)
{
    const struct pipeline_value *value;
    struct fixture f;

    (void)state;
    open_with(&f, "", "");
    assert_true(fixture_run_text(&f, "a"));
    value = fixture_result(&f, "embedding");
    assert_int_equal(value->kind, PIPELINE_FLOATS);
    assert_int_equal(value->floats.count, WIDTH);
    assert_true(value->floats.items[0] < 1);
    assert_int_equal(types[0] + types[1] + types[2], 0);
    fixture_close(&f);
}

/* ---- names ---- */

static void open_labels(struct fixture *f)
{
    if (!fixture_open(f, LABELS, &classifier, "", ""))
        fail_msg("%s\n", f->err.msg);
}

static void test_steps_name_what_is_largest(void **state)
{
    static const float numbers[] = {0, 1, 3, 2};
    const double sum = 1 + exp(1) + exp(3) + exp(2);
    const struct pipeline_value *value;
    struct fixture f;

    (void)state;
    memcpy(logits, numbers, sizeof(numbers));
    open_labels(&f);
    assert_true(fixture_run_text(&f, "a"));
    assert_string_equal(fixture_result(&f, "label")->string, "blue");
    expect_near((float)fixture_result(&f, "score")->number, exp(3) / sum);
    value = fixture_result(&f, "top");
    assert_int_equal(value->kind, PIPELINE_STRINGS);
    assert_int_equal(value->strings.count, 3);
    assert_string_equal(value->strings.items[0], "blue");
    assert_string_equal(value->strings.items[1], "grey");
    assert_string_equal(value->strings.items[2], "green");
    value = fixture_result(&f, "scores");
    assert_int_equal(value->floats.count, 3);
    expect_near(value->floats.items[1], 2);
    fixture_close(&f);
}

static void test_steps_name_the_rows_of_a_batch(void **state)
{
    static const float numbers[] = {5, 5, 1, 1, 0, 1, 2, 3, -4, -3, -2, -1};
    const struct pipeline_value *value;
    struct fixture f;

    (void)state;
    memcpy(logits, numbers, sizeof(numbers));
    open_labels(&f);
    assert_true(fixture_run_texts(&f, texts, COUNT_OF(texts)));
    value = fixture_result(&f, "label");
    assert_int_equal(value->kind, PIPELINE_STRINGS);
    assert_string_equal(value->strings.items[0], "red"); /* first of equals */
    assert_string_equal(value->strings.items[2], "grey");
    value = fixture_result(&f, "top");
    assert_int_equal(value->kind, PIPELINE_JSON);
    assert_string_equal(value->json,
                        "[[\"red\",\"green\",\"blue\"],[\"grey\",\"blue\","
                        "\"green\"],[\"grey\",\"blue\",\"green\"]]");
    value = fixture_result(&f, "scores");
    assert_int_equal(value->kind, PIPELINE_VECTORS);
    assert_int_equal(value->vectors.width, 3);
    expect_near(value->vectors.items[3], 3);
    fixture_close(&f);
}

/* Large numbers must not overflow on the way. */
static void test_steps_share_out_large_numbers(void **state)
{
    static const float numbers[] = {-3e38F, 1e4F, 1e4F, -1e4F};
    struct fixture f;

    (void)state;
    memcpy(logits, numbers, sizeof(numbers));
    open_labels(&f);
    assert_true(fixture_run_text(&f, "a"));
    expect_near((float)fixture_result(&f, "score")->number, 0.5);
    logits[1] = NAN;
    fixture_declined(&f, fixture_run_text(&f, "a"), ERR_OUTPUT_INVALID,
                     "output 'logits' of the model is not a finite number");
    fixture_close(&f);
}

static void test_steps_make_probabilities(void **state)
{
    static const float numbers[] = {0, 100, -100, 2};
    const struct pipeline_value *value;
    struct fixture f;

    (void)state;
    memcpy(logits, numbers, sizeof(numbers));
    if (!fixture_open(&f, LABELS, &classifier, "type: softmax",
                      "type: sigmoid"))
        fail_msg("%s\n", f.err.msg);
    assert_true(fixture_run_text(&f, "a"));
    value = fixture_result(&f, "score");
    expect_near((float)value->number, 1);
    fixture_close(&f);
}

/* ---- what a run can find out only ---- */

static bool answer_wrong(const struct eng_tensor *inputs,
                         struct eng_tensor *outputs, struct error *err)
{
    (void)classify(inputs, outputs, err);
    outputs[0].dims[1] = 2; /* the model did not say how many */
    return true;
}

static void test_steps_count_what_they_were_not_told(void **state)
{
    struct fixture f;

    (void)state;
    classifier.outputs[0].dims[1] = -1;
    classifier.answer = answer_wrong;
    memset(logits, 0, sizeof(logits));
    open_labels(&f);
    fixture_declined(&f, fixture_run_text(&f, "a"), ERR_OUTPUT_INVALID,
                     "the model gave 2 numbers for 4 labels");
    fixture_close(&f);
    classifier.outputs[0].dims[1] = 4;
    classifier.answer = classify;
}

/* ---- documents that do not fit ---- */

struct misfit {
    const char *bundle, *from, *to, *says;
};

static const struct misfit misfits[] = {
    {BUNDLE, "method: mean", "method: median",
     "method 'median' is not mean, cls or max"},
    {BUNDLE, "method: mean, ", "", "parameter 'method' is missing"},
    {BUNDLE, ", output: embedding", "", "parameter 'output' is missing"},
    {BUNDLE, "tensor: last_hidden_state", "tensor: pooler",
     "the model has no output 'pooler'"},
    {BUNDLE, "value: embedding", "value: embeddings",
     "there is no value 'embeddings' before this step"},
    {BUNDLE, "value: embedding", "value: embedding, eps: 1",
     "type 'l2_normalize' has no parameter 'eps'"},
    {BUNDLE, "length: 32}", "length: 31}",
     "output 'embedding' takes 31 numbers, there are 32"},
    {BUNDLE, "output: embedding", "output: hidden",
     "there is no value 'embedding' before this step"},
    {BUNDLE, ", types: token_type_ids", "",
     "nothing fills the model's input 'token_type_ids'"},
    {LABELS, "k: 3", "k: 0", "parameter 'k' must be from 1 to 1000"},
    {LABELS, "blue, grey]", "blue]", "3 labels for 4 numbers"},
    {LABELS, "labelsFile: labels.txt", "labels: [a, b, 3, d]",
     "label 2 is no text"},
    {LABELS, "labelsFile: labels.txt, ", "",
     "needs either 'labels', a list of texts, or 'labelsFile'"},
    {LABELS, "labelsFile: labels.txt", "labelsFile: ../labels.txt",
     "../labels.txt"},
    {LABELS, "label: label", "label: score",
     "output 'score' is float, expected string"},
    {LABELS, "shares: {value: logits, output: shares}",
     "shares: {value: logits, output: label}",
     "output 'label' is string, expected numbers"},
    {LABELS, "shares: {value: logits, output: shares}",
     "shares: {value: logits, output: score}",
     "output 'score' takes 1 numbers, there are 4"},
    {LABELS, "{value: shares,", "{value: label,",
     "there is no value 'label' before this step"},
    {LABELS, "red\r\n", "red\n\n", "5 labels for 4 numbers"},
};

static void test_steps_name_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(misfits); i++) {
        const struct misfit *row = &misfits[i];
        bool is_labels = strcmp(row->bundle, LABELS) == 0;
        struct fixture f;

        if (fixture_open(&f, row->bundle, is_labels ? &classifier : &model,
                         row->from, row->to))
            fail_msg("row %zu: opened\n", i);
        if (f.err.code == ERR_NONE || !strstr(f.err.msg, row->says))
            fail_msg("row %zu: '%s'\n", i, f.err.msg);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_normalize_texts),
        cmocka_unit_test(test_steps_bound_what_normalizing_adds),
        cmocka_unit_test(test_steps_refuse_rules_they_do_not_have),
        cmocka_unit_test(test_steps_parse_special_tokens_only_when_told),
        cmocka_unit_test(
            test_steps_take_the_types_of_one_text_from_its_template),
        cmocka_unit_test(test_steps_take_pairs_that_agree_on_special_tokens),
        cmocka_unit_test(test_steps_refuse_limits_of_tokens_that_nobody_makes),
        cmocka_unit_test(test_steps_pool_the_tokens_of_each_text),
        cmocka_unit_test(test_steps_change_an_output_in_place),
        cmocka_unit_test(test_steps_name_what_is_largest),
        cmocka_unit_test(test_steps_name_the_rows_of_a_batch),
        cmocka_unit_test(test_steps_share_out_large_numbers),
        cmocka_unit_test(test_steps_make_probabilities),
        cmocka_unit_test(test_steps_count_what_they_were_not_told),
        cmocka_unit_test(test_steps_name_what_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
