/*
 * The operator contract.
 *
 * An implementation is a const table of functions. For one node of one plan
 * (all input shapes exact) they are called in this order:
 *
 *   infer     sets dtype and shape of every output; may set `data` as well when
 *             the elements follow from shapes and attributes alone
 *   accepts   does this implementation take the node? (fast ones only)
 *   prepare   checks the rest, packs weights, creates primitives, asks for
 *             scratch memory
 *   bind      makes what one run needs of its own (handles that carry pointers)
 *   run       computes; called from many threads at once, each with its own
 *             frame; neither allocates nor locks nor changes the node
 *   unbind, release
 *
 * Only infer and run must exist. All rows of one operator share one infer.
 * Errors say what is wrong ("axis 4 outside [-2, 1]"); plan and exec put the
 * node's name and operator in front.
 *
 *   ERR_MODEL_INVALID      breaks ONNX's rules
 *   ERR_MODEL_UNSUPPORTED  legal, but not built
 *   ERR_VALIDATION_ERROR   run only: elements that the operator cannot take
 *
 * Threads: tables are immutable; a node is immutable after prepare.
 */
#ifndef ENGINE_OPS_OP_H
#define ENGINE_OPS_OP_H

#include "graph.h"
#include "team.h"
#include "tensor.h"

/* Any number of inputs or outputs. */
enum { OP_MANY = UINT8_MAX };

enum op_flag {
    OP_ALIAS = 1,      /* output 0 is input 0's bytes under another shape */
    OP_SHAPE_ONLY = 2, /* outputs depend on input shapes, not on elements */
    OP_WIDEN = 4, /* computes float16 and bfloat16 as float32, see op_infer() */
    OP_CONTROL = 8,   /* runs graphs of its own; never while planning */
    OP_BRANCHES = 16, /* OP_CONTROL whose outputs are those of its graphs */
    OP_RANDOM = 32,   /* other elements every time; never folded */
    /* prepare and run read what they give to op_pack_only() in its packed form
     * alone, see op_pack_only() */
    OP_PACKED = 64
};

struct op_node;

/* What one run passes to every operator. */
struct op_frame {
    void **data;            /* elements, by value index */
    void **bound;           /* made by bind, by op_node.index */
    void *scratch;          /* op_node.scratch_bytes, 64-byte aligned */
    struct team_seat *seat; /* for team_for(); NULL = alone */
    const struct eng_limits *limits; /* for OP_CONTROL; NULL = none */
};

struct op_impl {
    const char *name; /* "conv.ref": for profiles */
    uint8_t in_min, in_max, out_min, out_max;
    uint8_t flags;          /* enum op_flag */
    uint32_t in_place;      /* bit i: output 0 may overwrite input i */
    uint32_t value_inputs;  /* bit i: infer reads the elements of input i */
    uint32_t float_outputs; /* OP_WIDEN: bit i: output i stays float32 */

    bool (*infer)(struct op_node *op, struct error *err);
    bool (*accepts)(const struct op_node *op);
    bool (*prepare)(struct op_node *op, struct error *err);
    bool (*bind)(const struct op_node *op, void **bound, struct error *err);
    bool (*run)(const struct op_node *op, const struct op_frame *frame,
                struct error *err);
    void (*unbind)(void *bound);
    void (*release)(struct op_node *op);
};

/* A line of ops.def. */
struct op_row {
    const char *domain;
    const char *name;
    int64_t since; /* first opset version this row is right for */
    const struct op_impl *impl;
};

/* One node in one plan. */
struct op_node {
    const struct eng_graph *graph;
    const struct eng_node *node;
    const struct op_impl *impl;
    size_t index; /* of the step in its plan */
    size_t in_count, out_count;
    const struct eng_tensor **in; /* NULL = left out; data = known now */
    struct eng_tensor **out;      /* never NULL */
    const uint32_t *in_value, *out_value;
    uint32_t packed;            /* bit i: input i was given to op_pack() */
    struct arena *arena;        /* lives as long as the plan */
    struct op_packs *packs;     /* shared by all plans of the model */
    void *state;                /* the implementation's own */
    struct op_widened *widened; /* NULL = computes in its own type */
    size_t scratch_bytes;       /* wanted by run, for all its threads */
    int threads;                /* that run may use; at least 1 */
    /*
     * infer failed only because elements of inputs are not known: it will be
     * asked again in the middle of the run, when they are (`now`).
     */
    bool wants_values;
    const struct op_frame *now; /* seat and limits of that run; NULL = not */
};

