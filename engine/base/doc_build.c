/*
 * Doc build: a stack of open containers over arena arrays that double.
 */
#include "doc_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only with an open container. */
static struct doc_frame *innermost(struct doc_build *build)
{
    return &build->frames[build->depth - 1];
}

bool doc_build_wants_key(const struct doc_build *build)
{
    const struct doc_frame *frame;

    if (build->depth == 0)
        return false;
    frame = &build->frames[build->depth - 1];
    return frame->node->type == DOC_MAP && !frame->key.key;
}

void doc_build_key(struct doc_build *build, const char *key,
                   struct doc_place place)
{
    innermost(build)->key =
        (struct doc_entry){.key = key, .line = place.line, .col = place.col};
}

/* An array of twice the room with the old elements in it; NULL: memory. */
static void *grown(struct arena *arena, const void *old, size_t count,
                   size_t *capacity, size_t element)
{
    size_t room = *capacity ? *capacity * 2 : 8;
    void *array = arena_zalloc(arena, room, element);

    if (!array)
        return NULL;
    if (count)
        memcpy(array, old, count * element);
    *capacity = room;
    return array;
}

static bool append_item(struct doc_build *build, struct doc_frame *frame,
                        struct doc_node *child)
{
    struct doc_node *list = frame->node;

    if (list->size == frame->capacity) {
        void *array = grown(build->arena, list->items, list->size,
                            &frame->capacity, sizeof(struct doc_node *));

        if (!array)
            return false;
        list->items = array;
    }
    list->items[list->size++] = child;
    return true;
}

static bool append_entry(struct doc_build *build, struct doc_frame *frame,
                         struct doc_node *child)
{
    struct doc_node *map = frame->node;

    if (map->size == frame->capacity) {
        void *array = grown(build->arena, map->entries, map->size,
                            &frame->capacity, sizeof(struct doc_entry));

        if (!array)
            return false;
        map->entries = array;
    }
    frame->key.value = child;
    map->entries[map->size++] = frame->key;
    frame->key = (struct doc_entry){0};
    return true;
}

static bool attach(struct doc_build *build, struct doc_node *child)
{
    struct doc_frame *frame;

    if (build->depth == 0) {
        build->root = child;
        return true;
    }
    frame = innermost(build);
    if (frame->node->type == DOC_LIST)
        return append_item(build, frame, child);
    return append_entry(build, frame, child);
}

struct doc_node *doc_build_node(struct doc_build *build, enum doc_type type,
                                struct doc_place place)
{
    struct doc_node *node = arena_zalloc(build->arena, 1, sizeof *node);

    if (node) {
        node->type = type;
        node->line = place.line;
        node->col = place.col;
    }
    if (node && attach(build, node))
        return node;
    doc_build_fault(build, place, NULL, "no memory for the document");
    return NULL;
}

bool doc_build_open(struct doc_build *build, enum doc_type type,
                    struct doc_place place)
{
    struct doc_node *node;

    if (build->depth == build->depth_max) {
        doc_build_fault(build, place, NULL, "nested deeper than %zu levels",
                        build->depth_max);
        return false;
    }
    node = doc_build_node(build, type, place);
    if (!node)
        return false;
    build->frames[build->depth++] = (struct doc_frame){.node = node};
    return true;
}

/* By key; entries with one key stay in the order of the file. */
static int compare_entries(const void *left, const void *right)
{
    const struct doc_entry *a = *(const struct doc_entry *const *)left;
    const struct doc_entry *b = *(const struct doc_entry *const *)right;
    int order = strcmp(a->key, b->key);

    if (order)
        return order;
    return (a > b) - (a < b);
}

static void report_duplicate(struct doc_build *build,
                             const struct doc_entry *first,
                             const struct doc_entry *again)
{
    doc_build_fault(build, (struct doc_place){again->line, again->col}, NULL,
                    "duplicate key '%s', first on line %d", again->key,
                    first->line);
}

/* Sorting keeps a map of 10,000 keys from taking a hundred milliseconds. */
static void check_duplicates(struct doc_build *build,
                             const struct doc_node *map)
{
    const struct doc_entry **sorted;

    if (map->size < 2)
        return;
    sorted = arena_zalloc(build->arena, map->size, sizeof *sorted);
    if (!sorted) {
        doc_build_fault(build, (struct doc_place){map->line, map->col}, NULL,
                        "no memory for the document");
        return;
    }
    for (size_t i = 0; i < map->size; i++)
        sorted[i] = &map->entries[i];
    qsort(sorted, map->size, sizeof *sorted, compare_entries);
    for (size_t i = 1; i < map->size; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            report_duplicate(build, sorted[i - 1], sorted[i]);
}

void doc_build_leave(struct doc_build *build)
{
    struct doc_node *node = innermost(build)->node;

    if (node->type == DOC_MAP)
        check_duplicates(build, node);
    build->depth--;
}

/* The pointer of the place where the next node would hang. */
static const char *current_pointer(const struct doc_build *build)
{
    const char *pointer = "";

    for (size_t i = 0; i < build->depth; i++) {
        const struct doc_frame *frame = &build->frames[i];
        const struct doc_node *node = frame->node;
        bool last = i + 1 == build->depth;

        if (node->type == DOC_LIST)
            pointer = doc_pointer_index(build->arena, pointer,
                                        last ? node->size : node->size - 1);
        else if (last && frame->key.key)
            pointer = doc_pointer_key(build->arena, pointer, frame->key.key);
        else if (!last)
            pointer = doc_pointer_key(build->arena, pointer,
                                      node->entries[node->size - 1].key);
    }
    return pointer;
}

static void add_issue(struct doc_build *build, enum doc_severity severity,
                      struct doc_place place, const char *hint,
                      const char *message)
{
    doc_report_add(build->report,
                   &(struct doc_issue){.severity = severity,
                                       .rule = build->rule,
                                       .file = build->file,
                                       .line = place.line,
                                       .col = place.col,
                                       .pointer = current_pointer(build),
                                       .message = message,
                                       .hint = hint});
}

enum { MESSAGE_SIZE = 512 };

void doc_build_fault(struct doc_build *build, struct doc_place place,
                     const char *hint, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    add_issue(build, DOC_FAULT, place, hint, message);
}

void doc_build_warn(struct doc_build *build, struct doc_place place,
                    const char *hint, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    add_issue(build, DOC_WARNING, place, hint, message);
}
