/*
 * Request: what is sent to a served model for one prediction, from a text, from
 * JSON or from the model's own examples.
 *
 * Threads: any; no state.
 */
#ifndef COMMANDS_REQUEST_H
#define COMMANDS_REQUEST_H

#include <jansson.h>

#include "arena.h"
#include "target.h"

/* At most one of them; none: the first example. */
struct request_source {
    const char *text;    /* the text to predict for */
    const char *data;    /* JSON: the data, or a whole request */
    const char *example; /* name of an example of /test_examples */
};

/*
 * A PredictRequest in the arena; asks `target` for its examples where it needs
 * them. `err` must be empty (ERR_NONE) before.
 *   ERR_USAGE           data is no JSON object, or a text is not UTF-8
 *   ERR_MALFORMED_JSON  and others as json_decode()
 *   ERR_NOT_FOUND       there is no such example
 *   ERR_OUT_OF_MEMORY   and others as target_call()
 */
bool request_make(struct target *target, const struct request_source *source,
                  struct arena *arena, void **message, struct error *err);

/* The endpoint of the Runtime API whose answer is this message. */
const struct op_def *request_op(const struct msg_def *reply);

/* Parses within the limits of json_check(). NULL: ERR_MALFORMED_JSON. */
json_t *request_parse(const char *text, size_t size, struct error *err);

#endif