/*
 * The rows of an operator for one opset version: those with the largest
 * `since` that is not above it. NULL, *count = 0: there are none, or the domain
 * is unknown or its version newer than this engine.
 */
const struct op_row *op_find(const char *domain, const char *name,
                             int64_t version, size_t *count);

/* How many rows ops.def has, and row i; for tests and docs. */
size_t op_row_count(void);
const struct op_row *op_row_at(size_t i);

/* Elements during a run. Reading an input that is left out is a bug. */
static inline const void *op_in(const struct op_node *op,
                                const struct op_frame *frame, size_t i)
{
    return frame->data[op->in_value[i]];
}

static inline void *op_out(const struct op_node *op,
                           const struct op_frame *frame, size_t i)
{
    return frame->data[op->out_value[i]];
}

/* Input i is there. */
static inline bool op_has(const struct op_node *op, size_t i)
{
    return i < op->in_count && op->in[i];
}

/* Input i is a constant of the model: it lives longer than any plan. */
static inline bool op_is_weight(const struct op_node *op, size_t i)
{
    return op_has(op, i) &&
           op->graph->values[op->in_value[i]].constant.data != NULL;
}

/* --- attributes: the value stays as it is (the default) when absent --- */

/* The attribute, or NULL. */
const struct eng_attr *op_attr(const struct op_node *op, const char *name);

/* ERR_MODEL_INVALID when the attribute has another type. */
bool op_attr_int(const struct op_node *op, const char *name, int64_t *value,
                 struct error *err);
bool op_attr_float(const struct op_node *op, const char *name, float *value,
                   struct error *err);
bool op_attr_ints(const struct op_node *op, const char *name,
                  const int64_t **values, size_t *count, struct error *err);
bool op_attr_floats(const struct op_node *op, const char *name,
                    const float **values, size_t *count, struct error *err);

/* A flag that must be 0 or 1. */
bool op_attr_bool(const struct op_node *op, const char *name, bool *value,
                  struct error *err);

/*
 * One word out of `words` (NULL-terminated); *index is its place in the list.
 * ERR_MODEL_UNSUPPORTED for any other word.
 */
bool op_attr_word(const struct op_node *op, const char *name,
                  const char *const *words, int *index, struct error *err);

/* --- checks that many operators need --- */

/* Turns a negative axis into [0, rank); ERR_MODEL_INVALID when outside. */
bool op_axis(int64_t *axis, int rank, struct error *err);

/* As op_axis() for a list without duplicates; fills a bit mask. */
bool op_axes(const int64_t *axes, size_t count, int rank, uint32_t *mask,
             struct error *err);

/*
 * Elements of an integer input (int32 or int64) that infer needs: at most
 * `max` of them go to `list`.
 *   ERR_MODEL_INVALID      left out, too many, or not of an integer type
 *   ERR_MODEL_UNSUPPORTED  not known while planning
 */
bool op_known_ints(const struct op_node *op, size_t input, int64_t *list,
                   size_t max, size_t *count, struct error *err);

/* dtype, rank and dimensions of `out` from `like`. */
void op_like(struct eng_tensor *out, const struct eng_tensor *like);

/* ERR_MODEL_UNSUPPORTED unless input i has one of the types in the mask. */
#define OP_TYPE(dtype) (1U << (dtype))
enum {
    OP_TYPES_INT = OP_TYPE(ENG_U8) | OP_TYPE(ENG_I8) | OP_TYPE(ENG_U16) |
                   OP_TYPE(ENG_I16) | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64) |
                   OP_TYPE(ENG_U32) | OP_TYPE(ENG_U64),
    OP_TYPES_REAL = OP_TYPE(ENG_F32) | OP_TYPE(ENG_F64),
    OP_TYPES_NUMBER = OP_TYPES_INT | OP_TYPES_REAL
};
bool op_want_type(const struct op_node *op, size_t input, uint32_t types,
                  struct error *err);

