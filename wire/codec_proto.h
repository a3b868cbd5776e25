/*
 * Protobuf codec: wire bytes <-> the C struct of a message.
 *
 * protobuf-c does the parsing, but only after wire_scan() has walked the bytes:
 * it has no depth limit, takes strings that are not UTF-8, cuts them at a NUL
 * and may need seventy times the input in memory. The decoded message lives in
 * the caller's arena and is never freed by itself.
 *
 * It does not check limits of fields (validate.c) and knows no statuses.
 *
 * Threads: any; the arena belongs to the caller.
 */
#ifndef WIRE_CODEC_PROTO_H
#define WIRE_CODEC_PROTO_H

#include "arena.h"
#include "buf.h"
#include "contract.h"
#include "error.h"

/*
 * Decodes `size` bytes into a new `*message` of type `def` in `arena`; strings
 * and bytes are copied. In maps a missing key or value becomes the empty one
 * and of several entries with one key the last stays.
 *
 * ERR_BAD_REQUEST: the bytes are not a message, or nest deeper, hold more
 * fields or would need more memory than allowed (see wire_scan.h);
 * ERR_OUT_OF_MEMORY: the arena is used up.
 */
bool proto_decode(const struct msg_def *def, const void *bytes, size_t size,
                  struct arena *arena, void **message, struct error *err);

/* Appends the message's wire form to `out`. ERR_OUT_OF_MEMORY. */
bool proto_encode(const struct msg_def *def, const void *message,
                  struct buf *out, struct error *err);

#endif
