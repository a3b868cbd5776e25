/*
 * Route: which endpoint is meant, and what its URL says.
 *
 * A table is made once from the generated op_tables of a program. REST: the
 * raw request target is cut at its slashes first and decoded segment by
 * segment afterwards, so an escaped slash can never make a new segment. gRPC:
 * the full method name. What the URL binds comes back as text; call_serve()
 * turns it into fields.
 *
 * Threads: a table is immutable once its aliases are there; then any thread may
 * look things up.
 */
#ifndef DOOR_ROUTE_H
#define DOOR_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "contract.h"
#include "error.h"

/* Longest request target, bytes; longer ones are ERR_URI_TOO_LONG. */
enum { ROUTE_TARGET_MAX = 4096 };

struct route_table;

/*
 * The table of a NULL-ended list of services, which must outlive it. NULL:
 * ERR_OUT_OF_MEMORY, or ERR_INTERNAL when two endpoints have the same verb and
 * path or the same method, or when a path template is not one.
 */
struct route_table *route_table_new(const struct op_table *const *tables,
                                    struct error *err);

/*
 * GET `path` is answered like GET `target` from now on; `path` must outlive the
 * table. Nothing happens when it was so before.
 *   ERR_DOCUMENT_INVALID  `path` is not an absolute path without escapes and
 *                         query, or it is the path of another endpoint
 *   ERR_INTERNAL          no endpoint takes GET `target`
 *   ERR_OUT_OF_MEMORY
 */
bool route_table_alias(struct route_table *table, const char *path,
                       const char *target, struct error *err);

/* Accepts NULL. */
void route_table_free(struct route_table *table);

struct route_match {
    const struct op_def *op;
    const char **binds; /* one per op->binds, decoded; NULL = absent */
    bool head;          /* HEAD on a GET endpoint: answer without the body */
    const char *allow;  /* with ERR_METHOD_NOT_ALLOWED: "GET, HEAD" */
};

/*
 * Finds the endpoint of `verb` and `target` (origin form as it stood in the
 * request line, "/heartbeat/5100?registration_id=x") and decodes its binds into
 * the arena. Failures, in the order they are looked for:
 *   ERR_URI_TOO_LONG        see ROUTE_TARGET_MAX
 *   ERR_BAD_REQUEST         no leading slash, "//", "." or "..", a backslash, a
 *                           bad escape, a decoded '/' or control byte, or not
 *                           UTF-8
 *   ERR_NOT_FOUND           no endpoint has this path
 *   ERR_METHOD_NOT_ALLOWED  it has, but not with this verb; match->allow is set
 *   ERR_VALIDATION_ERROR    a query key the endpoint does not know, or twice
 *   ERR_OUT_OF_MEMORY       the arena is used up
 */
bool route_rest(const struct route_table *table, const char *verb,
                const char *target, struct arena *arena,
                struct route_match *match, struct error *err);

/* The endpoint of a full gRPC method name "/pkg.Service/Method", or NULL. */
const struct op_def *route_grpc(const struct route_table *table,
                                const char *method);

#endif
