/*
 * Engine and memory: each allocation fails in turn, and a warm run allocates
 * nothing.
 */
#include "unit.h"

#include "engine.h"
#include "scarce.h"

static const char *const models[] = {
    "tests/data/models/torch_mlp/model.onnx",
    "tests/data/models/torch_gru_uni2/model.onnx",
    "tests/data/models/torch_cnn_relu/model.onnx",
    "tests/data/models/sklearn_logreg_iris/model.onnx",
};

/* An input of zeros; open dimensions are 1, or 3 x 32 x 32 is given. */
static struct eng_tensor zeros(const struct eng_model *model)
{
    static int64_t data[4096];
    const struct eng_port *port = eng_model_input(model, 0);
    struct eng_tensor in = {
        .dtype = port->dtype, .rank = port->rank, .data = data};

    for (int i = 0; i < in.rank; i++)
        in.dims[i] = port->dims[i] < 0 ? 1 : port->dims[i];
    return in;
}

/* Load and run; false when memory ran out, everything given back. */
static bool load_and_run(const char *path)
{
    struct error err = {0};
    struct eng_model *model = eng_model_open(path, NULL, &err);
    struct eng_run *run = model ? eng_run_new(model, &err) : NULL;
    struct eng_tensor in, out[2];
    bool ok = false;

    if (run) {
        in = zeros(model);
        ok = eng_run_execute(run, &in, out, NULL, &err);
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
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        struct error err;
        struct eng_model *model = eng_model_open(models[m], NULL, &err);
        struct eng_run *run = eng_run_new(model, &err);
        struct eng_tensor in = zeros(model), out[2];

        assert_true(eng_run_execute(run, &in, out, NULL, &err));
        scarce_begin(0);
        assert_true(eng_run_execute(run, &in, out, NULL, &err));
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
