/*
 * Bench work: floating-point operations of a model, counted from the shapes of
 * its own nodes. The engine's passes are off, so that what they fuse is still
 * seen as the operators of the file.
 */
#include <string.h>

#include "bench.h"

static double count_of(const struct eng_tensor *tensor)
{
    return tensor ? (double)eng_tensor_count(tensor) : 0;
}

static double last_dim(const struct eng_tensor *tensor)
{
    return tensor && tensor->rank ? (double)tensor->dims[tensor->rank - 1] : 0;
}

/* Elements of one of `tensor`'s slices along its first dimension. */
static double slice_of(const struct eng_tensor *tensor)
{
    return tensor && tensor->rank && tensor->dims[0]
               ? count_of(tensor) / (double)tensor->dims[0]
               : 0;
}

/* y[..., m, n] = a[..., m, k] b[..., k, n] */
static double product(const struct eng_step *step)
{
    return 2 * count_of(step->outputs[0]) * last_dim(step->inputs[0]);
}

/* The same where a or b may be transposed: k from y's and b's elements. */
static double gemm(const struct eng_step *step)
{
    double columns = last_dim(step->outputs[0]);

    return columns > 0 ? 2 * count_of(step->outputs[0]) *
                             count_of(step->inputs[1]) / columns
                       : 0;
}

/* q[b, rows, heads, size], k[b, keys, heads, size], y as q: a product with every
 * key for the scores, and one with every value. */
static double attention(const struct eng_step *step)
{
    const struct eng_tensor *k = step->inputs[1];
    double keys = k && k->rank == 4 ? (double)k->dims[1] : 0;

    return 2 * keys * (count_of(step->inputs[0]) + count_of(step->outputs[0]));
}

/* Each output is a sum over a filter, w[m, c / groups, ...]. */
static double conv(const struct eng_step *step)
{
    return 2 * count_of(step->outputs[0]) * slice_of(step->inputs[1]);
}

/* Input 3 is the filter. */
static double quantized_conv(const struct eng_step *step)
{
    return 2 * count_of(step->outputs[0]) * slice_of(step->inputs[3]);
}

/* Each input goes to a filter, w[c, m / groups, ...]. */
static double conv_transpose(const struct eng_step *step)
{
    return 2 * count_of(step->inputs[0]) * slice_of(step->inputs[1]);
}

/* x[length, batch, ...]: every step multiplies w and r with each row. */
static double recurrent(const struct eng_step *step)
{
    const struct eng_tensor *x = step->inputs[0];

    return x && x->rank == 3
               ? 2 * (double)x->dims[0] * (double)x->dims[1] *
                     (count_of(step->inputs[1]) + count_of(step->inputs[2]))
               : 0;
}

double bench_step_work(const struct eng_step *step)
{
    static const struct {
        const char *op;
        size_t inputs;
        double (*work)(const struct eng_step *step);
    } rows[] = {{"MatMul", 2, product},
                {"MatMulInteger", 2, product},
                {"MatMulIntegerToFloat", 2, product},
                {"DynamicQuantizeMatMul", 2, product},
                {"FusedMatMul", 2, product},
                {"QLinearMatMul", 2, product},
                {"Gemm", 2, gemm},
                {"FusedGemm", 2, gemm},
                {"Linear", 2, gemm}, /* of Hugging Face folders, as the next */
                {"AttentionCore", 3, attention},
                {"Conv", 2, conv},
                {"FusedConv", 2, conv},
                {"ConvInteger", 2, conv},
                {"QLinearConv", 4, quantized_conv},
                {"ConvTranspose", 2, conv_transpose},
                {"LSTM", 3, recurrent},
                {"GRU", 3, recurrent},
                {"RNN", 3, recurrent}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].op, step->op) == 0)
            return step->input_count >= rows[i].inputs ? rows[i].work(step) : 0;
    }
    return 0;
}

static void add_work(void *context, const struct eng_step *step)
{
    *(double *)context += bench_step_work(step);
}

double bench_work(const char *path, const struct eng_tensor *inputs)
{
    const struct eng_options options = {.passes_off = ~0U};
    struct eng_tensor outputs[BENCH_PORTS_MAX];
    struct error ignored;
    struct eng_model *model = eng_model_open(path, &options, &ignored);
    struct eng_run *run = model ? eng_run_new(model, &ignored) : NULL;
    double work = 0;

    if (run) {
        eng_run_watch(run, add_work, &work);
        if (!eng_run_execute(run, inputs, outputs, NULL, &ignored))
            work = 0;
    }
    eng_run_free(run);
    eng_model_put(model);
    return work;
}
