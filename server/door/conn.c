/*
 * Conn: slots in an array, a free list, and a hash of peers' addresses.
 *
 * The lock is taken per connection, not per request, except to watch a queued
 * call. Whoever ends a connection releases it before closing the socket, and
 * the table touches a socket only under the lock while it is taken: so it can
 * never shut down a descriptor that has become something else.
 */
#include "conn.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

enum {
    SNIFF_MS = 5000,
    SEND_MS = 30000,
    LINGER_MS = 2000,
    SLOWEST_BYTES_PER_S = 1024,
    DEFAULT_PER_IP = 256,
    ADDRESS_SIZE = 16
};

/* Connections of one address; IPv6 counts by /64, which is one site. */
struct conn_host {
    unsigned char address[ADDRESS_SIZE];
    int count;
    struct conn_host *next; /* in its bucket, or free */
};

struct conn_table {
    struct conn_limits limits;
    _Atomic uint32_t now_ms;
    pthread_mutex_t lock;
    struct conn *slots;
    struct conn_host *hosts;
    struct conn_host **buckets;
    size_t bucket_count;          /* a power of two */
    struct conn *free_slots;      /* by lock */
    struct conn_host *free_hosts; /* by lock */
    size_t count;                 /* by lock */
    _Atomic int high;             /* slots from here on were never used */
};

struct conn_table *conn_table_new(const struct conn_limits *limits,
                                  struct error *err)
{
    struct conn_table *table = calloc(1, sizeof *table);
    size_t total = (size_t)limits->total;

    if (!table)
        goto failed;
    table->limits = *limits;
    (void)pthread_mutex_init(&table->lock, NULL);
    table->bucket_count = 1;
    while (table->bucket_count < total)
        table->bucket_count *= 2;
    table->slots = calloc(total, sizeof *table->slots);
    table->hosts = calloc(total, sizeof *table->hosts);
    table->buckets = calloc(table->bucket_count, sizeof(void *));
    if (!table->slots || !table->hosts || !table->buckets)
        goto failed;
    for (size_t i = total; i-- > 0;) {
        table->slots[i].key = i;
        atomic_init(&table->slots[i].phase, CONN_WORK);
        table->slots[i].next_free = table->free_slots;
        table->free_slots = &table->slots[i];
        table->hosts[i].next = table->free_hosts;
        table->free_hosts = &table->hosts[i];
    }
    conn_tick(table);
    return table;
failed:
    conn_table_free(table);
    fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu connections", total);
    return NULL;
}

void conn_table_free(struct conn_table *table)
{
    if (!table)
        return;
    (void)pthread_mutex_destroy(&table->lock);
    free(table->slots);
    free(table->hosts);
    free(table->buckets);
    free(table);
}

/* ---- addresses ---- */

/* As an IPv6 address; of IPv6 proper only the upper half. */
static void host_address(const union conn_address *address,
                         unsigned char out[ADDRESS_SIZE])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    memset(out, 0, ADDRESS_SIZE);
    if (address->any.sa_family == AF_INET) {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &address->v4.sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        memcpy(out, &address->v6.sin6_addr, ADDRESS_SIZE);
    } else {
        memcpy(out, &address->v6.sin6_addr, ADDRESS_SIZE / 2);
    }
}

static bool address_is_local(const union conn_address *address)
{
    const unsigned char *bytes;

    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    bytes = address->v6.sin6_addr.s6_addr;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr) && bytes[12] == 127);
}

static void write_peer(struct conn *conn)
{
    const union conn_address *address = &conn->address;
    const unsigned char *bytes = address->v6.sin6_addr.s6_addr;
    const char *text;

    if (address->any.sa_family == AF_INET)
        text = inet_ntop(AF_INET, &address->v4.sin_addr, conn->peer,
                         sizeof conn->peer);
    else if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        text = inet_ntop(AF_INET, bytes + 12, conn->peer, sizeof conn->peer);
    else
        text = inet_ntop(AF_INET6, bytes, conn->peer, sizeof conn->peer);
    if (!text)
        conn->peer[0] = '\0';
}

static struct conn_host **bucket_of(struct conn_table *table,
                                    const unsigned char address[ADDRESS_SIZE])
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */

    for (size_t i = 0; i < ADDRESS_SIZE; i++)
        hash = (hash ^ address[i]) * 1099511628211U;
    return &table->buckets[(hash >> 20) & (table->bucket_count - 1)];
}

