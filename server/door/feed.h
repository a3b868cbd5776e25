/*
 * Feed: what the HTTP library reads.
 *
 * The build renames recv(2) inside libmicrohttpd's archive to http_feed_recv()
 * (see CMakeLists.txt), so every byte passes the guard before the library has
 * it, without a second system call or copy. A refused request is answered
 * here, once all answers before it are out, and the connection then lingers:
 * what the peer still sends is read and dropped until it closes, because
 * closing with unread bytes would make the kernel reset the connection and
 * the peer lose the answer.
 *
 * Threads: open by the gate's thread, the rest by whoever has the REST door's
 * turn.
 */
#ifndef DOOR_FEED_H
#define DOOR_FEED_H

#include <sys/types.h>

#include "conn.h"

/* Feeds the library from this connection; before the library has its socket.
 * ERR_OUT_OF_MEMORY. */
bool feed_open(struct conn *conn, const struct http_rules *rules,
               struct error *err);

/* The connection of a socket that was opened, or NULL. */
struct conn *feed_find(int fd);

/* Forgets and releases the connection; before its socket is closed. */
void feed_close(struct conn *conn);

/*
 * The library is about to go on with a request that waited for its answer. It
 * reads before it writes, and in vain, as the client waits, too: this one read
 * fails as if interrupted, after which the library writes and reads later, when
 * the next request may be there.
 */
void feed_resumed(struct conn *conn);

/* The answer of the oldest open request is out. */
void feed_answered(struct conn *conn);

/* recv(2) for the library; a socket that was not opened is refused. */
ssize_t http_feed_recv(int fd, void *bytes, size_t size, int flags);

/*
 * memset(3) for the library, which outside its inlined ones has one use for it:
 * clearing the memory of a connection, all 36 KiB, after every request. It
 * takes that memory uncleared from malloc() in the first place, so nothing
 * depends on it, and it throws useful lines out of the caches.
 */
void *http_feed_clear(void *bytes, int value, size_t size);

#endif
