/*
 * Trees: decision trees in one form for all tree operators of ai.onnx.ml.
 *
 * A row walks from each root to a leaf; the weights of the leaves are summed
 * (or averaged, or the least or largest is kept) per target.
 *
 * Threads: immutable after reading.
 */
#ifndef ENGINE_OPS_ML_TREES_H
#define ENGINE_OPS_ML_TREES_H

#include "ml_common.h"

enum op_tree_mode {
    OP_TREE_LEQ,
    OP_TREE_LT,
    OP_TREE_GTE,
    OP_TREE_GT,
    OP_TREE_EQ,
    OP_TREE_NEQ,
    OP_TREE_MEMBER, /* x is one of the node's values */
    OP_TREE_LEAF
};

struct op_tree_node {
    enum op_tree_mode mode;
    bool nan_is_true; /* a missing x takes the true branch */
    int64_t feature;
    double split;
    uint32_t yes, no;      /* nodes */
    uint32_t first, count; /* leaf: weights; member: values */
};

struct op_tree_weight {
    int64_t target;
    double value;
};

enum op_tree_sum { OP_TREE_AVERAGE, OP_TREE_SUM, OP_TREE_MIN, OP_TREE_MAX };

struct op_trees {
    int64_t features, targets;
    struct op_tree_node *nodes;
    size_t node_count;
    uint32_t *roots;
    size_t root_count;
    struct op_tree_weight *weights;
    size_t weight_count;
    double *members;
    int sum; /* enum op_tree_sum */
};

/* A list of numbers in an attribute: floats, or a float or double tensor. */
struct op_tree_reals {
    const float *floats;
    const double *doubles;
    size_t count;
};

/* Attribute `name`, or `name`_as_tensor. ERR_MODEL_INVALID: another type. */
bool op_tree_reals_read(const struct op_node *op, const char *name,
                        struct op_tree_reals *reals, struct error *err);
double op_tree_real(const struct op_tree_reals *reals, size_t i);

/*
 * Reads the nodes_* attributes and the leaves' weights, whose attributes start
 * with `weights` ("target" or "class"). features and targets are set.
 *   ERR_MODEL_INVALID  lists of different lengths, nodes that do not exist or
 *                      exist twice, features or targets outside, a cycle
 */
bool op_trees_read(struct op_node *op, const char *weights,
                   struct op_trees *trees, struct error *err);

/* Fills roots; nodes, features and targets are set. Errors as above. */
bool op_trees_check(struct op_node *op, struct op_trees *trees,
                    struct error *err);

/*
 * The aggregated weights of one row, x [features]. scores and seen [targets]:
 * 0 and false for targets without a weight.
 */
void op_trees_run(const struct op_trees *trees, const double *x, double *scores,
                  bool *seen);

#endif
