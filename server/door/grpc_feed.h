/*
 * gRPC feed: what gRPC Core reads from and writes to its sockets.
 *
 * gRPC Core is a shared library, so the program's own recvmsg(2), sendmsg(2)
 * and shutdown(2) are the ones it calls (as with any malloc that a program
 * brings along). They do what the kernel does for every descriptor but those
 * that were opened here: of these every byte passes the guard (h2_guard.h) in
 * gRPC Core's own buffers, without another system call, copy or thread.
 *
 * The end is shutdown(2): gRPC Core calls it before it closes a socket, and
 * from then on the descriptor is like any other.
 *
 * Threads: any.
 */
#ifndef DOOR_GRPC_FEED_H
#define DOOR_GRPC_FEED_H

#include <stdbool.h>

#include "error.h"
#include "h2_guard.h"

/* Guards a socket that speaks HTTP/2, before gRPC Core has it and before its
 * first byte is read; `peer` is for the log. ERR_OUT_OF_MEMORY. */
bool grpc_feed_open(int fd, const char *peer, const struct h2_rules *rules,
                    struct error *err);

/*
 * gRPC Core orders what it has read before what its batches give back. The feed
 * and this, called when a batch comes back, say the same in C11, so that tools
 * which cannot look inside the library (the thread sanitizer) know it too.
 */
void grpc_feed_seen(void);

#endif
