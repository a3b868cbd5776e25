/*
 * Families: embeddings and layers; see families.h.
 *
 *   x = norm(words[ids] + types[token_type_ids] + positions[p])
 *   a = norm(x + linear(attention(q(x), k(x), v(x))))
 *   x = norm(a + outer(act(inner(a))))                     for each layer
 *
 * Positions of BERT and DistilBERT are 0, 1, ...; those of RoBERTa count the
 * tokens that are not padding, from pad_id + 1 on, and padding has pad_id.
 */
#include "families.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

/* What a family calls the parts of layer %d. */
struct layer_names {
    const char *qkv[3], *attention, *attention_norm;
    const char *inner, *outer, *outer_norm;
};

static const struct layer_names bert_names = {
    .qkv = {".encoder.layer.%d.attention.self.query",
            ".encoder.layer.%d.attention.self.key",
            ".encoder.layer.%d.attention.self.value"},
    .attention = ".encoder.layer.%d.attention.output.dense",
    .attention_norm = ".encoder.layer.%d.attention.output.LayerNorm",
    .inner = ".encoder.layer.%d.intermediate.dense",
    .outer = ".encoder.layer.%d.output.dense",
    .outer_norm = ".encoder.layer.%d.output.LayerNorm"};

static const struct layer_names distilbert_names = {
    .qkv = {".transformer.layer.%d.attention.q_lin",
            ".transformer.layer.%d.attention.k_lin",
            ".transformer.layer.%d.attention.v_lin"},
    .attention = ".transformer.layer.%d.attention.out_lin",
    .attention_norm = ".transformer.layer.%d.sa_layer_norm",
    .inner = ".transformer.layer.%d.ffn.lin1",
    .outer = ".transformer.layer.%d.ffn.lin2",
    .outer_norm = ".transformer.layer.%d.output_layer_norm"};

const char *hf_family_prefix(enum hf_family family)
{
    static const char *const prefixes[] = {[HF_BERT] = "bert.",
                                           [HF_ROBERTA] = "roberta.",
                                           [HF_DISTILBERT] = "distilbert."};

    return prefixes[family];
}

/* --- embeddings --- */

static uint32_t cast(struct hf_build *build, uint32_t x, enum eng_dtype to)
{
    const struct eng_attr attr = {"to", ENG_ATTR_INT, 1, {.i = to}};
    const struct hf_node node = {.domain = "",
                                 .op = "Cast",
                                 .version = HF_OPSET,
                                 .inputs = {x},
                                 .input_count = 1,
                                 .attrs = &attr,
                                 .attr_count = 1};

    return hf_node(build, &node, "cast");
}

/* 0, 1, ... [s]; known while planning */
static uint32_t count_up(struct hf_build *build, uint32_t ids)
{
    uint32_t shape = hf_op(build, "Shape", ids, ENG_NO_VALUE);
    uint32_t length = hf_op(build, "Gather", shape, hf_int(build, 1, 0));
    const struct hf_node range = {
        .domain = "",
        .op = "Range",
        .version = HF_OPSET,
        .inputs = {hf_int(build, 0, 0), length, hf_int(build, 1, 0)},
        .input_count = 3};

    return hf_node(build, &range, "position_ids");
}

/* [b, s]: the n-th token that is not padding has pad_id + n */
static uint32_t count_tokens(struct hf_build *build, uint32_t ids)
{
    uint32_t pad = hf_int(build, build->config->pad_id, 0);
    uint32_t is_pad = hf_op(build, "Equal", ids, pad);
    uint32_t is_token = hf_op(build, "Not", is_pad, ENG_NO_VALUE);
    uint32_t ones = cast(build, is_token, ENG_I64);
    uint32_t sums = hf_op(build, "CumSum", ones, hf_int(build, 1, 0));

    return hf_op(build, "Add", hf_op(build, "Mul", sums, ones), pad);
}

/* [b, s, h], or [1, h] of the only type */
static uint32_t add_types(struct hf_build *build, uint32_t x)
{
    static const char table[] = ".embeddings.token_type_embeddings.weight";
    int64_t types = build->config->types;
    uint32_t ids =
        types > 1 ? hf_input(build, "token_type_ids") : hf_int(build, 0, 1);

    return hf_op(build, "Add", x, hf_lookup(build, table, types, ids));
}

