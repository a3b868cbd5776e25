/*
 * Presence against a registry that answers what the test says: any of 1.1 and
 * 1.2, gone, slow, or forgetful.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "presence.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { SEEN_MAX = 64, REQUEST_MAX = 4096 };

static const uint64_t second = 1000000000;

/* A registry of one thread; it closes after each answer. */
struct fake {
    int listener, port;
    pthread_t thread;
    bool runs;
    pthread_mutex_t mu;
    char *seen[SEEN_MAX]; /* "POST /register {...}"; under mu */
    int seen_count;       /* under mu */

    /* how it behaves */
    atomic_int next_port;    /* assigned; then one more */
    atomic_bool refuses_pid; /* 1.1: 400 while process_id is there */
    atomic_bool is_terse;    /* 1.1: no expires_at, no ttl_s */
    atomic_int beat_status;  /* 200, 404, 405 ... */
    atomic_int refused_port; /* ... of this port only; 0 = of all */
    atomic_bool is_silent;   /* takes requests and never answers */
    atomic_int ttl_s;
};

static int listen_on(int port, int *bound)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *bound = ntohs(address.sin_port);
    return fd;
}

/* Reads head and body, as long as Content-Length says. */
static bool read_request(int fd, char request[REQUEST_MAX])
{
    size_t size = 0;

    for (;;) {
        ssize_t got = recv(fd, request + size, REQUEST_MAX - 1 - size, 0);
        const char *end, *length;

        if (got <= 0)
            return false;
        size += (size_t)got;
        request[size] = '\0';
        end = strstr(request, "\r\n\r\n");
        length = strstr(request, "Content-Length: ");
        if (end && size >= (size_t)(end + 4 - request) +
                               (length ? strtoul(length + 16, NULL, 10) : 0))
            return true;
    }
}

/* Keeps verb, path and body. */
static void note(struct fake *fake, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n") + 4;
    char line[REQUEST_MAX];

    (void)snprintf(line, sizeof line, "%.*s %s",
                   (int)(strcspn(request, "\r") - strlen(" HTTP/1.1")), request,
                   body);
    (void)pthread_mutex_lock(&fake->mu);
    if (fake->seen_count < SEEN_MAX)
        fake->seen[fake->seen_count++] = strdup(line);
    (void)pthread_mutex_unlock(&fake->mu);
}

static int answer_register(struct fake *fake, const char *request, char *body,
                           size_t size)
{
    int port = 0;

    if (fake->refuses_pid && strstr(request, "process_id")) {
        (void)snprintf(body, size, "{\"detail\":\"unknown field\"}");
        return 400;
    }
    port = atomic_fetch_add(&fake->next_port, 1);
    if (fake->is_terse)
        (void)snprintf(body, size,
                       "{\"success\":true,\"assigned_port\":%d,"
                       "\"registration_id\":\"id-%d\"}",
                       port, port);
    else
        (void)snprintf(body, size,
                       "{\"extra\":[{}],\"success\":true,\"message\":\"ok\","
                       "\"assigned_port\":%d,\"registration_id\":\"id-%d\","
                       "\"expires_at\":\"2030-01-01T00:00:00\",\"ttl_s\":%d}",
                       port, port, (int)fake->ttl_s);
    return 200;
}

static int beat_status(struct fake *fake, const char *request)
{
    int port = atoi(request + strlen("POST /heartbeat/"));

    return fake->refused_port == 0 || fake->refused_port == port
               ? fake->beat_status
               : 200;
}

