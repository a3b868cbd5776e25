/*
 * ConvBlocked: the fast form gives what the reference gives, for every way of
 * cutting the work and every kind of convolution, and with a team.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "onednn/conv.h"
#include "onednn/onednn.h"
#include "plan.h"
#include "unit.h"

enum { X, W, B, Z, Y, VALUES };

struct shape {
    int64_t batch, in, out, groups, size[2], kernel[2], stride, pad, dilation;
    bool adds, plain, winograd, no_bias;
    const char *activation;
};

struct graph {
    struct eng_graph graph;
    struct eng_value values[VALUES];
    struct eng_node node;
    struct eng_attr attrs[8];
    uint32_t inputs[4], outputs[1], graph_inputs[2], graph_outputs[1];
    struct eng_port in_ports[2], out_port;
    int64_t pads[4], strides[2], dilations[2];
    float params[2];
    struct error err;
};

static float *numbers(uint64_t *state, int64_t count)
{
    float *list = calloc((size_t)count + 1, sizeof *list);

    assert_non_null(list);
    for (int64_t i = 0; i < count; i++)
        list[i] = (float)((int64_t)(unit_random(state) % 2001) - 1000) / 1000;
    return list;
}

static struct eng_attr int_attr(const char *name, int64_t value)
{
    return (struct eng_attr){
        .name = name, .type = ENG_ATTR_INT, .count = 1, .i = value};
}

static struct eng_attr ints_attr(const char *name, const int64_t *list,
                                 size_t count)
{
    return (struct eng_attr){
        .name = name, .type = ENG_ATTR_INTS, .count = count, .ints = list};
}

static void make_attrs(struct graph *g, const struct shape *s)
{
    for (int i = 0; i < 4; i++)
        g->pads[i] = s->pad;
    for (int i = 0; i < 2; i++) {
        g->strides[i] = s->stride;
        g->dilations[i] = s->dilation;
    }
    g->params[0] = -0.5F;
    g->params[1] = 1.5F;
    g->attrs[0] = int_attr("block", onednn_block() ? onednn_block() : 8);
    g->attrs[1] = int_attr("group", s->groups);
    g->attrs[2] = int_attr("winograd", s->winograd);
    g->attrs[3] = ints_attr("pads", g->pads, 4);
    g->attrs[4] = ints_attr("strides", g->strides, 2);
    g->attrs[5] = ints_attr("dilations", g->dilations, 2);
    g->attrs[6] =
        (struct eng_attr){.name = "activation",
                          .type = ENG_ATTR_STRING,
                          .count = 1,
                          .s = {s->activation, strlen(s->activation)}};
    g->attrs[7] = (struct eng_attr){.name = "activation_params",
                                    .type = ENG_ATTR_FLOATS,
                                    .count = 2,
                                    .floats = g->params};
}

/* y = ConvBlocked(x, w, b, z), w and b constant. */
static void make_graph(struct graph *g, const struct shape *s, void *w, void *b)
{
    *g = (struct graph){.inputs = {X, W, s->no_bias ? ENG_NO_VALUE : B,
                                   s->adds ? Z : ENG_NO_VALUE},
                        .outputs = {Y},
                        .graph_inputs = {X, Z},
                        .graph_outputs = {Y}};
    for (int i = 0; i < VALUES; i++)
        g->values[i] =
            (struct eng_value){.name = "v", .producer = ENG_NO_VALUE};
    g->values[Y].producer = 0;
    g->values[W].constant = (struct eng_tensor){
        .dtype = ENG_F32,
        .rank = 4,
        .dims = {s->out, s->in / s->groups, s->kernel[0], s->kernel[1]},
        .data = w};
    g->values[B].constant = (struct eng_tensor){
        .dtype = ENG_F32, .rank = 1, .dims = {s->out}, .data = b};
    make_attrs(g, s);
    g->node = (struct eng_node){.name = "conv",
                                .op = "ConvBlocked",
                                .domain = "specserve",
                                .version = 1,
                                .input_count = 4,
                                .output_count = 1,
                                .attr_count = 8,
                                .inputs = g->inputs,
                                .outputs = g->outputs,
                                .attrs = g->attrs};
    g->graph = (struct eng_graph){.values = g->values,
                                  .value_count = VALUES,
                                  .nodes = &g->node,
                                  .node_count = 1,
                                  .inputs = g->graph_inputs,
                                  .outputs = g->graph_outputs,
                                  .input_ports = g->in_ports,
                                  .output_ports = &g->out_port,
                                  .input_count = s->adds ? 2 : 1,
                                  .output_count = 1};
    assert_true(eng_graph_bind(&g->graph, &g->err));
}

struct job {
    struct graph *graph;
    struct eng_tensor in[2];
    int threads;
    struct eng_team *team;
    bool reference;
};

