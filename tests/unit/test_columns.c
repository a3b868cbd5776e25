/*
 * Step columns: what becomes of the values of a row, and which rows and which
 * columns are refused.
 *
 * The documents are those of a bundle with a text, to which the test adds an
 * object; the model is fake and notes what it was fed.
 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fake_engine.h"
#include "pipeline_fixture.h"

enum { WIDTH = 32, TABLE = 3, ELEMENTS = 7 };

static struct eng_tensor fed; /* of the last run; elements are copied */
static union {
    float floats[16];
    int64_t integers[16];
    struct eng_string texts[16];
} elements;
static float states[16 * WIDTH];

static bool answer(const struct eng_tensor *inputs, struct eng_tensor *outputs,
                   struct error *err)
{
    (void)err;
    fed = inputs[TABLE];
    assert_true(eng_tensor_size(&fed) <= sizeof elements);
    memcpy(&elements, fed.data, eng_tensor_size(&fed));
    outputs[0] = fake_states(&inputs[0], WIDTH, states);
    return true;
}

static struct eng_model model = {
    .inputs = {FAKE_TOKENS("input_ids"),
               FAKE_TOKENS("attention_mask"),
               FAKE_TOKENS("token_type_ids"),
               {.name = "table", .rank = 2, .dims = {-1, -1}}},
    .outputs = {FAKE_STATES(WIDTH)},
    .input_count = 4,
    .output_count = 1,
    .answer = answer};

static const char all_columns[] =
    "{name: age}, {name: income, missing: nan}, "
    "{name: city, values: [Bern, Rome, \"\"], missing: \"\", unknown: -1}, "
    "{name: colour, values: [red, green], encode: onehot, missing: 0}, "
    "{name: member, missing: 1}, {name: rate, missing: -2.5}";

/* Opens the bundle with these columns. */
static bool open_with(struct fixture *f, enum eng_dtype dtype,
                      const char *columns)
{
    char step[1024];
    const struct fixture_edit edits[] = {
        {"    outputs:\n    - {name: embedding",
         "    - {name: row, type: object, required: true}\n"
         "    outputs:\n    - {name: embedding"},
        {"batch: true", "batch: false"},
        {"data: {text:", "data: {row: {age: 1}, text:"},
        {"    tokens: {", step},
        {"      - {name: tokens, type", "      - {name: table, type: columns}\n"
                                        "      - {name: tokens, type"}};

    (void)snprintf(step, sizeof step,
                   "    table: {input: row, tensor: table, columns: [%s]}\n"
                   "    tokens: {",
                   columns);
    model.inputs[TABLE].dtype = dtype;
    return fixture_open_edited(f, "tests/data/bundles/sentences", &model, edits,
                               COUNT_OF(edits));
}

static void open_columns(struct fixture *f, enum eng_dtype dtype,
                         const char *columns)
{
    if (!open_with(f, dtype, columns))
        fail_msg("%s\n", f->err.msg);
}

static bool run(struct fixture *f, const char *row)
{
    const struct pipeline_value values[] = {
        {.name = "text", .kind = PIPELINE_STRING, .string = "a"},
        {.name = "row", .kind = PIPELINE_JSON, .json = row}};

    return fixture_run(f, values, COUNT_OF(values));
}

static void expect(struct fixture *f, const char *row, const float *wanted)
{
    if (!run(f, row))
        fail_msg("%s: %s\n", row, f->err.msg);
    assert_int_equal(fed.rank, 2);
    assert_int_equal(fed.dims[0], 1);
    assert_int_equal(fed.dims[1], ELEMENTS);
    for (size_t i = 0; i < ELEMENTS; i++) {
        float got = elements.floats[i];

        if (isnan(wanted[i]) ? !isnan(got) : fabsf(got - wanted[i]) > 1e-6F)
            fail_msg("%s: element %zu is %g\n", row, i, (double)got);
    }
}

static void test_columns_come_in_declared_order(void **state)
{
    static const float whole[] = {31.5F, 1e3F, 1, 0, 1, 0, 0.25F};
    static const float least[] = {-1, NAN, 2, 0, 0, 1, -2.5F};
    static const float other[] = {0, 0, -1, 1, 0, 1, 7};
    struct fixture f;

    (void)state;
    open_columns(&f, ENG_F32, all_columns);
    expect(&f,
           "{\"rate\":0.25,\"member\":false,\"colour\":\"green\","
           "\"city\":\"Rome\",\"income\":1e3,\"age\":31.5}",
           whole);
    expect(&f, "{\"age\":-1}", least);
    expect(&f,
           "{\"age\":false,\"income\":0,\"city\":\"Oslo\",\"colour\":\"red\","
           "\"member\":null,\"rate\":7}",
           other);
    assert_int_equal(f.out.warning_count, 0);
    fixture_close(&f);
}

