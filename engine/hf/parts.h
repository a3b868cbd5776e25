/*
 * Parts: what the families share while they write their graph.
 *
 * A function adds nodes and returns the value they make. The first error stays
 * in `err`, and from then on every function does nothing and returns
 * ENG_NO_VALUE; so a family is written as a list of steps and asked once, at
 * its end, whether all went well.
 *
 * Operators are those that the passes make of an ONNX export of the same model
 * (Linear, AttentionCore, LayerNormalization, Gather, Add): what knows one form
 * knows the other. Shapes in the margin: b = batch, s = sequence, h = hidden.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_HF_PARTS_H
#define ENGINE_HF_PARTS_H

#include "graph.h"
#include "hf/config.h"
#include "hf/weights.h"

/* What the graph is written in. */
enum { HF_OPSET = 21 };

struct hf_build {
    struct eng_graph *graph;
    struct hf_weights *weights;
    const struct hf_config *config;
    const char *prefix; /* in front of the encoder's names, "bert." or "" */
    size_t value_room, node_room, port_room;
    struct error *err; /* code ERR_NONE = all went well so far */
};

/* Room for the graph of an encoder of so many layers. */
void hf_build_begin(struct hf_build *build);

bool hf_failed(const struct hf_build *build);

/* An input, int64 [batch, sequence]; an output, float. */
uint32_t hf_input(struct hf_build *build, const char *name);
void hf_output(struct hf_build *build, const char *name, uint32_t value,
               const struct eng_port *port);

/*
 * The weight of this name as a constant, whose shape must be [rows, columns],
 * or [columns] with rows 0; -1 = any. A name that begins with "." has the
 * prefix in front, in place of the dot. ERR_MODEL_INVALID: it is missing or of
 * another shape.
 */
uint32_t hf_weight(struct hf_build *build, const char *name, int64_t rows,
                   int64_t columns);

/* Is there such a weight? */
bool hf_has_weight(const struct hf_build *build, const char *name);

/* Rows of a weight; 0 without it. */
int64_t hf_weight_rows(const struct hf_build *build, const char *name);

/* A node of one output. `op` and `domain` are literals. */
struct hf_node {
    const char *domain, *op;
    int64_t version;
    uint32_t inputs[5]; /* at the end: ENG_NO_VALUE = left out */
    size_t input_count;
    const struct eng_attr *attrs;
    size_t attr_count;
};
uint32_t hf_node(struct hf_build *build, const struct hf_node *from,
                 const char *name);

/* A constant of one int64, with rank 0 or 1; of one float. */
uint32_t hf_int(struct hf_build *build, int64_t number, int rank);
uint32_t hf_float(struct hf_build *build, float number);

/* A node of the default domain (opset 21) without attributes; b may be
 * ENG_NO_VALUE. */
uint32_t hf_op(struct hf_build *build, const char *op, uint32_t a, uint32_t b);

/* rows[ids], over the first axis of a table. */
uint32_t hf_lookup(struct hf_build *build, const char *table, int64_t rows,
                   uint32_t ids);

/* act(x w' + bias) + residual; w, bias: NAME.weight [out, in], NAME.bias.
 * `act` "" = none; residual may be ENG_NO_VALUE. */
struct hf_linear {
    const char *name;
    uint32_t x;
    int64_t in, out;
    bool activates; /* config->activation, else `act` */
    const char *act;
    uint32_t residual;
};
uint32_t hf_linear(struct hf_build *build, const struct hf_linear *linear);

/* Layer norm over `hidden`: NAME.weight and .bias, or .gamma and .beta. */
uint32_t hf_norm(struct hf_build *build, const char *name, uint32_t x);

/* [b, s, h] -> the first token's [b, h] */
uint32_t hf_first_token(struct hf_build *build, uint32_t x);

/* softmax(q k' / sqrt(size) + mask) v over the heads; [b, s, h] each. */
uint32_t hf_attention(struct hf_build *build, const uint32_t qkv[3],
                      uint32_t mask, const char *name);

#endif
