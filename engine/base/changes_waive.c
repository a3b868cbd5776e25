/*
 * Waivers: breaks that were decided on, each with a reason and a last day.
 */
#include <string.h>

#include "changes.h"

static const char *const keys[] = {"rule", "path", "reason", "expires"};

/* Where waivers are read from, and who hears of their faults. */
struct reading {
    struct changes *changes;
    const char *file;
    struct doc_report *faults;
};

static const char *value_of(const struct reading *reading,
                            const struct doc_node *row, const char *key)
{
    const struct doc_node *value = doc_get(row, key);

    if (value && value->text && value->size)
        return value->text;
    doc_fault(reading->faults, "waiver", reading->file, row, "", "needs '%s'",
              key);
    return NULL;
}

static bool is_rule(const struct changes *changes, const char *name)
{
    for (size_t i = 0; i < changes->rule_count; i++)
        if (strcmp(changes->rules[i].name, name) == 0)
            return true;
    return false;
}

bool change_is_day(const char *text)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
                           : text[i] != form[i])
            return false;
    return true;
}

static void add_waiver(const struct reading *reading,
                       const struct doc_node *row)
{
    struct changes *changes = reading->changes;
    struct change_waiver waiver = {.at = row};
    const char **members[] = {&waiver.rule, &waiver.path, &waiver.reason,
                              &waiver.expires};
    size_t before = reading->faults->faults;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        *members[i] = value_of(reading, row, keys[i]);
    if (waiver.rule && !is_rule(changes, waiver.rule))
        doc_fault(reading->faults, "waiver", reading->file, row, "",
                  "'%s' is not a rule", waiver.rule);
    if (waiver.expires && !change_is_day(waiver.expires))
        doc_fault(reading->faults, "waiver", reading->file, row, "",
                  "'%s' is not a day", waiver.expires);
    if (reading->faults->faults == before)
        changes->waivers[changes->waiver_count++] = waiver;
}

static void read_waivers(const struct reading *reading, const char *text,
                         size_t size)
{
    struct changes *changes = reading->changes;
    struct doc_report issues;
    const struct doc_node *root, *rows;

    doc_report_init(&issues, changes->arena);
    root = doc_parse_yaml(reading->file, text, size, DOC_YAML_CORE,
                          changes->arena, &issues);
    for (size_t i = 0; i < issues.count; i++) {
        struct doc_issue issue = issues.issues[i];

        issue.severity = DOC_FAULT;
        issue.rule = "waiver";
        doc_report_add(reading->faults, &issue);
    }
    rows = doc_get(root, "waivers");
    if (root && !rows)
        doc_fault(reading->faults, "waiver", reading->file, root, "",
                  "has no 'waivers'");
    if (rows && rows->type != DOC_LIST && rows->type != DOC_NULL) {
        doc_fault(reading->faults, "waiver", reading->file, rows, "",
                  "'waivers' is not a list");
        rows = NULL;
    }
    changes->waivers = arena_zalloc(changes->arena, doc_count(rows) + 1,
                                    sizeof *changes->waivers);
    changes->failed = changes->failed || !changes->waivers;
    for (size_t i = 0; changes->waivers && i < doc_count(rows); i++)
        add_waiver(reading, doc_item(rows, i));
}

static void apply(struct changes *changes, struct change_waiver *waiver)
{
    for (size_t i = 0; i < changes->count; i++) {
        struct change *change = &changes->items[i];

        if (strcmp(change->rule->name, waiver->rule) == 0 &&
            strcmp(change->path, waiver->path) == 0) {
            change->waiver = waiver;
            waiver->used = true;
        }
    }
}

void changes_waive(struct changes *changes, const char *file, const char *text,
                   size_t size, const char *today, struct doc_report *faults)
{
    const struct reading reading = {changes, file, faults};

    read_waivers(&reading, text, size);
    for (size_t i = 0; i < changes->waiver_count; i++) {
        struct change_waiver *waiver = &changes->waivers[i];

        if (strcmp(waiver->expires, today) < 0) {
            doc_fault(faults, "waiver", file, waiver->at, "",
                      "of %s at '%s' expired on %s", waiver->rule, waiver->path,
                      waiver->expires);
            continue;
        }
        apply(changes, waiver);
        if (!waiver->used)
            doc_fault(faults, "waiver", file, waiver->at, "",
                      "of %s at '%s' is not needed", waiver->rule,
                      waiver->path);
    }
}
