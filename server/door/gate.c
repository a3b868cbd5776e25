/*
 * Gate: one thread, one epoll set.
 *
 * Every registration is edge-triggered. A new socket waits for its first
 * bytes; an HTTP socket stays only for the event that its peer left; of a gRPC
 * socket a duplicate stays for the same.
 */
#include "gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum {
    EVENTS = 64,
    ACCEPTS = 64,   /* per wake-up, so that events get their turn */
    SWEEP_MS = 250, /* precision of every timeout */
    SPARE_FILES = 256,
    TLS_HANDSHAKE = 0x16
};

#define LOG_EVERY_NS UINT64_C(1000000000)

/* Keys of the epoll set that are no connection's. */
#define KEY_LISTENER UINT64_MAX
#define KEY_STOP     (UINT64_MAX - 1)

struct gate {
    struct gate_options options;
    struct conn_table *table;
    int listener, epoll, stop, reserve; /* reserve: see shed() */
    int port;
    uint64_t lost_noted_ns; /* when the log last heard of lost connections */
    unsigned lost;          /* since then */
    pthread_t thread;
    bool started;
};

/* ---- first bytes ---- */

enum protocol { PROTOCOL_UNKNOWN, PROTOCOL_HTTP, PROTOCOL_GRPC, PROTOCOL_NONE };

static enum protocol protocol_of(const unsigned char *bytes, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t known = sizeof preface - 1;

    if (bytes[0] == TLS_HANDSHAKE)
        return PROTOCOL_NONE;
    if (memcmp(bytes, preface, size < known ? size : known) != 0)
        return PROTOCOL_HTTP;
    return size < known ? PROTOCOL_UNKNOWN : PROTOCOL_GRPC;
}

static bool watch(struct gate *gate, int operation, int fd, uint32_t events,
                  uint64_t key)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.u64 = key};

    return epoll_ctl(gate->epoll, operation, fd, &event) == 0;
}

static void drop(struct conn *conn)
{
    int fd = conn->fd;

    conn_release(conn);
    (void)close(fd);
}

/* The duplicate tells the end of a socket that gRPC Core closes by itself; it
 * always shuts it down first, which a duplicate sees. */
static void give_grpc(struct gate *gate, struct conn *conn)
{
    int fd = conn->fd;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0 || !watch(gate, EPOLL_CTL_ADD, copy, EPOLLRDHUP, conn->key)) {
        if (copy >= 0)
            (void)close(copy);
        drop(conn);
        return;
    }
    /* the duplicate would keep this registration alive beyond close() */
    (void)epoll_ctl(gate->epoll, EPOLL_CTL_DEL, fd, NULL);
    conn->fd = copy;
    conn_enter(conn, CONN_GRPC, 0);
    gate->options.give_grpc(gate->options.context, fd, conn->peer);
}

/* `ended`: no more bytes will come than there are. */
static void sniff(struct gate *gate, struct conn *conn, bool ended)
{
    unsigned char bytes[24];
    ssize_t size = recv(conn->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        drop(conn);
        return;
    }
    switch (protocol_of(bytes, (size_t)size)) {
    case PROTOCOL_UNKNOWN:
        if (ended)
            drop(conn);
        break;
    case PROTOCOL_HTTP:
        if (watch(gate, EPOLL_CTL_MOD, conn->fd, EPOLLRDHUP, conn->key))
            gate->options.give_http(gate->options.context, conn);
        else
            drop(conn);
        break;
    case PROTOCOL_GRPC:
        give_grpc(gate, conn);
        break;
    case PROTOCOL_NONE:
        drop(conn);
        break;
    }
}

/* ---- accepting ---- */

/* At most one line per second, however many connections are turned away. */
static void note_lost(struct gate *gate, const char *reason)
{
    uint64_t now = clock_now_ns();

    gate->lost++;
    if (now - gate->lost_noted_ns < LOG_EVERY_NS)
        return;
    log_event(LOG_WARN, "connections_lost", "count=%u reason=%s port=%d",
              gate->lost, reason, gate->port);
    gate->lost = 0;
    gate->lost_noted_ns = now;
}

/*
 * Out of descriptors: the waiting connection would make epoll report the
 * listener for ever. Give up the reserved one, accept, close, take it again.
 * False when nobody waited.
 */
static bool shed(struct gate *gate)
{
    int fd;

    (void)close(gate->reserve);
    fd = accept4(gate->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    gate->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        note_lost(gate, "descriptors");
    return fd >= 0;
}

static void welcome(struct gate *gate, int fd, const union conn_address *from)
{
    struct conn *conn = conn_take(gate->table, fd, from);

    if (!conn) {
        note_lost(gate, "cap");
        (void)close(fd);
    } else if (!watch(gate, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP,
                      conn->key)) {
        drop(conn);
    }
}

/* False when nobody waits any more. */
static bool accept_one(struct gate *gate)
{
    union conn_address from = {0};
    socklen_t size = sizeof from;
    int fd =
        accept4(gate->listener, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        welcome(gate, fd, &from);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE)
        return shed(gate);
    /* others than these are errors of the one connection */
    return errno != EAGAIN && errno != EBADF && errno != EINVAL &&
           errno != ENOBUFS && errno != ENOMEM;
}

/* ---- the thread ---- */

static void take_event(struct gate *gate, const struct epoll_event *event)
{
    struct conn *conn = conn_find(gate->table, event->data.u64);
    enum conn_phase phase;

    if (!conn)
        return;
    phase = atomic_load(&conn->phase);
    if (phase == CONN_SNIFF)
        sniff(gate, conn, (event->events & (EPOLLRDHUP | EPOLLHUP)) != 0);
    else if (phase == CONN_GRPC)
        drop(conn);
    else
        conn_gone(gate->table, event->data.u64);
}

static void accept_some(struct gate *gate)
{
    for (int n = 0; n < ACCEPTS && accept_one(gate); n++)
        ;
}

static int wait_ms(struct gate *gate)
{
    return conn_count(gate->table) > 0 ? SWEEP_MS : -1;
}

static void *run(void *context)
{
    struct gate *gate = context;
    struct epoll_event events[EVENTS];
    bool stopped = false;

    while (!stopped) {
        int count = epoll_wait(gate->epoll, events, EVENTS, wait_ms(gate));

        conn_tick(gate->table);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == KEY_STOP)
                stopped = true;
            else if (events[i].data.u64 == KEY_LISTENER)
                accept_some(gate);
            else
                take_event(gate, &events[i]);
        }
        conn_sweep(gate->table);
    }
    return NULL;
}

