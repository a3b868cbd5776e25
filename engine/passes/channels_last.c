/*
 * Channels last: convolutions of 8-bit integers read and write [n, h, w, c]
 * (ops/qconv_last.c), and sums, products and maxima of what they make do so,
 * too.
 * Transposes stand only where such a tensor meets one in the other order, at
 * most once for each value.
 */
#include <stdlib.h>
#include <string.h>

#include "passes.h"
#include "rewrite.h"

enum { TAPS_MAX = 64, NEW_EACH = 3 }; /* values, for each node */

struct last {
    struct rewrite rw;
    uint32_t *of; /* by value: the same with channels last, + 1; 0 = none */
};

static const int64_t to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};

static bool is_convolution(const struct last *last, const struct eng_node *node)
{
    enum { W = 3 };
    bool ours = strcmp(node->domain, REWRITE_DOMAIN) == 0 &&
                strcmp(node->op, "QConv") == 0;
    const struct eng_tensor *w;
    int64_t groups;

    if (!ours && !rewrite_is(node, "QLinearConv"))
        return false;
    for (size_t i = 0; i < node->input_count; i++) {
        if (i < 8 && node->inputs[i] == ENG_NO_VALUE)
            return false;
        if (i > W && i < W + 3 && !rewrite_constant(&last->rw, node->inputs[i]))
            return false;
    }
    w = rewrite_constant(&last->rw, node->inputs[W]);
    groups = rewrite_int(node, "group", 1);
    return w && w->rank == 4 && w->dims[1] > 0 && w->dims[0] > 0 &&
           w->dims[2] * w->dims[3] <= TAPS_MAX &&
           (groups == 1 || (groups == w->dims[0] && w->dims[1] == 1));
}

/* The largest of what is there with channels last. */
static bool is_max_pool(const struct last *last, const struct eng_node *node)
{
    return rewrite_is(node, "MaxPool") && node->input_count == 1 &&
           node->output_count == 1 && last->of[node->inputs[0]] &&
           rewrite_int(node, "storage_order", 0) == 0;
}

/* Both operands of a QLinearAdd or QLinearMul are there with channels last. */
static bool is_binary(const struct last *last, const struct eng_node *node)
{
    return strcmp(node->domain, "com.microsoft") == 0 &&
           (strcmp(node->op, "QLinearAdd") == 0 ||
            strcmp(node->op, "QLinearMul") == 0) &&
           node->input_count > 3 && node->inputs[0] != ENG_NO_VALUE &&
           node->inputs[3] != ENG_NO_VALUE && last->of[node->inputs[0]] &&
           last->of[node->inputs[3]];
}

static struct rewrite_spec transpose(const uint32_t *input,
                                     const struct eng_attr *perm)
{
    return (struct rewrite_spec){.domain = "",
                                 .op = "Transpose",
                                 .version = 13,
                                 .inputs = input,
                                 .input_count = 1,
                                 .attrs = perm,
                                 .attr_count = 1};
}

static struct eng_attr perm_attr(const int64_t *perm)
{
    return (struct eng_attr){
        .name = "perm", .type = ENG_ATTR_INTS, .count = 4, .ints = perm};
}

/* A new value, named after another. */
static uint32_t add_value(struct last *last, uint32_t like, struct error *err)
{
    const char *name = arena_printf(&last->rw.graph->arena, "%s.last",
                                    last->rw.graph->values[like].name);

    if (!name) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
        return ENG_NO_VALUE;
    }
    return rewrite_add_value(&last->rw, name, err);
}

/* `value` with channels last, by a Transpose in front of node *at if there is
 * none yet; *at follows its node. */
static uint32_t value_last(struct last *last, uint32_t value, size_t *at,
                           struct error *err)
{
    const struct eng_attr perm = perm_attr(to_last);
    const struct rewrite_spec spec = transpose(&value, &perm);
    uint32_t turned;

    if (last->of[value])
        return last->of[value] - 1;
    turned = add_value(last, value, err);
    if (turned == ENG_NO_VALUE ||
        !rewrite_insert(&last->rw, *at, &spec, turned, err))
        return ENG_NO_VALUE;
    last->of[value] = turned + 1;
    (*at)++;
    return turned;
}

/* Node *at, whose inputs 0 and, with `both`, 3 have channels first, becomes
 * `op` in front of a Transpose of its output. */
static bool turn_node(struct last *last, size_t *at, const char *op, bool both,
                      struct error *err)
{
    struct rewrite *rw = &last->rw;
    struct eng_node node = rw->graph->nodes[*at];
    const struct eng_attr perm = perm_attr(to_first);
    uint32_t inputs[9];
    uint32_t made;
    struct rewrite_spec spec = {.domain = both ? node.domain : REWRITE_DOMAIN,
                                .op = op,
                                .version = 1,
                                .inputs = inputs,
                                .input_count =
                                    node.input_count < 9 ? node.input_count : 9,
                                .attrs = node.attrs,
                                .attr_count = node.attr_count};

    memcpy(inputs, node.inputs, spec.input_count * sizeof *inputs);
    for (size_t i = 0; i <= 3; i += 3) {
        if (i && !both)
            break;
        inputs[i] = value_last(last, inputs[i], at, err);
        if (inputs[i] == ENG_NO_VALUE)
            return false;
    }
    made = add_value(last, node.outputs[0], err);
    if (made == ENG_NO_VALUE || !rewrite_insert(rw, *at, &spec, made, err))
        return false;
    (*at)++;
    last->of[node.outputs[0]] = made + 1;
    spec = transpose(&made, &perm);
    return rewrite_replace(rw, &rw->graph->nodes[*at], &spec, err);
}

static bool walk(struct last *last, struct error *err)
{
    for (size_t i = 0; i < last->rw.graph->node_count; i++) {
        const struct eng_node *node = &last->rw.graph->nodes[i];

        if (is_convolution(last, node)) {
            if (!turn_node(last, &i, "QConvLast", false, err))
                return false;
        } else if (is_max_pool(last, node)) {
            if (!turn_node(last, &i, "MaxPoolLast", false, err))
                return false;
        } else if (is_binary(last, node)) {
            if (!turn_node(last, &i, node->op, true, err))
                return false;
        }
    }
    return true;
}

bool pass_channels_last(struct eng_graph *graph, struct op_packs *packs,
                        struct error *err)
{
    struct last last = {0};
    size_t room = graph->value_count + NEW_EACH * graph->node_count + 1;
    bool ok;

    (void)packs;
    last.of = calloc(room, sizeof *last.of);
    if (!last.of)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to rewrite the graph");
    ok = rewrite_begin(&last.rw, graph, err);
    if (ok) {
        ok = walk(&last, err);
        rewrite_end(&last.rw);
    }
    free(last.of);
    return ok;
}