static void answer(struct fake *fake, int fd, const char *request)
{
    char body[512] = "{\"success\":true}", text[1024];
    int status = 200;

    if (strncmp(request, "POST /register", 14) == 0)
        status = answer_register(fake, request, body, sizeof body);
    else if (strncmp(request, "POST /heartbeat", 15) == 0)
        status = beat_status(fake, request);
    (void)snprintf(text, sizeof text,
                   "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                   status, strlen(body), body);
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void *run_fake(void *context)
{
    struct fake *fake = context;
    char request[REQUEST_MAX];
    int fd, silent[8], silent_count = 0;

    while ((fd = accept(fake->listener, NULL, NULL)) >= 0) {
        if (read_request(fd, request)) {
            note(fake, request);
            if (fake->is_silent && silent_count < 8) {
                silent[silent_count++] = fd;
                continue;
            }
            answer(fake, fd, request);
        }
        (void)close(fd);
    }
    while (silent_count > 0)
        (void)close(silent[--silent_count]);
    return NULL;
}

static void start_fake(struct fake *fake, int port)
{
    fake->listener = listen_on(port, &fake->port);
    fake->runs = true;
    assert_int_equal(pthread_create(&fake->thread, NULL, run_fake, fake), 0);
}

static void stop_fake(struct fake *fake)
{
    if (!fake->runs)
        return;
    (void)shutdown(fake->listener, SHUT_RDWR);
    (void)pthread_join(fake->thread, NULL);
    (void)close(fake->listener);
    fake->runs = false;
}

static int set_up(void **state)
{
    struct fake *fake = calloc(1, sizeof *fake);

    log_set_level(LOG_ERROR);
    (void)pthread_mutex_init(&fake->mu, NULL);
    fake->next_port = 5100;
    fake->beat_status = 200;
    fake->ttl_s = 3;
    start_fake(fake, 0);
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;

    stop_fake(fake);
    for (int i = 0; i < fake->seen_count; i++)
        free(fake->seen[i]);
    (void)pthread_mutex_destroy(&fake->mu);
    free(fake);
    return 0;
}

/* How many requests so far began with `start` (and hold `part`, if given). */
static int seen(struct fake *fake, const char *start, const char *part)
{
    int count = 0;

    (void)pthread_mutex_lock(&fake->mu);
    for (int i = 0; i < fake->seen_count; i++)
        if (strncmp(fake->seen[i], start, strlen(start)) == 0 &&
            (!part || strstr(fake->seen[i], part)))
            count++;
    (void)pthread_mutex_unlock(&fake->mu);
    return count;
}

/* Waits until at least `want` such requests have come. */
static void await(struct fake *fake, const char *start, const char *part,
                  int want)
{
    uint64_t until_ns = clock_now_ns() + 20 * second;

    while (seen(fake, start, part) < want) {
        if (clock_now_ns() > until_ns)
            fail_msg("no '%s' with '%s'", start, part ? part : "");
        (void)usleep(5000);
    }
}

static struct presence *make_presence(const struct fake *fake,
                                      enum presence_mode mode, int preferred)
{
    struct presence_options options = {.mode = mode,
                                       .app_name = "Test_API",
                                       .model_name = "m",
                                       .preferred_port = preferred};
    struct presence *presence;
    struct error err = {0};
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", fake->port);
    options.url = url;
    presence = presence_new(&options, &err);
    if (!presence)
        fail_msg("%s", err.msg);
    return presence;
}

static int acquire(struct presence *presence)
{
    struct error err = {0};
    int port = 0;

    if (!presence_acquire(presence, &port, &err))
        fail_msg("%s", err.msg);
    return port;
}

static void start(struct presence *presence, int port)
{
    struct error err = {0};

    assert_true(presence_start(presence, port, &err));
}

/* ---- the port ---- */

static void test_presence_announces_its_process_and_takes_the_port(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);
    char pid[32];

    (void)snprintf(pid, sizeof pid, "\"process_id\":%d,", (int)getpid());
    assert_int_equal(acquire(presence), 5100);
    assert_true(presence_is_registered(presence));
    assert_int_equal(seen(fake, "POST /register", pid), 1);
    assert_int_equal(seen(fake, "POST /register", "\"preferred_port\":null"),
                     1);
    assert_int_equal(seen(fake, "POST /register", "\"app_version\":\"1.2.0\""),
                     1);
    presence_free(presence);
    assert_int_equal(
        seen(fake, "DELETE /unregister/5100?registration_id=id-5100", NULL), 1);
}

static void test_presence_taken_ports_are_given_back_five_times(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);
    struct error err = {0};
    int port = acquire(presence);

    for (int i = 1; i < 5; i++) {
        assert_true(presence_port_taken(presence, &port, &err));
        assert_int_equal(port, 5100 + i);
    }
    assert_int_equal(seen(fake, "POST /register", "\"preferred_port\":5101"),
                     1);
    assert_false(presence_port_taken(presence, &port, &err));
    assert_int_equal(err.code, ERR_ADDRESS_IN_USE);
    assert_int_equal(seen(fake, "DELETE /unregister", NULL), 5);
    presence_free(presence);
    assert_int_equal(seen(fake, "DELETE /unregister", NULL), 5);
}

