/*
 * The door as a whole, over loopback sockets: who gets a connection, how
 * limits and deadlines end one, how the queue and the drain answer.
 */
#include "door_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

/* ---- the port ---- */

static void test_door_refuses_a_taken_port(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    struct door_options second = {.port = door_port(door),
                                  .tables = stage_tables};
    struct error err = {0};

    (void)state;
    assert_null(door_open(&second, &err));
    assert_int_equal(err.code, ERR_ADDRESS_IN_USE);
    second.host = "0.0.0.0";
    assert_null(door_open(&second, &err));
    assert_int_equal(err.code, ERR_ADDRESS_IN_USE);
    assert_quick_answers(door);
    door_close(door);
}

static void test_door_opens_again_at_once(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int port = door_port(door), fd = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(fd, QUICK);
    assert_int_equal(peer_answer(fd, answer, sizeof answer), 200);
    door_close(door); /* we close first: the port is in TIME_WAIT */
    assert_true(peer_is_closed(fd));
    (void)close(fd);
    door = open_door((struct door_options){.port = port}, &stage);
    assert_int_equal(door_port(door), port);
    assert_quick_answers(door);
    door_close(door);
}

static void test_door_refuses_a_host_that_is_no_address(void **state)
{
    struct door_options options = {.host = "example.com",
                                   .tables = stage_tables};
    struct error err = {0};

    (void)state;
    assert_null(door_open(&options, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

/* ---- connections ---- */

static void test_door_caps_connections(void **state)
{
    struct stage stage = {0};
    struct door *door =
        open_door((struct door_options){.max_connections = 2}, &stage);
    int first = peer_open(door), second = peer_open(door), third;
    char answer[2048];

    (void)state;
    peer_send(first, QUICK);
    assert_int_equal(peer_answer(first, answer, sizeof answer), 200);
    peer_send(second, QUICK);
    assert_int_equal(peer_answer(second, answer, sizeof answer), 200);
    third = peer_open(door);
    assert_true(peer_is_closed(third));
    (void)close(third);
    (void)close(first);
    for (;;) { /* the place is free when the door has noticed */
        third = peer_open(door);
        (void)!send(third, QUICK, sizeof QUICK - 1, MSG_NOSIGNAL);
        if (peer_answer(third, answer, sizeof answer) == 200)
            break;
        (void)close(third);
        pause_1ms();
    }
    (void)close(third);
    (void)close(second);
    door_close(door);
}

static void test_door_caps_connections_of_an_address(void **state)
{
    struct stage stage = {0};
    struct door *door =
        open_door((struct door_options){.max_connections_per_ip = 1}, &stage);
    int first = peer_open(door), second;
    char answer[2048];

    (void)state;
    peer_send(first, QUICK);
    assert_int_equal(peer_answer(first, answer, sizeof answer), 200);
    second = peer_open(door);
    assert_true(peer_is_closed(second));
    (void)close(second);
    (void)close(first);
    door_close(door);
}

static void test_door_survives_the_end_of_descriptors(void **state)
{
    enum { MOST = 4096 };
    static int hoard[MOST];
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    struct rlimit limit, few;
    int count = 0, kept, lost;

    (void)state;
    kept = peer_open(door); /* takes what the client side needs */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = 512;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < MOST && (hoard[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    assert_int_equal(errno, EMFILE);
    (void)close(hoard[--count]); /* one for the peer, none to accept it */
    lost = peer_open(door);
    assert_true(peer_is_closed(lost));
    (void)close(lost);
    while (count > 0)
        (void)close(hoard[--count]);
    assert_quick_answers(door);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    (void)close(kept);
    door_close(door);
}

static void test_door_ends_slow_peers(void **state)
{
    static const struct {
        const char *sent;
        int status; /* 0 = closed without an answer */
    } cases[] = {{"", 0},
                 {"PRI * HTTP", 0},
                 {"GET /quick HTT", 408},
                 {"GET /quick HTTP/1.1\r\nHost: localhost\r\n", 408},
                 {"POST /held HTTP/1.1\r\nHost: localhost\r\n"
                  "Content-Length: 9\r\n\r\nabc",
                  408},
                 {"POST /held HTTP/1.1\r\nHost: localhost\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n9",
                  408}};
    struct stage stage = {0};
    struct door *door =
        open_door((struct door_options){.header_timeout_ms = 100}, &stage);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = peer_open(door);
        char answer[2048];

        peer_send(fd, cases[i].sent);
        peer_read_all(fd, answer, sizeof answer);
        if (cases[i].status == 0)
            assert_string_equal(answer, "");
        else
            assert_non_null(strstr(answer, "\"REQUEST_TIMEOUT\""));
        (void)close(fd);
    }
    assert_int_equal(atomic_load(&stage.started), 0);
    assert_quick_answers(door);
    door_close(door);
}

static void test_door_closes_idle_connections(void **state)
{
    struct stage stage = {0};
    struct door *door =
        open_door((struct door_options){.idle_timeout_ms = 100}, &stage);
    int fd = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(fd, QUICK);
    assert_int_equal(peer_answer(fd, answer, sizeof answer), 200);
    assert_true(peer_is_closed(fd));
    (void)close(fd);
    door_close(door);
}

/* A slow answer is not a slow peer. */
static void test_door_waits_for_its_own_work(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door(
        (struct door_options){.idle_timeout_ms = 50, .header_timeout_ms = 50},
        &stage);
    int fd = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(fd, HELD "GET /qui");
    wait_until(&stage.started, 1);
    for (int i = 0; i < 700; i++) /* longer than any sweep takes */
        pause_1ms();
    atomic_store(&stage.open, true);
    peer_send(fd, "ck HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(peer_answer(fd, answer, sizeof answer), 200);
    (void)close(fd);
    door_close(door);
}

/* ---- calls ---- */

static void test_door_refuses_when_the_queue_is_full(void **state)
{
    struct stage stage = {0};
    struct door *door =
        open_door((struct door_options){.queue_length = 1}, &stage);
    int running = peer_open(door), waiting = peer_open(door);
    int refused = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(running, HELD);
    wait_until(&stage.started, 1);
    peer_send(waiting, HELD);
    wait_for_load(door, 1, 1);
    peer_send(refused, HELD);
    assert_int_equal(peer_answer(refused, answer, sizeof answer), 503);
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    assert_non_null(strstr(answer, "\"OVERLOADED\""));
    assert_quick_answers(door);
    atomic_store(&stage.open, true);
    assert_int_equal(peer_answer(running, answer, sizeof answer), 200);
    assert_int_equal(peer_answer(waiting, answer, sizeof answer), 200);
    peer_send(refused, QUICK); /* the connection is still good */
    assert_int_equal(peer_answer(refused, answer, sizeof answer), 200);
    (void)close(running);
    (void)close(waiting);
    (void)close(refused);
    door_close(door);
}

static void test_door_does_not_run_calls_whose_time_is_up(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int running = peer_open(door), late = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(running, HELD);
    wait_until(&stage.started, 1);
    peer_send(late, SHORT);
    wait_for_load(door, 1, 1);
    for (int i = 0; i < 100; i++)
        pause_1ms();
    atomic_store(&stage.open, true);
    assert_int_equal(peer_answer(late, answer, sizeof answer), 504);
    assert_non_null(strstr(answer, "\"TIMEOUT\""));
    assert_int_equal(atomic_load(&stage.started), 1);
    (void)close(running);
    (void)close(late);
    door_close(door);
}

static void test_door_cancels_the_call_of_a_peer_that_left(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int running = peer_open(door), waiting = peer_open(door);

    (void)state;
    peer_send(running, HELD);
    wait_until(&stage.started, 1);
    peer_send(waiting, HELD);
    wait_for_load(door, 1, 1);
    (void)close(waiting);
    (void)close(running);
    wait_until(&stage.stopped, 1);
    wait_for_load(door, 0, 0);
    assert_int_equal(atomic_load(&stage.started), 1);
    assert_quick_answers(door);
    door_close(door);
}

struct drain {
    struct door *door;
    uint32_t grace_ms;
    atomic_int done;
};

static void *drain(void *context)
{
    struct drain *drain = context;

    door_drain(drain->door, drain->grace_ms);
    atomic_store(&drain->done, 1);
    return NULL;
}

static void test_door_drain_answers_what_runs_and_refuses_the_rest(void **state)
{
    struct stage stage = {0};
    struct drain drained = {.door = open_door((struct door_options){0}, &stage),
                            .grace_ms = PATIENCE_S * 1000};
    int running = peer_open(drained.door), refused;
    pthread_t thread;
    char answer[2048];

    (void)state;
    peer_send(running, HELD);
    wait_until(&stage.started, 1);
    assert_int_equal(pthread_create(&thread, NULL, drain, &drained), 0);
    do { /* until the drain has begun */
        refused = peer_open(drained.door);
        peer_send(refused, HELD);
        pause_1ms();
    } while (recv(refused, answer, 1, MSG_PEEK | MSG_DONTWAIT) <= 0 &&
             atomic_load(&stage.started) == 1 && close(refused) == 0);
    assert_int_equal(peer_answer(refused, answer, sizeof answer), 503);
    assert_non_null(strstr(answer, "\"NOT_READY\""));
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    assert_quick_answers(drained.door);
    assert_int_equal(atomic_load(&drained.done), 0);
    atomic_store(&stage.open, true);
    assert_int_equal(peer_answer(running, answer, sizeof answer), 200);
    (void)pthread_join(thread, NULL);
    (void)close(running);
    (void)close(refused);
    door_close(drained.door);
}

static void test_door_drain_cancels_after_its_grace(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int running = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(running, HELD);
    wait_until(&stage.started, 1);
    door_drain(door, 20);
    assert_int_equal(atomic_load(&stage.stopped), 1);
    assert_int_equal(peer_answer(running, answer, sizeof answer), 504);
    (void)close(running);
    door_close(door);
}

/* ---- many callers at once ---- */

enum { CROWD = 16, CROWD_ROUNDS = 200 };

/* All calls wait for one worker, again and again; none may be lost. */
static void test_door_answers_a_crowd(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int peers[CROWD];
    char answer[2048];

    (void)state;
    for (size_t i = 0; i < CROWD; i++)
        peers[i] = peer_open(door);
    for (size_t round = 0; round < CROWD_ROUNDS; round++) {
        for (size_t i = 0; i < CROWD; i++)
            peer_send(peers[i], BRIEF);
        for (size_t i = 0; i < CROWD; i++)
            assert_int_equal(peer_answer(peers[i], answer, sizeof answer), 200);
    }
    for (size_t i = 0; i < CROWD; i++)
        (void)close(peers[i]);
    door_close(door);
}

/* Answers that gathered go out although the worker has begun a long call. */
static void test_door_answers_a_crowd_before_a_long_call(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int peers[CROWD], first = peer_open(door), last = peer_open(door);
    char answer[2048];

    (void)state;
    peer_send(first, HELD);
    wait_until(&stage.started, 1);
    for (size_t i = 0; i < CROWD; i++) {
        peers[i] = peer_open(door);
        peer_send(peers[i], BRIEF);
    }
    wait_for_load(door, CROWD, 1);
    peer_send(last, LATER);
    wait_for_load(door, CROWD + 1, 1);
    atomic_store(&stage.open, true);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(peer_answer(peers[i], answer, sizeof answer), 200);
        (void)close(peers[i]);
    }
    wait_until(&stage.started, 2);
    assert_quick_answers(door);
    assert_int_equal(recv(last, answer, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    atomic_store(&stage.later, true);
    assert_int_equal(peer_answer(last, answer, sizeof answer), 200);
    (void)close(first);
    (void)close(last);
    door_close(door);
}

/* door_close() alone must not hang, abort or leave a peer waiting. */
static void test_door_closes_with_calls_and_peers_left(void **state)
{
    struct stage stage = {0};
    struct door *door = open_door((struct door_options){0}, &stage);
    int running = peer_open(door), half = peer_open(door);
    int silent = peer_open(door);

    (void)state;
    peer_send(running, HELD);
    peer_send(half, "GET /qui");
    wait_until(&stage.started, 1);
    door_close(door);
    assert_int_equal(atomic_load(&stage.stopped), 1);
    assert_true(peer_is_closed(half));
    assert_true(peer_is_closed(silent));
    (void)close(running);
    (void)close(half);
    (void)close(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_door_refuses_a_taken_port),
        cmocka_unit_test(test_door_opens_again_at_once),
        cmocka_unit_test(test_door_refuses_a_host_that_is_no_address),
        cmocka_unit_test(test_door_caps_connections),
        cmocka_unit_test(test_door_caps_connections_of_an_address),
        cmocka_unit_test(test_door_survives_the_end_of_descriptors),
        cmocka_unit_test(test_door_ends_slow_peers),
        cmocka_unit_test(test_door_closes_idle_connections),
        cmocka_unit_test(test_door_waits_for_its_own_work),
        cmocka_unit_test(test_door_refuses_when_the_queue_is_full),
        cmocka_unit_test(test_door_does_not_run_calls_whose_time_is_up),
        cmocka_unit_test(test_door_cancels_the_call_of_a_peer_that_left),
        cmocka_unit_test(
            test_door_drain_answers_what_runs_and_refuses_the_rest),
        cmocka_unit_test(test_door_drain_cancels_after_its_grace),
        cmocka_unit_test(test_door_answers_a_crowd),
        cmocka_unit_test(test_door_answers_a_crowd_before_a_long_call),
        cmocka_unit_test(test_door_closes_with_calls_and_peers_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
