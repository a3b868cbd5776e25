/*
 * A door with a service of the test's, and its peers; see door_fixture.h.
 */
#include "door_fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "protos.h"
#include "runtime_msg.h"
#include "unit.h"

/* ---- the service ---- */

static char text[] = "x";

void pause_1ms(void)
{
    struct timespec step = {.tv_nsec = 1000000};

    (void)nanosleep(&step, NULL);
}

static bool quick(struct srv_call *call, const void *request, void *reply,
                  struct error *err)
{
    struct runtime_health_response *health = reply;

    (void)call, (void)request, (void)err;
    health->status = health->model = health->version = text;
    return true;
}

static bool hold(struct srv_call *call, const atomic_bool *until,
                 struct error *err)
{
    struct stage *stage = call->app;

    atomic_fetch_add(&stage->started, 1);
    while (!atomic_load(until)) {
        if (call_should_stop(call)) {
            atomic_fetch_add(&stage->stopped, 1);
            return fail(err, ERR_TIMEOUT, "stopped");
        }
        pause_1ms();
    }
    return true;
}

static bool held(struct srv_call *call, const void *request, void *reply,
                 struct error *err)
{
    struct stage *stage = call->app;

    return hold(call, &stage->open, err) && quick(call, request, reply, err);
}

static bool held_later(struct srv_call *call, const void *request, void *reply,
                       struct error *err)
{
    struct stage *stage = call->app;

    return hold(call, &stage->later, err) && quick(call, request, reply, err);
}

static const struct op_def ops[] = {
    {.id = "test.quick",
     .verb = "GET",
     .path = "/quick",
     .request = &runtime_health_request_def,
     .reply = &runtime_health_response_def,
     .handle = quick},
    {.id = "test.held",
     .verb = "POST",
     .path = "/held",
     .request = &runtime_health_request_def,
     .reply = &runtime_health_response_def,
     .run = OP_QUEUE,
     .handle = held},
    {.id = "test.later",
     .verb = "POST",
     .path = "/later",
     .request = &runtime_health_request_def,
     .reply = &runtime_health_response_def,
     .run = OP_QUEUE,
     .handle = held_later},
    {.id = "test.brief",
     .verb = "POST",
     .path = "/brief",
     .request = &runtime_health_request_def,
     .reply = &runtime_health_response_def,
     .run = OP_QUEUE,
     .handle = quick},
    {.id = "test.short",
     .verb = "POST",
     .path = "/short",
     .request = &runtime_health_request_def,
     .reply = &runtime_health_response_def,
     .run = OP_QUEUE,
     .deadline_ms = 50,
     .handle = held},
};
static const struct op_table table = {
    .service = "test.Test", .ops = ops, .count = COUNT_OF(ops)};
const struct op_table *const stage_tables[] = {&table, NULL};

struct door *open_door(struct door_options options, struct stage *stage)
{
    struct error err = {0};
    struct door *door;

    options.tables = stage_tables;
    options.protos = proto_files;
    options.app = stage;
    if (options.workers == 0)
        options.workers = 1;
    door = door_open(&options, &err);
    if (!door)
        fail_msg("%s", err.msg);
    return door;
}

/* ---- a peer ---- */

int peer_open(const struct door *door)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)door_port(door)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void peer_send(int fd, const char *bytes)
{
    size_t size = strlen(bytes);

    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* Everything up to the end of the connection. */
void peer_read_all(int fd, char *out, size_t size)
{
    size_t got = 0;
    ssize_t in;

    while (got + 1 < size && (in = recv(fd, out + got, size - got - 1, 0)) > 0)
        got += (size_t)in;
    out[got] = '\0';
}

/* One answer: its status; the text in `out`. 0 = closed instead. */
int peer_answer(int fd, char *out, size_t size)
{
    size_t got = 0;

    for (;;) {
        ssize_t in = recv(fd, out + got, size - got - 1, 0);
        const char *end, *length;

        if (in <= 0)
            return 0;
        got += (size_t)in;
        out[got] = '\0';
        end = strstr(out, "\r\n\r\n");
        length = strstr(out, "Content-Length: ");
        if (end && length && length < end &&
            got >= (size_t)(end + 4 - out) + strtoul(length + 16, NULL, 10))
            return (int)strtol(out + 9, NULL, 10);
    }
}

bool peer_is_closed(int fd)
{
    char byte;
    ssize_t in = recv(fd, &byte, 1, 0);

    return in == 0 || (in < 0 && errno == ECONNRESET);
}

void assert_quick_answers(const struct door *door)
{
    char answer[2048];
    int fd = peer_open(door);

    peer_send(fd, QUICK);
    assert_int_equal(peer_answer(fd, answer, sizeof answer), 200);
    (void)close(fd);
}

void wait_until(const atomic_int *counter, int wanted)
{
    uint64_t end = clock_now_ns() + (uint64_t)PATIENCE_S * 1000000000;

    while (atomic_load(counter) < wanted) {
        if (clock_left_ms(end) == 0)
            fail_msg("waited in vain for %d", wanted);
        pause_1ms();
    }
}

void wait_for_load(const struct door *door, int waiting, int running)
{
    uint64_t end = clock_now_ns() + (uint64_t)PATIENCE_S * 1000000000;
    int w, r;

    do {
        door_load(door, &w, &r);
        if (clock_left_ms(end) == 0)
            fail_msg("load is %d waiting, %d running", w, r);
        pause_1ms();
    } while (w != waiting || r != running);
}
