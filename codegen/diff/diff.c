/*
 * Diff: the list of changes, and the walk over services and errors.
 */
#include "diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire.h"

static const struct change_rule rules[] = {
#define RULE(id, level, meaning) {#id, CHANGE_##level, meaning},
#include "rules.def"
#undef RULE
};

void cg_change(struct cg_diff *diff, enum cg_rule rule, const char *path,
               const char *format, ...)
{
    enum change_level level = rules[rule].level;
    va_list args;

    if (diff->beta && level == CHANGE_ERROR)
        level = CHANGE_WARNING;
    va_start(args, format);
    changes_add(&diff->changes, rule, level, path, format, args);
    va_end(args);
}

/* ---- services ---- */

static bool is_beta(const struct cg_api *api)
{
    return strstr(api->package, "alpha") || strstr(api->package, "beta");
}

static const struct cg_api *find_api(const struct cg_ir *ir,
                                     const char *package)
{
    for (size_t i = 0; i < ir->api_count; i++)
        if (strcmp(ir->apis[i]->package, package) == 0)
            return ir->apis[i];
    return NULL;
}

/* The definition of kind `number` and this name inside `wire`. */
static bool find_definition(struct cg_wire wire, uint32_t number,
                            const struct cg_wire_field *name,
                            struct cg_wire_field *found)
{
    while (cg_wire_find(&wire, number, found)) {
        struct cg_wire inside = cg_wire_inside(found);
        struct cg_wire_field own;

        if (cg_wire_find(&inside, 1, &own) && own.size == name->size &&
            memcmp(own.bytes, name->bytes, own.size) == 0)
            return true;
    }
    return false;
}

/* Every definition of this kind in `was` is in `now`, byte for byte. */
static void diff_definitions(struct cg_diff *diff, const char *path,
                             struct cg_wire was, struct cg_wire now,
                             uint32_t number)
{
    struct cg_wire_field old, other, name;

    while (cg_wire_find(&was, number, &old)) {
        struct cg_wire inside = cg_wire_inside(&old);

        if (!cg_wire_find(&inside, 1, &name))
            continue;
        if (!find_definition(now, number, &name, &other))
            cg_change(diff, CG_RULE_W10, path, "'%.*s' is gone", (int)name.size,
                      name.bytes);
        else if (number == FILE_SERVICE)
            diff_definitions(diff, path, cg_wire_inside(&old),
                             cg_wire_inside(&other), SERVICE_METHOD);
        else if (old.size != other.size ||
                 memcmp(old.bytes, other.bytes, old.size) != 0)
            cg_change(diff, CG_RULE_W10, path, "'%.*s' is defined otherwise",
                      (int)name.size, name.bytes);
    }
}

static void diff_foreign(struct cg_diff *diff, const struct cg_api *was,
                         const struct cg_api *now)
{
    static const uint32_t kinds[] = {FILE_MESSAGE, FILE_ENUM, FILE_SERVICE};
    const struct cg_descriptor *old = &was->foreign->descriptor;
    const struct cg_descriptor *other = &now->foreign->descriptor;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        diff_definitions(
            diff, was->package,
            (struct cg_wire){old->bytes, old->bytes + old->size},
            (struct cg_wire){other->bytes, other->bytes + other->size},
            kinds[i]);
}

static void diff_api(struct cg_diff *diff, const struct cg_api *was)
{
    const struct cg_api *now = find_api(diff->now, was->package);

    if (!now) {
        cg_change(diff, CG_RULE_W8, was->package, "service '%s' is gone",
                  was->service);
        return;
    }
    if (strcmp(was->service, now->service) != 0)
        cg_change(diff, CG_RULE_W8, was->package,
                  "service '%s' is now called '%s'", was->service,
                  now->service);
    if (was->foreign && now->foreign)
        diff_foreign(diff, was, now);
    cg_diff_ops(diff, was, now);
    cg_diff_messages(diff, was, now);
}

void cg_diff_apis(struct cg_diff *diff)
{
    for (size_t i = 0; i < diff->was->api_count; i++) {
        diff->beta = is_beta(diff->was->apis[i]);
        diff_api(diff, diff->was->apis[i]);
    }
    diff->beta = false;
    for (size_t i = 0; i < diff->now->api_count; i++)
        if (!find_api(diff->was, diff->now->apis[i]->package))
            cg_change(diff, CG_RULE_A5, diff->now->apis[i]->package, "%s",
                      diff->now->apis[i]->service);
}

/* ---- errors ---- */

void cg_diff_errors(struct cg_diff *diff)
{
    for (size_t i = 0; i < diff->was->error_count; i++) {
        const struct cg_error *was = &diff->was->errors[i];
        const struct cg_error *now = cg_ir_error(diff->now, was->name);

        if (!now) {
            cg_change(diff, CG_RULE_E1, was->name, "is gone");
            continue;
        }
        if (was->http != now->http || was->grpc_number != now->grpc_number)
            cg_change(diff, CG_RULE_E2, was->name,
                      "was %d and %s, is %d and %s", was->http, was->grpc,
                      now->http, now->grpc);
        if (strcmp(was->retry, now->retry) != 0)
            cg_change(diff, CG_RULE_E3, was->name, "was %s, is %s", was->retry,
                      now->retry);
    }
    for (size_t i = 0; i < diff->now->error_count; i++)
        if (!cg_ir_error(diff->was, diff->now->errors[i].name))
            cg_change(diff, CG_RULE_A4, diff->now->errors[i].name, "%s",
                      diff->now->errors[i].doc);
}

/* ---- the lock file ---- */

static const struct cg_lock_entry *find_entry(const struct cg_ir *ir,
                                              const char *name)
{
    for (size_t i = 0; i < ir->entry_count; i++)
        if (strcmp(ir->entries[i].name, name) == 0)
            return &ir->entries[i];
    return NULL;
}

static const struct cg_lock_row *find_row(const struct cg_lock_entry *entry,
                                          uint32_t number)
{
    for (size_t i = 0; entry && i < entry->count; i++)
        if (entry->rows[i].number == number)
            return &entry->rows[i];
    return NULL;
}

static void diff_entry(struct cg_diff *diff, const struct cg_lock_entry *was)
{
    const struct cg_lock_entry *now = find_entry(diff->now, was->name);
    const char *before = diff->was->released ? diff->was->released : "";
    const char *after = diff->now->released ? diff->now->released : "";

    for (size_t i = 0; i < was->count; i++) {
        const struct cg_lock_row *row = &was->rows[i];

        if (row->number <= was->watermark && !find_row(now, row->number))
            cg_change(diff, CG_RULE_L1, was->name,
                      "number %u ('%s') was released and is gone", row->number,
                      row->name);
    }
    if (now && now->watermark != was->watermark && strcmp(before, after) == 0)
        cg_change(diff, CG_RULE_L2, was->name,
                  "the watermark was %u and is %u, both in release '%s'",
                  was->watermark, now->watermark, after);
}

void cg_diff_lock(struct cg_diff *diff)
{
    for (size_t i = 0; i < diff->was->entry_count; i++)
        diff_entry(diff, &diff->was->entries[i]);
}

void cg_diff_run(struct cg_diff *diff)
{
    diff->changes = (struct changes){.rules = rules,
                                     .rule_count = CG_RULE_COUNT,
                                     .arena = &diff->now->arena};
    cg_diff_apis(diff);
    cg_diff_errors(diff);
    cg_diff_documents(diff);
    cg_diff_lock(diff);
}