static void test_columns_of_integers_and_texts(void **state)
{
    struct fixture f;

    (void)state;
    open_columns(&f, ENG_I64, "{name: n}, {name: c, values: [a, b]}");
    assert_true(run(&f, "{\"c\":\"b\",\"n\":-9007199254740992}"));
    assert_int_equal(elements.integers[0], -9007199254740992);
    assert_int_equal(elements.integers[1], 1);
    fixture_declined(&f, run(&f, "{\"c\":\"b\",\"n\":0.5}"),
                     ERR_VALIDATION_ERROR, "data.row.n: 0.5 is no int64");
    fixture_close(&f);
    open_columns(&f, ENG_STRING,
                 "{name: t, missing: none}, {name: c, values: [a, b], "
                 "unknown: a}");
    assert_true(run(&f, "{\"c\":\"z\"}"));
    assert_memory_equal(elements.texts[0].text, "none", 4);
    assert_int_equal(elements.texts[1].size, 1);
    assert_memory_equal(elements.texts[1].text, "a", 1);
    fixture_declined(&f, run(&f, "{\"c\":\"a\",\"t\":3}"), ERR_VALIDATION_ERROR,
                     "data.row.t must be a text");
    fixture_close(&f);
}

static void test_columns_refuse_rows_that_are_none(void **state)
{
    static const struct {
        const char *row;
        enum err_code code;
        const char *says;
    } cases[] = {
        {"{}", ERR_VALIDATION_ERROR, "data.row.age is missing"},
        {"{\"age\":null}", ERR_VALIDATION_ERROR, "data.row.age is missing"},
        {"{\"age\":\"31\"}", ERR_VALIDATION_ERROR, "age must be a number"},
        {"{\"age\":[31]}", ERR_VALIDATION_ERROR, "age must be a number"},
        {"{\"age\":{\"a\":1}}", ERR_VALIDATION_ERROR, "age must be a number"},
        {"{\"age\":1e39}", ERR_VALIDATION_ERROR, "age: 1e+39 is no float32"},
        {"{\"age\":1e999}", ERR_VALIDATION_ERROR, "age is no number"},
        {"{\"age\":1,\"city\":2}", ERR_VALIDATION_ERROR, "city must be a text"},
        {"{\"age\":1,\"colour\":\"blue\"}", ERR_OUT_OF_DOMAIN,
         "data.row.colour is 'blue', which this model does not know"},
        {"{\"age\":1,\"colour\":\"Red\"}", ERR_OUT_OF_DOMAIN, "'Red'"},
        {"{\"age\":1,\"age\":2}", ERR_VALIDATION_ERROR, "age"},
        {"{\"age\":[[[[[[1]]]]]]}", ERR_VALIDATION_ERROR, "no row"},
        {"[1,2]", ERR_VALIDATION_ERROR, "data.row is no row"},
        {"1", ERR_VALIDATION_ERROR, "data.row is no row"},
    };
    struct fixture f;

    (void)state;
    open_columns(&f, ENG_F32, all_columns);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        fixture_declined(&f, run(&f, cases[i].row), cases[i].code,
                         cases[i].says);
    assert_true(run(&f, "{\"age\":1,\"agee\":2}"));
    assert_true(fixture_warned(&f, "data.row.agee is no column: ignored"));
    fixture_close(&f);
}

static void test_columns_refuse_documents_that_do_not_fit(void **state)
{
    static const struct {
        const char *columns, *says;
    } cases[] = {
        {"", "no list of 1 to"},
        {"age", "column 0 has no name"},
        {"{nam: age}", "column 0 has no name"},
        {"{name: a, kind: b}", "column 'a' has no 'kind'"},
        {"{name: a, e: b}", "column 'a' has no 'e'"},
        {"{name: a, 'name values': b}", "column 'a' has no 'name values'"},
        {"{name: a, ' name': b}", "column 'a' has no ' name'"},
        {"{name: a}, {name: a}", "column 'a' is there twice"},
        {"{name: a, values: []}", "the values of 'a' are no list"},
        {"{name: a, values: [x, x]}", "or there twice"},
        {"{name: a, values: [1]}", "is no text"},
        {"{name: a, values: [x], encode: hash}", "index or onehot"},
        {"{name: a, encode: index}", "no category"},
        {"{name: a, unknown: 1}", "nothing is unknown"},
        {"{name: a, missing: x}", "'missing' of column 'a' is nothing"},
        {"{name: a, missing: []}", "'missing' of column 'a' is nothing"},
        {"{name: a, values: [x], missing: y}", "'missing' of column 'a'"},
        {"{name: a, values: [x], encode: onehot, unknown: 1}", "'unknown' of"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;

        fixture_declined(&f, open_with(&f, ENG_F32, cases[i].columns),
                         ERR_DOCUMENT_INVALID, cases[i].says);
        fixture_close(&f);
    }
    model.inputs[TABLE].dims[1] = 3;
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;

        model.inputs[TABLE].rank = i == 0 ? 2 : 3;
        fixture_declined(&f, open_with(&f, ENG_F32, "{name: a}, {name: b}"),
                         ERR_DOCUMENT_INVALID,
                         i == 0 ? "the columns make 2 elements"
                                : "is not [n] or [1, n]");
        fixture_close(&f);
    }
    model.inputs[TABLE].rank = 2;
    model.inputs[TABLE].dims[1] = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_come_in_declared_order),
        cmocka_unit_test(test_columns_of_integers_and_texts),
        cmocka_unit_test(test_columns_refuse_rows_that_are_none),
        cmocka_unit_test(test_columns_refuse_documents_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
