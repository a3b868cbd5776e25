/*
 * Diff of messages and enums: rules W1 to W7, J and C1.
 *
 * Whether a change breaks depends on who writes the message. `use` says where
 * it occurs, in the old contract or in the new: in requests, in answers, or
 * both. The wire rules hold in either.
 */
#include <math.h>
#include <string.h>

#include "diff.h"

enum use { USE_REQUEST = 1, USE_ANSWER = 2 };

/* A pair of messages or enums of one name, and one member of it. */
struct pair {
    struct cg_diff *diff;
    const struct cg_decl *was, *now;
    unsigned use;
    const char *path; /* of the member */
};

/* ---- where a message occurs ---- */

/* `from`, or what lies below it, holds `name`; seen: the way to it. */
struct way {
    const struct cg_decl *decl;
    const struct way *up;
};

static bool holds(const struct cg_decl *from, const char *name,
                  const struct way *up)
{
    const struct way here = {from, up};

    if (strcmp(from->name, name) == 0)
        return true;
    for (const struct way *way = up; way; way = way->up)
        if (way->decl == from)
            return false;
    for (size_t i = 0; i < from->field_count; i++)
        if (from->fields[i].decl && holds(from->fields[i].decl, name, &here))
            return true;
    return false;
}

static unsigned uses(const struct cg_api *api, const char *name)
{
    unsigned use = 0;

    for (size_t i = 0; i < api->op_count; i++) {
        if (holds(api->ops[i].request, name, NULL))
            use |= USE_REQUEST;
        if (api->ops[i].reply && holds(api->ops[i].reply, name, NULL))
            use |= USE_ANSWER;
    }
    return use;
}

/* ---- types ---- */

/* What the wire of protobuf tells apart; values of a class stay readable. */
static int wire_class(const struct cg_field *field)
{
    enum { VARINT, FIXED32, FIXED64, TEXT, MESSAGE };

    if (field->card == MSG_MAP)
        return MESSAGE;
    switch (field->kind) {
    case MSG_F32:
        return FIXED32;
    case MSG_F64:
        return FIXED64;
    case MSG_STR:
    case MSG_BYTES:
    case MSG_JSON:
        return TEXT;
    case MSG_TIME:
    case MSG_MSG:
        return MESSAGE;
    case MSG_BOOL:
    case MSG_I32:
    case MSG_U32:
    case MSG_I64:
    case MSG_U64:
    case MSG_ENUM:
        break;
    }
    return VARINT;
}

/* The JSON values of a kind as a bit set: a subset is narrower. */
static unsigned json_values(enum msg_kind kind)
{
    static const unsigned values[] = {
        [MSG_BOOL] = 0x1,
        [MSG_U32] = 0x2,
        [MSG_I32] = 0x4 | 0x8,
        [MSG_U64] = 0x2 | 0x4 | 0x10,
        [MSG_I64] = 0x2 | 0x4 | 0x8 | 0x20,
        [MSG_F32] = 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40,
        [MSG_F64] = 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80,
        [MSG_ENUM] = 0x100,
        [MSG_TIME] = 0x200,
        [MSG_BYTES] = 0x400,
        [MSG_STR] = 0xf00,
        [MSG_MSG] = 0x1000,
        [MSG_JSON] = 0x1fff,
    };

    return values[kind];
}

static bool is_number(enum msg_kind kind)
{
    return kind >= MSG_I32 && kind <= MSG_F64;
}

static bool is_text(enum msg_kind kind)
{
    return kind == MSG_STR || kind == MSG_BYTES || kind == MSG_TIME ||
           kind == MSG_ENUM;
}

static const char *kind_name(enum msg_kind kind)
{
    static const char *const names[] = {
        [MSG_BOOL] = "a boolean",   [MSG_I32] = "an int32",
        [MSG_U32] = "a uint32",     [MSG_I64] = "an int64",
        [MSG_U64] = "a uint64",     [MSG_F32] = "a float",
        [MSG_F64] = "a double",     [MSG_STR] = "a string",
        [MSG_BYTES] = "bytes",      [MSG_JSON] = "any JSON",
        [MSG_TIME] = "a date-time", [MSG_ENUM] = "a closed list of words",
        [MSG_MSG] = "an object",
    };

    return names[kind];
}