/* Counts one more connection; NULL when the address has enough. */
static struct conn_host *host_take_locked(struct conn_table *table,
                                          const union conn_address *address,
                                          int limit)
{
    unsigned char key[ADDRESS_SIZE];
    struct conn_host **bucket, *host;

    host_address(address, key);
    bucket = bucket_of(table, key);
    for (host = *bucket; host; host = host->next)
        if (memcmp(host->address, key, sizeof key) == 0)
            break;
    if (!host) {
        host = table->free_hosts; /* as many as slots: there is one */
        table->free_hosts = host->next;
        memcpy(host->address, key, sizeof key);
        host->count = 0;
        host->next = *bucket;
        *bucket = host;
    }
    if (host->count >= limit)
        return NULL;
    host->count++;
    return host;
}

static void host_release_locked(struct conn_table *table,
                                struct conn_host *host)
{
    struct conn_host **link;

    if (--host->count > 0)
        return;
    link = bucket_of(table, host->address);
    while (*link != host)
        link = &(*link)->next;
    *link = host->next;
    host->next = table->free_hosts;
    table->free_hosts = host;
}

/* ---- life ---- */

static struct conn *take_locked(struct conn_table *table,
                                const union conn_address *address)
{
    struct conn *conn = table->free_slots;
    bool local = address_is_local(address);
    int per_ip = table->limits.per_ip;
    struct conn_host *host = NULL;
    uint64_t key;

    if (!conn)
        return NULL;
    if (per_ip > 0 || !local) {
        host = host_take_locked(table, address,
                                per_ip > 0 ? per_ip : DEFAULT_PER_IP);
        if (!host)
            return NULL;
    }
    table->free_slots = conn->next_free;
    table->count++;
    if ((int)(conn - table->slots) >= atomic_load(&table->high))
        atomic_store(&table->high, (int)(conn - table->slots) + 1);
    key = conn->key + ((uint64_t)1 << 32);
    memset(conn, 0, sizeof *conn);
    conn->table = table;
    conn->key = key;
    conn->taken = true;
    conn->host = host;
    conn->peer_is_local = local;
    return conn;
}

struct conn *conn_take(struct conn_table *table, int fd,
                       const union conn_address *address)
{
    struct conn *conn;

    (void)pthread_mutex_lock(&table->lock);
    conn = take_locked(table, address);
    if (conn) {
        conn->fd = fd;
        conn->address = *address;
        write_peer(conn);
        conn_enter(conn, CONN_SNIFF, 0);
    }
    (void)pthread_mutex_unlock(&table->lock);
    return conn;
}

void conn_release(struct conn *conn)
{
    struct conn_table *table;

    if (!conn)
        return;
    table = conn->table;
    free(conn->held);
    conn->held = NULL;
    (void)pthread_mutex_lock(&table->lock);
    if (conn->host)
        host_release_locked(table, conn->host);
    conn->taken = false;
    conn->cancel = NULL;
    atomic_store(&conn->phase, CONN_WORK);
    conn->next_free = table->free_slots;
    table->free_slots = conn;
    table->count--;
    (void)pthread_mutex_unlock(&table->lock);
}

static struct conn *find_locked(struct conn_table *table, uint64_t key)
{
    uint64_t index = key & 0xffffffff;
    struct conn *conn;

    if (index >= (uint64_t)table->limits.total)
        return NULL;
    conn = &table->slots[index];
    return conn->taken && conn->key == key ? conn : NULL;
}

struct conn *conn_find(struct conn_table *table, uint64_t key)
{
    struct conn *conn;

    (void)pthread_mutex_lock(&table->lock);
    conn = find_locked(table, key);
    (void)pthread_mutex_unlock(&table->lock);
    return conn;
}

void conn_each(struct conn_table *table, enum conn_phase phase,
               void (*act)(struct conn *conn, void *context), void *context)
{
    for (int i = 0; i < atomic_load(&table->high); i++) {
        struct conn *conn = &table->slots[i];
        bool match;

        (void)pthread_mutex_lock(&table->lock);
        match = conn->taken && atomic_load(&conn->phase) == phase;
        (void)pthread_mutex_unlock(&table->lock);
        if (match)
            act(conn, context);
    }
}

size_t conn_count(struct conn_table *table)
{
    size_t count;

    (void)pthread_mutex_lock(&table->lock);
    count = table->count;
    (void)pthread_mutex_unlock(&table->lock);
    return count;
}

