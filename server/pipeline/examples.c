/*
 * Test examples: runs one and compares the answer with its `expect`.
 */
#include <math.h>
#include <string.h>

#include "buf.h"
#include "step.h"

/* ---- data of a document as values of a request ---- */

static bool list_of(const struct doc_node *list, bool texts)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        bool number = item->type == DOC_INT || item->type == DOC_NUMBER;

        if (texts ? item->type != DOC_STRING : !number)
            return false;
    }
    return doc_count(list) > 0;
}

static bool floats_value(const struct doc_node *list, struct arena *arena,
                         struct pipeline_value *value, struct error *err)
{
    float *items = arena_alloc(arena, doc_count(list) * sizeof(*items));

    if (!items)
        return call_no_memory(err);
    for (size_t i = 0; i < doc_count(list); i++)
        items[i] = (float)doc_number(doc_item(list, i), 0.0);
    value->kind = PIPELINE_FLOATS;
    value->floats.items = items;
    value->floats.count = doc_count(list);
    return true;
}

static bool strings_value(const struct doc_node *list, struct arena *arena,
                          struct pipeline_value *value, struct error *err)
{
    char **items = arena_zalloc(arena, doc_count(list), sizeof(*items));

    for (size_t i = 0; items && i < doc_count(list); i++) {
        items[i] = arena_strdup(arena, doc_string(doc_item(list, i), ""));
        if (!items[i])
            return call_no_memory(err);
    }
    value->kind = PIPELINE_STRINGS;
    value->strings.items = items;
    value->strings.count = doc_count(list);
    return items || call_no_memory(err);
}

/* Anything else is passed on as JSON text. */
static bool json_value(const struct doc_node *node, struct arena *arena,
                       struct pipeline_value *value, struct error *err)
{
    struct buf text = {0};

    doc_write_json(node, &text);
    value->kind = PIPELINE_JSON;
    value->json =
        buf_ok(&text) ? arena_copy(arena, text.data, text.size) : NULL;
    buf_release(&text);
    return value->json || call_no_memory(err);
}

static bool value_of(const struct doc_node *node, struct arena *arena,
                     struct pipeline_value *value, struct error *err)
{
    if (node->type == DOC_STRING) {
        value->kind = PIPELINE_STRING;
        value->string = node->text;
    } else if (node->type == DOC_INT || node->type == DOC_NUMBER) {
        value->kind = PIPELINE_NUMBER;
        value->number = node->number;
    } else if (node->type == DOC_BOOL) {
        value->kind = PIPELINE_BOOL;
        value->boolean = node->boolean;
    } else if (node->type == DOC_LIST && list_of(node, false)) {
        return floats_value(node, arena, value, err);
    } else if (node->type == DOC_LIST && list_of(node, true)) {
        return strings_value(node, arena, value, err);
    } else {
        return json_value(node, arena, value, err);
    }
    return true;
}

bool pipeline_example_run(struct pipeline_worker *worker,
                          const struct bundle_example *example,
                          const struct eng_limits *limits, struct arena *arena,
                          struct pipeline_output *out, struct error *err)
{
    size_t count = doc_count(example->data);
    struct pipeline_value *values = arena_zalloc(arena, count, sizeof(*values));
    struct pipeline_request request = {
        .values = values, .count = count, .arena = arena, .limits = limits};

    if (!values)
        return call_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct doc_entry *entry = &example->data->entries[i];

        values[i].name = entry->key;
        if (!value_of(entry->value, arena, &values[i], err))
            return false;
    }
    return pipeline_run(worker, &request, out, err);
}

/* ---- what came back ---- */

static bool differs(struct error *err, const struct bundle_example *example,
                    const char *result, const char *how)
{
    return fail(err, ERR_OUTPUT_INVALID, "example '%s': %s %s", example->name,
                result, how);
}

static const struct pipeline_value *find(const struct pipeline_output *out,
                                         const char *name)
{
    for (size_t i = 0; i < out->result_count; i++) {
        if (strcmp(out->results[i].name, name) == 0)
            return &out->results[i];
    }
    return NULL;
}

