/*
 * Leases: the heap tells who is due, whatever the order of what happened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lease.h"

#include <cmocka.h> /* last: its fail() is a macro */

static const uint64_t second = 1000000000;

static void begin(struct reg_leases *leases, struct reg_lease *lease,
                  uint32_t ttl_s, uint64_t now_ns)
{
    assert_true(reg_leases_reserve(leases, leases->count + 1));
    reg_lease_start(leases, lease, ttl_s, now_ns);
}

static void test_lease_ends_after_its_ttl_and_not_before(void **state)
{
    struct reg_leases leases = {0};
    struct reg_lease lease = {0};

    (void)state;
    begin(&leases, &lease, 90, 5 * second);
    assert_null(reg_lease_due(&leases, 95 * second - 1));
    assert_ptr_equal(reg_lease_due(&leases, 95 * second), &lease);
    reg_lease_end(&leases, &lease);
    assert_null(reg_lease_due(&leases, UINT64_MAX));
    reg_leases_release(&leases);
}

static void test_lease_renewed_counts_from_the_beat(void **state)
{
    struct reg_leases leases = {0};
    struct reg_lease lease = {0};

    (void)state;
    begin(&leases, &lease, 10, 0);
    reg_lease_renew(&leases, &lease, 9 * second);
    assert_null(reg_lease_due(&leases, 19 * second - 1));
    assert_non_null(reg_lease_due(&leases, 19 * second));
    reg_leases_release(&leases);
}

static void test_lease_that_ended_is_not_renewed(void **state)
{
    struct reg_leases leases = {0};
    struct reg_lease lease = {0};

    (void)state;
    begin(&leases, &lease, 10, 0);
    reg_lease_end(&leases, &lease);
    reg_lease_end(&leases, &lease);
    reg_lease_renew(&leases, &lease, second);
    assert_int_equal(leases.count, 0);
    reg_leases_release(&leases);
}

static void test_lease_renew_all_gives_each_its_own_term(void **state)
{
    struct reg_leases leases = {0};
    struct reg_lease leased[3] = {0};

    (void)state;
    begin(&leases, &leased[0], 300, 0);
    begin(&leases, &leased[1], 3, 0);
    begin(&leases, &leased[2], 90, 0);
    reg_leases_renew_all(&leases, 1000 * second);
    assert_null(reg_lease_due(&leases, 1003 * second - 1));
    assert_ptr_equal(reg_lease_due(&leases, 1003 * second), &leased[1]);
    reg_lease_end(&leases, &leased[1]);
    assert_ptr_equal(reg_lease_due(&leases, 1090 * second), &leased[2]);
    reg_leases_release(&leases);
}

/* 5,000 random starts, renewals and ends, compared with a plain array. */
static void test_lease_heap_agrees_with_a_linear_search(void **state)
{
    enum { COUNT = 200, STEPS = 5000 };
    static struct reg_lease leased[COUNT];
    struct reg_leases leases = {0};
    uint64_t now_ns = 0;

    (void)state;
    srand(1);
    for (int step = 0; step < STEPS; step++) {
        struct reg_lease *lease = &leased[rand() % COUNT];
        uint64_t soonest_ns = UINT64_MAX;
        struct reg_lease *due;

        now_ns += (uint64_t)(rand() % 1000) * 1000000;
        if (lease->slot == 0)
            begin(&leases, lease, (uint32_t)(3 + rand() % 298), now_ns);
        else if (rand() % 2)
            reg_lease_renew(&leases, lease, now_ns);
        else
            reg_lease_end(&leases, lease);
        for (int i = 0; i < COUNT; i++)
            if (leased[i].slot > 0 && leased[i].expires_ns < soonest_ns)
                soonest_ns = leased[i].expires_ns;
        due = reg_lease_due(&leases, now_ns);
        if (soonest_ns > now_ns)
            assert_null(due);
        else
            assert_int_equal(due->expires_ns, soonest_ns);
    }
    reg_leases_release(&leases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_ends_after_its_ttl_and_not_before),
        cmocka_unit_test(test_lease_renewed_counts_from_the_beat),
        cmocka_unit_test(test_lease_that_ended_is_not_renewed),
        cmocka_unit_test(test_lease_renew_all_gives_each_its_own_term),
        cmocka_unit_test(test_lease_heap_agrees_with_a_linear_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
