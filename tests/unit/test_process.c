/*
 * Processes: alive or not, the same one or another, listening or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

#include <cmocka.h> /* last: its fail() is a macro */

static void test_process_is_found_with_user_and_start(void **state)
{
    struct reg_process first = {.fd = -1}, again = {.fd = -1};
    struct error err = {0};

    (void)state;
    assert_true(reg_process_open(getpid(), &first, &err));
    assert_true(reg_process_open(getpid(), &again, &err));
    assert_int_equal(first.uid, getuid());
    assert_true(first.start_ticks > 0);
    assert_int_equal(first.start_ticks, again.start_ticks);
    assert_false(reg_process_ended(first.fd));
    reg_process_close(&first);
    reg_process_close(&again);
    assert_int_equal(first.fd, -1);
}

static void test_process_numbers_that_are_none_are_refused(void **state)
{
    static const int64_t pids[] = {0, -1, 4194305, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
        struct reg_process process = {.fd = -1};
        struct error err = {0};

        assert_false(reg_process_open(pids[i], &process, &err));
        assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    }
}

static pid_t start_child(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    return pid;
}

static void test_process_death_shows_before_anybody_waits_for_it(void **state)
{
    struct reg_process process = {.fd = -1}, dead = {.fd = -1};
    struct error err = {0};
    pid_t pid = start_child();
    struct pollfd wait = {.events = POLLIN};

    (void)state;
    assert_true(reg_process_open(pid, &process, &err));
    assert_false(reg_process_ended(process.fd));
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait.fd = process.fd;
    assert_int_equal(poll(&wait, 1, 5000), 1);
    assert_true(reg_process_ended(process.fd));
    /* a zombie is not a running process */
    assert_false(reg_process_open(pid, &dead, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    reg_process_close(&process);
}

static void test_process_listener_is_known_by_its_port(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port;
    pid_t other;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    assert_false(reg_process_listens(getpid(), port));
    other = start_child(); /* inherits the socket ... */
    assert_int_equal(listen(fd, 1), 0);
    assert_true(reg_process_listens(getpid(), port));
    assert_true(reg_process_listens(other, port)); /* ... so it may, too */
    assert_false(reg_process_listens(getppid(), port));
    (void)kill(other, SIGKILL);
    (void)waitpid(other, NULL, 0);
    (void)close(fd);
}

static void test_process_boot_id_is_a_uuid(void **state)
{
    char text[REG_BOOT_ID_SIZE];
    struct error err = {0};

    (void)state;
    assert_true(reg_boot_id(text, &err));
    assert_int_equal(strlen(text), 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process_is_found_with_user_and_start),
        cmocka_unit_test(test_process_numbers_that_are_none_are_refused),
        cmocka_unit_test(test_process_death_shows_before_anybody_waits_for_it),
        cmocka_unit_test(test_process_listener_is_known_by_its_port),
        cmocka_unit_test(test_process_boot_id_is_a_uuid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
