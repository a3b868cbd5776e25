/*
 * Graph: values and the nodes that compute them, in topological order.
 *
 * Built once by a loader (ONNX today), changed only by the passes, immutable
 * afterwards. Values and nodes are named by their index. Everything a graph
 * points to lives in its arena, weights included.
 *
 * Dimensions that the file leaves open stay open (-1, perhaps with a symbol);
 * a plan closes them for one set of input shapes. A graph inside a node (If,
 * Loop, Scan) is an attribute that holds a struct eng_graph of its own. What it
 * reads from around it is captured: such values are inputs of the inner graph
 * behind its formal ones, and inputs of the node behind the operator's, so that
 * order, liveness and passes see them.
 *
 * Threads: immutable after load.
 */
#ifndef ENGINE_GRAPH_H
#define ENGINE_GRAPH_H

#include "arena.h"
#include "engine.h"

struct op_row;
struct runner;

/* An input that the node leaves out. */
#define ENG_NO_VALUE UINT32_MAX

enum eng_attr_type {
    ENG_ATTR_FLOAT = 1,
    ENG_ATTR_INT = 2,
    ENG_ATTR_STRING = 3,
    ENG_ATTR_TENSOR = 4,
    ENG_ATTR_GRAPH = 5,
    ENG_ATTR_FLOATS = 6,
    ENG_ATTR_INTS = 7,
    ENG_ATTR_STRINGS = 8
};

struct eng_attr {
    const char *name;
    enum eng_attr_type type;
    size_t count; /* elements of a list; 1 otherwise */
    union {
        float f;
        int64_t i;
        struct eng_string s;
        const struct eng_tensor *tensor;
        struct eng_graph *graph;
        const float *floats;
        const int64_t *ints;
        const struct eng_string *strings;
    };
};

struct eng_node {
    const char *name;   /* "" = the file gives none */
    const char *op;     /* "Conv" */
    const char *domain; /* "" = ai.onnx */
    int64_t version;    /* opset of the domain */
    size_t input_count, output_count, attr_count;
    size_t captured_count; /* inputs at the end that only inner graphs read */
    uint32_t *inputs;      /* values; ENG_NO_VALUE = left out */
    uint32_t *outputs;     /* values; each is written by this node alone */
    const struct eng_attr *attrs;
    const struct op_row *rows; /* implementations, first that accepts wins */
    size_t row_count;
};

struct eng_value {
    const char *name;           /* "" = an output that the node leaves out */
    struct eng_tensor constant; /* data != NULL: initialiser or folded */
    uint32_t producer;          /* node; ENG_NO_VALUE = input or constant */
    /*
     * A shape somewhere depends on these elements, and they are keyable: they
     * are known while planning. Of a graph input: its elements are part of the
     * plan's key.
     */
    bool plan_value;
    /*
     * The elements follow from shapes, constants and inputs of a few elements:
     * cheap enough to be known while planning, and for a key.
     */
    bool keyable;
};

struct eng_graph {
    struct arena arena;
    struct eng_value *values;
    size_t value_count;
    struct eng_node *nodes;
    size_t node_count;
    uint32_t *inputs;  /* values without initialisers, in the file's order */
    uint32_t *outputs; /* values, in the file's order */
    struct eng_port *input_ports, *output_ports;
    size_t input_count, output_count;

    /* Of an inner graph. */
    bool is_inner;
    size_t formal_count;   /* inputs with a port; captured ones follow */
    size_t captured_first; /* where they are among the node's inputs */
    struct eng_graph *inner, *next_inner; /* graphs inside this one; list */
    struct runner *runner;                /* see runner.h; the model's */
    /* Graphs inside or around may hold the same elements: never change them. */
    bool shares_constants;

    eng_obstacle_fn obstacle; /* told of nodes that cannot be bound, or NULL */
    void *obstacle_context;

    enum eng_precision precision; /* what products compute in */
    const char *producer;         /* "" = the file does not say */
    int64_t opset;                /* of the default domain; 0 = none */
    size_t initializer_count, weight_bytes, file_bytes;
};

/* What an error message calls a node: its name, else its first output. */
const char *eng_node_label(const struct eng_graph *graph,
                           const struct eng_node *node);

/*
 * Puts the nodes into topological order, keeping the present order where it
 * is one already.
 *   ERR_MODEL_INVALID  a cycle; names a node on it
 *   ERR_OUT_OF_MEMORY
 */
bool eng_graph_sort(struct eng_graph *graph, struct error *err);

/*
 * What became a constant outside is one inside, too, and captured no more.
 * ERR_OUT_OF_MEMORY.
 */
bool eng_graph_sink(struct eng_graph *graph, struct error *err);

/*
 * Binds every node, inner graphs included, to its rows of ops.def and marks
 * plan values.
 *   ERR_MODEL_UNSUPPORTED  no such operator, domain or version; names both
 *   ERR_MODEL_INVALID      a count of inputs or outputs the operator forbids
 *   ERR_OUT_OF_MEMORY
 */
bool eng_graph_bind(struct eng_graph *graph, struct error *err);

/* Gives everything back; an empty (zeroed) graph is fine. */
void eng_graph_release(struct eng_graph *graph);

#endif
