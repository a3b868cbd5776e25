/*
 * Msg make: messages that are described at run time, not by specgen.
 *
 * A made message is laid out as protobuf-c would: decode, validate and encode
 * it like any other, reach into it through its msg_def.
 *
 * Threads: no state; what was made is immutable.
 */
#ifndef WIRE_MSG_MAKE_H
#define WIRE_MSG_MAKE_H

#include "arena.h"
#include "contract.h"

/* kind: BOOL, I64, F32, F64, STR, JSON or BYTES; card: ONE or LIST. */
struct msg_make_field {
    const char *name; /* in JSON and on the wire's descriptor */
    uint32_t number;  /* no two fields have the same */
    enum msg_kind kind;
    enum msg_card card;
};

/* The message `name` ("package.Name") with `count` fields, in the arena, which
 * keeps the names. NULL: memory is out. */
const struct msg_def *msg_make(struct arena *arena, const char *name,
                               const struct msg_make_field *fields,
                               size_t count);

#endif
