/*
 * What the files of the ONNX loader share.
 *
 * Threads: one loader, one thread.
 */
#ifndef ENGINE_ONNX_LOAD_PARTS_H
#define ENGINE_ONNX_LOAD_PARTS_H

#include "graph.h"
#include "onnx.pb-c.h"
#include "onnx_load_wire.h"

enum {
    ONNX_NAME_MAX = 4096,    /* bytes of a name */
    ONNX_NODES_MAX = 100000, /* nodes, and initialisers */
    ONNX_ATTRS_MAX = 256,    /* attributes of a node */
    ONNX_OPSETS_MAX = 256    /* opset imports */
};

struct onnx_opset {
    const char *domain; /* "" for ai.onnx */
    int64_t version;
};

struct onnx_loader {
    struct eng_graph *graph;
    struct onnx_loader *outer; /* of the graph around; NULL = outermost */
    uint32_t *captured;        /* values of it that this graph reads */
    size_t captured_count;
    int folder; /* O_PATH of the model's folder; -1 = no external data */
    const uint8_t *let_go; /* the mapped file from here on is still needed;
                              NULL = the bytes are somebody's memory */
    struct onnx_opset *opsets;
    size_t opset_count;
    uint32_t *names; /* hash table: value index + 1; 0 = free */
    size_t name_slots;
    size_t value_room; /* of graph->values */
};

/* Is the name printable and of a sane length? ERR_MODEL_INVALID. */
bool onnx_name_check(const char *name, const char *what, struct error *err);

/* A copy in the graph's arena; "" for a missing text; NULL without memory. */
const char *onnx_keep_text(struct onnx_loader *loader, const char *text);

/*
 * Copies the attributes of `from` to `node`, whose inputs are linked already:
 * values that graphs inside read from outside are added to them.
 */
bool onnx_keep_attrs(struct onnx_loader *loader,
                     const struct Onnx__NodeProto *from, struct eng_node *node,
                     struct error *err);

/* Fills opsets from the imports. ERR_MODEL_INVALID, ERR_OUT_OF_MEMORY. */
bool onnx_load_opsets(struct onnx_loader *loader,
                      const struct Onnx__ModelProto *model, struct error *err);

/*
 * Builds values and nodes. `weights` are the serialised initialisers that were
 * cut out of `proto`.
 */
bool onnx_load_graph(struct onnx_loader *loader,
                     const struct Onnx__GraphProto *proto,
                     const struct wire_span *weights, size_t weight_count,
                     struct error *err);

/*
 * A tensor's bytes, checked and copied once into `arena`. `raw` is the raw_data
 * that was cut out of `proto` (NULL = look into `proto`), `folder` where
 * external data may lie (-1 = nowhere). Errors name `name`.
 */
struct onnx_tensor_source {
    const struct Onnx__TensorProto *proto;
    const struct wire_span *raw;
    int folder;
    const char *name;
};
bool onnx_load_tensor(const struct onnx_tensor_source *source,
                      struct arena *arena, struct eng_tensor *tensor,
                      struct error *err);

/* One serialised TensorProto that passed wire_check(); its raw_data is never
 * parsed. `name` may be NULL, else it receives the tensor's name (arena). */
bool onnx_load_tensor_bytes(struct wire_span span, int folder,
                            struct arena *arena, struct eng_tensor *tensor,
                            const char **name, struct error *err);

#endif
