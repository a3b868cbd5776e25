/*
 * Frames of HTTP/2 for tests of the guard: written one behind the other, and
 * shown to it in pieces as a socket would.
 */
#ifndef UNIT_H2_FRAMES_H
#define UNIT_H2_FRAMES_H

#include "buf.h"
#include "h2_guard.h"

/* The client's preface and an empty SETTINGS. */
void put_opening(struct buf *bytes);

void put_frame(struct buf *bytes, uint8_t type, uint8_t flags, uint32_t stream,
               const void *payload, size_t size);

/* HEADERS of a request with this content type (NULL: none). */
void put_request(struct buf *bytes, uint32_t stream, const char *content_type);

/* DATA that begins with the prefix of a message of `length` bytes. */
void put_message(struct buf *bytes, uint32_t stream, uint8_t flags,
                 uint32_t length, size_t come);

/* A header field that enters no table. */
void put_literal(struct buf *block, const char *name, const char *value,
                 size_t size);

/*
 * Shows the bytes to the guard, `piece` at a time (0: all at once), keeps what
 * it holds back, and puts in what it wants put in. Appends to `core` what gRPC
 * Core would read.
 */
void show(struct h2_guard *guard, const struct buf *bytes, size_t piece,
          uint32_t now_ms, struct buf *core);

#endif
