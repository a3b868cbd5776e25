/*
 * Rewrite: what passes that replace a group of nodes by one have in common.
 *
 * A pass walks the nodes, looks backwards from the last node of its pattern
 * (rewrite_maker, rewrite_scalar, rewrite_is_private), and turns that last node
 * into the new operator with rewrite_replace(). It keeps its place, so the order
 * stays topological; nodes that nobody reads any more go at the end.
 *
 *   return rewrite_each(graph, fuse_one, err);
 *
 * A pass sees no shapes, only constants: shapes are exact in plans alone. What
 * depends on a shape is a question to the new operator's `infer` and `accepts`,
 * or the pattern must say it by itself.
 *
 * Operators that exist only as the result of passes are rows of ops.def in the
 * domain REWRITE_DOMAIN. They check their inputs as all others do, and a file
 * may hold them: that is how they are tested.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_PASSES_REWRITE_H
#define ENGINE_PASSES_REWRITE_H

#include "graph.h"

#define REWRITE_DOMAIN "specserve"

struct rewrite {
    struct eng_graph *graph;
    uint32_t *readers; /* by value: node inputs and graph outputs */
    uint32_t *reader;  /* by value: a node that reads it, if one does */
    size_t value_room; /* of these two lists and of graph->values */
};

/* Counts readers. ERR_OUT_OF_MEMORY, and then no rewrite_end(). */
bool rewrite_begin(struct rewrite *rw, struct eng_graph *graph,
                   struct error *err);

/* Drops nodes whose outputs nobody reads; frees what begin made. */
void rewrite_end(struct rewrite *rw);

/* What most passes are: begin, `fn` for each node in order until one fails,
 * end. Errors of `fn`, ERR_OUT_OF_MEMORY. */
typedef bool (*rewrite_fn)(struct rewrite *rw, struct eng_node *node,
                           struct error *err);
bool rewrite_each(struct eng_graph *graph, rewrite_fn fn, struct error *err);

/* Is `node` this operator of the default domain? */
bool rewrite_is(const struct eng_node *node, const char *op);

/* The node that makes `value`, if it is this operator of the default domain;
 * NULL otherwise, and for ENG_NO_VALUE. */
struct eng_node *rewrite_maker(const struct rewrite *rw, uint32_t value,
                               const char *op);

/* One node input reads `value`, and no graph output is it: it may vanish. */
bool rewrite_is_private(const struct rewrite *rw, uint32_t value);

/* The only reader of a private value, if it is this operator of the default
 * domain; NULL otherwise. */
struct eng_node *rewrite_reader(const struct rewrite *rw, uint32_t value,
                                const char *op);

/* The constant behind `value`, or NULL. */
const struct eng_tensor *rewrite_constant(const struct rewrite *rw,
                                          uint32_t value);

/* A float constant of one element (any rank). */
bool rewrite_scalar(const struct rewrite *rw, uint32_t value, float *x);

/* As rewrite_scalar(), and it is `want` within 1e-4 relative. */
bool rewrite_is_scalar(const struct rewrite *rw, uint32_t value, float want);

/* The attribute of a node, or NULL. */
const struct eng_attr *rewrite_attr(const struct eng_node *node,
                                    const char *name);

/* An integer attribute; `fallback` when it is absent. */
int64_t rewrite_int(const struct eng_node *node, const char *name,
                    int64_t fallback);

/* The new form of a node. Lists are copied. */
struct rewrite_spec {
    const char *domain, *op; /* must outlive the graph: literals */
    int64_t version;
    const uint32_t *inputs;
    size_t input_count;
    const struct eng_attr *attrs; /* names and lists must outlive the graph */
    size_t attr_count;
};

/*
 * Turns `node` into `spec`; its outputs and name stay. Nodes that lose their
 * last reader by this no longer count as readers of their own inputs.
 *   ERR_MODEL_UNSUPPORTED  no such operator in ops.def
 *   ERR_OUT_OF_MEMORY
 */
bool rewrite_replace(struct rewrite *rw, struct eng_node *node,
                     const struct rewrite_spec *spec, struct error *err);

/* Nodes that read `from` read `to` instead; `from` is no graph output. */
void rewrite_rename(struct rewrite *rw, uint32_t from, uint32_t to);

/* A new value that is this constant (`data` lives in the graph's arena).
 * ENG_NO_VALUE: ERR_OUT_OF_MEMORY. */
uint32_t rewrite_add_constant(struct rewrite *rw, const char *name,
                              const struct eng_tensor *constant,
                              struct error *err);

/* A new value without a producer, for a node that is inserted.
 * ENG_NO_VALUE: ERR_OUT_OF_MEMORY. */
uint32_t rewrite_add_value(struct rewrite *rw, const char *name,
                           struct error *err);

/*
 * Inserts a node before graph->nodes[at]; nodes from there on move up by one,
 * so pointers to nodes are stale. `output` is its only output.
 * Errors as rewrite_replace().
 */
bool rewrite_insert(struct rewrite *rw, size_t at,
                    const struct rewrite_spec *spec, uint32_t output,
                    struct error *err);

#endif
