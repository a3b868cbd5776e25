/*
 * Feed: socket -> guard -> library.
 *
 * The library's epoll is edge-triggered and it takes a read that did not fill
 * its buffer for the last one. So unless the buffer is full, this side must
 * have emptied the socket, too: see fill().
 */
#include "feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fd_map.h"
#include "log.h"

enum { DROP_MAX = 1 << 20, CLEAR_MAX = 4096 };

static struct fd_map connections;

bool feed_open(struct conn *conn, const struct http_rules *rules,
               struct error *err)
{
    void *old;

    http_guard_init(&conn->guard, rules);
    conn_enter(conn, CONN_IDLE, 0);
    if (!fd_map_put(&connections, conn->fd, conn, &old))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a connection");
    return true;
}

struct conn *feed_find(int fd)
{
    return fd_map_get(&connections, fd);
}

/* The library may have closed the socket already, and another door may have
 * got its number: then the entry is that one's. */
void feed_close(struct conn *conn)
{
    fd_map_remove(&connections, conn->fd, conn);
    conn_release(conn);
}

/* ---- refusals ---- */

/* In the endpoint's own form, when it is known and its body is at fault; that
 * counts and logs the request as one of the endpoint's. */
static void write_body(const struct conn *conn, enum err_code code,
                       const char *reason, struct buf *body)
{
    const struct http_rules *rules = conn->guard.rules;
    const struct err_info *info = err_info(code);

    if (rules->refusal && conn->guard.endpoint &&
        (code == ERR_PAYLOAD_TOO_LARGE || code == ERR_UNSUPPORTED_MEDIA_TYPE)) {
        rules->refusal(rules->context, conn->guard.endpoint, code, reason,
                       body);
        return;
    }
    log_event(LOG_INFO, "http_refused",
              "peer=%s code=%s status=%d reason=\"%s\"", conn->peer, info->name,
              info->http, reason);
    buf_printf(body,
               "{\"success\":false,\"error\":\"%s\",\"error_code\":\"%s\"}",
               reason, info->name);
}

