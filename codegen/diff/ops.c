/*
 * Diff of endpoints: rules H, B, E4, C2, W8 and W9. An endpoint is known by its
 * id, which is also its name in every client.
 */
#include <string.h>

#include "diff.h"

static const char *const safeties[] = {
    [OP_READ] = "read", [OP_IDEMPOTENT] = "idempotent", [OP_ONCE] = "once"};

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct cg_op *find_op(const struct cg_api *api, const char *id)
{
    for (size_t i = 0; i < api->op_count; i++)
        if (strcmp(api->ops[i].id, id) == 0)
            return &api->ops[i];
    return NULL;
}

static const struct cg_op *find_rpc(const struct cg_api *api, const char *rpc)
{
    for (size_t i = 0; i < api->op_count; i++)
        if (same(api->ops[i].rpc, rpc))
            return &api->ops[i];
    return NULL;
}

/* ---- routes ---- */

/* Both templates take some path in common: equal but for parameters. */
static bool overlap(const char *a, const char *b)
{
    while (*a && *b) {
        size_t left = strcspn(a + 1, "/") + 1;
        size_t right = strcspn(b + 1, "/") + 1;

        if (a[1] != '{' && b[1] != '{' &&
            (left != right || strncmp(a, b, left) != 0))
            return false;
        a += left;
        b += right;
    }
    return !*a && !*b;
}

static bool has_route(const struct cg_api *api, const struct cg_op *op)
{
    for (size_t i = 0; i < api->op_count; i++)
        if (same(api->ops[i].verb, op->verb) &&
            same(api->ops[i].path, op->path))
            return true;
    return false;
}

/* A new route whose paths an old, different one has answered so far. */
static void diff_shadows(struct cg_diff *diff, const struct cg_api *was,
                         const struct cg_op *added)
{
    for (size_t i = 0; added->path && i < was->op_count; i++) {
        const struct cg_op *old = &was->ops[i];

        if (old->path && same(old->verb, added->verb) &&
            !same(old->path, added->path) && overlap(old->path, added->path))
            cg_change(diff, CG_RULE_H10, added->id,
                      "'%s %s' takes requests that '%s' answered", added->verb,
                      added->path, old->id);
    }
}

static void diff_route(struct cg_diff *diff, const struct cg_op *was,
                       const struct cg_op *now)
{
    if (!was->path)
        return;
    if (!same(was->path, now->path))
        cg_change(diff, CG_RULE_H1, was->id, "'%s %s' is now '%s %s'",
                  was->verb, was->path, now->path ? now->verb : "gRPC",
                  now->path ? now->path : "only");
    else if (!same(was->verb, now->verb))
        cg_change(diff, CG_RULE_H2, was->id, "%s is now %s", was->verb,
                  now->verb);
    if (!same(was->media, now->media))
        cg_change(diff, CG_RULE_H7, was->id, "answered %s, answers %s",
                  was->media ? was->media : "application/json",
                  now->media ? now->media : "application/json");
}

static const struct cg_bind *find_bind(const struct cg_op *op, const char *name)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (strcmp(op->binds[i].name, name) == 0)
            return &op->binds[i];
    return NULL;
}

static const char *place(const struct cg_bind *bind)
{
    if (!bind)
        return "body";
    return bind->source == OP_FROM_PATH ? "path" : "query";
}

static void diff_places(struct cg_diff *diff, const struct cg_op *was,
                        const struct cg_op *now)
{
    for (size_t i = 0; was->path && i < was->request->field_count; i++) {
        const struct cg_field *old = &was->request->fields[i];
        const struct cg_field *field = cg_decl_field(now->request, old->json);
        const char *before = place(find_bind(was, old->json));
        const char *after = place(find_bind(now, old->json));

        if (!field)
            continue;
        if (strcmp(before, after) != 0)
            cg_change(diff, CG_RULE_H4, was->id, "'%s' moved from %s to %s",
                      old->json, before, after);
        else if (find_bind(now, old->json) && (field->flags & MSG_REQUIRED) &&
                 !(old->flags & MSG_REQUIRED))
            cg_change(diff, CG_RULE_H5, was->id, "'%s' became required",
                      old->json);
    }
}

/* ---- promises ---- */

static bool lists_error(const struct cg_op *op, const char *name)
{
    for (size_t i = 0; i < op->error_count; i++)
        if (strcmp(op->errors[i]->name, name) == 0)
            return true;
    return false;
}

static void diff_promises(struct cg_diff *diff, const struct cg_op *was,
                          const struct cg_op *now)
{
    if (now->deadline_ms && now->deadline_ms < was->deadline_ms)
        cg_change(diff, CG_RULE_B1, was->id, "was %u ms, is %u ms",
                  was->deadline_ms, now->deadline_ms);
    if (now->max_body && now->max_body < was->max_body)
        cg_change(diff, CG_RULE_B2, was->id, "took %zu bytes, takes %zu",
                  was->max_body, now->max_body);
    if (now->safety > was->safety)
        cg_change(diff, CG_RULE_B3, was->id, "was %s, is %s",
                  safeties[was->safety], safeties[now->safety]);
    for (size_t i = 0; i < now->error_count; i++)
        if (!lists_error(was, now->errors[i]->name))
            cg_change(diff, CG_RULE_E4, was->id, "may fail with %s",
                      now->errors[i]->name);
}

static void diff_messages_of(struct cg_diff *diff, const struct cg_op *was,
                             const struct cg_op *now)
{
    if (strcmp(was->request->name, now->request->name) != 0)
        cg_change(diff, CG_RULE_C2, was->id, "took %s, takes %s",
                  was->request->name, now->request->name);
    if (was->reply && now->reply &&
        strcmp(was->reply->name, now->reply->name) != 0)
        cg_change(diff, CG_RULE_C2, was->id, "gave %s, gives %s",
                  was->reply->name, now->reply->name);
}

static void diff_op(struct cg_diff *diff, const struct cg_op *was,
                    const struct cg_op *now)
{
    if (was->stream != now->stream)
        cg_change(diff, CG_RULE_W9, was->id, "streams otherwise");
    diff_route(diff, was, now);
    diff_places(diff, was, now);
    diff_promises(diff, was, now);
    diff_messages_of(diff, was, now);
}

/* ---- */

static void diff_old(struct cg_diff *diff, const struct cg_op *was,
                     const struct cg_api *now)
{
    const struct cg_op *op = find_op(now, was->id);

    if (was->rpc && !find_rpc(now, was->rpc))
        cg_change(diff, CG_RULE_W8, was->id, "method '%s' is gone", was->rpc);
    if (op) {
        diff_op(diff, was, op);
        return;
    }
    cg_change(diff, CG_RULE_C1, was->id, "the operation is gone");
    if (was->path && !has_route(now, was))
        cg_change(diff, CG_RULE_H1, was->id, "'%s %s' is gone", was->verb,
                  was->path);
}

void cg_diff_ops(struct cg_diff *diff, const struct cg_api *was,
                 const struct cg_api *now)
{
    for (size_t i = 0; i < was->op_count; i++)
        diff_old(diff, &was->ops[i], now);
    for (size_t i = 0; i < now->op_count; i++) {
        const struct cg_op *op = &now->ops[i];

        if (!has_route(was, op))
            diff_shadows(diff, was, op);
        if (!find_op(was, op->id))
            cg_change(diff, CG_RULE_A1, op->id, "%s", op->doc);
    }
}
