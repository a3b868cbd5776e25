/*
 * run_model: loads a model, says what goes in and comes out, and runs it once on
 * ones. The whole use of the engine as a library:
 *
 *   cc run_model.c $(pkg-config --cflags --libs specserve-engine) -o run_model
 *   ./run_model model.onnx
 */
#include <stdio.h>
#include <stdlib.h>

#include <specserve/arena.h>
#include <specserve/engine.h>

enum { PORTS_MAX = 16 };

static void show(const char *what, const struct eng_port *port,
                 const struct eng_tensor *tensor)
{
    printf("%s %s %s", what, port->name, eng_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++)
        printf("%s%lld", i ? "x" : " ", (long long)tensor->dims[i]);
    printf("\n");
}

/* Ones of the port's type and shape; open dimensions are 1. */
static bool make_ones(const struct eng_port *port, struct arena *arena,
                      struct eng_tensor *tensor, struct error *err)
{
    size_t size;

    if (port->dtype != ENG_F32 && port->dtype != ENG_I64)
        return fail(err, ERR_USAGE, "input '%.100s' is %s", port->name,
                    eng_dtype_name(port->dtype));
    *tensor = (struct eng_tensor){.dtype = port->dtype, .rank = port->rank};
    for (int i = 0; i < port->rank; i++)
        tensor->dims[i] = port->dims[i] < 0 ? 1 : port->dims[i];
    size = eng_tensor_size(tensor);
    tensor->data = size == SIZE_MAX ? NULL : arena_zalloc(arena, size, 1);
    if (!tensor->data)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the inputs");
    for (int64_t i = 0; i < eng_tensor_count(tensor); i++) {
        if (port->dtype == ENG_F32)
            ((float *)tensor->data)[i] = 1;
        else
            ((int64_t *)tensor->data)[i] = 1;
    }
    return true;
}

static bool run(struct eng_run *run, struct eng_model *model,
                struct arena *arena, struct error *err)
{
    struct eng_tensor inputs[PORTS_MAX], outputs[PORTS_MAX];

    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        if (!make_ones(eng_model_input(model, i), arena, &inputs[i], err))
            return false;
        show("input", eng_model_input(model, i), &inputs[i]);
    }
    if (!eng_run_execute(run, inputs, outputs, NULL, err))
        return false;
    for (size_t i = 0; i < eng_model_output_count(model); i++) {
        show("output", eng_model_output(model, i), &outputs[i]);
        for (int64_t k = 0; outputs[i].dtype == ENG_F32 &&
                            k < eng_tensor_count(&outputs[i]) && k < 8;
             k++)
            printf("  %g\n", (double)((const float *)outputs[i].data)[k]);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct error err = {ERR_USAGE, "usage: run_model MODEL.onnx"};
    struct eng_model *model = NULL;
    struct eng_run *place = NULL;
    struct arena arena;
    bool ok = false;

    arena_init(&arena, 0);
    if (argc == 2)
        model = eng_model_open(argv[1], NULL, &err);
    if (model && eng_model_input_count(model) <= PORTS_MAX &&
        eng_model_output_count(model) <= PORTS_MAX)
        place = eng_run_new(model, &err);
    if (place)
        ok = run(place, model, &arena, &err);
    if (!ok)
        (void)fprintf(stderr, "run_model: %s\n", err.msg);
    eng_run_free(place);
    eng_model_put(model);
    arena_release(&arena);
    return ok ? 0 : 1;
}