/* The output's elements, for the caller to free. */
static float *run(const struct job *job, int64_t *count)
{
    struct eng_node *node = &job->graph->node;
    size_t rows = node->row_count;
    struct plan_source source = {.graph = &job->graph->graph,
                                 .packs = op_packs_new(),
                                 .memory_max = (size_t)1 << 30,
                                 .threads = job->threads};
    struct error *err = &job->graph->err;
    struct team_seat seat;
    struct eng_plan *plan;
    struct plan_frame *frame;
    unsigned char *memory;
    float *result;

    if (job->reference) {
        node->rows += rows - 1;
        node->row_count = 1;
    }
    plan = plan_build(&source, job->in, err);
    if (!plan) {
        fail_msg("%s\n", err->msg);
        return NULL;
    }
    frame = plan_frame_new(plan, err);
    assert_non_null(frame);
    memory = aligned_alloc(64, (plan->memory_bytes + 63) / 64 * 64);
    assert_non_null(memory);
    plan_frame_attach(frame, memory);
    plan_frame_bind_inputs(frame, job->in);
    team_enter(&seat, job->team);
    assert_true(exec_run(frame, &seat, NULL, err));
    team_leave(&seat);
    *count = eng_tensor_count(&plan->tensors[Y]);
    result = calloc((size_t)*count + 1, sizeof *result);
    assert_non_null(result);
    memcpy(result, frame->frame.data[Y], (size_t)*count * sizeof *result);
    plan_frame_free(frame);
    plan_free(plan);
    op_packs_free(source.packs);
    free(memory);
    node->rows -= job->reference ? rows - 1 : 0;
    node->row_count = rows;
    return result;
}

static int64_t out_size(const struct shape *s, int d)
{
    return (s->size[d] + 2 * s->pad - ((s->kernel[d] - 1) * s->dilation + 1)) /
               s->stride +
           1;
}

static void compare(const struct shape *s, const float *got, const float *want,
                    int64_t count, int threads)
{
    double top = 1;

    for (int64_t i = 0; i < count; i++)
        top = fabs((double)want[i]) > top ? fabs((double)want[i]) : top;
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= 2e-5 * top))
            fail_msg("batch %d, %d -> %d, %d threads: element %d is %g, "
                     "expected %g\n",
                     (int)s->batch, (int)s->in, (int)s->out, threads, (int)i,
                     (double)got[i], (double)want[i]);
    }
}

static void check_shape(const struct shape *s, struct eng_team *team)
{
    uint64_t random = 3;
    int64_t block = onednn_block() ? onednn_block() : 8;
    int64_t ins = (s->in + block - 1) / block,
            outs = (s->out + block - 1) / block;
    struct eng_tensor x = {
        .dtype = ENG_F32,
        .rank = 5,
        .dims = {s->batch, ins, s->size[0], s->size[1], block}};
    struct eng_tensor z = {
        .dtype = ENG_F32,
        .rank = 5,
        .dims = {s->batch, outs, out_size(s, 0), out_size(s, 1), block}};
    struct eng_tensor plain = {
        .dtype = ENG_F32,
        .rank = 4,
        .dims = {s->batch, s->in, s->size[0], s->size[1]}};
    float *w = numbers(&random, s->out * s->in / s->groups * s->kernel[0] *
                                    s->kernel[1]);
    float *b = numbers(&random, s->out);
    struct graph g;
    struct job job = {.graph = &g, .threads = 1, .reference = true};
    int64_t count = 0;
    float *want;

    x = s->plain ? plain : x;
    x.data = numbers(&random, eng_tensor_count(&x));
    z.data = numbers(&random, eng_tensor_count(&z));
    make_graph(&g, s, w, b);
    job.in[0] = x;
    job.in[1] = z;
    want = run(&job, &count);
    job.reference = false;
    job.team = team;
    for (job.threads = 1; job.threads <= 5; job.threads++) {
        float *got;

        if (team && job.threads != 3)
            continue;
        got = run(&job, &count);
        compare(s, got, want, count, job.threads);
        free(got);
    }
    free(want);
    free(x.data);
    free(z.data);
    free(w);
    free(b);
}

static const struct shape shapes[] = {
    {1, 16, 48, 1, {7, 9}, {3, 3}, 1, 1, 1, .activation = "Relu"},
    {5, 20, 33, 1, {6, 5}, {1, 1}, 1, 0, 1, .activation = "Clip"},
    {2, 24, 24, 24, {9, 8}, {3, 3}, 2, 1, 1, .activation = "HardSwish"},
    {1, 80, 80, 80, {5, 5}, {5, 5}, 1, 2, 1, .activation = "Tanh"},
    {1, 64, 96, 2, {6, 6}, {3, 3}, 1, 2, 2, .activation = "Swish"},
    {3,
     3,
     40,
     1,
     {12, 11},
     {3, 3},
     2,
     1,
     1,
     .plain = true,
     .activation = "Relu"},
    {1, 1, 32, 1, {9, 9}, {5, 5}, 1, 2, 1, .plain = true, .activation = ""},
    {2, 3, 16, 1, {9, 9}, {7, 7}, 2, 3, 1, .activation = "Sigmoid"},
    {1, 64, 80, 1, {8, 8}, {1, 1}, 1, 0, 1, .adds = true, .activation = "Relu"},
    {4,
     32,
     64,
     1,
     {9, 7},
     {3, 3},
     1,
     1,
     1,
     .winograd = true,
     .activation = "LeakyRelu"},
    {1,
     64,
     96,
     1,
     {13, 14},
     {3, 3},
     1,
     1,
     1,
     .adds = true,
     .winograd = true,
     .no_bias = true,
     .activation = "Relu"},
    {1, 48, 16, 1, {1, 1}, {1, 1}, 1, 0, 1, .activation = "HardSigmoid"},
    {1, 16, 16, 1, {2, 2}, {3, 3}, 2, 3, 1, .no_bias = true, .activation = ""},
};

