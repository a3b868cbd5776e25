/*
 * Step feed: what becomes of the numbers of a request in a tensor of halves.
 *
 * The documents are those of a bundle with a text, to which the test adds an
 * array of numbers.
 */
#include "unit.h"

#include <stdint.h>
#include <string.h>

#include "fake_engine.h"
#include "pipeline_fixture.h"

enum { WIDTH = 32, HALVES = 3 };

static uint16_t fed[8]; /* of the last run */
static size_t fed_count;
static float states[16 * WIDTH];

static bool answer(const struct eng_tensor *inputs, struct eng_tensor *outputs,
                   struct error *err)
{
    (void)err;
    fed_count = (size_t)eng_tensor_count(&inputs[HALVES]);
    assert_true(fed_count <= COUNT_OF(fed));
    memcpy(fed, inputs[HALVES].data, eng_tensor_size(&inputs[HALVES]));
    outputs[0] = fake_states(&inputs[0], WIDTH, states);
    return true;
}

static struct eng_model model = {
    .inputs = {FAKE_TOKENS("input_ids"),
               FAKE_TOKENS("attention_mask"),
               FAKE_TOKENS("token_type_ids"),
               {.name = "halves", .rank = 1, .dims = {-1}}},
    .outputs = {FAKE_STATES(WIDTH)},
    .input_count = 4,
    .output_count = 1,
    .answer = answer};

static const struct fixture_edit edits[] = {
    {"    outputs:\n    - {name: embedding",
     "    - {name: numbers, type: \"array<float>\", required: true}\n"
     "    outputs:\n    - {name: embedding"},
    {"batch: true", "batch: false"},
    {"data: {text:", "data: {numbers: [1], text:"},
    {"    tokens: {", "    halves: {input: numbers, tensor: halves}\n"
                      "    tokens: {"},
    {"      - {name: tokens, type", "      - {name: halves, type: feed}\n"
                                    "      - {name: tokens, type"}};

static bool run(struct fixture *f, const float *numbers, size_t count)
{
    struct pipeline_value values[] = {
        {.name = "text", .kind = PIPELINE_STRING, .string = "a"},
        {.name = "numbers", .kind = PIPELINE_FLOATS}};

    values[1].floats.items = numbers;
    values[1].floats.count = count;
    return fixture_run(f, values, COUNT_OF(values));
}

static void expect(enum eng_dtype dtype, float fits, uint16_t bits,
                   float too_large)
{
    float good[] = {1, -fits, fits}, bad[] = {1, too_large};
    struct fixture f;

    model.inputs[HALVES].dtype = dtype;
    if (!fixture_open_edited(&f, "tests/data/bundles/sentences", &model, edits,
                             COUNT_OF(edits)))
        fail_msg("%s\n", f.err.msg);
    if (!run(&f, good, COUNT_OF(good)))
        fail_msg("%s\n", f.err.msg);
    assert_int_equal(fed_count, COUNT_OF(good));
    assert_int_equal(fed[1], bits | 0x8000);
    assert_int_equal(fed[2], bits);
    fixture_declined(&f, run(&f, bad, COUNT_OF(bad)), ERR_VALIDATION_ERROR,
                     "at 1 is no ");
    bad[1] = -too_large;
    fixture_declined(&f, run(&f, bad, COUNT_OF(bad)), ERR_VALIDATION_ERROR,
                     "at 1 is no ");
    fixture_close(&f);
}

static void test_feed_refuses_numbers_beyond_a_half(void **state)
{
    (void)state; /* 65520 lies between the largest half and 2^16 */
    expect(ENG_F16, 65519, 0x7bff, 65520);
    expect(ENG_BF16, 0x1.fep127F, 0x7f7f, 0x1.ffp127F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feed_refuses_numbers_beyond_a_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