static bool check_value(const struct bundle_example *example,
                        const struct doc_entry *want,
                        const struct pipeline_output *out, struct error *err)
{
    const struct pipeline_value *value = find(out, want->key);

    if (!value)
        return differs(err, example, want->key, "is missing");
    if (want->value->type == DOC_STRING)
        return (value->kind == PIPELINE_STRING &&
                strcmp(value->string, want->value->text) == 0) ||
               differs(err, example, want->key, "is another text");
    if (value->kind != PIPELINE_NUMBER)
        return differs(err, example, want->key, "is no number");
    if (fabs(value->number - want->value->number) > example->expect.tolerance)
        return fail(err, ERR_OUTPUT_INVALID,
                    "example '%s': %s is %.7g, expected %.7g within %g",
                    example->name, want->key, value->number,
                    want->value->number, example->expect.tolerance);
    return true;
}

static bool check_length(const struct bundle_example *example,
                         const struct doc_entry *want,
                         const struct pipeline_output *out, struct error *err)
{
    const struct pipeline_value *value = find(out, want->key);

    return (value && value->kind == PIPELINE_FLOATS &&
            value->floats.count == (size_t)want->value->integer) ||
           differs(err, example, want->key, "has another length");
}

static bool check_norm(const struct bundle_example *example,
                       const struct doc_entry *want,
                       const struct pipeline_output *out, struct error *err)
{
    const struct pipeline_value *value = find(out, want->key);
    double sum = 0.0;

    if (strcmp(want->key, "tolerance") == 0) /* of the others */
        return true;
    if (!value || value->kind != PIPELINE_FLOATS)
        return differs(err, example, want->key, "is no array of numbers");
    for (size_t i = 0; i < value->floats.count; i++)
        sum += (double)value->floats.items[i] * (double)value->floats.items[i];
    return fabs(sqrt(sum) - want->value->number) <= example->expect.tolerance ||
           differs(err, example, want->key, "has another norm");
}

typedef bool check_one(const struct bundle_example *example,
                       const struct doc_entry *want,
                       const struct pipeline_output *out, struct error *err);

static bool check_map(const struct bundle_example *example,
                      const struct doc_node *map, check_one *check,
                      const struct pipeline_output *out, struct error *err)
{
    for (size_t i = 0; i < doc_count(map); i++) {
        if (!check(example, &map->entries[i], out, err))
            return false;
    }
    return true;
}

/* Values that are not finite never leave the pipeline; being there is enough,
 * as a number. */
static bool check_finite(const struct bundle_example *example,
                         const struct pipeline_output *out, struct error *err)
{
    const struct bundle_strings *names = &example->expect.finite;

    for (size_t i = 0; i < names->count; i++) {
        const struct pipeline_value *value = find(out, names->items[i]);

        if (!value ||
            (value->kind != PIPELINE_NUMBER && value->kind != PIPELINE_FLOATS))
            return differs(err, example, names->items[i], "is no number");
    }
    return true;
}

/* It was declined, or it failed. */
static bool check_decline(const struct bundle_example *example,
                          struct error *err)
{
    const struct bundle_expect *expect = &example->expect;
    const char *code = err_info(err->code)->name;
    char reason[sizeof(err->msg)];

    if (expect->declared && !expect->success &&
        (!*expect->error_code || strcmp(expect->error_code, code) == 0)) {
        error_clear(err);
        return true;
    }
    memcpy(reason, err->msg, sizeof(reason));
    if (!expect->declared || expect->success)
        return fail(err, err->code, "example '%s': %.200s", example->name,
                    reason);
    return fail(err, ERR_OUTPUT_INVALID,
                "example '%s': declined with %s, expected %s: %.120s",
                example->name, code, expect->error_code, reason);
}

static bool check_answer(const struct bundle_example *example,
                         const struct pipeline_output *out, struct error *err)
{
    const struct bundle_expect *expect = &example->expect;

    if (expect->declared && !expect->success)
        return differs(err, example, "the input", "was not declined");
    return check_finite(example, out, err) &&
           check_map(example, expect->values, check_value, out, err) &&
           check_map(example, expect->length, check_length, out, err) &&
           check_map(example, expect->norm, check_norm, out, err);
}

bool pipeline_example_check(struct pipeline_worker *worker,
                            const struct bundle_example *example,
                            const struct eng_limits *limits, struct error *err)
{
    struct pipeline_output out = {0};
    struct arena arena;
    bool ok;

    arena_init(&arena, 0);
    if (pipeline_example_run(worker, example, limits, &arena, &out, err))
        ok = check_answer(example, &out, err);
    else
        ok = check_decline(example, err);
    arena_release(&arena);
    return ok;
}
