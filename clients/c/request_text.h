/*
 * Request text: a request message as the target of a URL.
 *
 * Threads: any; no state.
 */
#ifndef CLIENTS_C_REQUEST_TEXT_H
#define CLIENTS_C_REQUEST_TEXT_H

#include "buf.h"
#include "client_op.h"
#include "error.h"

/*
 * Appends path and query: the fields of op->binds in their places, escaped.
 * ERR_USAGE: what the path names is not set or empty; ERR_INTERNAL: it is
 * neither a text nor a number nor a truth.
 */
bool request_target(const struct client_op *op, const void *message,
                    struct buf *out, struct error *err);

#endif
