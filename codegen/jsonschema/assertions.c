/*
 * Assertions: the vocabulary "validation", whose keywords look at the instance
 * alone.
 */
#include <math.h>
#include <string.h>

#include "jsonschema/validate.h"

static bool is_number(const struct doc_node *node)
{
    return node->type == DOC_INT || node->type == DOC_NUMBER;
}

static bool is_integer(const struct doc_node *node)
{
    return node->type == DOC_INT ||
           (node->type == DOC_NUMBER && floor(node->number) == node->number);
}

static bool is_type(const struct doc_node *node, const char *name)
{
    static const struct {
        const char *name;
        unsigned types;
    } known[] = {
        {"null", DOC_NULL},     {"boolean", DOC_BOOL},
        {"string", DOC_STRING}, {"array", DOC_LIST},
        {"object", DOC_MAP},    {"number", DOC_INT | DOC_NUMBER},
    };

    if (strcmp(name, "integer") == 0)
        return is_integer(node);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return (known[i].types & node->type) != 0;
    return false;
}

bool js_type(struct js_visit *visit, const struct doc_node *value)
{
    for (size_t i = 0; i < doc_count(value) && value->type == DOC_LIST; i++)
        if (is_type(visit->instance, doc_string(doc_item(value, i), "")))
            return true;
    if (is_type(visit->instance, doc_string(value, "")))
        return true;
    return js_fault(visit, "is not of type %s",
                    doc_string(value, "any that is listed"));
}

bool js_enum(struct js_visit *visit, const struct doc_node *value)
{
    for (size_t i = 0; i < doc_count(value); i++)
        if (js_equal(visit->instance, doc_item(value, i)))
            return true;
    return js_fault(visit, "is none of the values that are allowed");
}

bool js_const(struct js_visit *visit, const struct doc_node *value)
{
    return js_equal(visit->instance, value) ||
           js_fault(visit, "is not the value that is asked for");
}

/* ---- numbers ---- */

bool js_multiple(struct js_visit *visit, const struct doc_node *value)
{
    double number = visit->instance->number, step = value->number;
    double times = number / step;

    if (!is_number(visit->instance))
        return true;
    /* 0.0075 is a multiple of 0.0001, though not of its double */
    if (isfinite(times) ? fabs(times - round(times)) <= 1e-9 * fabs(times)
                        : fmod(number, step) == 0)
        return true;
    return js_fault(visit, "is not a multiple of %s", value->text);
}

bool js_minimum(struct js_visit *visit, const struct doc_node *value)
{
    return !is_number(visit->instance) ||
           visit->instance->number >= value->number ||
           js_fault(visit, "is less than %s", value->text);
}

bool js_maximum(struct js_visit *visit, const struct doc_node *value)
{
    return !is_number(visit->instance) ||
           visit->instance->number <= value->number ||
           js_fault(visit, "is more than %s", value->text);
}

bool js_above(struct js_visit *visit, const struct doc_node *value)
{
    return !is_number(visit->instance) ||
           visit->instance->number > value->number ||
           js_fault(visit, "is not more than %s", value->text);
}

bool js_below(struct js_visit *visit, const struct doc_node *value)
{
    return !is_number(visit->instance) ||
           visit->instance->number < value->number ||
           js_fault(visit, "is not less than %s", value->text);
}

/* ---- sizes ---- */

/* Characters: the first byte of each. */
static size_t length(const struct doc_node *text)
{
    size_t count = 0;

    for (size_t i = 0; i < text->size; i++)
        if (((unsigned char)text->text[i] & 0xc0U) != 0x80U)
            count++;
    return count;
}

static bool at_least(const struct js_visit *visit, enum doc_type type,
                     size_t size, const struct doc_node *bound)
{
    return visit->instance->type != type || (double)size >= bound->number ||
           js_fault(visit, "has size %zu, at least %s is asked for", size,
                    bound->text);
}

static bool at_most(const struct js_visit *visit, enum doc_type type,
                    size_t size, const struct doc_node *bound)
{
    return visit->instance->type != type || (double)size <= bound->number ||
           js_fault(visit, "has size %zu, at most %s is allowed", size,
                    bound->text);
}

static size_t length_of(const struct js_visit *visit)
{
    return visit->instance->type == DOC_STRING ? length(visit->instance) : 0;
}

bool js_min_length(struct js_visit *visit, const struct doc_node *value)
{
    return at_least(visit, DOC_STRING, length_of(visit), value);
}

bool js_max_length(struct js_visit *visit, const struct doc_node *value)
{
    return at_most(visit, DOC_STRING, length_of(visit), value);
}

bool js_min_items(struct js_visit *visit, const struct doc_node *value)
{
    return at_least(visit, DOC_LIST, visit->instance->size, value);
}

bool js_max_items(struct js_visit *visit, const struct doc_node *value)
{
    return at_most(visit, DOC_LIST, visit->instance->size, value);
}

bool js_min_properties(struct js_visit *visit, const struct doc_node *value)
{
    return at_least(visit, DOC_MAP, visit->instance->size, value);
}

bool js_max_properties(struct js_visit *visit, const struct doc_node *value)
{
    return at_most(visit, DOC_MAP, visit->instance->size, value);
}

/* ---- contents ---- */

bool js_pattern(struct js_visit *visit, const struct doc_node *value)
{
    return visit->instance->type != DOC_STRING ||
           js_match(visit, doc_string(value, ""), visit->instance->text,
                    visit->instance->size) ||
           js_fault(visit, "does not match '%s'", doc_string(value, ""));
}

bool js_unique(struct js_visit *visit, const struct doc_node *value)
{
    const struct doc_node *list = visit->instance;

    if (list->type != DOC_LIST || !value->boolean)
        return true;
    for (size_t i = 0; i < list->size; i++)
        for (size_t k = 0; k < i; k++)
            if (js_equal(list->items[i], list->items[k]))
                return js_fault(visit, "items %zu and %zu are equal", k, i);
    return true;
}

static bool needs(const struct js_visit *visit, const struct doc_node *names)
{
    bool valid = true;

    for (size_t i = 0; i < doc_count(names); i++) {
        const char *name = doc_string(doc_item(names, i), "");

        if (!doc_get(visit->instance, name))
            valid = js_fault(visit, "'%s' is missing", name);
    }
    return valid;
}

bool js_required(struct js_visit *visit, const struct doc_node *value)
{
    return visit->instance->type != DOC_MAP || needs(visit, value);
}

bool js_dependent_required(struct js_visit *visit, const struct doc_node *value)
{
    bool valid = true;

    if (visit->instance->type != DOC_MAP)
        return true;
    for (size_t i = 0; i < doc_count(value); i++)
        if (doc_get(visit->instance, value->entries[i].key) &&
            !needs(visit, value->entries[i].value))
            valid = false;
    return valid;
}
