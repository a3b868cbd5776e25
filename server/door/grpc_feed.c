/*
 * gRPC feed: socket <-> guard <-> gRPC Core.
 *
 * Reading goes straight into gRPC Core's buffer. Only the beginning of what the
 * guard must see as a whole is held, and then completed in a buffer of ours.
 * gRPC Core's epoll is edge-triggered and it asks the kernel how many bytes are
 * left (TCP_INQ): as long as we have something for it, we withhold that number,
 * and it reads again.
 *
 * Writing goes straight out of gRPC Core's buffers, up to a place where an
 * answer of ours belongs. Until all of the answer has gone gRPC Core's bytes
 * behind it count as not accepted, so it waits and comes back as with any full
 * socket.
 *
 * gRPC Core has one thread at a time read and one write, but those two may be
 * at it together; the lock covers what both sides share and no system call of
 * theirs that moves much.
 */
#include "grpc_feed.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "fd_map.h"
#include "h2_answer.h"
#include "log.h"

/* Room to complete what is held, and for what comes behind it. */
enum { HELD_ROOM = 2 * H2_BLOCK_MAX };

struct grpc_feed {
    pthread_mutex_t mu; /* of all that follows */
    struct h2_guard guard;
    struct h2_out out;
    bool over;           /* nothing is guarded any more */
    unsigned char *held; /* HELD_ROOM bytes; NULL while nothing is held */
    size_t held_size;    /* bytes in it ... */
    size_t held_passed;  /* ... of which gRPC Core may have these */
    struct buf answer;   /* on its way to the client */
    size_t answer_sent;  /* of which these have gone */
    bool answering;
    char peer[INET6_ADDRSTRLEN];
};

static struct fd_map feeds;

/* ---- the kernel ---- */

/* Not through libc: that name is ours. */
static ssize_t kernel_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return syscall(SYS_recvmsg, fd, msg, flags);
}

static ssize_t kernel_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return syscall(SYS_sendmsg, fd, msg, flags);
}

static ssize_t kernel_send(int fd, const void *bytes, size_t size, int flags)
{
    return syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
}

static int kernel_shutdown(int fd, int how)
{
    return (int)syscall(SYS_shutdown, fd, how);
}

/* ---- life ---- */

static void end_locked(struct grpc_feed *feed)
{
    feed->over = true;
    h2_guard_release(&feed->guard);
    buf_release(&feed->answer);
    free(feed->held);
    feed->held = NULL;
}

static void feed_free(struct grpc_feed *feed)
{
    if (!feed)
        return;
    (void)pthread_mutex_lock(&feed->mu);
    end_locked(feed);
    (void)pthread_mutex_unlock(&feed->mu);
    (void)pthread_mutex_destroy(&feed->mu);
    free(feed);
}

/* A feed stays in the map after its end, since gRPC Core does not say when the
 * last of its threads has left; once the number is given out again, all have. */
bool grpc_feed_open(int fd, const char *peer, const struct h2_rules *rules,
                    struct error *err)
{
    struct grpc_feed *feed = calloc(1, sizeof *feed);
    void *old = NULL;

    if (!feed)
        goto failed;
    (void)pthread_mutex_init(&feed->mu, NULL);
    (void)snprintf(feed->peer, sizeof feed->peer, "%s", peer);
    if (!h2_guard_init(&feed->guard, rules) ||
        !fd_map_put(&feeds, fd, feed, &old))
        goto failed;
    feed_free(old);
    return true;
failed:
    feed_free(feed);
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for a connection");
}

/* gRPC Core learns by the end of its input and closes; the peer by a reset,
 * since one that only sends would not notice an orderly end. */
static ssize_t cut_locked(struct grpc_feed *feed, int fd)
{
    const struct linger at_once = {.l_onoff = 1};

    log_event(LOG_WARN, "grpc_cut", "peer=%s reason=\"%s\"", feed->peer,
              feed->guard.cut);
    end_locked(feed);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)kernel_shutdown(fd, SHUT_RDWR);
    return 0;
}

/* ---- reading ---- */

