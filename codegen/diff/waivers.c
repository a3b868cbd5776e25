/*
 * Waivers: breaks that were decided on, each with a reason and a last day.
 *
 *   waivers:
 *     - rule: J1
 *       path: specserve.runtime.v1.HealthResponse.status
 *       reason: nobody has read it since 1.1
 *       expires: "2026-12-31"
 */
#include <string.h>

#include "diff.h"
#include "out.h"

static const char *const keys[] = {"rule", "path", "reason", "expires"};

static const char *value_of(struct cg_diff *diff, const char *file,
                            const struct doc_node *row, const char *key)
{
    const struct doc_node *value = doc_get(row, key);

    if (value && value->text && value->size)
        return value->text;
    cg_fault(diff->now, cg_at(file, row), "waiver", "needs '%s'", key);
    return NULL;
}

static bool is_rule(const char *name)
{
    for (int i = 0; i < CG_RULE_COUNT; i++)
        if (strcmp(cg_rule_name((enum cg_rule)i), name) == 0)
            return true;
    return false;
}

/* "2026-12-31": days compare as text. */
static bool is_day(const char *text)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
                           : text[i] != form[i])
            return false;
    return true;
}

static void add_waiver(struct cg_diff *diff, const char *file,
                       const struct doc_node *row)
{
    struct cg_waiver waiver = {.at = cg_at(file, row)};
    const char **members[] = {&waiver.rule, &waiver.path, &waiver.reason,
                              &waiver.expires};
    size_t before = diff->now->fault_count;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        *members[i] = value_of(diff, file, row, keys[i]);
    if (waiver.rule && !is_rule(waiver.rule))
        cg_fault(diff->now, waiver.at, "waiver", "'%s' is not a rule",
                 waiver.rule);
    if (waiver.expires && !is_day(waiver.expires))
        cg_fault(diff->now, waiver.at, "waiver", "'%s' is not a day",
                 waiver.expires);
    if (diff->now->fault_count != before)
        return;
    diff->waivers = cg_grow(diff->now, diff->waivers, diff->waiver_count,
                            &diff->waiver_capacity, sizeof *diff->waivers);
    diff->waivers[diff->waiver_count++] = waiver;
}

static bool read_waivers(struct cg_diff *diff, const char *file,
                         struct error *err)
{
    const struct doc_node *root, *rows;
    struct doc_report report;
    struct buf text = {0};

    if (!cg_file_read(file, &text, err)) {
        buf_release(&text);
        return false;
    }
    doc_report_init(&report, &diff->now->arena);
    root = doc_parse_yaml(file, text.data ? text.data : "", text.size,
                          DOC_YAML_CORE, &diff->now->arena, &report);
    for (size_t i = 0; i < report.count; i++)
        cg_fault(
            diff->now,
            (struct cg_loc){file, report.issues[i].line, report.issues[i].col},
            "waiver", "%s", report.issues[i].message);
    rows = doc_get(root, "waivers");
    if (root && !rows)
        cg_fault(diff->now, cg_at(file, root), "waiver", "has no 'waivers'");
    for (size_t i = 0; i < doc_count(rows); i++)
        add_waiver(diff, file, doc_item(rows, i));
    buf_release(&text);
    return true;
}

static void apply(struct cg_diff *diff, struct cg_waiver *waiver)
{
    for (size_t i = 0; i < diff->count; i++) {
        struct cg_change *change = &diff->changes[i];

        if (strcmp(cg_rule_name(change->rule), waiver->rule) == 0 &&
            strcmp(change->path, waiver->path) == 0) {
            change->waiver = waiver;
            waiver->used = true;
        }
    }
}

bool cg_diff_waive(struct cg_diff *diff, const char *file, const char *today,
                   struct error *err)
{
    if (!read_waivers(diff, file, err))
        return false;
    for (size_t i = 0; i < diff->waiver_count; i++) {
        struct cg_waiver *waiver = &diff->waivers[i];

        if (strcmp(waiver->expires, today) < 0) {
            cg_fault(diff->now, waiver->at, "waiver",
                     "of %s at '%s' expired on %s", waiver->rule, waiver->path,
                     waiver->expires);
            continue;
        }
        apply(diff, waiver);
        if (!waiver->used)
            cg_fault(diff->now, waiver->at, "waiver",
                     "of %s at '%s' is not needed", waiver->rule, waiver->path);
    }
    return true;
}
