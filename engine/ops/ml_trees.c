/*
 * Trees: see ml_trees.h.
 */
#include "ml_trees.h"

#include <string.h>

/* --- roots, and no cycles --- */

static bool check_node(const struct op_trees *trees, size_t i,
                       struct error *err)
{
    const struct op_tree_node *node = &trees->nodes[i];

    if (node->mode == OP_TREE_LEAF)
        return true;
    if (node->feature < 0 || node->feature >= trees->features)
        return fail(err, ERR_MODEL_INVALID,
                    "tree node %zu reads feature %lld of %lld", i,
                    (long long)node->feature, (long long)trees->features);
    if (node->yes >= trees->node_count || node->no >= trees->node_count)
        return fail(err, ERR_MODEL_INVALID, "tree node %zu has no successor",
                    i);
    return true;
}

static bool check_parts(const struct op_trees *trees, struct error *err)
{
    for (size_t i = 0; i < trees->node_count; i++) {
        if (!check_node(trees, i, err))
            return false;
    }
    for (size_t i = 0; i < trees->weight_count; i++) {
        int64_t target = trees->weights[i].target;

        if (target < 0 || target >= trees->targets)
            return fail(err, ERR_MODEL_INVALID,
                        "weight %zu is for target %lld of %lld", i,
                        (long long)target, (long long)trees->targets);
    }
    return true;
}

/* Nodes in an order in which parents come first: all, unless there is a cycle.
 * The first ones, those without parents, are the roots. */
static size_t order_nodes(struct op_trees *trees, uint32_t *parents,
                          uint32_t *order)
{
    size_t count = 0;

    for (uint32_t i = 0; i < trees->node_count; i++) {
        if (trees->nodes[i].mode != OP_TREE_LEAF) {
            parents[trees->nodes[i].yes]++;
            parents[trees->nodes[i].no]++;
        }
    }
    for (uint32_t i = 0; i < trees->node_count; i++) {
        if (!parents[i])
            order[count++] = i;
    }
    trees->root_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct op_tree_node *node = &trees->nodes[order[i]];

        if (node->mode == OP_TREE_LEAF)
            continue;
        if (!--parents[node->yes])
            order[count++] = node->yes;
        if (!--parents[node->no])
            order[count++] = node->no;
    }
    return count;
}

bool op_trees_check(struct op_node *op, struct op_trees *trees,
                    struct error *err)
{
    size_t room = trees->node_count + 1;
    uint32_t *parents = op_alloc(op, room * sizeof *parents, err);

    trees->roots = op_alloc(op, room * sizeof *trees->roots, err);
    if (!parents || !trees->roots || !check_parts(trees, err))
        return false;
    if (order_nodes(trees, parents, trees->roots) != trees->node_count)
        return fail(err, ERR_MODEL_INVALID, "the trees have a cycle");
    return true;
}

/* --- walking --- */

static bool is_member(const struct op_trees *trees,
                      const struct op_tree_node *node, double x)
{
    for (uint32_t i = 0; i < node->count; i++) {
        if (trees->members[node->first + i] == x)
            return true;
    }
    return false;
}

static bool takes_yes(const struct op_trees *trees,
                      const struct op_tree_node *node, double x)
{
    if (node->nan_is_true && x != x)
        return true;
    switch (node->mode) {
    case OP_TREE_LEQ:
        return x <= node->split;
    case OP_TREE_LT:
        return x < node->split;
    case OP_TREE_GTE:
        return x >= node->split;
    case OP_TREE_GT:
        return x > node->split;
    case OP_TREE_EQ:
        return x == node->split;
    case OP_TREE_NEQ:
        return x != node->split;
    case OP_TREE_MEMBER:
    case OP_TREE_LEAF:
        break;
    }
    return is_member(trees, node, x);
}

static void add_leaf(const struct op_trees *trees,
                     const struct op_tree_node *leaf, double *scores,
                     bool *seen)
{
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct op_tree_weight *weight = &trees->weights[leaf->first + i];
        double *score = &scores[weight->target];

        if (trees->sum == OP_TREE_SUM || trees->sum == OP_TREE_AVERAGE)
            *score += weight->value;
        else if (!seen[weight->target] ||
                 (trees->sum == OP_TREE_MIN ? weight->value < *score
                                            : weight->value > *score))
            *score = weight->value;
        seen[weight->target] = true;
    }
}

void op_trees_run(const struct op_trees *trees, const double *x, double *scores,
                  bool *seen)
{
    memset(scores, 0, (size_t)trees->targets * sizeof *scores);
    memset(seen, 0, (size_t)trees->targets * sizeof *seen);
    for (size_t i = 0; i < trees->root_count; i++) {
        const struct op_tree_node *node = &trees->nodes[trees->roots[i]];

        while (node->mode != OP_TREE_LEAF)
            node = &trees->nodes[takes_yes(trees, node, x[node->feature])
                                     ? node->yes
                                     : node->no];
        add_leaf(trees, node, scores, seen);
    }
    for (int64_t i = 0; trees->sum == OP_TREE_AVERAGE && i < trees->targets;
         i++)
        scores[i] /= (double)trees->root_count;
}