static void send_refusal(struct conn *conn, enum err_code code,
                         const char *reason)
{
    const struct err_info *info = err_info(code);
    struct buf body = {0}, answer = {0};

    write_body(conn, code, reason, &body);
    buf_printf(&answer,
               "HTTP/1.1 %d %s\r\nConnection: close\r\n"
               "Content-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n",
               info->http, info->name, body.size);
    buf_append(&answer, body.data, body.size);
    if (buf_ok(&body) && buf_ok(&answer))
        (void)send(conn->fd, answer.data, answer.size,
                   MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_release(&body);
    buf_release(&answer);
    (void)shutdown(conn->fd, SHUT_WR);
    conn->refused = true;
    conn_enter(conn, CONN_LINGER, 0);
}

static uint32_t open_requests(const struct conn *conn)
{
    return conn->guard.requests - conn->answered;
}

/* Answers come in the order of the requests: a refusal waits until those
 * before the refused one are answered (the library may read ahead). */
static bool refusal_is_due(const struct conn *conn)
{
    return conn->guard.code != ERR_NONE && !conn->refused &&
           open_requests(conn) == (conn->guard.begun ? 1 : 0);
}

static void send_guard_refusal(struct conn *conn)
{
    send_refusal(conn, conn->guard.code, conn->guard.reason);
}

/* Reads and drops until the socket is empty; 0 when the peer has closed or
 * sends without end. */
static ssize_t drop(struct conn *conn, void *bytes, size_t size)
{
    for (;;) {
        ssize_t got = recv(conn->fd, bytes, size, MSG_DONTWAIT);

        if (got <= 0)
            return got;
        conn->dropped_bytes += (size_t)got;
        if (conn->dropped_bytes > DROP_MAX)
            return 0;
    }
}

/* ---- phases ---- */

static enum conn_phase phase_of(const struct conn *conn)
{
    uint32_t open = open_requests(conn);

    if (open == 0)
        return conn->held_size > 0 ? CONN_HEAD : CONN_IDLE;
    /* A body can only be late when nothing before it is being answered. */
    return open == 1 && http_guard_in_body(&conn->guard) ? CONN_BODY
                                                         : CONN_WORK;
}

static void note_passed(struct conn *conn, size_t passed)
{
    enum conn_phase phase = phase_of(conn);

    if (phase != atomic_load_explicit(&conn->phase, memory_order_relaxed))
        conn_enter(conn, phase, 0);
    if (phase == CONN_BODY)
        atomic_fetch_add_explicit(&conn->moved_bytes, passed,
                                  memory_order_relaxed);
}

/*
 * The peer's end may have come with the bytes before it, in one edge: make
 * another, so that the library reads once more and sees it.
 */
static void renew_edge(struct conn *conn)
{
    if (atomic_load_explicit(&conn->gone, memory_order_relaxed))
        (void)shutdown(conn->fd, SHUT_RD);
}

void feed_resumed(struct conn *conn)
{
    conn->resumed = true;
}

void feed_answered(struct conn *conn)
{
    conn->resumed = false;
    conn->answered++;
    if (refusal_is_due(conn))
        send_guard_refusal(conn);
    if (!conn->refused)
        conn_enter(conn, phase_of(conn), 0);
    renew_edge(conn);
}

/* ---- bytes ---- */

/* Keeps what the guard has not passed. */
static bool hold(struct conn *conn, const char *bytes, size_t size)
{
    if (size == 0)
        return true;
    if (!conn->held)
        conn->held = malloc(HTTP_HEAD_MAX + 1);
    if (!conn->held)
        return false;
    memcpy(conn->held, bytes, size);
    conn->held_size = size;
    return true;
}

/* Moves passed bytes from what is held. */
static size_t take_held(struct conn *conn, char *bytes, size_t size)
{
    size_t step = conn->held_passed < size ? conn->held_passed : size;

    if (step == 0)
        return 0;
    memcpy(bytes, conn->held, step);
    memmove(conn->held, conn->held + step, conn->held_size - step);
    conn->held_size -= step;
    conn->held_passed -= step;
    if (conn->held_size == 0) {
        free(conn->held);
        conn->held = NULL;
    }
    return step;
}

/*
 * One read: straight into the library's buffer, or behind the beginning of a
 * head that is held. `*got` grows by what the library may have. False when the
 * socket is empty or nothing more may be read; then `*end` is what recv said.
 */
static bool read_once(struct conn *conn, char *bytes, size_t size, size_t *got,
                      ssize_t *end)
{
    bool direct = conn->held_size == 0;
    char *to = direct ? bytes + *got : conn->held + conn->held_size;
    size_t room = direct ? size - *got : HTTP_HEAD_MAX + 1 - conn->held_size;
    ssize_t in = recv(conn->fd, to, room, MSG_DONTWAIT);

    *end = in;
    if (in <= 0)
        return false;
    if (direct) {
        size_t passed = http_guard_pass(&conn->guard, to, (size_t)in);

        *got += passed;
        if (conn->guard.code != ERR_NONE)
            return false;
        if (!hold(conn, to + passed, (size_t)in - passed)) {
            errno = ENOMEM;
            *end = -1;
            return false;
        }
    } else {
        conn->held_size += (size_t)in;
        conn->held_passed =
            http_guard_pass(&conn->guard, conn->held, conn->held_size);
    }
    return (size_t)in == room;
}

/* Fills the library's buffer, or empties the socket. */
static size_t fill(struct conn *conn, char *bytes, size_t size, ssize_t *end)
{
    size_t got = 0;
    bool more = true;

    while (more && got < size) {
        more = conn->guard.code == ERR_NONE &&
               read_once(conn, bytes, size, &got, end);
        got += take_held(conn, bytes + got, size - got);
    }
    return got;
}

static ssize_t would_block(void)
{
    errno = EAGAIN;
    return -1;
}

static ssize_t interrupted(struct conn *conn)
{
    conn->resumed = false;
    errno = EINTR;
    return -1;
}

ssize_t http_feed_recv(int fd, void *bytes, size_t size, int flags)
{
    struct conn *conn = feed_find(fd);
    ssize_t end = -1;
    size_t got;

    (void)flags; /* the library asks for MSG_NOSIGNAL, which recv ignores */
    if (!conn) {
        errno = ECONNRESET;
        return -1;
    }
    if (conn->resumed)
        return interrupted(conn);
    if (conn->refused)
        return drop(conn, bytes, size);
    if (atomic_load(&conn->expired)) {
        send_refusal(conn, ERR_REQUEST_TIMEOUT,
                     "the request did not arrive in time");
        return drop(conn, bytes, size);
    }
    got = take_held(conn, bytes, size);
    if (got < size)
        got += fill(conn, (char *)bytes + got, size - got, &end);
    note_passed(conn, got);
    if (got > 0 || end > 0)
        renew_edge(conn);
    if (got > 0)
        return (ssize_t)got;
    if (conn->guard.code == ERR_NONE)
        return end > 0 ? would_block() : end;
    if (!refusal_is_due(conn))
        return would_block();
    send_guard_refusal(conn);
    return drop(conn, bytes, size);
}

void *http_feed_clear(void *bytes, int value, size_t size)
{
    return size < CLEAR_MAX ? memset(bytes, value, size) : bytes;
}
