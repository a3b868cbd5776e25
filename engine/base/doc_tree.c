/*
 * Doc tree: reading a loaded tree, naming its places, writing it as JSON.
 */
#include "doc_build.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_put.h"
#include "num.h"

static const struct doc_node *get_sized(const struct doc_node *map,
                                        const char *key, size_t size)
{
    if (!map || map->type != DOC_MAP)
        return NULL;
    for (size_t i = 0; i < map->size; i++) {
        const struct doc_entry *entry = &map->entries[i];

        if (strncmp(entry->key, key, size) == 0 && !entry->key[size])
            return entry->value;
    }
    return NULL;
}

const struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
    return get_sized(map, key, strlen(key));
}

const struct doc_node *doc_at(const struct doc_node *root, const char *path)
{
    while (root) {
        size_t size = strcspn(path, ".");

        root = get_sized(root, path, size);
        if (!path[size])
            break;
        path += size + 1;
    }
    return root;
}

/* Does the escaped pointer segment of `size` bytes spell `key`? */
static bool spells(const char *segment, size_t size, const char *key)
{
    for (size_t i = 0; i < size; i++, key++) {
        char byte = segment[i];

        if (byte == '~' && i + 1 < size)
            byte = segment[++i] == '1' ? '/' : '~';
        if (byte != *key)
            return false;
    }
    return !*key;
}

static const struct doc_node *child(const struct doc_node *node,
                                    const char *segment, size_t size)
{
    if (node->type == DOC_LIST)
        return doc_item(node, strtoul(segment, NULL, 10));
    for (size_t i = 0; node->type == DOC_MAP && i < node->size; i++)
        if (spells(segment, size, node->entries[i].key))
            return node->entries[i].value;
    return NULL;
}

const struct doc_node *doc_find(const struct doc_node *root,
                                const char *pointer)
{
    while (root && *pointer == '/') {
        size_t size = strcspn(pointer + 1, "/");

        root = child(root, pointer + 1, size);
        pointer += size + 1;
    }
    return root;
}

const char *doc_string(const struct doc_node *node, const char *otherwise)
{
    return node && node->type == DOC_STRING ? node->text : otherwise;
}

double doc_number(const struct doc_node *node, double otherwise)
{
    bool numeric = node && (node->type == DOC_INT || node->type == DOC_NUMBER);

    return numeric ? node->number : otherwise;
}

int64_t doc_integer(const struct doc_node *node, int64_t otherwise)
{
    if (!node)
        return otherwise;
    if (node->type == DOC_INT)
        return node->integer;
    /* 1.0 is an integer too; 2^63 is the first that does not fit */
    if (node->type == DOC_NUMBER && node->number == floor(node->number) &&
        fabs(node->number) < 0x1p63)
        return (int64_t)node->number;
    return otherwise;
}

bool doc_bool(const struct doc_node *node, bool otherwise)
{
    return node && node->type == DOC_BOOL ? node->boolean : otherwise;
}

size_t doc_count(const struct doc_node *node)
{
    if (!node || (node->type != DOC_LIST && node->type != DOC_MAP))
        return 0;
    return node->size;
}

const struct doc_node *doc_item(const struct doc_node *list, size_t index)
{
    if (!list || list->type != DOC_LIST || index >= list->size)
        return NULL;
    return list->items[index];
}

/* RFC 6901: "~" is written "~0" and "/" is written "~1". */
static char *put_escaped(char *out, const char *key)
{
    for (; *key; key++) {
        if (*key == '~' || *key == '/') {
            *out++ = '~';
            *out++ = "01"[*key == '/'];
        } else {
            *out++ = *key;
        }
    }
    return out;
}

const char *doc_pointer_key(struct arena *arena, const char *pointer,
                            const char *key)
{
    size_t room = strlen(pointer) + 2 * strlen(key) + 2;
    char *text = arena_alloc(arena, room);

    if (!text)
        return "";
    *put_escaped(text + sprintf(text, "%s/", pointer), key) = '\0';
    return text;
}

const char *doc_pointer_index(struct arena *arena, const char *pointer,
                              size_t index)
{
    const char *text = arena_printf(arena, "%s/%zu", pointer, index);

    return text ? text : "";
}

static void write_scalar(const struct doc_node *node, struct buf *out)
{
    char text[NUM_TEXT_MAX];

    if (node->type == DOC_STRING)
        json_put_text(out, node->text);
    else if (node->type == DOC_INT)
        buf_printf(out, "%" PRId64, node->integer);
    else if (node->type == DOC_NUMBER)
        buf_append(out, text, num_print_double(node->number, text));
    else if (node->type == DOC_BOOL)
        buf_string(out, node->boolean ? "true" : "false");
    else
        buf_string(out, "null");
}

/* Depth is bounded by the loaders, so recursion is too. */
void doc_write_json(const struct doc_node *node, struct buf *out)
{
    bool map = node && node->type == DOC_MAP;

    if (!node || (!map && node->type != DOC_LIST)) {
        write_scalar(node ? node : &(struct doc_node){.type = DOC_NULL}, out);
        return;
    }
    buf_char(out, map ? '{' : '[');
    for (size_t i = 0; i < node->size; i++) {
        if (i)
            buf_char(out, ',');
        if (map) {
            json_put_text(out, node->entries[i].key);
            buf_char(out, ':');
        }
        doc_write_json(map ? node->entries[i].value : node->items[i], out);
    }
    buf_char(out, map ? '}' : ']');
}
