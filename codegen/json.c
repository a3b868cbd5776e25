/*
 * Json: see json.h.
 */
#include "json.h"

#include "json_put.h"

/* The comma, line, indent and key before a value. */
static void begin(struct cg_json *json, const char *key)
{
    if (!json->empty)
        buf_char(json->to, ',');
    if (json->depth)
        buf_printf(json->to, "\n%*s", 2 * json->depth, "");
    if (key) {
        json_put_text(json->to, key);
        buf_string(json->to, ": ");
    }
    json->empty = false;
}

void cg_json_open(struct cg_json *json, const char *key, char bracket)
{
    begin(json, key);
    buf_char(json->to, bracket);
    json->depth++;
    json->empty = true;
}

void cg_json_close(struct cg_json *json, char bracket)
{
    json->depth--;
    if (!json->empty)
        buf_printf(json->to, "\n%*s", 2 * json->depth, "");
    buf_char(json->to, bracket);
    json->empty = false;
}

void cg_json_string(struct cg_json *json, const char *key, const char *text)
{
    begin(json, key);
    json_put_text(json->to, text);
}

void cg_json_number(struct cg_json *json, const char *key, long long number)
{
    begin(json, key);
    buf_printf(json->to, "%lld", number);
}

void cg_json_bool(struct cg_json *json, const char *key, bool value)
{
    begin(json, key);
    buf_string(json->to, value ? "true" : "false");
}

static void put_map(struct cg_json *json, const char *key,
                    const struct doc_node *node)
{
    cg_json_open(json, key, '{');
    for (size_t i = 0; i < node->size; i++)
        cg_json_node(json, node->entries[i].key, node->entries[i].value);
    cg_json_close(json, '}');
}

void cg_json_node(struct cg_json *json, const char *key,
                  const struct doc_node *node)
{
    if (node->type == DOC_MAP) {
        put_map(json, key, node);
    } else if (node->type == DOC_LIST) {
        cg_json_open(json, key, '[');
        for (size_t i = 0; i < node->size; i++)
            cg_json_node(json, NULL, node->items[i]);
        cg_json_close(json, ']');
    } else if (node->type == DOC_STRING) {
        cg_json_string(json, key, node->text);
    } else {
        begin(json, key);
        doc_write_json(node, json->to);
    }
}
