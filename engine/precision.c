/*
 * Precision: see precision.h; and the names of precisions.
 */
#include "precision.h"

#include <string.h>

#include "ops/qgemm.h"
#include "passes/rewrite.h"

static const char *const names[] = {[ENG_PRECISION_FP32] = "fp32",
                                    [ENG_PRECISION_INT8] = "int8",
                                    [ENG_PRECISION_BF16] = "bf16"};

const char *eng_precision_name(enum eng_precision precision)
{
    return names[precision];
}

bool eng_precision_by_name(const char *name, enum eng_precision *precision)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *precision = (enum eng_precision)i;
            return true;
        }
    }
    return false;
}

/* Linear is what passes make of the others. */
static bool is_product(const struct eng_node *node)
{
    if (node->domain[0])
        return strcmp(node->domain, REWRITE_DOMAIN) == 0 &&
               strcmp(node->op, "Linear") == 0;
    return strcmp(node->op, "MatMul") == 0 || strcmp(node->op, "Gemm") == 0;
}

/* Of the graph and those inside it. */
static void count_products(const struct eng_graph *graph,
                           struct precision *made)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        made->products += is_product(&graph->nodes[i]);
        made->int8_products += op_int8_fits(graph, &graph->nodes[i]);
    }
    for (const struct eng_graph *i = graph->inner; i; i = i->next_inner)
        count_products(i, made);
}

static void set_precision(struct eng_graph *graph, enum eng_precision precision)
{
    graph->precision = precision;
    for (struct eng_graph *i = graph->inner; i; i = i->next_inner)
        set_precision(i, precision);
}

struct precision precision_choose(struct eng_graph *graph,
                                  enum eng_precision asked)
{
    struct precision made = {.used = ENG_PRECISION_FP32, .reason = "as asked"};

    count_products(graph, &made);
    if (asked != ENG_PRECISION_INT8)
        made.int8_products = 0;
    if (made.int8_products)
        made.used = ENG_PRECISION_INT8;
    else if (asked == ENG_PRECISION_INT8)
        made.reason = "no product with enough constant weights";
    else if (asked == ENG_PRECISION_BF16)
        /* Half the speed of float without AMX; with AMX it would need kernels
         * that there are none of. */
        made.reason = "bfloat16 is slower than float32 without AMX";
    set_precision(graph, made.used);
    return made;
}
