/*
 * Doc check: a generated schema walked over a tree.
 *
 * Every fault is reported, none ends the walk. A place that already has a fault
 * (an ambiguous scalar, say) gets no second one, since that would only repeat
 * the first in other words.
 */
#include "doc_build.h"
#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct check {
    const char *file;
    struct doc_report *report;
};

enum { TEXT_SIZE = 256 };

/* Did the loader already refuse what stands here? */
static bool has_fault_at(const struct check *check, int line, int col)
{
    for (size_t i = 0; i < check->report->count; i++) {
        const struct doc_issue *row = &check->report->issues[i];

        if (row->severity == DOC_FAULT && row->line == line &&
            row->col == col && strcmp(row->rule, "SCHEMA") != 0 &&
            strcmp(row->file, check->file) == 0)
            return true;
    }
    return false;
}

static void fault(const struct check *check, const struct doc_node *node,
                  const char *pointer, const char *hint, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));

static void fault(const struct check *check, const struct doc_node *node,
                  const char *pointer, const char *hint, const char *format,
                  ...)
{
    char message[2 * TEXT_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    doc_report_add(check->report, &(struct doc_issue){.severity = DOC_FAULT,
                                                      .rule = "SCHEMA",
                                                      .file = check->file,
                                                      .line = node->line,
                                                      .col = node->col,
                                                      .pointer = pointer,
                                                      .message = message,
                                                      .hint = hint});
}

/* ---- types ---- */

static bool is_integral(const struct doc_node *node)
{
    return node->type == DOC_NUMBER && node->number == floor(node->number);
}

/* Every integer is a number, and 1.0 is an integer. */
static bool has_type(const struct doc_node *node, unsigned types)
{
    if (types == 0 || (types & node->type))
        return true;
    if (node->type == DOC_INT)
        return types & DOC_NUMBER;
    return (types & DOC_INT) && is_integral(node);
}

static const struct {
    enum doc_type type;
    const char *name;
} type_names[] = {
    {DOC_NULL, "null"},      {DOC_BOOL, "true or false"},
    {DOC_INT, "an integer"}, {DOC_NUMBER, "a number"},
    {DOC_STRING, "text"},    {DOC_LIST, "a list"},
    {DOC_MAP, "a map"},
};

enum { TYPE_COUNT = sizeof type_names / sizeof type_names[0] };

static const char *type_name(enum doc_type type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++)
        if (type_names[i].type == type)
            return type_names[i].name;
    return "?";
}

/* "an integer or null" */
static void list_types(unsigned types, char text[TEXT_SIZE])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = TYPE_COUNT; i-- > 0;)
        if (types & type_names[i].type)
            used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s%s",
                                     used ? " or " : "", type_names[i].name);
}

static void report_type(const struct check *check, const struct doc_node *node,
                        const struct doc_schema *schema, const char *pointer)
{
    char wanted[TEXT_SIZE];
    const char *hint = schema->doc;

    list_types(schema->types, wanted);
    if (node->type == DOC_LIST || node->type == DOC_MAP) {
        fault(check, node, pointer, hint, "expected %s, found %s", wanted,
              type_name(node->type));
        return;
    }
    if (node->plain && (schema->types & DOC_STRING) && node->type != DOC_NULL)
        hint = "quote it if it is text";
    else if (node->type == DOC_STRING && !node->plain &&
             !(schema->types & DOC_STRING))
        hint = "write it without quotes";
    fault(check, node, pointer, hint, "expected %s, found %s '%.64s'", wanted,
          type_name(node->type), node->text ? node->text : "");
}

/* ---- values ---- */

/* Names joined for a message: "a, b, c". */
static void join(const char *const *names, size_t count, char text[TEXT_SIZE])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count && used < TEXT_SIZE - 1; i++)
        used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s%s",
                                 i ? ", " : "", names[i]);
}

static void check_choice(const struct check *check, const struct doc_node *node,
                         const struct doc_schema *schema, const char *pointer)
{
    char all[TEXT_SIZE], hint[TEXT_SIZE] = "";
    const char *nearest;
    size_t count = 0;

    for (; schema->values[count]; count++)
        if (strcmp(schema->values[count], node->text) == 0)
            return;
    join(schema->values, count, all);
    nearest = doc_nearest(node->text, schema->values, count);
    if (nearest)
        (void)snprintf(hint, sizeof hint, "did you mean '%s'?", nearest);
    fault(check, node, pointer, nearest ? hint : schema->doc,
          "'%.64s' is not one of %s", node->text, all);
}

/* Is the whole pattern found in the text? A pattern is as in JSON Schema: not
 * anchored. One that cannot be compiled or exhausts its limits matches not. */
static bool matches(const char *pattern, const struct doc_node *node)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    pcre2_match_data *match =
        compiled ? pcre2_match_data_create(1, NULL) : NULL;
    bool found = match && pcre2_match(compiled, (PCRE2_SPTR)node->text,
                                      node->size, 0, 0, match, NULL) >= 0;

    pcre2_match_data_free(match);
    pcre2_code_free(compiled);
    return found;
}

static size_t code_points(const struct doc_node *node)
{
    size_t count = 0;

    for (size_t i = 0; i < node->size; i++)
        count += ((unsigned char)node->text[i] & 0xc0U) != 0x80U;
    return count;
}

