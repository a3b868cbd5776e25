/*
 * Heads: what follows the encoder, by architecture; see families.h.
 *
 *   sequence  BERT        classifier(tanh(pooler(first token)))
 *             RoBERTa     out_proj(tanh(dense(first token)))
 *             DistilBERT  classifier(relu(pre_classifier(first token)))
 *   token     classifier of every token
 *   masked    decoder(norm(act(transform))) of every token; the decoder's
 *             matrix is the table of word embeddings where they are tied
 *   question  two numbers for every token
 */
#include <string.h>

#include "families.h"

/* [b, s, h] -> [b, s, out], or [b, h] -> [b, out] */
static uint32_t dense(struct hf_build *build, const char *name, uint32_t x,
                      int64_t out, const char *act)
{
    const struct hf_linear linear = {.name = name,
                                     .x = x,
                                     .in = build->config->hidden,
                                     .out = out,
                                     .act = act,
                                     .residual = ENG_NO_VALUE};

    return hf_linear(build, &linear);
}

/* Labels of a classifier: its rows, which config.json agrees with. */
static int64_t count_labels(struct hf_build *build, const char *name)
{
    int64_t rows = hf_weight_rows(build, name);
    int64_t labels = build->config->labels;

    if (rows && labels && rows != labels && !hf_failed(build))
        (void)fail(build->err, ERR_MODEL_INVALID,
                   "tensor '%s' has %lld rows, config.json %lld labels", name,
                   (long long)rows, (long long)labels);
    return rows ? rows : -1;
}

/* --- base model --- */

static const char pooler[] = ".pooler.dense";

static uint32_t pool(struct hf_build *build, uint32_t hidden)
{
    return dense(build, pooler, hf_first_token(build, hidden),
                 build->config->hidden, "Tanh");
}

static void base_outputs(struct hf_build *build, uint32_t hidden)
{
    int64_t width = build->config->hidden;
    const struct eng_port all = {
        .rank = 3, .dims = {-1, -1, width}, .symbol = {"batch", "sequence"}};
    const struct eng_port pooled = {
        .rank = 2, .dims = {-1, width}, .symbol = {"batch"}};

    hf_output(build, "last_hidden_state", hidden, &all);
    if (hf_has_weight(build, ".pooler.dense.weight"))
        hf_output(build, "pooler_output", pool(build, hidden), &pooled);
}

/* --- classifiers --- */

static void sequence_outputs(struct hf_build *build, uint32_t hidden)
{
    enum hf_family family = build->config->family;
    const char *last =
        family == HF_ROBERTA ? "classifier.out_proj" : "classifier";
    int64_t labels =
        count_labels(build, family == HF_ROBERTA ? "classifier.out_proj.weight"
                                                 : "classifier.weight");
    const struct eng_port port = {
        .rank = 2, .dims = {-1, labels}, .symbol = {"batch"}};
    int64_t width = build->config->hidden;
    uint32_t x;

    if (family == HF_BERT)
        x = pool(build, hidden);
    else if (family == HF_ROBERTA)
        x = dense(build, "classifier.dense", hf_first_token(build, hidden),
                  width, "Tanh");
    else
        x = dense(build, "pre_classifier", hf_first_token(build, hidden), width,
                  "Relu");
    hf_output(build, "logits", dense(build, last, x, labels, ""), &port);
}

static void token_outputs(struct hf_build *build, uint32_t hidden)
{
    int64_t labels = count_labels(build, "classifier.weight");
    const struct eng_port port = {
        .rank = 3, .dims = {-1, -1, labels}, .symbol = {"batch", "sequence"}};

    hf_output(build, "logits", dense(build, "classifier", hidden, labels, ""),
              &port);
}

static void question_outputs(struct hf_build *build, uint32_t hidden)
{
    static const char *const names[] = {"start_logits", "end_logits"};
    const struct eng_attr axis = {"axis", ENG_ATTR_INT, 1, {.i = 2}};
    const struct eng_port port = {
        .rank = 2, .dims = {-1, -1}, .symbol = {"batch", "sequence"}};
    uint32_t both = dense(build, "qa_outputs", hidden, 2, "");

    for (int i = 0; i < 2; i++) {
        const struct hf_node node = {.domain = "",
                                     .op = "Gather",
                                     .version = HF_OPSET,
                                     .inputs = {both, hf_int(build, i, 0)},
                                     .input_count = 2,
                                     .attrs = &axis,
                                     .attr_count = 1};

        hf_output(build, names[i], hf_node(build, &node, names[i]), &port);
    }
}