static void diff_kind(const struct pair *pair, const struct cg_field *was,
                      const struct cg_field *now)
{
    unsigned before = json_values(was->kind), after = json_values(now->kind);

    if (wire_class(was) != wire_class(now))
        cg_change(pair->diff, CG_RULE_W2, pair->path, "was %s, is %s",
                  kind_name(was->kind), kind_name(now->kind));
    if ((is_number(was->kind) && is_text(now->kind)) ||
        (is_text(was->kind) && is_number(now->kind))) {
        cg_change(pair->diff, CG_RULE_J9, pair->path, "was %s, is %s",
                  kind_name(was->kind), kind_name(now->kind));
        return;
    }
    if ((pair->use & USE_REQUEST) && (before & ~after))
        cg_change(pair->diff, CG_RULE_J4, pair->path,
                  "a request took %s, takes %s", kind_name(was->kind),
                  kind_name(now->kind));
    if ((pair->use & USE_ANSWER) && (after & ~before))
        cg_change(pair->diff, CG_RULE_J4, pair->path,
                  "an answer held %s, holds %s", kind_name(was->kind),
                  kind_name(now->kind));
}

static void diff_card(const struct pair *pair, const struct cg_field *was,
                      const struct cg_field *now)
{
    static const char *const names[] = {
        [MSG_ONE] = "one value", [MSG_LIST] = "a list", [MSG_MAP] = "a map"};
    bool objects = (was->card == MSG_MAP && now->kind == MSG_MSG) ||
                   (now->card == MSG_MAP && was->kind == MSG_MSG);

    if (was->card == now->card)
        return;
    cg_change(pair->diff, CG_RULE_W4, pair->path, "was %s, is %s",
              names[was->card], names[now->card]);
    if (objects)
        cg_change(pair->diff, CG_RULE_J13, pair->path, "was %s, is %s",
                  was->card == MSG_MAP ? "a map" : "an object",
                  now->card == MSG_MAP ? "a map" : "an object");
}

/* ---- presence ---- */

static void diff_flags(const struct pair *pair, unsigned was, unsigned now)
{
    unsigned gained = now & ~was, lost = was & ~now;
    unsigned changed = gained | lost;

    if (changed & MSG_IN_ONEOF)
        cg_change(pair->diff, CG_RULE_W5, pair->path, "%s a oneof",
                  gained & MSG_IN_ONEOF ? "moved into" : "moved out of");
    if ((pair->use & USE_REQUEST) && (gained & MSG_REQUIRED))
        cg_change(pair->diff, CG_RULE_J2, pair->path, "became required");
    if ((pair->use & USE_ANSWER) && (lost & MSG_REQUIRED))
        cg_change(pair->diff, CG_RULE_J3, pair->path, "may be absent");
    if ((pair->use & USE_ANSWER) && (gained & MSG_NULLABLE))
        cg_change(pair->diff, CG_RULE_J5, pair->path, "may be null in answers");
    if ((pair->use & USE_REQUEST) && (lost & MSG_NULLABLE))
        cg_change(pair->diff, CG_RULE_J5, pair->path,
                  "may not be null in requests");
    if ((pair->use & USE_ANSWER) && (changed & MSG_EMIT_ALWAYS))
        cg_change(pair->diff, CG_RULE_J6, pair->path, "%s when unset",
                  gained & MSG_EMIT_ALWAYS ? "is null" : "is absent");
}

/* ---- limits ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The bound `now` keeps more values out than `was`; NaN = none. */
static bool above(double now, double was)
{
    return !isnan(now) && (isnan(was) || now > was);
}

static bool below(double now, double was)
{
    return !isnan(now) && (isnan(was) || now < was);
}

static bool fewer(uint32_t now, uint32_t was)
{
    return now && (!was || now < was);
}

