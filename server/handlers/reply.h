/*
 * Reply: filling messages from what the bundle says.
 *
 * Texts are borrowed, arrays and sub-messages come from the call's arena. What
 * can run out of memory returns NULL; handlers end with reply_no_memory().
 *
 * Threads: as the call.
 */
#ifndef HANDLERS_REPLY_H
#define HANDLERS_REPLY_H

#include "app.h"
#include "call.h"
#include "runtime_server.h"

/* The text as a message member; messages only ever read it. */
char *reply_text(const char *text);

/* ERR_OUT_OF_MEMORY; returns false. */
bool reply_no_memory(struct error *err);

/* The strings as a message's list (borrowed texts), NULL without memory. */
char **reply_strings(struct arena *arena, struct bundle_strings strings);

/* A document's value: number, flag, text, list of numbers or of texts, or its
 * JSON. NULL without memory. */
struct runtime_value *reply_value(struct arena *arena,
                                  const struct doc_node *node);

/* Text of the failure, for members `error` and `error_message`; NULL without
 * memory, so that the member stays unset. */
char *reply_error_text(struct srv_call *call, const struct error *err);

#endif
