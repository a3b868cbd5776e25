/*
 * JSON reader: the state of one decode, and its scalars. Private to
 * codec_json.c; see codec_json.h for the rules.
 *
 * Threads: the caller serialises.
 */
#ifndef WIRE_JSON_READ_H
#define WIRE_JSON_READ_H

#include "contract.h"
#include "json_scan.h"
#include "msg.h"

struct json_reader {
    struct json_scan scan;         /* its arena takes the message, too */
    size_t budget;                 /* values that may still come */
    int depth;                     /* open objects and lists */
    const struct msg_place *place; /* of the value being read */
    bool mismatch; /* the last failure was a wrong type, nothing worse */
    bool lenient;  /* see json_decode_reply() */
};

/* Starts on `size` bytes with the limits of codec_json.h. */
void json_reader_init(struct json_reader *in, const char *text, size_t size,
                      struct arena *arena);

/* Counts one more value. ERR_MALFORMED_JSON when there are too many. */
bool json_count(struct json_reader *in, struct error *err);

/* "/data/text: expected a string, found a number"; ERR_VALIDATION_ERROR, or
 * ERR_MALFORMED_JSON when what stands there is no JSON value. */
bool json_wrong_type(struct json_reader *in, const char *expected,
                     struct error *err);

/* ERR_OUT_OF_MEMORY. */
bool json_no_memory(struct error *err);

/* Takes one value of a kind that is not MSG and not JSON null into `slot`, the
 * member or list element. */
bool json_read_scalar(struct json_reader *in, const struct msg_field *field,
                      void *slot, struct error *err);

/* Takes the rest of a list of floats or doubles, behind its '['; the place of
 * an error is the element. `*count` is the number of elements. */
bool json_read_numbers(struct json_reader *in, enum msg_kind kind,
                       void **elements, size_t *count, struct error *err);

#endif