static void diff_limits(const struct pair *pair, const struct cg_limits *was,
                        const struct cg_limits *now)
{
    if (above(now->min, was->min) || below(now->max, was->max))
        cg_change(pair->diff, CG_RULE_J8, pair->path,
                  "was within [%g, %g], is within [%g, %g]", was->min, was->max,
                  now->min, now->max);
    if (now->min_size > was->min_size || fewer(now->max_size, was->max_size))
        cg_change(pair->diff, CG_RULE_J8, pair->path,
                  "had sizes from %u to %u, has %u to %u (0: no limit)",
                  was->min_size, was->max_size, now->min_size, now->max_size);
    if (now->pattern && !same_text(now->pattern, was->pattern))
        cg_change(pair->diff, CG_RULE_J8, pair->path, "must match '%s'",
                  now->pattern);
    if (now->constant && !same_text(now->constant, was->constant))
        cg_change(pair->diff, CG_RULE_J8, pair->path, "must be '%s'",
                  now->constant);
}

static void diff_counts(const struct pair *pair, const struct cg_field *was,
                        const struct cg_field *now)
{
    if (now->min_count > was->min_count ||
        fewer(now->max_count, was->max_count))
        cg_change(pair->diff, CG_RULE_J8, pair->path,
                  "had %u to %u elements, has %u to %u (0: no limit)",
                  was->min_count, was->max_count, now->min_count,
                  now->max_count);
}

/* The schema's default as JSON text, "" if there is none. */
static void write_default(const struct cg_decl *decl, const char *json,
                          struct buf *to)
{
    const struct doc_node *schema =
        doc_get(doc_get(decl->schema, "properties"), json);
    const struct doc_node *value = doc_get(schema, "default");

    buf_string(to, "");
    if (value)
        doc_write_json(value, to);
}

static void diff_default(const struct pair *pair, const char *json)
{
    struct buf was = {0}, now = {0};

    write_default(pair->was, json, &was);
    write_default(pair->now, json, &now);
    if (!same_text(was.data, now.data))
        cg_change(pair->diff, CG_RULE_J11, pair->path, "was %s, is %s",
                  was.size ? was.data : "none", now.size ? now.data : "none");
    buf_release(&was);
    buf_release(&now);
}

/* ---- fields ---- */

static bool is_reserved(const struct cg_decl *decl, uint32_t number)
{
    for (size_t i = 0; i < decl->reserved_count; i++)
        if (decl->reserved[i].number == number)
            return true;
    return false;
}

static const struct cg_field *field_of(const struct cg_decl *decl,
                                       uint32_t number)
{
    for (size_t i = 0; i < decl->field_count; i++)
        if (decl->fields[i].number == number)
            return &decl->fields[i];
    return NULL;
}

/* A property that the new message does not have under its name. */
static void diff_gone(const struct pair *pair, const struct cg_field *was)
{
    const struct cg_field *heir = field_of(pair->now, was->number);

    if (heir && cg_decl_field(pair->was, heir->json))
        heir = NULL; /* it had a number of its own: that is rule W1 */
    cg_change(pair->diff, CG_RULE_J1, pair->path,
              heir ? "is now called '%s'" : "is gone", heir ? heir->json : "");
    if (!heir && !is_reserved(pair->now, was->number))
        cg_change(pair->diff, CG_RULE_W3, pair->path,
                  "number %u is free for another field", was->number);
}

static void diff_field(const struct pair *pair, const struct cg_field *was,
                       const struct cg_field *now)
{
    if (was->number != now->number)
        cg_change(pair->diff, CG_RULE_W1, pair->path, "was %u, is %u",
                  was->number, now->number);
    diff_card(pair, was, now);
    if (was->card == now->card)
        diff_kind(pair, was, now);
    diff_flags(pair, was->flags, now->flags);
    diff_default(pair, was->json);
    if (pair->use & USE_REQUEST) {
        diff_limits(pair, &was->limits, &now->limits);
        diff_limits(pair, &was->keys, &now->keys);
        diff_counts(pair, was, now);
    }
}

static void diff_new_field(const struct pair *pair,
                           const struct cg_field *field)
{
    if (field_of(pair->was, field->number))
        return; /* renamed: told where the old name is gone */
    cg_change(pair->diff, CG_RULE_A3, pair->path, "%s",
              field->doc ? field->doc : kind_name(field->kind));
    if ((pair->use & USE_REQUEST) && (field->flags & MSG_REQUIRED))
        cg_change(pair->diff, CG_RULE_J2, pair->path, "is new and required");
}

