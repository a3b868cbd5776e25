/*
 * Loads what comes after the model: post-processor, truncation, padding.
 *
 * Every post-processor that adds tokens becomes a template; a sequence may
 * hold one of them.
 */
#include "load.h"

#include <stdlib.h>

enum { PARTS_MAX = 4096, ITEMS_MAX = 64 };

/* ---- templates ---- */

static bool put_part(struct loader *load, struct template *template,
                     struct template_part part, struct error *err)
{
    if (!template->parts)
        template->parts = arena_zalloc(&load->tok->arena, PARTS_MAX,
                                       sizeof(*template->parts));
    if (!template->parts)
        return load_no_memory(err);
    if (template->count == PARTS_MAX)
        return load_invalid(err, "the template is too long");
    template->parts[template->count++] = part;
    template->special_count += part.id >= 0;
    return true;
}

/* A string of characters, each a part: `A` and `B` the texts with their type
 * ids, `c` and `s` the special tokens. */
static bool put_parts(struct loader *load, struct template *template,
                      const char *parts, const int32_t specials[2],
                      struct error *err)
{
    for (; *parts; parts += 2) {
        struct template_part part = {.type_id = (uint32_t)(parts[1] - '0')};

        if (parts[0] == 'A' || parts[0] == 'B')
            part.id = parts[0] == 'A' ? PART_FIRST : PART_SECOND;
        else
            part.id = specials[parts[0] == 's'];
        if (!put_part(load, template, part, err))
            return false;
    }
    return true;
}

/* No post-processor: the texts, one after the other. */
static bool plain_template(struct loader *load, struct error *err)
{
    static const int32_t none[2] = {0, 0};

    return put_parts(load, &load->tok->single, "A0", none, err) &&
           put_parts(load, &load->tok->pair, "A0B1", none, err);
}

static bool check_id(const struct loader *load, const json_t *value,
                     struct error *err)
{
    json_int_t id = json_integer_value(value);

    return (json_is_integer(value) && id >= 0 &&
            (size_t)id < load->tok->vocab_size) ||
           load_invalid(err, "the template has an id that is not in vocab");
}

/* ["token", id] */
static bool token_with_id(const struct loader *load, const json_t *json,
                          const char *key, int32_t *out, struct error *err)
{
    const json_t *pair = json_object_get(json, key);

    if (!check_id(load, json_array_get(pair, 1), err))
        return false;
    *out = (int32_t)json_integer_value(json_array_get(pair, 1));
    return true;
}

static bool load_post_processor_bert(struct loader *load, const json_t *json,
                                     struct error *err)
{
    int32_t specials[2];

    return load_check_keys(json, "sep,cls", err) &&
           token_with_id(load, json, "cls", &specials[0], err) &&
           token_with_id(load, json, "sep", &specials[1], err) &&
           put_parts(load, &load->tok->single, "c0A0s0", specials, err) &&
           put_parts(load, &load->tok->pair, "c0A0s0B1s1", specials, err);
}

static bool load_post_processor_roberta(struct loader *load, const json_t *json,
                                        struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    int32_t specials[2];

    return load_check_keys(json, "sep,cls,trim_offsets,add_prefix_space",
                           err) &&
           load_bool(json, "trim_offsets", true, &tok->trims_offsets, err) &&
           load_bool(json, "add_prefix_space", true, &tok->trims_but_first,
                     err) &&
           token_with_id(load, json, "cls", &specials[0], err) &&
           token_with_id(load, json, "sep", &specials[1], err) &&
           put_parts(load, &tok->single, "c0A0s0", specials, err) &&
           put_parts(load, &tok->pair, "c0A0s0s0B0s0", specials, err);
}

static bool load_post_processor_bytes(struct loader *load, const json_t *json,
                                      struct error *err)
{
    struct tok_tokenizer *tok = load->tok;
    bool regex;

    return load_check_keys(json, "add_prefix_space,trim_offsets,use_regex",
                           err) &&
           load_bool(json, "use_regex", true, &regex, err) &&
           load_bool(json, "trim_offsets", true, &tok->trims_offsets, err) &&
           load_bool(json, "add_prefix_space", true, &tok->trims_but_first,
                     err);
}

/* ---- TemplateProcessing ---- */

/* The ids of special token `name`, as so many parts. */
static bool put_special(struct loader *load, const json_t *json,
                        const char *name, uint32_t type_id,
                        struct template *template, struct error *err)
{
    const json_t *special =
        json_object_get(json_object_get(json, "special_tokens"), name);
    const json_t *ids = json_object_get(special, "ids");

    if (json_array_size(ids) == 0)
        return load_invalid(err,
                            "the template names a special token without ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        struct template_part part = {.type_id = type_id};

        if (!check_id(load, id, err))
            return false;
        part.id = (int32_t)json_integer_value(id);
        if (!put_part(load, template, part, err))
            return false;
    }
    return true;
}

static bool put_item(struct loader *load, const json_t *json,
                     const json_t *item, struct template *template,
                     struct error *err)
{
    const json_t *special = json_object_get(item, "SpecialToken");
    const json_t *what = special ? special : json_object_get(item, "Sequence");
    const char *id = json_string_value(json_object_get(what, "id"));
    json_int_t type_id = json_integer_value(json_object_get(what, "type_id"));

    if (!id || type_id < 0 || type_id > INT32_MAX)
        return load_invalid(err, "the template has a piece that is none");
    if (special)
        return put_special(load, json, id, (uint32_t)type_id, template, err);
    if (strcmp(id, "A") != 0 && strcmp(id, "B") != 0)
        return load_invalid(err, "the template has another text than A and B");
    return put_part(
        load, template,
        (struct template_part){id[0] == 'A' ? PART_FIRST : PART_SECOND,
                               (uint32_t)type_id},
        err);
}

