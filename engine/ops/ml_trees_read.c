/*
 * Trees: reading the attributes of TreeEnsembleRegressor and -Classifier,
 * where nodes are named by (tree, node) pairs. See ml_trees.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ml_trees.h"

enum { NAME_MAX_SIZE = 48 };

/* --- lists of numbers --- */

bool op_tree_reals_read(const struct op_node *op, const char *name,
                        struct op_tree_reals *reals, struct error *err)
{
    char tensor_name[NAME_MAX_SIZE];
    const struct eng_attr *attr;

    *reals = (struct op_tree_reals){0};
    (void)snprintf(tensor_name, sizeof tensor_name, "%s_as_tensor", name);
    attr = op_attr(op, tensor_name);
    if (!attr)
        return op_attr_floats(op, name, &reals->floats, &reals->count, err);
    if (attr->type != ENG_ATTR_TENSOR ||
        (attr->tensor->dtype != ENG_F32 && attr->tensor->dtype != ENG_F64))
        return fail(err, ERR_MODEL_INVALID,
                    "'%s' is no tensor of float or double", tensor_name);
    reals->count = (size_t)eng_tensor_count(attr->tensor);
    if (attr->tensor->dtype == ENG_F32)
        reals->floats = attr->tensor->data;
    else
        reals->doubles = attr->tensor->data;
    return true;
}

double op_tree_real(const struct op_tree_reals *reals, size_t i)
{
    if (reals->doubles)
        return reals->doubles[i];
    return reals->floats ? (double)reals->floats[i] : 0;
}

struct ints {
    const int64_t *list;
    size_t count;
};

static bool read_ints(const struct op_node *op, const char *name, size_t count,
                      struct ints *ints, struct error *err)
{
    *ints = (struct ints){0};
    if (!op_attr_ints(op, name, &ints->list, &ints->count, err))
        return false;
    if (ints->count != count)
        return fail(err, ERR_MODEL_INVALID,
                    "'%s' has %zu numbers, expected %zu", name, ints->count,
                    count);
    return true;
}

/* --- names of nodes --- */

struct node_name {
    int64_t tree, node;
    uint32_t index;
};

struct names {
    struct node_name *sorted;
    size_t count;
};

static int by_name(const void *left, const void *right)
{
    const struct node_name *a = left, *b = right;

    if (a->tree != b->tree)
        return a->tree < b->tree ? -1 : 1;
    return (a->node > b->node) - (a->node < b->node);
}

static bool make_names(struct op_node *op, size_t count, struct names *names,
                       struct error *err)
{
    struct ints trees, nodes;

    if (!read_ints(op, "nodes_treeids", count, &trees, err) ||
        !read_ints(op, "nodes_nodeids", count, &nodes, err))
        return false;
    names->count = count;
    names->sorted = op_alloc(op, (count + 1) * sizeof *names->sorted, err);
    if (!names->sorted)
        return false;
    for (uint32_t i = 0; i < count; i++)
        names->sorted[i] = (struct node_name){trees.list[i], nodes.list[i], i};
    qsort(names->sorted, count, sizeof *names->sorted, by_name);
    for (size_t i = 1; i < count; i++) {
        if (by_name(&names->sorted[i - 1], &names->sorted[i]) == 0)
            return fail(err, ERR_MODEL_INVALID, "tree %lld has node %lld twice",
                        (long long)names->sorted[i].tree,
                        (long long)names->sorted[i].node);
    }
    return true;
}

static bool find_node(const struct names *names, int64_t tree, int64_t node,
                      uint32_t *index, struct error *err)
{
    struct node_name key = {.tree = tree, .node = node};
    const struct node_name *found =
        bsearch(&key, names->sorted, names->count, sizeof key, by_name);

    if (!found)
        return fail(err, ERR_MODEL_INVALID, "tree %lld has no node %lld",
                    (long long)tree, (long long)node);
    *index = found->index;
    return true;
}

/* --- nodes --- */

static bool read_mode(const struct eng_string *text, struct op_tree_node *node,
                      struct error *err)
{
    static const char *const words[] = {
        "BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",      "BRANCH_GT",
        "BRANCH_EQ",  "BRANCH_NEQ", NULL /* MEMBER */, "LEAF"};

    for (int i = 0; i <= OP_TREE_LEAF; i++) {
        if (words[i] && strlen(words[i]) == text->size &&
            memcmp(words[i], text->text, text->size) == 0) {
            node->mode = (enum op_tree_mode)i;
            return true;
        }
    }
    return fail(err, ERR_MODEL_INVALID, "node mode '%.*s' is unknown",
                text->size < 40 ? (int)text->size : 40, text->text);
}

struct node_lists {
    const struct eng_attr *modes;
    struct ints trees, features, yes, no, missing;
    struct op_tree_reals splits;
};

static bool read_node_lists(const struct op_node *op, struct node_lists *lists,
                            struct error *err)
{
    const struct eng_attr *missing =
        op_attr(op, "nodes_missing_value_tracks_true");
    size_t count;

