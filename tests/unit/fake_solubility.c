/*
 * The bundled model with answers of a test's; see fake_solubility.h.
 */
#include "fake_solubility.h"

#include <string.h>

#include "unit.h"

float fake_answers[64 * 3];
struct fake_fed fake_fed;

static bool answer(const struct eng_tensor *inputs, struct eng_tensor *outputs,
                   struct error *err)
{
    size_t size = eng_tensor_size(&inputs[0]);

    if (fake_fed.fails_with != ERR_NONE)
        return fail(err, fake_fed.fails_with, "the run failed");
    assert_int_equal(inputs[0].dtype, ENG_I64);
    assert_int_equal(inputs[0].rank, 2);
    assert_memory_equal(inputs[0].dims, inputs[1].dims, 2 * sizeof(int64_t));
    assert_true(size <= sizeof(fake_fed.ids));
    fake_fed.rows = (size_t)inputs[0].dims[0];
    fake_fed.columns = (size_t)inputs[0].dims[1];
    memcpy(fake_fed.ids, inputs[0].data, size);
    memcpy(fake_fed.mask, inputs[1].data, size);
    outputs[0] = (struct eng_tensor){.dtype = ENG_F32,
                                     .rank = 2,
                                     .dims = {inputs[0].dims[0], 3},
                                     .data = fake_answers};
    return true;
}

struct eng_model fake_model = {
    .inputs =
        {{.name = "input_ids", .dtype = ENG_I64, .rank = 2, .dims = {-1, -1}},
         {.name = "attention_mask",
          .dtype = ENG_I64,
          .rank = 2,
          .dims = {-1, -1}}},
    .outputs = {{.name = "y", .dtype = ENG_F32, .rank = 2, .dims = {-1, 3}}},
    .input_count = 2,
    .output_count = 1,
    .answer = answer};

void fake_answer_with(float low, float mid, float high)
{
    for (size_t i = 0; i < COUNT_OF(fake_answers); i += 3) {
        fake_answers[i] = low;
        fake_answers[i + 1] = mid;
        fake_answers[i + 2] = high;
    }
}