/* ---- the peer leaves ---- */

void conn_gone(struct conn_table *table, uint64_t key)
{
    struct conn *conn;

    (void)pthread_mutex_lock(&table->lock);
    conn = find_locked(table, key);
    if (conn && !atomic_exchange(&conn->gone, true)) {
        if (conn->cancel)
            atomic_store(conn->cancel, true);
        /* The library may have read the last bytes without learning that they
         * were the last, and its epoll is edge-triggered: make an edge. */
        (void)shutdown(conn->fd, SHUT_RD);
    }
    (void)pthread_mutex_unlock(&table->lock);
}

void conn_watch(struct conn *conn, atomic_bool *cancel)
{
    (void)pthread_mutex_lock(&conn->table->lock);
    conn->cancel = cancel;
    if (cancel && atomic_load(&conn->gone))
        atomic_store(cancel, true);
    (void)pthread_mutex_unlock(&conn->table->lock);
}

/* ---- time ---- */

void conn_tick(struct conn_table *table)
{
    atomic_store_explicit(&table->now_ms, (uint32_t)(clock_now_ns() / 1000000),
                          memory_order_relaxed);
}

void conn_enter(struct conn *conn, enum conn_phase phase, uint64_t moved_bytes)
{
    uint32_t now =
        atomic_load_explicit(&conn->table->now_ms, memory_order_relaxed);

    atomic_store_explicit(&conn->since_ms, now, memory_order_relaxed);
    atomic_store_explicit(&conn->moved_bytes, moved_bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&conn->phase, phase, memory_order_release);
}

/* How long a connection may stay in its phase. */
static uint64_t patience_ms(const struct conn_limits *limits,
                            const struct conn *conn, enum conn_phase phase)
{
    uint64_t moved =
        atomic_load_explicit(&conn->moved_bytes, memory_order_relaxed);
    uint64_t moving_ms = moved * 1000 / SLOWEST_BYTES_PER_S;

    switch (phase) {
    case CONN_SNIFF:
        return limits->header_timeout_ms < SNIFF_MS ? limits->header_timeout_ms
                                                    : SNIFF_MS;
    case CONN_IDLE:
        return limits->idle_timeout_ms;
    case CONN_HEAD:
        return limits->header_timeout_ms;
    case CONN_BODY:
        return limits->header_timeout_ms + moving_ms;
    case CONN_SEND:
        return SEND_MS + moving_ms;
    case CONN_LINGER:
        return LINGER_MS;
    case CONN_WORK:
    case CONN_GRPC:
        break;
    }
    return UINT64_MAX;
}

static bool is_late(const struct conn_table *table, const struct conn *conn)
{
    enum conn_phase phase =
        atomic_load_explicit(&conn->phase, memory_order_acquire);
    uint32_t since =
        atomic_load_explicit(&conn->since_ms, memory_order_relaxed);
    uint32_t now = atomic_load_explicit(&table->now_ms, memory_order_relaxed);

    return (uint32_t)(now - since) > patience_ms(&table->limits, conn, phase);
}

/* A late head or body gets an answer, so its sending side stays open: the
 * next turn of the REST door sees `expired` and answers. */
static void end_locked(struct conn *conn)
{
    enum conn_phase phase = atomic_load(&conn->phase);

    if (phase == CONN_SNIFF) { /* the gate drops it */
        (void)shutdown(conn->fd, SHUT_RDWR);
        return;
    }
    if (!atomic_compare_exchange_strong(&conn->phase, &phase, CONN_LINGER))
        return; /* it just moved on */
    conn_enter(conn, CONN_LINGER, 0);
    if (phase == CONN_HEAD || phase == CONN_BODY) {
        atomic_store(&conn->expired, true);
        (void)shutdown(conn->fd, SHUT_RD);
    } else {
        (void)shutdown(conn->fd, SHUT_RDWR);
    }
}

/* Free slots are in phase WORK, which is never late. */
void conn_sweep(struct conn_table *table)
{
    for (int i = 0; i < atomic_load(&table->high); i++) {
        struct conn *conn = &table->slots[i];

        if (!is_late(table, conn))
            continue;
        (void)pthread_mutex_lock(&table->lock);
        if (conn->taken && is_late(table, conn))
            end_locked(conn);
        (void)pthread_mutex_unlock(&table->lock);
    }
}