static void check_size(const struct check *check, const struct doc_node *node,
                       const struct doc_schema *schema, const char *pointer)
{
    bool text = node->type == DOC_STRING;
    const char *unit = text ? "characters" : "entries";
    size_t size = text ? code_points(node) : node->size;

    if (schema->min_size && size < schema->min_size)
        fault(check, node, pointer, schema->doc,
              "%zu %s, at least %" PRIu32 " are needed", size, unit,
              schema->min_size);
    if (schema->max_size && size > schema->max_size)
        fault(check, node, pointer, schema->doc,
              "%zu %s, at most %" PRIu32 " are allowed", size, unit,
              schema->max_size);
}

static void check_string(const struct check *check, const struct doc_node *node,
                         const struct doc_schema *schema, const char *pointer)
{
    if (schema->constant && strcmp(schema->constant, node->text) != 0)
        fault(check, node, pointer, schema->doc, "'%.64s' must be '%s'",
              node->text, schema->constant);
    if (schema->values)
        check_choice(check, node, schema, pointer);
    if (schema->pattern && !matches(schema->pattern, node))
        fault(check, node, pointer, schema->doc, "'%.64s' does not match %s",
              node->text, schema->pattern);
    check_size(check, node, schema, pointer);
}

static void check_number(const struct check *check, const struct doc_node *node,
                         const struct doc_schema *schema, const char *pointer)
{
    bool low = schema->has_min && node->number < schema->min;
    bool high = schema->has_max && node->number > schema->max;

    if (!low && !high)
        return;
    if (schema->has_min && schema->has_max)
        fault(check, node, pointer, schema->doc,
              "%s is outside the allowed range %.15g to %.15g", node->text,
              schema->min, schema->max);
    else
        fault(check, node, pointer, schema->doc, "%s is %s the %s of %.15g",
              node->text, low ? "below" : "above", low ? "minimum" : "maximum",
              low ? schema->min : schema->max);
}

/* ---- maps ---- */

static const struct doc_property *find_property(const struct doc_schema *schema,
                                                const char *name)
{
    for (size_t i = 0; i < schema->property_count; i++)
        if (strcmp(schema->properties[i].name, name) == 0)
            return &schema->properties[i];
    return NULL;
}

enum { KNOWN_MAX = 64 };

static void report_unknown(const struct check *check,
                           const struct doc_entry *entry,
                           const struct doc_schema *schema, const char *pointer)
{
    const char *names[KNOWN_MAX], *nearest;
    char hint[TEXT_SIZE], known[TEXT_SIZE];
    size_t count = 0;
    struct doc_node at = {.line = entry->line, .col = entry->col};

    for (; count < schema->property_count && count < KNOWN_MAX; count++)
        names[count] = schema->properties[count].name;
    nearest = doc_nearest(entry->key, names, count);
    join(names, count, known);
    if (nearest)
        (void)snprintf(hint, sizeof hint, "did you mean '%s'?", nearest);
    else
        (void)snprintf(hint, sizeof hint, "known keys: %.230s", known);
    fault(check, &at, pointer, hint, "unknown key '%.64s'", entry->key);
}

static void check_required(const struct check *check,
                           const struct doc_node *map,
                           const struct doc_schema *schema, const char *pointer)
{
    for (size_t i = 0; i < schema->property_count; i++) {
        const struct doc_property *property = &schema->properties[i];

        if (property->required && !doc_get(map, property->name))
            fault(check, map, pointer, property->schema->doc,
                  "the required key '%s' is missing", property->name);
    }
}

static void check_node(const struct check *check, const struct doc_node *node,
                       const struct doc_schema *schema, const char *pointer);

static void check_map(const struct check *check, const struct doc_node *map,
                      const struct doc_schema *schema, const char *pointer)
{
    struct arena *arena = check->report->arena;

    check_required(check, map, schema, pointer);
    for (size_t i = 0; i < map->size; i++) {
        const struct doc_entry *entry = &map->entries[i];
        const struct doc_property *property = find_property(schema, entry->key);
        const char *below = doc_pointer_key(arena, pointer, entry->key);

        if (property)
            check_node(check, entry->value, property->schema, below);
        else if (schema->rest)
            check_node(check, entry->value, schema->rest, below);
        else if (schema->closed &&
                 !has_fault_at(check, entry->line, entry->col))
            report_unknown(check, entry, schema, below);
    }
    check_size(check, map, schema, pointer);
}

static void check_list(const struct check *check, const struct doc_node *list,
                       const struct doc_schema *schema, const char *pointer)
{
    check_size(check, list, schema, pointer);
    for (size_t i = 0; schema->items && i < list->size; i++)
        check_node(check, list->items[i], schema->items,
                   doc_pointer_index(check->report->arena, pointer, i));
}

/* Recursion ends where the tree does, and the loaders bound its depth. */
static void check_node(const struct check *check, const struct doc_node *node,
                       const struct doc_schema *schema, const char *pointer)
{
    bool container = node->type == DOC_MAP || node->type == DOC_LIST;

    if (!container && has_fault_at(check, node->line, node->col))
        return;
    if (!has_type(node, schema->types))
        report_type(check, node, schema, pointer);
    else if (node->type == DOC_MAP)
        check_map(check, node, schema, pointer);
    else if (node->type == DOC_LIST)
        check_list(check, node, schema, pointer);
    else if (node->type == DOC_STRING)
        check_string(check, node, schema, pointer);
    else if (node->type == DOC_INT || node->type == DOC_NUMBER)
        check_number(check, node, schema, pointer);
}

void doc_check(const char *file, const struct doc_node *root,
               const struct doc_schema *schema, struct doc_report *report)
{
    struct check check = {.file = file, .report = report};

    check_node(&check, root, schema, "");
}
