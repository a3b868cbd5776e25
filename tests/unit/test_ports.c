/*
 * Ports: what is given away is free, and stays with its owner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ports.h"

#include <cmocka.h> /* last: its fail() is a macro */

static const uint64_t second = 1000000000;

/* Says that the ports of a list (0-ended) are in use. */
static bool probe_list(void *context, int port)
{
    const int *busy = context;

    for (; busy && *busy; busy++)
        if (*busy == port)
            return false;
    return true;
}

static struct reg_ports make_ports(int first, int last, int *busy)
{
    struct reg_ports ports = {.first = first,
                              .last = last,
                              .reserved = 5000,
                              .probe = probe_list,
                              .context = busy};
    struct error err = {0};

    assert_true(reg_ports_init(&ports, &err));
    return ports;
}

static void test_ports_are_given_from_the_lowest_up(void **state)
{
    struct reg_ports ports = make_ports(5100, 5101, NULL);
    struct error err = {0};

    (void)state;
    assert_int_equal(reg_ports_take_any(&ports, 1, 0, &err), 5100);
    assert_int_equal(reg_ports_take_any(&ports, 1, 0, &err), 5101);
    assert_int_equal(reg_ports_take_any(&ports, 1, 0, &err), 0);
    assert_int_equal(err.code, ERR_NO_PORT_AVAILABLE);
    reg_ports_give_back(&ports, 5100);
    assert_int_equal(reg_ports_take_any(&ports, 1, 0, &err), 5100);
    reg_ports_release(&ports);
}

static void test_ports_of_strangers_are_passed_over(void **state)
{
    int busy[] = {5100, 5102, 0};
    struct reg_ports ports = make_ports(5100, 5103, busy);
    struct error err = {0};

    (void)state;
    assert_int_equal(reg_ports_take_any(&ports, 1, 0, &err), 5101);
    assert_int_equal(reg_ports_take_any(&ports, 1, 0, &err), 5103);
    reg_ports_release(&ports);
}

static void test_ports_rest_for_a_minute_except_for_their_owner(void **state)
{
    struct reg_ports ports = make_ports(5100, 5101, NULL);
    struct error err = {0};

    (void)state;
    assert_int_equal(reg_ports_take_any(&ports, 7, 0, &err), 5100);
    reg_ports_rest(&ports, 5100, 10 * second);
    assert_int_equal(reg_ports_state(&ports, 5100, 7, 11 * second),
                     REG_PORT_FREE);
    assert_int_equal(reg_ports_state(&ports, 5100, 8, 70 * second - 1),
                     REG_PORT_RESTING);
    assert_int_equal(reg_ports_take_any(&ports, 7, 11 * second, &err), 5101);
    assert_int_equal(reg_ports_state(&ports, 5100, 8, 70 * second),
                     REG_PORT_FREE);
    reg_ports_release(&ports);
}

static void test_ports_own_port_is_never_free(void **state)
{
    struct reg_ports ports = make_ports(5100, 5101, NULL);

    (void)state;
    assert_int_equal(reg_ports_state(&ports, 5000, 1, 0), REG_PORT_TAKEN);
    reg_ports_release(&ports);
}

static void test_ports_refuse_a_range_that_is_none(void **state)
{
    static const int ranges[][2] = {
        {5999, 5100}, {80, 5999}, {5100, 65536}, {-1, 5}};

    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct reg_ports ports = {.first = ranges[i][0], .last = ranges[i][1]};
        struct error err = {0};

        assert_false(reg_ports_init(&ports, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
}

/* Listens on a port of the kernel's choice. */
static int listen_somewhere(int family, int *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_addr = in6addr_loopback};
    struct sockaddr *address =
        family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    int fd = socket(family, SOCK_STREAM, 0), on = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address, size) != 0 || listen(fd, 1) != 0) {
        (void)close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, address, &size), 0);
    *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

static void test_ports_probe_sees_a_listener_on_one_address(void **state)
{
    static const int families[] = {AF_INET, AF_INET6};

    (void)state;
    for (int i = 0; i < 2; i++) {
        int port = 0, fd = listen_somewhere(families[i], &port);

        if (fd < 0 && families[i] == AF_INET6)
            continue; /* this machine has no IPv6 */
        assert_true(fd >= 0);
        assert_false(reg_port_is_free(NULL, port));
        (void)close(fd);
        assert_true(reg_port_is_free(NULL, port));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports_are_given_from_the_lowest_up),
        cmocka_unit_test(test_ports_of_strangers_are_passed_over),
        cmocka_unit_test(test_ports_rest_for_a_minute_except_for_their_owner),
        cmocka_unit_test(test_ports_own_port_is_never_free),
        cmocka_unit_test(test_ports_refuse_a_range_that_is_none),
        cmocka_unit_test(test_ports_probe_sees_a_listener_on_one_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