static void test_presence_without_a_registry_depends_on_the_mode(void **state)
{
    struct fake *fake = *state;
    struct presence *required = make_presence(fake, PRESENCE_REQUIRED, 0),
                    *preferred = make_presence(fake, PRESENCE_PREFERRED, 6001),
                    *any = make_presence(fake, PRESENCE_PREFERRED, 0);
    struct error err = {0};
    int port = 0;

    stop_fake(fake);
    assert_false(presence_acquire(required, &port, &err));
    assert_int_equal(err.code, ERR_REGISTRY_UNAVAILABLE);
    assert_int_equal(acquire(preferred), 6001);
    assert_true(presence_port_taken(preferred, &port, &err));
    assert_int_equal(port, 5100);
    assert_int_equal(acquire(any), 5100);
    assert_true(presence_port_taken(any, &port, &err));
    assert_int_equal(port, 5101);
    assert_false(presence_is_registered(any));
    presence_free(required);
    presence_free(preferred);
    presence_free(any);
}

static void test_presence_off_asks_nobody_and_never_moves(void **state)
{
    struct fake *fake = *state;
    struct presence *fixed = make_presence(fake, PRESENCE_OFF, 6001),
                    *any = make_presence(fake, PRESENCE_OFF, 0);
    struct error err = {0};
    int port = 0;

    assert_int_equal(acquire(fixed), 6001);
    assert_false(presence_port_taken(fixed, &port, &err));
    assert_int_equal(err.code, ERR_ADDRESS_IN_USE);
    assert_int_equal(acquire(any), 5100);
    assert_true(presence_port_taken(any, &port, &err));
    assert_int_equal(port, 5101);
    start(fixed, 6001);
    presence_leave(fixed);
    assert_int_equal(seen(fake, "", NULL), 0);
    presence_free(fixed);
    presence_free(any);
}

/* ---- heartbeats ---- */

static void test_presence_beats_every_third_of_the_ttl(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);
    uint64_t begin_ns = clock_now_ns();

    start(presence, acquire(presence));
    await(fake, "POST /heartbeat/5100", "\"registration_id\":\"id-5100\"", 2);
    assert_true(clock_now_ns() - begin_ns >= 2 * second);
    presence_leave(presence);
    assert_false(presence_is_registered(presence));
    presence_free(presence);
    assert_int_equal(seen(fake, "DELETE /unregister", NULL), 1);
}

static void test_presence_forgotten_asks_for_the_port_it_has(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);

    start(presence, acquire(presence));
    fake->beat_status = 404;
    fake->next_port = 5100; /* the registry gives it the same again */
    await(fake, "POST /register", "\"preferred_port\":5100", 1);
    fake->beat_status = 200;
    await(fake, "POST /heartbeat/5100", NULL, 2);
    assert_true(presence_is_registered(presence));
    presence_free(presence);
}

static void test_presence_offered_another_port_gives_it_back(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);

    start(presence, acquire(presence));
    fake->beat_status = 404;
    await(fake, "DELETE /unregister/5101", NULL, 1);
    assert_false(presence_is_registered(presence));
    presence_free(presence);
}

static void test_presence_finds_a_registry_that_comes_later(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_PREFERRED, 6001);

    stop_fake(fake);
    start(presence, acquire(presence));
    assert_false(presence_is_registered(presence));
    fake->next_port = 6001;
    start_fake(fake, fake->port);
    await(fake, "POST /register", "\"preferred_port\":6001", 1);
    await(fake, "POST /heartbeat/6001", NULL, 1);
    assert_true(presence_is_registered(presence));
    presence_free(presence);
    assert_int_equal(seen(fake, "DELETE /unregister/6001", NULL), 1);
}

/* ---- 1.1 ---- */

static void test_presence_registry_1_1_is_asked_without_the_pid(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);

    fake->refuses_pid = true;
    fake->is_terse = true;
    assert_int_equal(acquire(presence), 5100);
    assert_int_equal(seen(fake, "POST /register", "process_id"), 1);
    assert_int_equal(seen(fake, "POST /register", NULL), 2);
    presence_free(presence);
}

