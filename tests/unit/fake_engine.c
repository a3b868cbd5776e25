/*
 * The part of engine.h that a pipeline uses, on a struct of the test.
 */
#include "fake_engine.h"

#include <stdlib.h>

struct eng_run {
    struct eng_model *model;
};

size_t eng_model_input_count(const struct eng_model *model)
{
    return model->input_count;
}

size_t eng_model_output_count(const struct eng_model *model)
{
    return model->output_count;
}

const struct eng_port *eng_model_input(const struct eng_model *model, size_t i)
{
    return &model->inputs[i];
}

const struct eng_port *eng_model_output(const struct eng_model *model, size_t i)
{
    return &model->outputs[i];
}

const char *eng_dtype_name(enum eng_dtype dtype)
{
    return dtype == ENG_F32 ? "float32" : dtype == ENG_I64 ? "int64" : "?";
}

enum eng_dtype eng_dtype_by_name(const char *name)
{
    return name[0] == 'f' ? ENG_F32 : ENG_I64;
}

int64_t eng_tensor_count(const struct eng_tensor *tensor)
{
    int64_t count = 1;

    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->dims[i];
    return count;
}

size_t eng_dtype_size(enum eng_dtype dtype)
{
    if (dtype == ENG_STRING)
        return sizeof(struct eng_string);
    if (dtype == ENG_F16 || dtype == ENG_BF16)
        return sizeof(uint16_t);
    return dtype == ENG_I64 ? sizeof(int64_t) : sizeof(float);
}

size_t eng_tensor_size(const struct eng_tensor *tensor)
{
    return (size_t)eng_tensor_count(tensor) * eng_dtype_size(tensor->dtype);
}

struct eng_run *eng_run_new(struct eng_model *model, struct error *err)
{
    struct eng_run *run = malloc(sizeof(*run));

    if (run)
        run->model = model;
    else
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    return run;
}

void eng_run_free(struct eng_run *run)
{
    free(run);
}

bool eng_run_execute(struct eng_run *run, const struct eng_tensor *inputs,
                     struct eng_tensor *outputs,
                     const struct eng_limits *limits, struct error *err)
{
    (void)limits;
    return run->model->answer(inputs, outputs, err);
}

void eng_model_ragged(const struct eng_model *model, struct eng_ragged *info)
{
    (void)model;
    *info = (struct eng_ragged){.reason = "it is a fake"};
}

bool eng_run_ragged(struct eng_run *run, const struct eng_ragged_batch *batch,
                    struct eng_tensor *outputs, const struct eng_limits *limits,
                    struct error *err)
{
    (void)run;
    (void)batch;
    (void)outputs;
    (void)limits;
    return fail(err, ERR_MODEL_UNSUPPORTED, "it is a fake");
}
