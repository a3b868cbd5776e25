/*
 * Client: what the emitters of client libraries share, whatever the language.
 *
 * Which endpoints a client has, the words of its documentation, and where its
 * files go. How a name is spelled is names.h's; how a line looks is the
 * language's own.
 *
 * Threads: one.
 */
#ifndef CODEGEN_CLIENT_H
#define CODEGEN_CLIENT_H

#include "ir.h"
#include "out.h"

/*
 * Clients have the endpoint: one request, and one reply or a stream of them.
 * What takes many requests on one call (reflection) is for tools.
 */
bool cg_client_op(const struct cg_op *op);

/* Clients have the API: at least one of its endpoints. */
bool cg_client_api(const struct cg_api *api);

/* ... and the fields of its messages are known, so that they can be types. */
bool cg_client_typed(const struct cg_api *api);

/* The endpoint has a REST form that clients use: the JSON of foreign formats is
 * not that of their messages, so clients call those by gRPC. */
bool cg_client_has_rest(const struct cg_api *api, const struct cg_op *op);

/* ... and the endpoint has any form that clients use. */
bool cg_client_offers(const struct cg_api *api, const struct cg_op *op);

/* A file of the client library of `language`, "python": its path is relative to
 * clients/<language>. It is covered by the manifest like every other file. */
struct buf *cg_client_open(struct cg_out *out, const char *language,
                           const char *path);

/* The names that REST takes from the query: "a", "b". */
void cg_client_query(const struct cg_op *op, struct buf *to);

/* The words "read", "idempotent" or "once". */
const char *cg_client_safety(const struct cg_op *op);

/* The words "one", "list" or "map". */
const char *cg_client_card(const struct cg_field *field);

/* What tables of fields call its kind: "str", "msg", "union". */
const char *cg_client_kind(const struct cg_field *field);

/* The list that the message is nothing else than, or NULL; a union has lists
 * as such messages, JSON has them bare. NULL is none. */
const struct cg_field *cg_client_list(const struct cg_decl *decl);

/* proto3 without presence: zero and not set are the same. */
bool cg_client_plain(const struct cg_field *field);

/* The field has to be there and to have a value. */
bool cg_client_required(const struct cg_field *field);

/* The message can be part of a request, so callers write it, too. */
bool cg_client_sent(const struct cg_decl *decl);

/* "HealthCheckResponse.ServingStatus" as one word. */
const char *cg_client_name(struct cg_ir *ir, const struct cg_decl *decl);

/* One of several messages, told apart by their fields; NULL is none. */
bool cg_client_union(const struct cg_decl *decl);

/*
 * What a caller should know of an endpoint, as plain text, one paragraph per
 * entry: its sentence, its two forms, whether it may be repeated and how long
 * it may take. NULL-ended.
 */
const char **cg_client_doc(const struct cg_api *api, const struct cg_op *op,
                           struct cg_ir *ir);

/* The field's sentence and its limits: "Its port; 1 to 65535." Never NULL. */
const char *cg_client_field_doc(const struct cg_field *field, struct cg_ir *ir);

#endif
