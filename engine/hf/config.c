/*
 * Config: config.json, field by field. Defaults are those of the families'
 * classes in Hugging Face transformers, whose files leave fields out.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "folder.h"
#include "json_object.h"
#include "json_scan.h"

enum {
    CONFIG_SIZE_MAX = 4 * 1024 * 1024,
    CONFIG_DEPTH = 16,
    CONFIG_KEYS = 4096
};
enum {
    WIDTH_MAX = 65536,
    INNER_MAX = 4 * WIDTH_MAX,
    LAYERS_MAX = 1024,
    TABLE_MAX = 1 << 24
};

struct reader {
    const struct json_object *object;
    struct arena *arena;
    struct hf_config *config;
};

/* --- the family --- */

static bool read_family(const struct reader *r, struct error *err)
{
    static const struct {
        const char *type;
        enum hf_family family;
    } types[] = {{"bert", HF_BERT},
                 {"roberta", HF_ROBERTA},
                 {"xlm-roberta", HF_ROBERTA},
                 {"camembert", HF_ROBERTA},
                 {"distilbert", HF_DISTILBERT}};
    struct hf_config *config = r->config;

    config->type = "";
    if (!json_object_string(r->object, "model_type", r->arena, &config->type,
                            err))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].type, config->type) == 0) {
            config->family = types[i].family;
            return true;
        }
    }
    return fail(err, ERR_MODEL_UNSUPPORTED,
                "model_type '%.60s'; known: bert, roberta, xlm-roberta, "
                "camembert, distilbert",
                config->type);
}

/* --- the architecture --- */

/* The only string of the list `architectures`; "" without one. */
static bool first_architecture(const struct reader *r, const char **name,
                               struct error *err)
{
    const struct json_member *member =
        json_object_find(r->object, "architectures");
    struct json_scan scan;
    const char *text;
    size_t size;

    *name = "";
    if (!member || json_member_kind(member) == 'n')
        return true;
    json_scan_init(&scan, member->text, member->size, r->arena);
    if (!json_scan_accept(&scan, '[') || json_scan_accept(&scan, ']'))
        return fail(err, ERR_MODEL_INVALID,
                    "'architectures' must be a list of one name");
    if (!json_scan_string(&scan, &text, &size, err) ||
        !json_scan_expect(&scan, ']', err))
        return fail(err, ERR_MODEL_INVALID,
                    "'architectures' must be a list of one name");
    *name = arena_copy(r->arena, text, size);
    return *name || fail(err, ERR_OUT_OF_MEMORY, "no memory for a name");
}

/* The part of an architecture's name behind the family's; NULL = another's. */
static const char *behind_family(const char *name)
{
    static const char *const families[] = {"XLMRoberta", "Roberta", "Camembert",
                                           "DistilBert", "Bert"};

    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        size_t size = strlen(families[i]);

        if (strncmp(name, families[i], size) == 0)
            return name + size;
    }
    return NULL;
}

static bool read_architecture(const struct reader *r, struct error *err)
{
    static const struct {
        const char *ending;
        enum hf_head head;
    } heads[] = {{"Model", HF_HEAD_NONE},
                 {"ForSequenceClassification", HF_HEAD_SEQUENCE},
                 {"ForTokenClassification", HF_HEAD_TOKEN},
                 {"ForMaskedLM", HF_HEAD_MASKED},
                 {"ForQuestionAnswering", HF_HEAD_QUESTION}};
    struct hf_config *config = r->config;
    const char *ending;

    if (!first_architecture(r, &config->architecture, err))
        return false;
    if (!*config->architecture)
        return true;
    ending = behind_family(config->architecture);
    for (size_t i = 0; ending && i < sizeof heads / sizeof heads[0]; i++) {
        if (strcmp(ending, heads[i].ending) == 0) {
            config->head = heads[i].head;
            return true;
        }
    }
    return fail(
        err, ERR_MODEL_UNSUPPORTED,
        "architecture '%.60s'; known: Model, ForSequenceClassification, "
        "ForTokenClassification, ForMaskedLM, ForQuestionAnswering of "
        "Bert, Roberta, XLMRoberta, Camembert, DistilBert",
        config->architecture);
}

/* --- numbers --- */

struct number {
    const char *key;
    int64_t *value;
    int64_t max;
    bool needed;
};

static bool read_numbers(const struct reader *r, const struct number *numbers,
                         size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct number *n = &numbers[i];

        if (!json_object_int(r->object, n->key, n->needed ? 1 : 0, n->max,
                             n->value, err))
            return false;
        if (n->needed && *n->value == 0)
            return fail(err, ERR_MODEL_INVALID, "'%s' is missing", n->key);
    }
    return true;
}

static bool read_sizes(const struct reader *r, struct error *err)
{
    struct hf_config *c = r->config;
    const struct number usual[] = {
        {"hidden_size", &c->hidden, WIDTH_MAX, true},
        {"num_hidden_layers", &c->layers, LAYERS_MAX, true},
        {"num_attention_heads", &c->heads, WIDTH_MAX, true},
        {"intermediate_size", &c->inner, INNER_MAX, true},
        {"max_position_embeddings", &c->positions, TABLE_MAX, true},
        {"type_vocab_size", &c->types, TABLE_MAX, false},
        {"vocab_size", &c->vocabulary, TABLE_MAX, true},
        {"pad_token_id", &c->pad_id, TABLE_MAX, false},
        {"num_labels", &c->labels, TABLE_MAX, false}};
    const struct number distil[] = {
        {"dim", &c->hidden, WIDTH_MAX, true},
        {"n_layers", &c->layers, LAYERS_MAX, true},
        {"n_heads", &c->heads, WIDTH_MAX, true},
        {"hidden_dim", &c->inner, INNER_MAX, true},
        {"max_position_embeddings", &c->positions, TABLE_MAX, true},
        {"vocab_size", &c->vocabulary, TABLE_MAX, true},
        {"num_labels", &c->labels, TABLE_MAX, false}};

    if (c->family == HF_DISTILBERT)
        return read_numbers(r, distil, sizeof distil / sizeof distil[0], err);
    c->types = 2;
    c->pad_id = c->family == HF_ROBERTA;
    return read_numbers(r, usual, sizeof usual / sizeof usual[0], err);
}