/* ---- opening ---- */

static bool parse_address(const char *host, int port,
                          union conn_address *address, socklen_t *size)
{
    *address = (union conn_address){0};
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        *size = sizeof address->v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)port);
        *size = sizeof address->v6;
        return true;
    }
    return false;
}

/*
 * SO_REUSEADDR lets a restarted server bind while old connections are in
 * TIME_WAIT; unlike SO_REUSEPORT it never allows two listeners on Linux.
 * TCP_NODELAY is inherited by accepted sockets.
 */
static int listen_at(const union conn_address *address, socklen_t size)
{
    int on = 1;
    int fd = socket(address->any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, &address->any, size) != 0 || listen(fd, SOMAXCONN) != 0) {
        int why = errno;

        (void)close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static bool bind_port(struct gate *gate, struct error *err)
{
    const struct gate_options *options = &gate->options;
    union conn_address address;
    socklen_t size;

    if (!parse_address(options->host, options->port, &address, &size))
        return fail(err, ERR_USAGE, "'%s' is not a numeric address",
                    options->host);
    gate->listener = listen_at(&address, size);
    if (gate->listener < 0 && errno == EADDRINUSE)
        return fail(err, ERR_ADDRESS_IN_USE, "port %d is taken", options->port);
    if (gate->listener < 0)
        return fail(err, ERR_INTERNAL, "cannot listen on %s port %d: %s",
                    options->host, options->port, strerror(errno));
    if (getsockname(gate->listener, &address.any, &size) != 0)
        return fail(err, ERR_INTERNAL, "the bound port is unknown");
    gate->port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port
                                                        : address.v6.sin6_port);
    return true;
}

/* Each connection may need two descriptors; the soft limit is often 1024. */
static void raise_file_limit(int connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections * 2 + SPARE_FILES;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool start(struct gate *gate, struct error *err)
{
    gate->epoll = epoll_create1(EPOLL_CLOEXEC);
    gate->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gate->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (gate->epoll < 0 || gate->stop < 0 || gate->reserve < 0)
        return fail(err, ERR_INTERNAL, "no descriptors for the gate");
    if (!watch(gate, EPOLL_CTL_ADD, gate->stop, EPOLLIN, KEY_STOP))
        return fail(err, ERR_INTERNAL, "epoll refused a descriptor");
    /* level-triggered: whoever is not accepted now is reported again */
    if (epoll_ctl(gate->epoll, EPOLL_CTL_ADD, gate->listener,
                  &(struct epoll_event){.events = EPOLLIN,
                                        .data.u64 = KEY_LISTENER}) != 0)
        return fail(err, ERR_INTERNAL, "epoll refused a descriptor");
    if (pthread_create(&gate->thread, NULL, run, gate) != 0)
        return fail(err, ERR_INTERNAL, "the gate's thread did not start");
    gate->started = true;
    (void)pthread_setname_np(gate->thread, "door-gate");
    return true;
}

struct gate *gate_open(const struct gate_options *options, struct error *err)
{
    struct gate *gate = calloc(1, sizeof *gate);

    if (!gate) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for the gate");
        return NULL;
    }
    gate->options = *options;
    gate->listener = gate->epoll = gate->stop = gate->reserve = -1;
    raise_file_limit(options->limits.total);
    gate->table = conn_table_new(&options->limits, err);
    if (!gate->table || !bind_port(gate, err) || !start(gate, err)) {
        gate_close(gate);
        return NULL;
    }
    return gate;
}

int gate_port(const struct gate *gate)
{
    return gate->port;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void gate_stop(struct gate *gate)
{
    uint64_t one = 1;

    if (gate->started) {
        (void)!write(gate->stop, &one, sizeof one);
        (void)pthread_join(gate->thread, NULL);
        gate->started = false;
    }
    close_fd(&gate->listener);
}

static void drop_one(struct conn *conn, void *context)
{
    (void)context;
    drop(conn);
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    gate_stop(gate);
    if (gate->table) {
        conn_each(gate->table, CONN_SNIFF, drop_one, NULL);
        conn_each(gate->table, CONN_GRPC, drop_one, NULL);
    }
    close_fd(&gate->epoll);
    close_fd(&gate->stop);
    close_fd(&gate->reserve);
    conn_table_free(gate->table);
    free(gate);
}