/* Are the texts of the template as many as it is for, each once? */
static bool holds_texts(const struct template *template, bool is_pair)
{
    size_t first = 0, second = 0;

    for (size_t i = 0; i < template->count; i++) {
        first += template->parts[i].id == PART_FIRST;
        second += template->parts[i].id == PART_SECOND;
    }
    return first == 1 && second == is_pair;
}

static bool load_template(struct loader *load, const json_t *json,
                          const char *key, struct template *template,
                          struct error *err)
{
    const json_t *items = json_object_get(json, key);

    if (json_array_size(items) > ITEMS_MAX)
        return load_invalid(err, "the template is too long");
    for (size_t i = 0; i < json_array_size(items); i++) {
        if (!put_item(load, json, json_array_get(items, i), template, err))
            return false;
    }
    return holds_texts(template, template == &load->tok->pair) ||
           fail(err, ERR_FILE_INVALID,
                "tokenizer: the %s template does not hold %s once", key,
                template == &load->tok->pair ? "A and B" : "A");
}

static bool load_post_processor_template(struct loader *load,
                                         const json_t *json, struct error *err)
{
    static const int32_t none[2] = {0, 0};
    const json_t *pair = json_object_get(json, "pair");

    if (!load_check_keys(json, "single,pair,special_tokens", err) ||
        !load_template(load, json, "single", &load->tok->single, err))
        return false;
    if (json_array_size(pair) == 0) /* the library's default */
        return put_parts(load, &load->tok->pair, "A0B1", none, err);
    return load_template(load, json, "pair", &load->tok->pair, err);
}

/* ---- the post-processor ---- */

static const struct post_row {
    const char *type;
    bool (*load)(struct loader *load, const json_t *json, struct error *err);
} rows[] = {
#define POST_PROCESSOR(type, function) {#type, load_post_processor_##function},
#include "components.def"
};

static bool load_one(struct loader *load, const json_t *json, const char *type,
                     struct error *err)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].type, type) != 0)
            continue;
        if (load->tok->single.count > 0 &&
            rows[i].load != load_post_processor_bytes)
            return load_unsupported(err, "second template in post_processor",
                                    type);
        return rows[i].load(load, json, err);
    }
    return load_unsupported(err, "post_processor", type);
}

bool load_post_processor(struct loader *load, struct error *err)
{
    return load_chain(load, "post_processor", "processors", load_one, err) &&
           (load->tok->single.count > 0 || plain_template(load, err));
}

/* ---- truncation and padding ---- */

static bool load_direction(const json_t *json, bool *left, struct error *err)
{
    static const char *const names[] = {"Right", "Left", NULL};
    size_t place = 0;

    if (!load_choice(json, "direction", "direction", names, &place, err))
        return false;
    *left = place == 1;
    return true;
}

static bool load_strategy(const json_t *json, enum truncation_strategy *out,
                          struct error *err)
{
    static const char *const names[] = {"LongestFirst", "OnlyFirst",
                                        "OnlySecond", NULL};
    size_t place = CUT_LONGEST_FIRST;

    if (!load_choice(json, "strategy", "truncation strategy", names, &place,
                     err))
        return false;
    *out = (enum truncation_strategy)place;
    return true;
}

bool load_truncation(struct loader *load, struct error *err)
{
    const json_t *part = json_object_get(load->root, "truncation");
    struct tok_tokenizer *tok = load->tok;
    size_t stride;

    if (load_is_null(part))
        return true;
    if (!load_check_keys(part, "direction,max_length,strategy,stride", err) ||
        !load_direction(part, &tok->cuts_left, err) ||
        !load_strategy(part, &tok->strategy, err) ||
        !load_count(part, "max_length", 1, 0, &tok->truncation, err) ||
        !load_count(part, "stride", 0, 0, &stride, err))
        return false;
    if (tok->truncation == 0)
        return load_invalid(err, "truncation has no max_length");
    return stride < tok->truncation ||
           load_invalid(err, "truncation stride is not below max_length");
}

/* "BatchLongest" or {"Fixed": n} */
static bool load_padding_strategy(const json_t *part, struct tok_padding *out,
                                  struct error *err)
{
    const json_t *strategy = json_object_get(part, "strategy");
    const char *name = json_string_value(strategy);

    if (name && strcmp(name, "BatchLongest") == 0)
        return true;
    if (!load_is_null(json_object_get(strategy, "Fixed")))
        return load_check_keys(strategy, "Fixed", err) &&
               load_count(strategy, "Fixed", 0, 0, &out->fixed, err);
    return load_unsupported(err, "padding strategy", name ? name : "?");
}

bool load_padding(struct loader *load, struct error *err)
{
    const json_t *part = json_object_get(load->root, "padding");
    struct tok_padding *out = &load->tok->padding;
    size_t id, type_id;

    *out = (struct tok_padding){.multiple = 1};
    if (load_is_null(part))
        return true;
    if (!load_check_keys(part,
                         "strategy,direction,pad_to_multiple_of,pad_id,"
                         "pad_type_id,pad_token",
                         err) ||
        !load_padding_strategy(part, out, err) ||
        !load_direction(part, &out->left, err) ||
        !load_count(part, "pad_to_multiple_of", 0, 1, &out->multiple, err) ||
        !load_count(part, "pad_id", 0, 0, &id, err) ||
        !load_count(part, "pad_type_id", 0, 0, &type_id, err))
        return false;
    if (id >= load->tok->vocab_size)
        return load_invalid(err, "padding pad_id is not in vocab");
    if (out->multiple == 0) /* as good as none */
        out->multiple = 1;
    out->asked_for = true;
    out->id = (int64_t)id;
    out->type_id = (int64_t)type_id;
    return true;
}