    lists->modes = op_attr(op, "nodes_modes");
    if (!lists->modes || lists->modes->type != ENG_ATTR_STRINGS ||
        !lists->modes->count || lists->modes->count >= UINT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "'nodes_modes' is missing");
    count = lists->modes->count;
    lists->missing = (struct ints){0};
    if (!read_ints(op, "nodes_treeids", count, &lists->trees, err) ||
        !read_ints(op, "nodes_featureids", count, &lists->features, err) ||
        !read_ints(op, "nodes_truenodeids", count, &lists->yes, err) ||
        !read_ints(op, "nodes_falsenodeids", count, &lists->no, err) ||
        (missing && missing->count &&
         !read_ints(op, "nodes_missing_value_tracks_true", count,
                    &lists->missing, err)) ||
        !op_tree_reals_read(op, "nodes_values", &lists->splits, err))
        return false;
    if (lists->splits.count != count)
        return fail(err, ERR_MODEL_INVALID,
                    "'nodes_values' has %zu numbers, expected %zu",
                    lists->splits.count, count);
    return true;
}

static bool read_node(const struct node_lists *lists, const struct names *names,
                      size_t i, struct op_tree_node *node, struct error *err)
{
    int64_t tree = lists->trees.list[i];

    if (!read_mode(&lists->modes->strings[i], node, err))
        return false;
    if (node->mode == OP_TREE_LEAF)
        return true;
    node->feature = lists->features.list[i];
    node->split = op_tree_real(&lists->splits, i);
    node->nan_is_true = lists->missing.list && lists->missing.list[i] != 0;
    return find_node(names, tree, lists->yes.list[i], &node->yes, err) &&
           find_node(names, tree, lists->no.list[i], &node->no, err);
}

/* --- weights --- */

struct weight_lists {
    struct ints trees, nodes, targets;
    struct op_tree_reals values;
};

static bool read_weight_lists(const struct op_node *op, const char *prefix,
                              struct weight_lists *lists, struct error *err)
{
    char name[4][NAME_MAX_SIZE];
    static const char *const parts[] = {"weights", "treeids", "nodeids", "ids"};

    for (int i = 0; i < 4; i++)
        (void)snprintf(name[i], sizeof name[i], "%s_%s", prefix, parts[i]);
    return op_tree_reals_read(op, name[0], &lists->values, err) &&
           read_ints(op, name[1], lists->values.count, &lists->trees, err) &&
           read_ints(op, name[2], lists->values.count, &lists->nodes, err) &&
           read_ints(op, name[3], lists->values.count, &lists->targets, err);
}

/* Weights in the order of their leaves; first and count of each leaf. */
static bool sort_weights(const struct weight_lists *lists,
                         const struct names *names, struct op_trees *trees,
                         uint32_t *leaf_of, struct error *err)
{
    uint32_t first = 0;

    for (size_t i = 0; i < trees->weight_count; i++) {
        if (!find_node(names, lists->trees.list[i], lists->nodes.list[i],
                       &leaf_of[i], err))
            return false;
        trees->nodes[leaf_of[i]].count++;
    }
    for (size_t i = 0; i < trees->node_count; i++) {
        trees->nodes[i].first = first;
        first += trees->nodes[i].count;
        trees->nodes[i].count = 0;
    }
    for (size_t i = 0; i < trees->weight_count; i++) {
        struct op_tree_node *leaf = &trees->nodes[leaf_of[i]];

        trees->weights[leaf->first + leaf->count++] = (struct op_tree_weight){
            lists->targets.list[i], op_tree_real(&lists->values, i)};
    }
    return true;
}

static bool read_weights(struct op_node *op, const char *prefix,
                         const struct names *names, struct op_trees *trees,
                         struct error *err)
{
    struct weight_lists lists;
    uint32_t *leaf_of;

    if (!read_weight_lists(op, prefix, &lists, err))
        return false;
    trees->weight_count = lists.values.count;
    leaf_of = op_alloc(op, (trees->weight_count + 1) * sizeof *leaf_of, err);
    trees->weights =
        op_alloc(op, (trees->weight_count + 1) * sizeof *trees->weights, err);
    return leaf_of && trees->weights &&
           sort_weights(&lists, names, trees, leaf_of, err);
}

bool op_trees_read(struct op_node *op, const char *weights,
                   struct op_trees *trees, struct error *err)
{
    struct node_lists lists;
    struct names names;

    if (!read_node_lists(op, &lists, err))
        return false;
    trees->node_count = lists.modes->count;
    trees->nodes = op_alloc(op, trees->node_count * sizeof *trees->nodes, err);
    if (!trees->nodes || !make_names(op, trees->node_count, &names, err))
        return false;
    for (size_t i = 0; i < trees->node_count; i++) {
        if (!read_node(&lists, &names, i, &trees->nodes[i], err))
            return false;
    }
    return read_weights(op, weights, &names, trees, err) &&
           op_trees_check(op, trees, err);
}
