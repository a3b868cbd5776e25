/*
 * Convolution: every fast form gives what the definition gives, at sizes that
 * do and do not fill its tiles. The weights are constants, as in real models,
 * which ONNX's own cases do not have.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "plan.h"
#include "unit.h"

struct shape {
    int64_t batch, in, out, size, kernel, pad, dilation;
};

enum { X, W, B, Y, VALUES };

struct graph {
    struct eng_graph graph;
    struct eng_value values[VALUES];
    struct eng_node node;
    struct eng_attr attrs[2];
    uint32_t inputs[3], outputs[1], graph_inputs[1], graph_outputs[1];
    struct eng_port in_port, out_port;
    int64_t pads[2], dilations[1];
    struct error err;
};

static float *numbers(uint64_t *state, int64_t count)
{
    float *list = calloc((size_t)count, sizeof *list);

    assert_non_null(list);
    for (int64_t i = 0; i < count; i++)
        list[i] = (float)((int64_t)(unit_random(state) % 2001) - 1000) / 1000;
    return list;
}

/* x -> Conv(x, w, b) -> y, with w and b constant. */
static void make_graph(struct graph *g, const struct shape *s, float *w,
                       float *b)
{
    *g = (struct graph){.inputs = {X, W, B},
                        .outputs = {Y},
                        .graph_inputs = {X},
                        .graph_outputs = {Y},
                        .pads = {s->pad, s->pad},
                        .dilations = {s->dilation}};
    for (int i = 0; i < VALUES; i++)
        g->values[i] =
            (struct eng_value){.name = "v", .producer = ENG_NO_VALUE};
    g->values[Y].producer = 0;
    g->values[W].constant =
        (struct eng_tensor){.dtype = ENG_F32,
                            .rank = 3,
                            .dims = {s->out, s->in, s->kernel},
                            .data = w};
    g->values[B].constant = (struct eng_tensor){
        .dtype = ENG_F32, .rank = 1, .dims = {s->out}, .data = b};
    g->attrs[0] = (struct eng_attr){
        .name = "pads", .type = ENG_ATTR_INTS, .count = 2, .ints = g->pads};
    g->attrs[1] = (struct eng_attr){.name = "dilations",
                                    .type = ENG_ATTR_INTS,
                                    .count = 1,
                                    .ints = g->dilations};
    g->node = (struct eng_node){.name = "conv",
                                .op = "Conv",
                                .domain = "",
                                .version = 13,
                                .input_count = 3,
                                .output_count = 1,
                                .attr_count = 2,
                                .inputs = g->inputs,
                                .outputs = g->outputs,
                                .attrs = g->attrs};
    g->graph = (struct eng_graph){.values = g->values,
                                  .value_count = VALUES,
                                  .nodes = &g->node,
                                  .node_count = 1,
                                  .inputs = g->graph_inputs,
                                  .outputs = g->graph_outputs,
                                  .input_ports = &g->in_port,
                                  .output_ports = &g->out_port,
                                  .input_count = 1,
                                  .output_count = 1};
    assert_true(eng_graph_bind(&g->graph, &g->err));
}

/* The definition, in double. */
static double expected(const struct shape *s, const float *x, const float *w,
                       const float *b, int64_t n, int64_t o, int64_t p)
{
    double sum = (double)b[o];

    for (int64_t c = 0; c < s->in; c++) {
        for (int64_t k = 0; k < s->kernel; k++) {
            int64_t at = p + k * s->dilation - s->pad;

            if (at >= 0 && at < s->size)
                sum += (double)x[(n * s->in + c) * s->size + at] *
                       (double)w[(o * s->in + c) * s->kernel + k];
        }
    }
    return sum;
}

static void compare(const struct shape *s, const struct eng_tensor *y,
                    const float *got, const float *x, const float *w,
                    const float *b)
{
    for (int64_t n = 0; n < s->batch; n++) {
        for (int64_t o = 0; o < s->out; o++) {
            for (int64_t p = 0; p < y->dims[2]; p++, got++) {
                double want = expected(s, x, w, b, n, o, p);

                if (fabs((double)*got - want) > 1e-4)
                    fail_msg("%g, expected %g\n", (double)*got, want);
            }
        }
    }
}