static void diff_fields(struct pair *pair)
{
    struct cg_ir *ir = pair->diff->now;

    for (size_t i = 0; i < pair->was->field_count; i++) {
        const struct cg_field *was = &pair->was->fields[i];
        const struct cg_field *now = cg_decl_field(pair->now, was->json);

        pair->path = cg_text(ir, "%s.%s", pair->was->full, was->json);
        if (now)
            diff_field(pair, was, now);
        else
            diff_gone(pair, was);
    }
    for (size_t i = 0; i < pair->now->field_count; i++) {
        const struct cg_field *now = &pair->now->fields[i];

        pair->path = cg_text(ir, "%s.%s", pair->now->full, now->json);
        if (!cg_decl_field(pair->was, now->json))
            diff_new_field(pair, now);
    }
}

/* ---- enums ---- */

static const struct cg_value *find_value(const struct cg_decl *decl,
                                         const char *json)
{
    for (size_t i = 0; i < decl->value_count; i++)
        if (strcmp(decl->values[i].json, json) == 0)
            return &decl->values[i];
    return NULL;
}

static void diff_value(struct pair *pair, const struct cg_value *was)
{
    const struct cg_value *now = find_value(pair->now, was->json);

    pair->path = cg_text(pair->diff->now, "%s.%s", pair->was->full, was->json);
    if (now && was->number != now->number)
        cg_change(pair->diff, CG_RULE_W6, pair->path, "was %u, is %u",
                  was->number, now->number);
    if (now)
        return;
    if (!is_reserved(pair->now, was->number))
        cg_change(pair->diff, CG_RULE_W7, pair->path,
                  "number %u is free for another value", was->number);
    if (pair->use & USE_REQUEST)
        cg_change(pair->diff, CG_RULE_J7, pair->path,
                  "a request may no longer say it");
}

static void diff_values(struct pair *pair)
{
    for (size_t i = 0; i < pair->was->value_count; i++)
        diff_value(pair, &pair->was->values[i]);
    for (size_t i = 0; i < pair->now->value_count; i++) {
        const char *json = pair->now->values[i].json;

        pair->path = cg_text(pair->diff->now, "%s.%s", pair->now->full, json);
        if (find_value(pair->was, json))
            continue;
        cg_change(pair->diff, CG_RULE_A3, pair->path, "a new value");
        if (pair->use & USE_ANSWER)
            cg_change(pair->diff, CG_RULE_J7, pair->path,
                      "an answer may say it, and the list is closed");
    }
}

/* ---- messages ---- */

static void diff_decl(struct pair *pair)
{
    pair->path = pair->was->full;
    if (pair->was->tag != pair->now->tag) {
        cg_change(pair->diff, CG_RULE_W2, pair->path, "was %s, is %s",
                  pair->was->tag == CG_ENUM ? "an enum" : "a message",
                  pair->now->tag == CG_ENUM ? "an enum" : "a message");
        return;
    }
    if (pair->was->shape != pair->now->shape)
        cg_change(pair->diff, CG_RULE_J12, pair->path, "was %s, is %s",
                  pair->was->shape == MSG_UNTAGGED ? "a union" : "an object",
                  pair->now->shape == MSG_UNTAGGED ? "a union" : "an object");
    if (pair->was->open && !pair->now->open && (pair->use & USE_REQUEST))
        cg_change(pair->diff, CG_RULE_J10, pair->path,
                  "other keys were skipped and are refused");
    diff_values(pair);
    diff_fields(pair);
}

void cg_diff_messages(struct cg_diff *diff, const struct cg_api *was,
                      const struct cg_api *now)
{
    for (size_t i = 0; i < was->decl_count; i++) {
        const struct cg_decl *old = was->decls[i];
        const struct cg_decl *decl = cg_api_decl(now, old->name);

        if (!decl)
            cg_change(diff, CG_RULE_C1, old->full, "the type is gone");
        else if (!old->foreign && !decl->foreign)
            diff_decl(&(struct pair){
                .diff = diff,
                .was = old,
                .now = decl,
                .use = uses(was, old->name) | uses(now, old->name),
            });
    }
    for (size_t i = 0; i < now->decl_count; i++)
        if (!cg_api_decl(was, now->decls[i]->name))
            cg_change(diff, CG_RULE_A2, now->decls[i]->full, "%s",
                      now->decls[i]->doc ? now->decls[i]->doc : "");
}