static void test_fast_form_matches_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        check_shape(&shapes[i], NULL);
}

static void test_threads_of_a_team_share_the_work(void **state)
{
    struct error err;
    struct eng_team *team = eng_team_new(3, &err);

    (void)state;
    assert_non_null(team);
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        check_shape(&shapes[i], team);
    eng_team_free(team);
}

/* --- packed filters --- */

static void check_packing(const struct onednn_conv_shape *shape, int64_t outs,
                          int64_t ins)
{
    struct onednn_conv *conv = onednn_conv_new(shape);
    int64_t size = shape->kernel[0] * shape->kernel[1], count;
    struct onednn_packing packing = {.kernel_size = size,
                                     .block = shape->block,
                                     .outs = outs,
                                     .ins = ins,
                                     .padded_ins =
                                         shape->in_channels / shape->groups};
    struct onednn_filter filter = {
        .outs = outs, .ins = ins, .padded_outs = shape->out_channels};
    uint64_t random = 13;
    float *elements, *packed, *back;

    assert_non_null(conv);
    count = outs * ins * size;
    elements = numbers(&random, count);
    back = numbers(&random, count);
    packed = calloc(1, onednn_conv_weight_bytes(conv));
    assert_non_null(packed);
    filter.elements = elements;
    packing.order = onednn_conv_order(conv);
    assert_true(onednn_conv_pack(conv, &filter, packed));
    onednn_conv_unpack(&packing, packed, back);
    assert_memory_equal(elements, back, (size_t)count * sizeof *back);
    onednn_conv_free(conv);
    free(elements);
    free(packed);
    free(back);
}

static void test_packed_filters_come_back(void **state)
{
    int64_t b = onednn_block();
    struct onednn_conv_shape shape = {.batch = 1,
                                      .groups = 1,
                                      .in_channels = 2 * b,
                                      .out_channels = 3 * b,
                                      .in = {5, 5},
                                      .out = {3, 4},
                                      .kernel = {3, 2},
                                      .stride = {1, 1},
                                      .dilation = {1, 1},
                                      .block = (int)b};

    (void)state;
    if (!b) {
        skip();
        return;
    }
    check_packing(&shape, 3 * b - 3, 2 * b - 5);
    shape.plain_input = true;
    shape.in_channels = 3;
    check_packing(&shape, 2 * b + 1, 3);
    shape.plain_input = false;
    shape.groups = shape.in_channels = shape.out_channels;
    check_packing(&shape, 3 * b - 1, 1);
    shape.groups = 2;
    shape.in_channels = shape.out_channels = 4 * b;
    check_packing(&shape, 4 * b, 2 * b);
}

/* --- a pair of convolutions in chunks, by threads --- */

#define PAIR "tests/passes/blocked_inverted_residual/"

enum { PAIR_OUTPUTS = 4096 };

/* The answer of the model by `threads` threads; its number of elements. */
static int64_t run_pair(unsigned off, int threads, float *answer)
{
    struct error err;
    struct eng_team *team = eng_team_new(threads, &err);
    struct eng_options options = {.team = team, .passes_off = off};
    struct eng_model *model = eng_model_open(PAIR "model.onnx", &options, &err);
    struct eng_tensor in = {0}, out = {0};
    struct eng_run *run;
    struct arena arena;
    int64_t count;

    arena_init(&arena, 0);
    assert_non_null(model);
    assert_true(eng_tensor_read(PAIR "input_0.pb", &arena, &in, &err));
    run = eng_run_new(model, &err);
    assert_non_null(run);
    assert_true(eng_run_execute(run, &in, &out, NULL, &err));
    count = eng_tensor_count(&out);
    assert_true(count > 0 && count <= PAIR_OUTPUTS);
    memcpy(answer, out.data, (size_t)count * sizeof *answer);
    eng_run_free(run);
    eng_model_put(model);
    eng_team_free(team);
    arena_release(&arena);
    return count;
}

static void test_threads_share_the_chunks_of_a_pair(void **state)
{
    float want[PAIR_OUTPUTS], got[PAIR_OUTPUTS];
    int64_t count = run_pair(~0U, 1, want);

    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        assert_int_equal(run_pair(0, threads, got), count);
        for (int64_t i = 0; i < count; i++)
            assert_true(fabsf(got[i] - want[i]) <=
                        1e-5F + 1e-4F * fabsf(want[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_form_matches_the_reference),
        cmocka_unit_test(test_threads_of_a_team_share_the_work),
        cmocka_unit_test(test_packed_filters_come_back),
        cmocka_unit_test(test_threads_share_the_chunks_of_a_pair),
    };

    onednn_thread_init(); /* plans are built here, not by eng_model_open() */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