/* What the plan let go of the weights comes back as it was. */
static void check_weights_come_back(struct graph *g, struct op_packs *packs,
                                    const float *w, const float *copy)
{
    const struct eng_tensor *in[] = {&g->values[W].constant};
    struct op_node op = {.in = in, .in_count = 1, .packs = packs};

    op_unpack_inputs(&op);
    assert_memory_equal(w, copy, eng_tensor_size(in[0]));
}

static void check_shape(const struct shape *s, uint64_t *random)
{
    float *x = numbers(random, s->batch * s->in * s->size);
    float *w = numbers(random, s->out * s->in * s->kernel);
    float *b = numbers(random, s->out);
    size_t w_size = (size_t)(s->out * s->in * s->kernel) * sizeof *w;
    float *copy = malloc(w_size);
    struct eng_tensor in = {.dtype = ENG_F32,
                            .rank = 3,
                            .dims = {s->batch, s->in, s->size},
                            .data = x};
    struct plan_source source = {
        .packs = op_packs_new(), .memory_max = (size_t)1 << 30, .threads = 1};
    struct eng_plan *plan;
    struct plan_frame *frame;
    unsigned char *memory;
    struct graph g;

    assert_non_null(copy);
    memcpy(copy, w, w_size);
    make_graph(&g, s, w, b);
    source.graph = &g.graph;
    assert_true(op_packs_load(source.packs, &g.graph, &g.err));
    plan = plan_build(&source, &in, &g.err);
    if (!plan)
        fail_msg("%s\n", g.err.msg);
    frame = plan_frame_new(plan, &g.err);
    assert_non_null(frame);
    memory = aligned_alloc(64, (plan->memory_bytes + 63) / 64 * 64);
    assert_non_null(memory);
    plan_frame_attach(frame, memory);
    plan_frame_bind_inputs(frame, &in);
    assert_true(exec_run(frame, NULL, NULL, &g.err));
    check_weights_come_back(&g, source.packs, w, copy);
    compare(s, &plan->tensors[Y], frame->frame.data[Y], x, w, b);
    plan_frame_free(frame);
    plan_free(plan);
    op_packs_free(source.packs);
    free(memory);
    free(x);
    free(w);
    free(b);
    free(copy);
}

static void test_one_dimension_matches_the_definition(void **state)
{
    static const struct shape shapes[] = {
        {1, 64, 96, 80, 6, 0, 1}, /* the character CNN */
        {1, 64, 96, 161, 1, 0, 1},
        {2, 3, 8, 16, 3, 1, 1},
        {1, 1, 4, 1, 1, 0, 1},
        {1, 5, 13, 47, 4, 2, 1},
        {3, 7, 9, 49, 3, 4, 2},
        {1, 2, 17, 33, 2, 40, 3},
        {1, 4, 3, 20, 3, 1, 1}, /* too few channels for a tile */
        /* short images in one line: more than fit, borders wider than they */
        {21, 3, 9, 21, 5, 2, 1},
        {7, 2, 8, 5, 3, 40, 3},
        {50, 1, 16, 1, 1, 0, 1},
        {3, 2, 10, 48, 3, 1, 1},
    };
    uint64_t random = 7;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        check_shape(&shapes[i], &random);
}

static void test_random_sizes_match_the_definition(void **state)
{
    uint64_t random = 11;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct shape s = {.batch = 1 + (int64_t)(unit_random(&random) % 9),
                          .in = 1 + (int64_t)(unit_random(&random) % 9),
                          .out = 1 + (int64_t)(unit_random(&random) % 20),
                          .size = 12 + (int64_t)(unit_random(&random) % 90),
                          .kernel = 1 + (int64_t)(unit_random(&random) % 5),
                          .pad = (int64_t)(unit_random(&random) % 4),
                          .dilation = 1 + (int64_t)(unit_random(&random) % 3)};

        check_shape(&s, &random);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_dimension_matches_the_definition),
        cmocka_unit_test(test_random_sizes_match_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