/* id2label has as many entries as the head has labels. */
static bool read_labels(const struct reader *r, struct error *err)
{
    static const struct json_limits limits = {2, 1 << 16};
    const struct json_member *member = json_object_find(r->object, "id2label");
    struct json_object labels;

    if (json_member_kind(member) != '{')
        return true;
    if (!json_object_read(member->text, member->size, &limits, r->arena,
                          &labels, err))
        return false;
    r->config->labels = (int64_t)labels.count;
    return true;
}

static bool check_sizes(const struct hf_config *c, struct error *err)
{
    if (c->hidden % c->heads != 0)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld heads do not divide a width of %lld",
                    (long long)c->heads, (long long)c->hidden);
    if (!isfinite(c->epsilon) || c->epsilon < 0 || c->epsilon > 1)
        return fail(err, ERR_MODEL_INVALID, "'layer_norm_eps' is %g",
                    c->epsilon);
    return true;
}

/* --- what changes the arithmetic --- */

static bool read_activation(const struct reader *r, struct error *err)
{
    static const struct {
        const char *name, *act;
        float alpha;
    } acts[] = {{"gelu", "Gelu", 0},
                {"gelu_python", "Gelu", 0},
                {"gelu_new", "GeluTanh", 0},
                {"gelu_fast", "GeluTanh", 0},
                {"gelu_pytorch_tanh", "GeluTanh", 0},
                {"quick_gelu", "Silu", 1.702F},
                {"silu", "Silu", 1},
                {"swish", "Silu", 1},
                {"relu", "Relu", 0},
                {"tanh", "Tanh", 0}};
    struct hf_config *config = r->config;
    const char *key =
        config->family == HF_DISTILBERT ? "activation" : "hidden_act";
    const char *name = "gelu";

    if (!json_object_string(r->object, key, r->arena, &name, err))
        return false;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (strcmp(acts[i].name, name) == 0) {
            config->activation = acts[i].act;
            config->activation_alpha = acts[i].alpha;
            return true;
        }
    }
    return fail(err, ERR_MODEL_UNSUPPORTED, "%s '%.60s'", key, name);
}

/* Fields that must be absent, null, false or empty. */
static bool refuse_fields(const struct reader *r, struct error *err)
{
    static const char *const flags[] = {"is_decoder", "add_cross_attention",
                                        "is_encoder_decoder"};
    static const char *const objects[] = {"pruned_heads",
                                          "quantization_config"};
    const char *positions = "absolute";

    if (!json_object_string(r->object, "position_embedding_type", r->arena,
                            &positions, err))
        return false;
    if (strcmp(positions, "absolute") != 0)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "position_embedding_type '%.60s', known: absolute",
                    positions);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool set = false;

        if (!json_object_bool(r->object, flags[i], &set, err))
            return false;
        if (set)
            return fail(err, ERR_MODEL_UNSUPPORTED, "%s: true", flags[i]);
    }
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        const struct json_member *member =
            json_object_find(r->object, objects[i]);

        if (member && json_member_kind(member) != 'n' &&
            !(member->size == 2 && member->text[0] == '{'))
            return fail(err, ERR_MODEL_UNSUPPORTED, "%s", objects[i]);
    }
    return true;
}

static bool read_all(const struct reader *r, struct error *err)
{
    struct hf_config *config = r->config;

    config->epsilon = 1e-12;
    config->tied = true;
    if (!read_family(r, err) || !read_architecture(r, err) ||
        !refuse_fields(r, err) || !read_sizes(r, err) || !read_labels(r, err) ||
        !read_activation(r, err) ||
        !json_object_bool(r->object, "tie_word_embeddings", &config->tied, err))
        return false;
    if (config->family != HF_DISTILBERT &&
        !json_object_double(r->object, "layer_norm_eps", &config->epsilon, err))
        return false;
    return check_sizes(config, err);
}

bool hf_config_read(struct hf_config *config, int folder, struct arena *arena,
                    struct error *err)
{
    static const struct json_limits limits = {CONFIG_DEPTH, CONFIG_KEYS};
    struct json_object object;
    struct reader reader = {&object, arena, config};
    struct error cause;
    size_t size;
    char *text = folder_text_read(folder, "config.json", CONFIG_SIZE_MAX, arena,
                                  &size, err);

    *config = (struct hf_config){0};
    if (!text)
        return false;
    if (json_object_read(text, size, &limits, arena, &object, &cause) &&
        read_all(&reader, &cause))
        return true;
    if (cause.code == ERR_MALFORMED_JSON || cause.code == ERR_FILE_INVALID)
        cause.code = ERR_MODEL_INVALID;
    return fail(err, cause.code, "config.json: %s", cause.msg);
}
