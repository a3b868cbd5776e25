/*
 * The connection table: caps in total, per IPv4 address and per IPv6 site,
 * keys that do not find a successor, and cancelling when the peer leaves.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "feed.h"
#include "unit.h"

static union conn_address address_of(const char *text)
{
    union conn_address address = {0};

    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
        address.v6.sin6_family = AF_INET6;
    }
    return address;
}

static struct conn_table *open_table(int total, int per_ip)
{
    struct conn_limits limits = {.total = total,
                                 .per_ip = per_ip,
                                 .header_timeout_ms = 1000,
                                 .idle_timeout_ms = 1000};
    struct error err = {0};
    struct conn_table *table = conn_table_new(&limits, &err);

    assert_non_null(table);
    return table;
}

static struct conn *take(struct conn_table *table, const char *text)
{
    union conn_address address = address_of(text);

    return conn_take(table, -1, &address);
}

static void test_conn_names_the_peer(void **state)
{
    static const struct {
        const char *address, *peer;
        bool local;
    } cases[] = {{"127.0.0.1", "127.0.0.1", true},
                 {"127.9.9.9", "127.9.9.9", true},
                 {"10.0.0.1", "10.0.0.1", false},
                 {"::1", "::1", true},
                 {"::ffff:127.0.0.1", "127.0.0.1", true},
                 {"::ffff:10.0.0.1", "10.0.0.1", false},
                 {"2001:db8::2", "2001:db8::2", false}};
    struct conn_table *table = open_table(4, 0);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct conn *conn = take(table, cases[i].address);

        assert_non_null(conn);
        assert_string_equal(conn->peer, cases[i].peer);
        assert_int_equal(conn->peer_is_local, cases[i].local);
        conn_release(conn);
    }
    assert_int_equal(conn_count(table), 0);
    conn_table_free(table);
}

static void test_conn_limits_the_total(void **state)
{
    struct conn_table *table = open_table(2, 0);
    struct conn *first = take(table, "127.0.0.1");
    struct conn *second = take(table, "127.0.0.1");

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_null(take(table, "127.0.0.1"));
    conn_release(first);
    first = take(table, "127.0.0.1");
    assert_non_null(first);
    conn_release(first);
    conn_release(second);
    conn_table_free(table);
}

static void test_conn_limits_each_address(void **state)
{
    /* the last of each row is one too many */
    static const char *const rows[][3] = {
        {"10.0.0.1", "10.0.0.1", "10.0.0.1"},
        {"127.0.0.1", "127.0.0.1", "127.0.0.1"},
        {"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"},
        {"2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct conn_table *table = open_table(8, 2);
        struct conn *first = take(table, rows[i][0]);
        struct conn *second = take(table, rows[i][1]);
        struct conn *other = take(table, "2001:db8:1::1");

        assert_non_null(first);
        assert_non_null(second);
        assert_non_null(other);
        assert_null(take(table, rows[i][2]));
        conn_release(first);
        first = take(table, rows[i][2]);
        assert_non_null(first);
        conn_release(first);
        conn_release(second);
        conn_release(other);
        conn_table_free(table);
    }
}

static void test_conn_limits_strangers_by_default(void **state)
{
    enum { MOST = 300 };
    static struct conn *conns[MOST];
    struct conn_table *table = open_table(MOST * 2, 0);
    int strangers = 0, locals = 0;

    (void)state;
    while (strangers < MOST && (conns[strangers] = take(table, "10.0.0.1")))
        strangers++;
    assert_int_equal(strangers, 256);
    for (int i = 0; i < strangers; i++)
        conn_release(conns[i]);
    while (locals < MOST && (conns[locals] = take(table, "127.0.0.1")))
        locals++;
    assert_int_equal(locals, MOST);
    for (int i = 0; i < locals; i++)
        conn_release(conns[i]);
    conn_table_free(table);
}

static void test_conn_key_does_not_find_a_successor(void **state)
{
    struct conn_table *table = open_table(1, 0);
    struct conn *conn = take(table, "127.0.0.1");
    uint64_t key = conn->key;

    (void)state;
    assert_ptr_equal(conn_find(table, key), conn);
    conn_release(conn);
    assert_null(conn_find(table, key));
    conn = take(table, "127.0.0.1");
    assert_null(conn_find(table, key));
    assert_ptr_equal(conn_find(table, conn->key), conn);
    assert_null(conn_find(table, UINT64_MAX));
    conn_release(conn);
    conn_table_free(table);
}

static void test_conn_cancels_when_the_peer_leaves(void **state)
{
    struct conn_table *table = open_table(1, 0);
    union conn_address address = address_of("127.0.0.1");
    atomic_bool first = false, second = false, late = false;
    int ends[2];
    struct conn *conn;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    conn = conn_take(table, ends[0], &address);
    assert_non_null(conn);
    conn_watch(conn, &first);
    conn_watch(conn, &second);
    conn_gone(table, conn->key);
    assert_false(first);
    assert_true(second);
    conn_watch(conn, &late); /* the peer had left before */
    assert_true(late);
    conn_release(conn);
    (void)close(ends[0]);
    (void)close(ends[1]);
    conn_table_free(table);
}

/* Doors share the numbers of descriptors: one may have what another closed. */
static void test_feed_forgets_only_its_own_connection(void **state)
{
    static const struct http_rules rules = {0};
    struct conn_table *first = open_table(1, 0), *second = open_table(1, 0);
    union conn_address address = address_of("127.0.0.1");
    struct conn *gone = conn_take(first, 1000, &address);
    struct conn *next = conn_take(second, 1000, &address);
    struct error err = {0};

    (void)state;
    assert_true(feed_open(gone, &rules, &err));
    assert_ptr_equal(feed_find(1000), gone);
    assert_true(feed_open(next, &rules, &err));
    feed_close(gone);
    assert_ptr_equal(feed_find(1000), next);
    feed_close(next);
    assert_null(feed_find(1000));
    conn_table_free(first);
    conn_table_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conn_names_the_peer),
        cmocka_unit_test(test_conn_limits_the_total),
        cmocka_unit_test(test_conn_limits_each_address),
        cmocka_unit_test(test_conn_limits_strangers_by_default),
        cmocka_unit_test(test_conn_key_does_not_find_a_successor),
        cmocka_unit_test(test_conn_cancels_when_the_peer_leaves),
        cmocka_unit_test(test_feed_forgets_only_its_own_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