/* --- masked language model --- */

struct masked_names {
    const char *transform, *norm;
    const char *decoder;   /* its matrix, where it is not tied */
    const char *biases[2]; /* where its bias is, or may be instead */
};

static const struct masked_names *masked_names(enum hf_family family)
{
    static const struct masked_names names[] = {
        [HF_BERT] = {"cls.predictions.transform.dense",
                     "cls.predictions.transform.LayerNorm",
                     "cls.predictions.decoder.weight",
                     {"cls.predictions.bias", "cls.predictions.decoder.bias"}},
        [HF_ROBERTA] = {"lm_head.dense",
                        "lm_head.layer_norm",
                        "lm_head.decoder.weight",
                        {"lm_head.bias", "lm_head.decoder.bias"}},
        [HF_DISTILBERT] = {"vocab_transform",
                           "vocab_layer_norm",
                           "vocab_projector.weight",
                           {"vocab_projector.bias", "vocab_projector.bias"}}};

    return &names[family];
}

static void masked_outputs(struct hf_build *build, uint32_t hidden)
{
    const struct hf_config *config = build->config;
    const struct masked_names *names = masked_names(config->family);
    const struct eng_port port = {.rank = 3,
                                  .dims = {-1, -1, config->vocabulary},
                                  .symbol = {"batch", "sequence"}};
    const struct hf_linear transform = {.name = names->transform,
                                        .x = hidden,
                                        .in = config->hidden,
                                        .out = config->hidden,
                                        .activates =
                                            config->family != HF_ROBERTA,
                                        .act = "Gelu",
                                        .residual = ENG_NO_VALUE};
    const struct eng_attr transposed = {"transB", ENG_ATTR_INT, 1, {.i = 1}};
    struct hf_node decoder = {.domain = "specserve",
                              .op = "Linear",
                              .version = 1,
                              .input_count = 3,
                              .attrs = &transposed,
                              .attr_count = 1};

    decoder.inputs[0] =
        hf_norm(build, names->norm, hf_linear(build, &transform));
    decoder.inputs[1] = hf_weight(
        build,
        config->tied ? ".embeddings.word_embeddings.weight" : names->decoder,
        config->vocabulary, config->hidden);
    decoder.inputs[2] =
        hf_weight(build, names->biases[!hf_has_weight(build, names->biases[0])],
                  0, config->vocabulary);
    hf_output(build, "logits", hf_node(build, &decoder, "decoder"), &port);
}

void hf_heads(struct hf_build *build, uint32_t hidden)
{
    switch (build->config->head) {
    case HF_HEAD_NONE:
        base_outputs(build, hidden);
        break;
    case HF_HEAD_SEQUENCE:
        sequence_outputs(build, hidden);
        break;
    case HF_HEAD_TOKEN:
        token_outputs(build, hidden);
        break;
    case HF_HEAD_MASKED:
        masked_outputs(build, hidden);
        break;
    case HF_HEAD_QUESTION:
        question_outputs(build, hidden);
        break;
    }
}

/* --- what may be left --- */

bool hf_may_be_left(const char *name, const char *prefix)
{
    static const char *const inner[] = {"embeddings.position_ids",
                                        "embeddings.token_type_ids", "pooler."};
    static const char *const heads[] = {"cls.",
                                        "classifier.",
                                        "pre_classifier.",
                                        "qa_outputs.",
                                        "lm_head.",
                                        "vocab_transform.",
                                        "vocab_layer_norm.",
                                        "vocab_projector."};
    size_t size = strlen(prefix);

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (strncmp(name, heads[i], strlen(heads[i])) == 0)
            return true;
    }
    if (strncmp(name, prefix, size) != 0)
        return false;
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        if (strncmp(name + size, inner[i], strlen(inner[i])) == 0)
            return true;
    }
    return false;
}