/*
 * 405, and 404 of a registry that speaks 1.1, stand for one that has no such
 * endpoint. A second presence, whose beats are taken, tells that time enough
 * has passed for another beat of the first.
 */
static void test_presence_without_heartbeats_serves_on(void **state)
{
    static const int statuses[] = {404, 405};
    struct fake *fake = *state;

    for (int i = 0; i < 2; i++) {
        struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0),
                        *other = make_presence(fake, PRESENCE_REQUIRED, 0);
        int port = 5100 + 2 * i;
        char path[32], other_path[32];

        (void)snprintf(path, sizeof path, "POST /heartbeat/%d", port);
        (void)snprintf(other_path, sizeof other_path, "POST /heartbeat/%d",
                       port + 1);
        fake->refuses_pid = statuses[i] == 404;
        fake->beat_status = statuses[i];
        fake->refused_port = port;
        start(presence, acquire(presence));
        start(other, acquire(other));
        await(fake, path, NULL, 1);
        await(fake, other_path, NULL, 3);
        assert_int_equal(seen(fake, path, NULL), 1);
        assert_true(presence_is_registered(presence));
        presence_free(presence);
        presence_free(other);
    }
}

/* ---- the end ---- */

static void test_presence_leaves_before_the_first_beat(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);

    presence_leave(presence); /* nothing was started, nothing is cancelled */
    start(presence, acquire(presence));
    presence_leave(presence);
    presence_leave(presence);
    presence_free(presence);
    assert_int_equal(seen(fake, "POST /heartbeat", NULL), 0);
    assert_int_equal(seen(fake, "DELETE /unregister", NULL), 1);
    presence_free(NULL);
}

static void test_presence_leaves_a_registry_that_is_gone(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);

    start(presence, acquire(presence));
    stop_fake(fake);
    presence_leave(presence);
    assert_false(presence_is_registered(presence));
    presence_free(presence);
}

static void test_presence_leaves_a_silent_registry_in_two_seconds(void **state)
{
    struct fake *fake = *state;
    struct presence *presence = make_presence(fake, PRESENCE_REQUIRED, 0);
    uint64_t begin_ns;

    (void)acquire(presence);
    fake->is_silent = true;
    begin_ns = clock_now_ns();
    presence_leave(presence);
    assert_in_range(clock_now_ns() - begin_ns, 2 * second - second / 10,
                    3 * second);
    presence_free(presence);
}

static void test_presence_modes_have_names(void **state)
{
    enum presence_mode mode = PRESENCE_OFF;

    (void)state;
    assert_true(presence_mode_by_name("preferred", &mode));
    assert_int_equal(mode, PRESENCE_PREFERRED);
    assert_true(presence_mode_by_name("required", &mode));
    assert_int_equal(mode, PRESENCE_REQUIRED);
    assert_true(presence_mode_by_name("off", &mode));
    assert_int_equal(mode, PRESENCE_OFF);
    assert_false(presence_mode_by_name("on", &mode));
}

#define PRESENCE_TEST(name)                                                    \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PRESENCE_TEST(test_presence_announces_its_process_and_takes_the_port),
        PRESENCE_TEST(test_presence_taken_ports_are_given_back_five_times),
        PRESENCE_TEST(test_presence_without_a_registry_depends_on_the_mode),
        PRESENCE_TEST(test_presence_off_asks_nobody_and_never_moves),
        PRESENCE_TEST(test_presence_beats_every_third_of_the_ttl),
        PRESENCE_TEST(test_presence_forgotten_asks_for_the_port_it_has),
        PRESENCE_TEST(test_presence_offered_another_port_gives_it_back),
        PRESENCE_TEST(test_presence_finds_a_registry_that_comes_later),
        PRESENCE_TEST(test_presence_registry_1_1_is_asked_without_the_pid),
        PRESENCE_TEST(test_presence_without_heartbeats_serves_on),
        PRESENCE_TEST(test_presence_leaves_before_the_first_beat),
        PRESENCE_TEST(test_presence_leaves_a_registry_that_is_gone),
        PRESENCE_TEST(test_presence_leaves_a_silent_registry_in_two_seconds),
        cmocka_unit_test(test_presence_modes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
