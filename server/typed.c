/*
 * Typed: from the signature to fields, and from them to tables.
 */
#include "typed.h"

#include <string.h>

#include "msg_make.h"

/* Numbers 19000 to 19999 are protobuf's; the first are ours. */
enum { NUMBER_FIRST = 20000, NUMBER_WARNINGS = 1 };

static const uint32_t number_end = 1U << 29;

/* FNV-1a of "name:type". */
static uint32_t number_of(const char *name, const char *type)
{
    const char *const parts[] = {name, ":", type};
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < 3; i++)
        for (const char *c = parts[i]; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 16777619U;
    return NUMBER_FIRST + hash % (number_end - NUMBER_FIRST);
}

static enum msg_kind kind_of(enum bundle_type type)
{
    switch (type) {
    case BUNDLE_IMAGE:
    case BUNDLE_AUDIO:
        return MSG_BYTES;
    case BUNDLE_FLOAT:
        return MSG_F64;
    case BUNDLE_INTEGER:
        return MSG_I64;
    case BUNDLE_BOOLEAN:
        return MSG_BOOL;
    case BUNDLE_FLOATS:
        return MSG_F32;
    case BUNDLE_OBJECT:
        return MSG_JSON;
    case BUNDLE_TEXT:
    case BUNDLE_STRING:
    case BUNDLE_STRINGS:
    default:
        return MSG_STR;
    }
}

static struct typed_field field_of(const char *name, enum bundle_type type,
                                   const char *doc)
{
    return (struct typed_field){
        .name = name,
        .doc = doc ? doc : "",
        .number = number_of(name, bundle_type_name(type)),
        .kind = kind_of(type),
        .card = type == BUNDLE_FLOATS || type == BUNDLE_STRINGS ? MSG_LIST
                                                                : MSG_ONE,
    };
}

/* ---- the signature ---- */

static const char *input_doc(struct arena *arena,
                             const struct bundle_input *input)
{
    const char *limit = input->max_bytes
                            ? arena_printf(arena, "; at most %lld bytes",
                                           (long long)input->max_bytes)
                            : "";

    return arena_printf(arena, "%s%s%s; %s%s",
                        *input->description ? input->description
                                            : bundle_type_name(input->type),
                        *input->format ? ", " : "", input->format,
                        input->required ? "required" : "optional",
                        limit ? limit : "");
}

static bool list_request(struct typed_model *typed, struct srv_bundle *bundle)
{
    const struct bundle_signature *from = &bundle->signature;
    struct typed_field *fields = arena_zalloc(
        &bundle->arena, from->input_count + from->parameter_count + 1,
        sizeof *fields);
    size_t count = 0;

    if (!fields)
        return false;
    for (size_t i = 0; i < from->input_count; i++)
        fields[count++] = field_of(from->inputs[i].name, from->inputs[i].type,
                                   input_doc(&bundle->arena, &from->inputs[i]));
    for (size_t i = 0; i < from->parameter_count; i++)
        fields[count++] =
            field_of(from->parameters[i].name, from->parameters[i].type,
                     from->parameters[i].description);
    typed->request = (struct typed_fields){fields, count};
    return true;
}

static const char *output_doc(struct arena *arena,
                              const struct bundle_output *output)
{
    return arena_printf(arena, "%s%s%s",
                        *output->description ? output->description
                                             : bundle_type_name(output->type),
                        *output->unit ? " in " : "", output->unit);
}

static bool list_reply(struct typed_model *typed, struct srv_bundle *bundle)
{
    const struct bundle_signature *from = &bundle->signature;
    struct typed_field *fields =
        arena_zalloc(&bundle->arena, from->output_count + 1, sizeof *fields);
    size_t count = 0;

    if (!fields)
        return false;
    for (size_t i = 0; i < from->output_count; i++) {
        const struct bundle_output *output = &from->outputs[i];

        fields[count++] = field_of(
            output->name, output->as_string ? BUNDLE_STRING : output->type,
            output_doc(&bundle->arena, output));
    }
    if (!bundle_find_output(bundle, TYPED_WARNINGS))
        fields[count++] =
            (struct typed_field){.name = TYPED_WARNINGS,
                                 .doc = "what there is to know besides",
                                 .number = NUMBER_WARNINGS,
                                 .kind = MSG_STR,
                                 .card = MSG_LIST};
    typed->reply = (struct typed_fields){fields, count};
    return true;
}

static bool check_numbers(const struct typed_fields *fields, struct error *err)
{
    for (size_t i = 0; i < fields->count; i++)
        for (size_t k = 0; k < i; k++)
            if (fields->items[i].number == fields->items[k].number)
                return fail(err, ERR_DOCUMENT_INVALID,
                            "'%.64s' and '%.64s' have the same number in the "
                            "model's .proto; rename one",
                            fields->items[i].name, fields->items[k].name);
    return true;
}

/* ---- the tables ---- */

static char package_char(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return c;
    return '_';
}

/* "specserve.model.solubility": letters, digits and '_' of the name, a letter
 * first. */
static const char *package_of(const char *name, struct arena *arena)
{
    static const char above[] = "specserve.model.";
    bool is_letter = strspn(name, "0123456789") == 0;
    char *package =
        arena_printf(arena, "%s%s%s", above, is_letter ? "" : "m_", name);

    for (size_t i = sizeof above - 1; package && package[i]; i++)
        package[i] = package_char(package[i]);
    return package;
}

static const struct msg_def *message(const struct typed_fields *fields,
                                     const char *name, struct arena *arena)
{
    struct msg_make_field *made =
        arena_zalloc(arena, fields->count + 1, sizeof *made);

    for (size_t i = 0; made && i < fields->count; i++)
        made[i] = (struct msg_make_field){
            fields->items[i].name, fields->items[i].number,
            fields->items[i].kind, fields->items[i].card};
    return made && name ? msg_make(arena, name, made, fields->count) : NULL;
}

static bool make_table(struct typed_model *typed, struct arena *arena)
{
    const char *package = typed->package;

    typed->op = (struct op_def){
        .id = "model.predict",
        .method = arena_printf(arena, "/%s.Model/Predict", package),
        .request =
            message(&typed->request,
                    arena_printf(arena, "%s.PredictRequest", package), arena),
        .reply =
            message(&typed->reply,
                    arena_printf(arena, "%s.PredictResponse", package), arena),
        .run = OP_QUEUE,
        .safety = OP_IDEMPOTENT,
        .handle = handle_typed_predict,
        .refuses = true,
    };
    typed->table =
        (struct op_table){.service = arena_printf(arena, "%s.Model", package),
                          .ops = &typed->op,
                          .count = 1};
    return typed->op.method && typed->op.request && typed->op.reply &&
           typed->table.service;
}

bool typed_open(struct typed_model *typed, struct srv_bundle *bundle,
                struct error *err)
{
    *typed = (struct typed_model){.package =
                                      package_of(bundle->name, &bundle->arena)};
    if (!typed->package || !list_request(typed, bundle) ||
        !list_reply(typed, bundle))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the model's types");
    if (!check_numbers(&typed->request, err) ||
        !check_numbers(&typed->reply, err))
        return false;
    return (make_table(typed, &bundle->arena) &&
            typed_write_proto(typed, bundle) &&
            typed_write_openapi(typed, bundle)) ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for the model's types");
}

char *typed_keep(struct buf *text, struct arena *arena, size_t *size)
{
    char *kept = buf_ok(text) && text->data
                     ? arena_copy(arena, text->data, text->size)
                     : NULL;

    *size = text->size;
    buf_release(text);
    return kept;
}