static void hold(struct grpc_feed *feed, const unsigned char *bytes,
                 size_t size)
{
    if (size == 0)
        return;
    feed->held = malloc(HELD_ROOM);
    if (!feed->held || size > HELD_ROOM) {
        feed->guard.cut = "no memory";
        return;
    }
    memcpy(feed->held, bytes, size);
    feed->held_size = size;
    feed->held_passed = 0;
}

static atomic_uint reads; /* see grpc_feed_seen() */

void grpc_feed_seen(void)
{
    (void)atomic_load_explicit(&reads, memory_order_acquire);
}

static size_t take_held(struct grpc_feed *feed, void *bytes, size_t room)
{
    size_t size = feed->held_passed < room ? feed->held_passed : room;

    if (size == 0)
        return 0;
    memcpy(bytes, feed->held, size);
    memmove(feed->held, feed->held + size, feed->held_size - size);
    feed->held_size -= size;
    feed->held_passed -= size;
    if (feed->held_size == 0) {
        free(feed->held);
        feed->held = NULL;
    }
    return size;
}

static uint32_t now_ms(void)
{
    return (uint32_t)(clock_now_ns() / 1000000);
}

/* Reads behind what is held. */
static ssize_t read_held(struct grpc_feed *feed, int fd)
{
    struct iovec part = {.iov_base = feed->held + feed->held_size,
                         .iov_len = HELD_ROOM - feed->held_size};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = kernel_recvmsg(fd, &msg, MSG_DONTWAIT);

    if (got <= 0)
        return got;
    feed->held_size += (size_t)got;
    feed->held_passed =
        h2_guard_pass(&feed->guard, feed->held, feed->held_size, now_ms());
    return got;
}

/* Reads into gRPC Core's first buffer; it comes back for the others. */
static ssize_t read_direct(struct grpc_feed *feed, int fd, struct msghdr *msg,
                           int flags, size_t *passed)
{
    struct iovec part = msg->msg_iov[0];
    struct msghdr one = *msg;
    size_t room = h2_guard_room(&feed->guard);
    ssize_t got;

    if (part.iov_len > room)
        part.iov_len = room;
    one.msg_iov = &part;
    one.msg_iovlen = 1;
    (void)pthread_mutex_unlock(&feed->mu);
    got = kernel_recvmsg(fd, &one, flags);
    (void)pthread_mutex_lock(&feed->mu);
    if (got <= 0 || feed->over)
        return got;
    msg->msg_flags = one.msg_flags;
    msg->msg_controllen = one.msg_controllen;
    *passed = h2_guard_pass(&feed->guard, part.iov_base, (size_t)got, now_ms());
    if (!feed->guard.cut)
        hold(feed, (unsigned char *)part.iov_base + *passed,
             (size_t)got - *passed);
    return got;
}

/* What we have for gRPC Core without the kernel. */
static size_t give(struct grpc_feed *feed, const struct iovec *part)
{
    size_t size = take_held(feed, part->iov_base, part->iov_len);

    return size ? size
                : h2_guard_insert(&feed->guard, part->iov_base, part->iov_len);
}

static ssize_t recv_locked(struct grpc_feed *feed, int fd, struct msghdr *msg,
                           int flags)
{
    /* gRPC Core 1.51 asks for nothing once more when it has filled 64 buffers,
     * and leaves the old ones in the array */
    if (msg->msg_iovlen == 0)
        return 0;
    for (;;) {
        size_t passed = give(feed, &msg->msg_iov[0]);
        ssize_t got;

        if (passed > 0) {
            msg->msg_controllen = 0; /* there may be more: read again */
            msg->msg_flags = 0;
            return (ssize_t)passed;
        }
        got = feed->held_size > 0 ? read_held(feed, fd)
                                  : read_direct(feed, fd, msg, flags, &passed);
        if (got <= 0 || feed->over)
            return got;
        if (feed->guard.cut)
            return cut_locked(feed, fd);
        if (passed > 0) {
            if (feed->guard.answer_count > feed->guard.inserted_count)
                msg->msg_controllen = 0;
            return (ssize_t)passed;
        }
    }
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct grpc_feed *feed = fd_map_get(&feeds, fd);
    ssize_t got = -1;
    bool over;

    if (feed) {
        (void)pthread_mutex_lock(&feed->mu);
        over = feed->over;
        if (!over)
            got = recv_locked(feed, fd, message, flags);
        (void)pthread_mutex_unlock(&feed->mu);
        (void)atomic_fetch_add_explicit(&reads, 1, memory_order_release);
        if (!over)
            return got;
    }
    return kernel_recvmsg(fd, message, flags);
}

