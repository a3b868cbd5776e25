/*
 * Engine and memory: each allocation fails in turn, and a warm run allocates
 * nothing.
 */
#include "unit.h"

#include "engine.h"
#include "scarce.h"

enum { INPUTS_MAX = 4, OUTPUTS_MAX = 4 };

static const char *const models[] = {
    "tests/data/models/torch_mlp/model.onnx",
    "tests/data/models/torch_gru_uni2/model.onnx",
    "tests/data/models/torch_cnn_relu/model.onnx",
    "tests/data/models/sklearn_logreg_iris/model.onnx",
    "tests/data/hf/bert_shards",
    "tests/data/hf/distilbert_sequence",
    "tests/ops/if/own_captured/model.onnx",
    "tests/ops/loop/own_nested/model.onnx",
    "tests/ops/loop/own_while/model.onnx",
    "tests/ops/scan/own_axes/model.onnx",
    /* Those from here on plan while they run. */
    "tests/ops/if/own_other_shapes/model.onnx",
    "tests/ops/loop/own_growing/model.onnx",
    "tests/ops/loop/own_while_scan/model.onnx",
    "tests/ops/scan/own_slices/model.onnx",
};

enum { STEADY_MODELS = 10 };

/* Integers are 1, bools true, floats next to 0; open dimensions are 1. */
static void fill(const struct eng_model *model, struct eng_tensor *in)
{
    static int64_t data[4096];

    for (size_t i = 0; i < COUNT_OF(data); i++)
        data[i] = 1;
    assert_true(eng_model_input_count(model) <= INPUTS_MAX);
    assert_true(eng_model_output_count(model) <= OUTPUTS_MAX);
    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        const struct eng_port *port = eng_model_input(model, i);

        in[i] = (struct eng_tensor){
            .dtype = port->dtype, .rank = port->rank, .data = data};
        for (int d = 0; d < port->rank; d++)
            in[i].dims[d] = port->dims[d] < 0 ? 1 : port->dims[d];
    }
}

/* Load and run; false when memory ran out, everything given back. */
static bool load_and_run(const char *path)
{
    struct error err = {0};
    struct eng_model *model = eng_model_open(path, NULL, &err);
    struct eng_run *run = model ? eng_run_new(model, &err) : NULL;
    struct eng_tensor in[INPUTS_MAX], out[OUTPUTS_MAX];
    bool ok = false;

    if (run) {
        fill(model, in);
        ok = eng_run_execute(run, in, out, NULL, &err);
    }
    eng_run_free(run);
    eng_model_put(model);
    assert_true(ok || err.code != ERR_NONE);
    return ok;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        bool ok = false;

        for (size_t i = 1; !ok; i++) {
            scarce_begin(i);
            ok = load_and_run(models[m]);
            /* done when a whole pass needed fewer allocations than i */
            ok = scarce_end() < i && ok;
        }
    }
}

static void test_a_warm_run_allocates_nothing(void **state)
{
    (void)state;
    for (size_t m = 0; m < STEADY_MODELS; m++) {
        struct error err;
        struct eng_model *model = eng_model_open(models[m], NULL, &err);
        struct eng_run *run = eng_run_new(model, &err);
        struct eng_tensor in[INPUTS_MAX], out[OUTPUTS_MAX];

        fill(model, in);
        assert_true(eng_run_execute(run, in, out, NULL, &err));
        scarce_begin(0);
        assert_true(eng_run_execute(run, in, out, NULL, &err));
        assert_int_equal(scarce_end(), 0);
        eng_run_free(run);
        eng_model_put(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_a_warm_run_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