static uint32_t embed(struct hf_build *build, uint32_t ids)
{
    static const char words[] = ".embeddings.word_embeddings.weight";
    static const char positions[] = ".embeddings.position_embeddings.weight";
    const struct hf_config *config = build->config;
    uint32_t x = hf_lookup(build, words, config->vocabulary, ids);
    uint32_t at;

    if (config->types > 0)
        x = add_types(build, x);
    at = config->family == HF_ROBERTA ? count_tokens(build, ids)
                                      : count_up(build, ids);
    at = hf_lookup(build, positions, config->positions, at);
    return hf_norm(build, ".embeddings.LayerNorm", hf_op(build, "Add", x, at));
}

/* --- layers --- */

/* What is added to the scores: 0 for a token, the lowest number for padding;
 * [b, 1, 1, s]. */
static uint32_t mask_scores(struct hf_build *build, uint32_t mask)
{
    uint32_t wide = hf_op(build, "Unsqueeze", mask, hf_int(build, 1, 1));
    uint32_t keep;

    wide = hf_op(build, "Unsqueeze", wide, hf_int(build, 2, 1));
    keep = cast(build, wide, ENG_F32);
    return hf_op(build, "Mul", hf_op(build, "Sub", hf_float(build, 1), keep),
                 hf_float(build, -FLT_MAX));
}

static const char *layer_name(char text[HF_NAME_SIZE], const char *form,
                              int64_t layer)
{
    const char *hole = strstr(form, "%d");
    int before = (int)(hole - form);

    (void)snprintf(text, HF_NAME_SIZE, "%.*s%lld%s", before, form,
                   (long long)layer, hole + 2);
    return text;
}

/* norm(linear(x) + residual) */
static uint32_t close_block(struct hf_build *build, struct hf_linear *linear,
                            const char *norm_form, int64_t layer)
{
    char name[HF_NAME_SIZE];
    uint32_t sum = hf_linear(build, linear);

    return hf_norm(build, layer_name(name, norm_form, layer), sum);
}

static uint32_t attend(struct hf_build *build, const struct layer_names *names,
                       int64_t layer, uint32_t x, uint32_t mask)
{
    int64_t hidden = build->config->hidden;
    struct hf_linear linear = {.x = x,
                               .in = hidden,
                               .out = hidden,
                               .act = "",
                               .residual = ENG_NO_VALUE};
    char name[HF_NAME_SIZE];
    uint32_t qkv[3];

    for (size_t i = 0; i < 3; i++) {
        linear.name = layer_name(name, names->qkv[i], layer);
        qkv[i] = hf_linear(build, &linear);
    }
    linear.name = layer_name(name, names->attention, layer);
    linear.x = hf_attention(build, qkv, mask, "attention");
    linear.residual = x;
    return close_block(build, &linear, names->attention_norm, layer);
}

static uint32_t feed_forward(struct hf_build *build,
                             const struct layer_names *names, int64_t layer,
                             uint32_t x)
{
    const struct hf_config *config = build->config;
    char name[HF_NAME_SIZE];
    struct hf_linear linear = {.name = layer_name(name, names->inner, layer),
                               .x = x,
                               .in = config->hidden,
                               .out = config->inner,
                               .activates = true,
                               .residual = ENG_NO_VALUE};

    linear.x = hf_linear(build, &linear);
    linear = (struct hf_linear){.name = layer_name(name, names->outer, layer),
                                .x = linear.x,
                                .in = config->inner,
                                .out = config->hidden,
                                .act = "",
                                .residual = x};
    return close_block(build, &linear, names->outer_norm, layer);
}

uint32_t hf_encoder(struct hf_build *build)
{
    const struct hf_config *config = build->config;
    const struct layer_names *names =
        config->family == HF_DISTILBERT ? &distilbert_names : &bert_names;
    uint32_t ids = hf_input(build, "input_ids");
    uint32_t mask = hf_input(build, "attention_mask");
    uint32_t x = embed(build, ids);

    mask = mask_scores(build, mask);
    for (int64_t i = 0; i < config->layers && !hf_failed(build); i++) {
        x = attend(build, names, i, x, mask);
        x = feed_forward(build, names, i, x);
    }
    return x;
}
