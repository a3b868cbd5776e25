/*
 * Reply: see reply.h.
 */
#include "reply.h"

#include <stdint.h>
#include <string.h>

char *reply_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

bool reply_no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the answer");
}

char **reply_strings(struct arena *arena, struct bundle_strings strings)
{
    char **items = arena_zalloc(arena, strings.count + 1, sizeof *items);

    for (size_t i = 0; items && i < strings.count; i++)
        items[i] = reply_text(strings.items[i]);
    return items;
}

/* Every item of a list has the type (DOC_INT counts as DOC_NUMBER). */
static bool all_of(const struct doc_node *list, unsigned types)
{
    for (size_t i = 0; i < doc_count(list); i++)
        if (!((unsigned)doc_item(list, i)->type & types))
            return false;
    return doc_count(list) > 0;
}

static bool set_floats(struct arena *arena, const struct doc_node *list,
                       struct runtime_value *value)
{
    struct runtime_float_list *floats = runtime_float_list_new(arena);

    if (!floats)
        return false;
    floats->values = arena_zalloc(arena, doc_count(list), sizeof(float));
    if (!floats->values)
        return false;
    floats->n_values = doc_count(list);
    for (size_t i = 0; i < floats->n_values; i++)
        floats->values[i] = (float)doc_number(doc_item(list, i), 0);
    runtime_value_set_floats(value, floats);
    return true;
}

static bool set_strings(struct arena *arena, const struct doc_node *list,
                        struct runtime_value *value)
{
    struct runtime_string_list *strings = runtime_string_list_new(arena);

    if (!strings)
        return false;
    strings->values = arena_zalloc(arena, doc_count(list), sizeof(char *));
    if (!strings->values)
        return false;
    strings->n_values = doc_count(list);
    for (size_t i = 0; i < strings->n_values; i++)
        strings->values[i] = reply_text(doc_string(doc_item(list, i), ""));
    runtime_value_set_strings(value, strings);
    return true;
}

static bool set_json(struct arena *arena, const struct doc_node *node,
                     struct runtime_value *value)
{
    struct buf text = {0};
    char *copy = NULL;

    doc_write_json(node, &text);
    if (buf_ok(&text))
        copy = arena_copy(arena, text.data, text.size);
    buf_release(&text);
    if (copy)
        runtime_value_set_json(value, copy);
    return copy != NULL;
}

struct runtime_value *reply_value(struct arena *arena,
                                  const struct doc_node *node)
{
    struct runtime_value *value = runtime_value_new(arena);
    bool ok = true;

    if (!value)
        return NULL;
    if (node->type == DOC_INT || node->type == DOC_NUMBER)
        runtime_value_set_number(value, node->number);
    else if (node->type == DOC_BOOL)
        runtime_value_set_flag(value, node->boolean);
    else if (node->type == DOC_STRING)
        runtime_value_set_text(value, reply_text(node->text));
    else if (node->type == DOC_LIST && all_of(node, DOC_INT | DOC_NUMBER))
        ok = set_floats(arena, node, value);
    else if (node->type == DOC_LIST && all_of(node, DOC_STRING))
        ok = set_strings(arena, node, value);
    else
        ok = set_json(arena, node, value);
    return ok ? value : NULL;
}

char *reply_error_text(struct srv_call *call, const struct error *err)
{
    return arena_strdup(&call->arena, err->msg);
}