/* ERR_MODEL_INVALID unless both inputs have the same type. */
bool op_same_type(const struct op_node *op, size_t a, size_t b,
                  struct error *err);

/*
 * The shape that a and b broadcast to (NumPy's rule), into `out`.
 * ERR_MODEL_INVALID naming both shapes.
 */
bool op_broadcast(const struct eng_tensor *a, const struct eng_tensor *b,
                  struct eng_tensor *out, struct error *err);

/*
 * Element steps with which `from` is read so that it broadcasts to `to`:
 * 0 in dimensions that are repeated.
 */
void op_broadcast_steps(const struct eng_tensor *from,
                        const struct eng_tensor *to,
                        int64_t steps[ENG_RANK_MAX]);

/* run of every OP_ALIAS operator: copies input 0 to output 0. */
bool op_copy_run(const struct op_node *op, const struct op_frame *frame,
                 struct error *err);

/* Puts the node's name and operator in front of `cause`; returns false. */
bool op_blame(const struct eng_graph *graph, const struct eng_node *node,
              const struct error *cause, struct error *err);

/* Zeroed memory of the plan, or NULL with ERR_OUT_OF_MEMORY. */
void *op_alloc(struct op_node *op, size_t size, struct error *err);

/* --- weights in another form, made once for all plans --- */

/* Fills `to` from `from`; must depend on the two shapes alone. */
typedef void (*op_pack_fn)(const void *from, void *to, const void *how);

/*
 * `size` bytes, 64-byte aligned, made by `pack` from a weight (op_is_weight) at
 * its first use and shared by every plan afterwards. `how` (of `how_size` bytes)
 * goes to `pack` and is part of the key. NULL with ERR_OUT_OF_MEMORY.
 */
struct op_pack_key {
    const void *source;
    op_pack_fn pack;
    const void *how;
    size_t how_size;
};
const void *op_pack(struct op_node *op, const struct op_pack_key *key,
                    size_t size, struct error *err);

/*
 * The same for a packed form from which `unpack` makes the weight again, bit by
 * bit, in an implementation that is OP_PACKED. Where nobody else reads the
 * weight, its own memory is let go while the model loads: one copy stays. It
 * comes back before an implementation that is not OP_PACKED, or that packs it
 * in another way, prepares for that node.
 */
const void *op_pack_only(struct op_node *op, const struct op_pack_key *key,
                         op_pack_fn unpack, size_t size, struct error *err);

/*
 * Brings back what was let go of the node's weights, but those that it has
 * given to op_pack() itself. Called by op_choose() around prepare.
 */
void op_unpack_inputs(const struct op_node *op);

/* The model's store of packed weights. NULL when memory is out. */
struct op_packs *op_packs_new(void);
void op_packs_free(struct op_packs *packs);

/*
 * From here until op_packs_settle() packed weights of `graph` may lose their
 * own memory; no run is under way. ERR_OUT_OF_MEMORY.
 */
bool op_packs_load(struct op_packs *packs, const struct eng_graph *graph,
                   struct error *err);
void op_packs_settle(struct op_packs *packs);

/*
 * Infers `op` with its operator's function. Where the operator says OP_WIDEN
 * and input 0 is float16 or bfloat16, every input of that type is shown to the
 * operator as float32, and its float32 outputs get input 0's type.
 */
bool op_infer(struct op_node *op, struct error *err);

/* op_choose() for a node with op->widened. */
bool op_widened_choose(struct op_node *op, struct error *err);

/* --- running one node by itself (folding) --- */

/*
 * Chooses an implementation for `op` (inferred already), prepares it and
 * leaves op->impl set. Errors as the contract says.
 */
bool op_choose(struct op_node *op, struct error *err);

/*
 * Runs a node whose inputs are all known and leaves known outputs, in memory
 * of op->arena. `data` has room for every value index of the node.
 */
bool op_eval(struct op_node *op, void **data, struct error *err);

#endif
