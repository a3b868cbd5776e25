/*
 * What the files of the blocked pass share; blocked.c says what it does.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_PASSES_BLOCKED_PARTS_H
#define ENGINE_PASSES_BLOCKED_PARTS_H

#include "graph.h"

/* What is known of one value of the graph. */
struct blocked_value {
    uint32_t form;    /* its blocked form; ENG_NO_VALUE = none */
    bool is_plain;    /* it exists in its own form */
    int64_t channels; /* of the form */
    uint32_t space;   /* equal numbers: equal batch, height and width; 0 = not
                         asked for yet */
    size_t maker;     /* the ConvBlocked that makes the form, SIZE_MAX = none */
};

/* out = floor((in + total) / stride) + 1 in both dimensions. */
struct blocked_space {
    uint32_t from;
    int64_t total[2], stride[2];
};

struct blocked {
    struct eng_graph *graph;
    int64_t block;
    struct blocked_value *values; /* by value of the old graph */
    uint32_t *readers;            /* likewise: node inputs, graph outputs */
    size_t *producer;             /* likewise: node of the old graph */
    struct eng_node *nodes;       /* the new graph */
    bool *is_dead;                /* by new node: fused into a later one */
    size_t count;
    struct blocked_space *spaces; /* space i + 1 */
    uint32_t space_count;
};

/* The space of a value; a new one if nothing is known. */
uint32_t blocked_space_of(struct blocked *b, uint32_t value);

/* A space that equals no other. */
uint32_t blocked_space_new(struct blocked *b);

/* The space that a Conv or pooling `node` makes of `from`; `kernel` by its
 * weights, NULL = its attribute. */
uint32_t blocked_space_after(struct blocked *b, const struct eng_node *node,
                             uint32_t from, const int64_t *kernel);

/* --- building the new graph --- */

struct blocked_spec {
    const struct eng_node *like; /* name, outputs; attributes */
    const char *op;              /* in the domain of rewrites; NULL = as like */
    const uint32_t *inputs;
    size_t input_count;
    const struct eng_attr *more; /* attributes behind those of `like` */
    size_t more_count;
    uint32_t output; /* ENG_NO_VALUE = those of `like` */
};

/* Appends a node. ERR_OUT_OF_MEMORY. */
bool blocked_emit(struct blocked *b, const struct blocked_spec *spec,
                  struct error *err);

/* Makes sure that `value` exists in its own form. */
bool blocked_need_plain(struct blocked *b, uint32_t value, struct error *err);

/* The blocked form of `value`, with `channels`; made if there is none.
 * ENG_NO_VALUE: ERR_OUT_OF_MEMORY. */
uint32_t blocked_need_form(struct blocked *b, uint32_t value, int64_t channels,
                           struct error *err);

/* One more value of the graph, for the form of `value`. */
uint32_t blocked_add_value(struct blocked *b, uint32_t value);

/* `value` has this form now. */
struct blocked_value *blocked_set(struct blocked *b, uint32_t value,
                                  uint32_t form, int64_t channels,
                                  uint32_t space);

/* The float32 constant behind `value`, or NULL. */
const struct eng_tensor *blocked_constant(const struct blocked *b,
                                          uint32_t value);

/* --- what becomes of a node; *done = it is in the new graph --- */

/* Conv and FusedConv. */
bool blocked_conv(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err);

/* BatchNormalization that no Conv took. */
bool blocked_norm(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err);

/* Add behind a Conv, activations behind a Conv. */
bool blocked_fuse(struct blocked *b, const struct eng_node *node, bool *done,
                  struct error *err);

/* Everything else that works on blocks. */
bool blocked_elementwise(struct blocked *b, const struct eng_node *node,
                         bool *done, struct error *err);

#endif
