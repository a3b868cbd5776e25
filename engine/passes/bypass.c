/*
 * Bypass: nodes that give what they take (Identity, Dropout at inference, a
 * Cast to the type that is there already) are read around, so that patterns see
 * one spelling.
 */
#include "facts.h"
#include "passes.h"
#include "rewrite.h"

static bool is_graph_output(const struct eng_graph *graph, uint32_t value)
{
    for (size_t i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == value)
            return true;
    }
    return false;
}

/* Dropout-12 may be told to train; its mask may be wanted. */
static bool drops_nothing(const struct rewrite *rw, const struct eng_node *node)
{
    bool may_train = node->input_count > 2 && node->inputs[2] != ENG_NO_VALUE;

    if (node->output_count > 1 && rw->readers[node->outputs[1]])
        return false;
    return node->version >= 7 && !may_train;
}

static bool gives_its_input(const struct rewrite *rw, const struct facts *facts,
                            const struct eng_node *node)
{
    if (rewrite_is(node, "Identity"))
        return true;
    if (rewrite_is(node, "Dropout"))
        return drops_nothing(rw, node);
    return rewrite_is(node, "Cast") &&
           facts_dtype(facts, node->inputs[0]) != ENG_NONE &&
           facts_dtype(facts, node->inputs[0]) ==
               (enum eng_dtype)rewrite_int(node, "to", ENG_NONE);
}

static bool bypass_one(struct rewrite *rw, const struct facts *facts,
                       struct eng_node *node, struct error *err)
{
    (void)err;
    if (gives_its_input(rw, facts, node) &&
        !is_graph_output(rw->graph, node->outputs[0]))
        rewrite_rename(rw, node->outputs[0], node->inputs[0]);
    return true;
}

bool pass_bypass(struct eng_graph *graph, struct op_packs *packs,
                 struct error *err)
{
    (void)packs;
    return facts_each(graph, bypass_one, err);
}