/* ---- writing ---- */

/* Sends the first `size` bytes. */
static ssize_t send_part(int fd, const struct msghdr *msg, size_t size,
                         int flags)
{
    struct msghdr part = *msg;
    struct iovec *last;
    size_t whole, before = 0;
    ssize_t sent;

    part.msg_iovlen = 0;
    do {
        last = &msg->msg_iov[part.msg_iovlen++];
        before += last->iov_len;
    } while (before < size);
    whole = last->iov_len;
    last->iov_len -= before - size;
    sent = kernel_sendmsg(fd, &part, flags);
    last->iov_len = whole;
    return sent;
}

/* Sends the answer whose place is here; the frame it replaces counts as sent
 * when all of it has gone. */
static ssize_t answer_locked(struct grpc_feed *feed, int fd, int flags)
{
    if (!feed->answering) {
        log_event(LOG_INFO, "grpc_refused", "peer=%s code=%s", feed->peer,
                  h2_answer_write(&feed->guard, &feed->answer)->name);
        feed->answering = true;
    }
    if (!buf_ok(&feed->answer)) {
        errno = EPIPE;
        return -1;
    }
    while (feed->answer_sent < feed->answer.size) {
        ssize_t sent =
            kernel_send(fd, feed->answer.data + feed->answer_sent,
                        feed->answer.size - feed->answer_sent, flags);

        if (sent < 0)
            return sent;
        feed->answer_sent += (size_t)sent;
    }
    buf_release(&feed->answer);
    feed->answer_sent = 0;
    feed->answering = false;
    h2_out_skip(&feed->out);
    return H2_OUT_SKIPPED;
}

static size_t size_of(const struct msghdr *msg)
{
    size_t size = 0;

    for (size_t i = 0; i < msg->msg_iovlen; i++)
        size += msg->msg_iov[i].iov_len;
    return size;
}

static ssize_t feed_send(struct grpc_feed *feed, int fd,
                         const struct msghdr *msg, int flags)
{
    struct h2_out before = feed->out; /* only the writer's thread changes it */
    size_t ready = feed->answering
                       ? 0
                       : h2_out_scan(&feed->out, &feed->guard, msg->msg_iov,
                                     msg->msg_iovlen, SIZE_MAX);
    ssize_t sent;

    if (feed->out.drop > 0)
        return (ssize_t)h2_out_drop(&feed->out, size_of(msg));
    if (ready == 0)
        return answer_locked(feed, fd, flags);
    (void)pthread_mutex_unlock(&feed->mu);
    sent = send_part(fd, msg, ready, flags);
    (void)pthread_mutex_lock(&feed->mu);
    if (sent < (ssize_t)ready && !feed->over) {
        feed->out = before;
        (void)h2_out_scan(&feed->out, &feed->guard, msg->msg_iov,
                          msg->msg_iovlen, sent > 0 ? (size_t)sent : 0);
    }
    return sent;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct grpc_feed *feed = fd_map_get(&feeds, fd);
    ssize_t sent = -1;
    bool over;

    if (feed) {
        (void)pthread_mutex_lock(&feed->mu);
        over = feed->over;
        if (!over)
            sent = feed_send(feed, fd, message, flags);
        (void)pthread_mutex_unlock(&feed->mu);
        if (!over)
            return sent;
    }
    return kernel_sendmsg(fd, message, flags);
}

/* ---- the end ---- */

int shutdown(int fd, int how)
{
    struct grpc_feed *feed = how == SHUT_RDWR ? fd_map_get(&feeds, fd) : NULL;

    if (feed) {
        (void)pthread_mutex_lock(&feed->mu);
        end_locked(feed);
        (void)pthread_mutex_unlock(&feed->mu);
    }
    return kernel_shutdown(fd, how);
}
