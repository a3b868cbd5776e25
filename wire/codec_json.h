/*
 * JSON codec: JSON text <-> message, driven by the generated tables.
 *
 * One pass over the text, straight into the struct: no tree in between. Limits
 * hold before anything is allocated for what they limit.
 *
 * In: duplicate and unknown keys are refused, also inside free JSON; null only
 * where the schema allows it; 1.0 is an integer, 1.5 is not; numbers never
 * wrap, clamp or become infinite; bytes are base64, standard or URL-safe,
 * padded or not. Out: lists and maps are always written, maps sorted by key;
 * floats in the shortest form that reads back as the same float; bytes as
 * padded standard base64; free JSON spliced as it is.
 *
 * Threads: any; no state.
 */
#ifndef WIRE_CODEC_JSON_H
#define WIRE_CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "buf.h"
#include "contract.h"
#include "error.h"

enum {
    JSON_DEPTH_MAX = 32,        /* nested objects and lists */
    JSON_ELEMENTS_MAX = 1000000 /* values in one text */
};

/*
 * Reads `size` bytes of JSON into a new message in the arena.
 *   ERR_MALFORMED_JSON    not RFC 8259 in UTF-8, duplicate keys, depth or
 *                         element limit; with the byte offset
 *   ERR_VALIDATION_ERROR  unknown key, wrong type, null, number out of range;
 *                         names the field by JSON pointer
 *   ERR_OUT_OF_MEMORY     the arena is used up
 */
bool json_decode(const struct msg_def *def, const char *text, size_t size,
                 struct arena *arena, void **message, struct error *err);

/*
 * As json_decode(), for the answer of a server that may be newer: unknown keys
 * are skipped at every level, null is the same as absent, and a text that an
 * enum does not list gives MSG_ENUM_OTHER. Whether everything is there is
 * msg_complete()'s to say.
 */
bool json_decode_reply(const struct msg_def *def, const char *text, size_t size,
                       struct arena *arena, void **message, struct error *err);

/* As json_decode(), into an object message that exists and is still empty. */
bool json_decode_into(const struct msg_def *def, const char *text, size_t size,
                      struct arena *arena, void *message, struct error *err);

/*
 * Sets one scalar field from the text of a path segment or query value.
 * ERR_VALIDATION_ERROR names the field and what it takes, also when the field
 * is set already, because the body named it, too; ERR_INTERNAL when the field
 * is not a scalar.
 */
bool json_bind(const struct msg_field *field, const char *text,
               struct arena *arena, void *message, struct error *err);

/*
 * Appends the message as JSON. ERR_OUTPUT_INVALID: a number is not finite;
 * ERR_INTERNAL: a required field is unset, an enum has no such value, or the
 * message nests deeper than JSON_DEPTH_MAX; ERR_OUT_OF_MEMORY. After a failure
 * the content behind the old end of `out` is undefined: cut it off.
 */
bool json_encode(const struct msg_def *def, const void *message,
                 struct buf *out, struct error *err);

/*
 * As json_encode(), for the body of a request: the `count` fields of `binds`
 * are left out, because they are in the URL, and so are empty lists and maps
 * unless they are required.
 */
bool json_encode_request(const struct msg_def *def, const void *message,
                         const struct op_bind *binds, size_t count,
                         struct buf *out, struct error *err);

/*
 * One whole JSON value and nothing else, in the sense of json_decode():
 * well-formed, no duplicate keys, within depth and element limits.
 */
bool json_check(const char *text, size_t size, struct arena *arena,
                struct error *err);

#endif
