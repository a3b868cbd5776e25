/*
 * Turns: who calls the HTTP library, and when.
 *
 * A turn takes the answers that workers have brought and lets the library do
 * what its sockets allow, without waiting. The HTTP thread takes one whenever
 * a socket has something. A worker takes one when it has served a call: so its
 * answer is on its way without waking anybody, and while calls wait in the
 * queue the HTTP thread does not watch the sockets at all but naps. A busy
 * server then spends next to nothing on switching between threads.
 *
 *   calls are few   the thread waits in poll(); workers answer what they served
 *   calls wait      workers take turns between calls; the thread naps
 *   calls are long  as few: workers come too seldom, the thread stays awake
 *
 * While more calls wait than there are workers, answers gather for up to a
 * millisecond: they leave together, and a client that shares the machine wakes
 * up once for all of them. This delays nobody who is alone.
 *
 * What a turn leaves undone the next one finds. A connection that was answered
 * is best read from one turn later, when its next request is likely there: then
 * the kernel is asked once. A turn may leave that only if another one follows
 * within a nap; see leave_locked().
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "feed.h"
#include "rest_internal.h"

enum { SETTLE_TURNS = 8 };

static const uint64_t gather_ns = 1000000;

/* Lets the library go on with what workers have served. */
static void take_brought(struct rest *rest)
{
    struct rest_request *request =
        atomic_exchange_explicit(&rest->brought, NULL, memory_order_acquire);

    while (request) {
        struct rest_request *next = request->next;

        feed_resumed(request->conn);
        MHD_resume_connection(request->connection);
        request = next;
    }
}

static void turn_locked(struct rest *rest)
{
    take_brought(rest);
    (void)MHD_run(rest->daemon);
    atomic_store_explicit(&rest->gather_until_ns, clock_now_ns() + gather_ns,
                          memory_order_relaxed);
}

/* Something is to be done that no socket will announce. */
static bool has_more_locked(struct rest *rest)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (atomic_load_explicit(&rest->brought, memory_order_relaxed))
        return true;
    return MHD_get_timeout(rest->daemon, &ms) == MHD_YES && ms == 0;
}

static void wake(struct rest *rest)
{
    const uint64_t one = 1;

    (void)!write(rest->wake_fd, &one, sizeof one);
}

/* A worker may have come and gone while the lock was held. */
void rest_turn_leave(struct rest *rest)
{
    (void)pthread_mutex_unlock(&rest->mu);
    if (atomic_load(&rest->brought))
        wake(rest);
}

/* ---- workers ---- */

static bool calls_wait(struct rest *rest)
{
    int waiting, running;

    queue_load(rest->options.queue, &waiting, &running);
    return waiting > 0;
}

/*
 * Ends a worker's turn. While calls wait, a worker or the napping thread comes
 * back within moments. Otherwise this one does the rest, since the thread may
 * wait for sockets only; and if there is no end to it, wakes the thread.
 */
static void leave_locked(struct rest *rest)
{
    for (int i = 0; has_more_locked(rest); i++) {
        if (!atomic_load(&rest->watching) && calls_wait(rest))
            return;
        if (i == SETTLE_TURNS) {
            if (atomic_load(&rest->watching))
                wake(rest);
            return;
        }
        turn_locked(rest);
    }
}

/* Answers may gather: somebody comes soon, and the workers have enough to do. */
static bool may_gather(struct rest *rest)
{
    return !atomic_load(&rest->watching) &&
           queue_is_ahead(rest->options.queue) &&
           clock_now_ns() < atomic_load_explicit(&rest->gather_until_ns,
                                                 memory_order_relaxed);
}

void rest_bring(struct srv_call *call)
{
    struct rest_request *request = (struct rest_request *)(void *)call;
    struct rest *rest = request->rest;

    request->next = atomic_load_explicit(&rest->brought, memory_order_relaxed);
    while (
        !atomic_compare_exchange_weak(&rest->brought, &request->next, request))
        ;
    if (may_gather(rest))
        return;
    /* Whoever holds the lock looks at `brought` after giving it back. */
    while (atomic_load(&rest->brought) &&
           pthread_mutex_trylock(&rest->mu) == 0) {
        turn_locked(rest);
        leave_locked(rest);
        atomic_fetch_add_explicit(&rest->worker_turns, 1, memory_order_relaxed);
        (void)pthread_mutex_unlock(&rest->mu);
    }
}

/* ---- the HTTP thread ---- */

static bool may_wait(struct rest *rest)
{
    return clock_now_ns() <
           atomic_load_explicit(&rest->gather_until_ns, memory_order_relaxed);
}

/* Sleeps while workers take turns often enough. */
static void nap(struct rest *rest)
{
    unsigned turns =
        atomic_load_explicit(&rest->worker_turns, memory_order_relaxed);

    while (turns != rest->seen_turns) {
        rest->seen_turns = turns;
        if (!queue_nap(rest->options.queue) || !may_wait(rest))
            return;
        turns = atomic_load_explicit(&rest->worker_turns, memory_order_relaxed);
    }
}

static void watch(struct rest *rest)
{
    struct pollfd fds[] = {{.fd = rest->library_fd, .events = POLLIN},
                           {.fd = rest->wake_fd, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, 2, -1) > 0 && fds[1].revents)
        (void)!read(rest->wake_fd, &count, sizeof count);
}

static void *run_http(void *context)
{
    struct rest *rest = context;

    (void)pthread_mutex_lock(&rest->mu);
    while (!atomic_load(&rest->ended)) {
        turn_locked(rest);
        (void)pthread_mutex_unlock(&rest->mu);
        nap(rest);
        (void)pthread_mutex_lock(&rest->mu);
        if (has_more_locked(rest))
            continue;
        atomic_store(&rest->watching, true);
        (void)pthread_mutex_unlock(&rest->mu);
        if (!atomic_load(&rest->brought))
            watch(rest);
        (void)pthread_mutex_lock(&rest->mu);
        atomic_store(&rest->watching, false);
    }
    (void)pthread_mutex_unlock(&rest->mu);
    return NULL;
}

/* ---- life ---- */

bool rest_turn_start(struct rest *rest, struct error *err)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(rest->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    rest->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!info || rest->wake_fd < 0)
        return fail(err, ERR_INTERNAL,
                    "the HTTP thread has nothing to wait on");
    rest->library_fd = info->epoll_fd;
    if (pthread_create(&rest->thread, NULL, run_http, rest) != 0)
        return fail(err, ERR_INTERNAL, "the HTTP thread did not start");
    rest->started = true;
    (void)pthread_setname_np(rest->thread, "door-http");
    return true;
}

void rest_turn_stop(struct rest *rest)
{
    if (rest->started) {
        atomic_store(&rest->ended, true);
        wake(rest);
        (void)pthread_join(rest->thread, NULL);
        (void)pthread_mutex_lock(&rest->mu);
        turn_locked(rest);
        (void)pthread_mutex_unlock(&rest->mu);
    }
    if (rest->wake_fd >= 0)
        (void)close(rest->wake_fd);
}
