/*
 * Registry: who is alive, what readers see, and many callers at once, as
 * registry.h promises it.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "process.h"
#include "registry_bench.h"
#include "store.h"

/* ---- deaths ---- */

static void wait_until_gone(struct bench *bench)
{
    uint64_t until_ns = clock_now_ns() + 5 * SECOND_NS;

    while (registry_count(bench->registry) > 0) {
        if (clock_now_ns() > until_ns)
            fail_msg("the dead instance is still listed");
        registry_tick(bench->registry);
    }
}

static void test_registry_death_of_a_process_ends_its_registration(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer answer;

    request.pid = start_child();
    answer = must_register(bench, &request);
    registry_tick(bench->registry);
    assert_int_equal(registry_count(bench->registry), 1);
    assert_int_equal(kill((pid_t)request.pid, SIGKILL), 0);
    wait_until_gone(bench);
    assert_int_equal(beat(bench, answer.port, NULL, answer.epoch),
                     ERR_REGISTRATION_GONE);
    end_child((pid_t)request.pid);
    bench_restart(bench); /* and the store knows */
    assert_int_equal(registry_count(bench->registry), 0);
}

static void test_registry_thread_notices_a_death_within_a_second(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct error err = {0};
    uint64_t killed_ns;

    request.pid = start_child();
    (void)must_register(bench, &request);
    assert_true(registry_start(bench->registry, &err));
    killed_ns = clock_now_ns();
    assert_int_equal(kill((pid_t)request.pid, SIGKILL), 0);
    while (registry_count(bench->registry) > 0)
        if (clock_now_ns() - killed_ns > SECOND_NS)
            fail_msg("still listed after a second");
    end_child((pid_t)request.pid);
}

static void test_registry_forgets_who_died_while_it_was_down(void **state)
{
    struct bench *bench = *state;
    struct reg_request dead = ask("dead"), alive = ask("alive");
    struct arena arena;
    struct reg_list list;
    struct error err = {0};

    dead.pid = start_child();
    (void)must_register(bench, &dead);
    (void)must_register(bench, &alive);
    registry_close(bench->registry);
    end_child((pid_t)dead.pid);
    bench_open(bench);
    arena_init(&arena, 0);
    assert_true(registry_list(bench->registry, NULL, &arena, &list, &err));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.rows[0].record->model_name, "alive");
    arena_release(&arena);
}

/* The disk is full, as far as this process is concerned. */
static void fill_disk(bool is_full)
{
    struct rlimit limit;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_full ? 1 : RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_registry_full_disk_acknowledges_nothing(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m"), other = ask("other");
    struct reg_answer answer = must_register(bench, &request);

    fill_disk(true);
    assert_int_equal(refused(bench, &other), ERR_STORE_UNAVAILABLE);
    assert_int_equal(leave(bench, answer.port, answer.id),
                     ERR_STORE_UNAVAILABLE);
    assert_int_equal(beat(bench, answer.port, answer.id, 0), ERR_NONE);
    fill_disk(false);
    assert_int_equal(registry_count(bench->registry), 1);
    /* the port of the refused one is free again */
    assert_int_equal(must_register(bench, &other).port, answer.port + 1);
    bench_restart(bench);
    assert_int_equal(registry_count(bench->registry), 2);
}

static void test_registry_full_disk_forgets_no_death(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");

    request.host = "192.0.2.7"; /* after a bench_restart only the store knows */
    request.host_is_local = false;
    (void)must_register(bench, &request);
    bench->now_ns += 90 * SECOND_NS;
    fill_disk(true);
    log_set_level((enum log_level) - 1); /* it complains, rightly */
    registry_tick(bench->registry);
    registry_tick(bench->registry);
    log_set_level(LOG_ERROR);
    fill_disk(false);
    assert_int_equal(registry_count(bench->registry), 0);
    registry_tick(bench->registry);
    bench_restart(bench);
    assert_int_equal(registry_count(bench->registry), 0);
}

/* What a registry of an earlier run has left in the store. */
static void leave_record(struct bench *bench, uint64_t start_ticks,
                         const char *boot_id)
{
    const struct reg_record draft = {.port = 5100,
                                     .ttl_s = 90,
                                     .epoch = 1,
                                     .pid = getpid(),
                                     .start_ticks = start_ticks,
                                     .id = "left",
                                     .boot_id = boot_id,
                                     .host = "127.0.0.1",
                                     .app_name = "Test_API",
                                     .app_version = "1.2.0",
                                     .model_name = "m"};
    struct reg_record *record = reg_record_new(&draft);
    struct reg_change change = {.kind = REG_PUT, .record = record};
    struct reg_store store = {0};
    struct error err = {0};

    registry_close(bench->registry);
    assert_true(reg_store_open(&store, bench->store, &err));
    assert_true(store.ops->apply(store.state, &change, 1, &err));
    reg_store_close(&store);
    reg_record_put(record);
    bench_open(bench);
}

static void test_registry_pid_of_another_start_or_boot_is_not_it(void **state)
{
    struct bench *bench = *state;
    struct reg_process self = {.fd = -1};
    char boot_id[REG_BOOT_ID_SIZE];
    struct error err = {0};

    assert_true(reg_process_open(getpid(), &self, &err));
    assert_true(reg_boot_id(boot_id, &err));
    leave_record(bench, self.start_ticks, boot_id);
    assert_int_equal(registry_count(bench->registry), 1);
    leave_record(bench, self.start_ticks - 1, boot_id);
    assert_int_equal(registry_count(bench->registry), 0);
    boot_id[0] = boot_id[0] == '0' ? '1' : '0';
    leave_record(bench, self.start_ticks, boot_id);
    assert_int_equal(registry_count(bench->registry), 0);
    reg_process_close(&self);
}

/* ---- reading ---- */

static void test_registry_list_is_sorted_and_resolve_finds_a_model(void **state)
{
    static const int ports[] = {5105, 5102, 5104};
    struct bench *bench = *state;
    struct arena arena;
    struct reg_list list;
    struct error err = {0};

    arena_init(&arena, 0);
    for (int i = 0; i < 3; i++) {
        struct reg_request request = ask("m");

        request.host = "192.0.2.7";
        request.host_is_local = false;
        request.pid = 100 + i;
        request.preferred_port = ports[i];
        (void)must_register(bench, &request);
    }
    expect_port(bench, "n", 5103, 5103, "");
    assert_true(registry_list(bench->registry, NULL, &arena, &list, &err));
    assert_int_equal(list.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(list.rows[i].record->port, 5102 + i);
    assert_true(registry_list(bench->registry, "m", &arena, &list, &err));
    assert_int_equal(list.count, 3);
    for (int i = 1; i < 3; i++)
        assert_true(list.rows[i].record->port > list.rows[i - 1].record->port);
    assert_true(registry_list(bench->registry, "x", &arena, &list, &err));
    assert_int_equal(list.count, 0);
    arena_release(&arena);
}

/* Every event after `seen`, checked for gaps; returns the newest revision. */
static uint64_t follow(struct bench *bench, uint64_t seen, int *puts,
                       int *deletes)
{
    struct reg_feed feed;

    *puts = *deletes = 0;
    do {
        registry_read(bench->registry, seen, &feed);
        assert_false(feed.lost);
        for (size_t i = 0; i < feed.count; i++) {
            assert_int_equal(feed.events[i].revision, seen + 1);
            seen++;
            *(feed.events[i].kind == REG_EVENT_PUT ? puts : deletes) += 1;
        }
        reg_feed_release(&feed);
    } while (seen < feed.revision);
    return seen;
}

static uint64_t newest(struct bench *bench)
{
    struct reg_feed feed;

    registry_read(bench->registry, UINT64_MAX - 1, &feed);
    assert_true(feed.lost); /* a revision that was never given out */
    assert_int_equal(feed.count, 0);
    return feed.revision;
}

static void test_registry_events_have_no_gap_and_no_duplicate(void **state)
{
    struct bench *bench = *state;
    uint64_t seen = newest(bench);
    int puts, deletes;

    for (int i = 0; i < 100; i++) {
        struct reg_request request = ask("m");
        struct reg_answer answer = must_register(bench, &request);

        if (i % 2 == 0)
            assert_int_equal(leave(bench, answer.port, answer.id), ERR_NONE);
        else
            bench->now_ns += 90 * SECOND_NS; /* it expires */
    }
    assert_int_equal(registry_count(bench->registry), 0);
    seen = follow(bench, seen, &puts, &deletes);
    assert_int_equal(puts, 100);
    assert_int_equal(deletes, 100);
    (void)follow(bench, seen, &puts, &deletes);
    assert_int_equal(puts + deletes, 0);
}

static void test_registry_history_that_is_gone_says_so(void **state)
{
    struct bench *bench = *state;
    uint64_t before;
    struct reg_feed feed;

    bench->options.history = 8;
    bench_restart(bench);
    before = newest(bench);
    for (int i = 0; i < 5; i++) {
        struct reg_request request = ask("m");
        struct reg_answer answer = must_register(bench, &request);

        assert_int_equal(leave(bench, answer.port, answer.id), ERR_NONE);
    }
    registry_read(bench->registry, before, &feed);
    assert_true(feed.lost);
    registry_read(bench->registry, before + 2, &feed);
    assert_false(feed.lost);
    assert_int_equal(feed.count, 8);
    reg_feed_release(&feed);
    bench_restart(bench); /* revisions of an earlier run are not ours */
    registry_read(bench->registry, before + 10, &feed);
    assert_true(feed.lost);
    assert_true(newest(bench) > before + 10);
}

static void check_epochs_rise(struct bench *bench)
{
    struct reg_request request = ask("m");
    uint64_t last = 0;

    for (int i = 0; i < 5; i++) {
        struct reg_answer answer = must_register(bench, &request);

        assert_true(answer.epoch > last);
        last = answer.epoch;
        assert_int_equal(leave(bench, answer.port, answer.id), ERR_NONE);
        bench_restart(bench);
    }
}

static void test_registry_epochs_rise_over_restarts(void **state)
{
    struct bench *bench = *state;

    check_epochs_rise(bench);
    bench->options.store = "memory";
    bench_restart(bench);
    check_epochs_rise(bench);
}

/* ---- many at once ---- */

struct caller {
    struct bench *bench;
    char model[16];
    struct reg_answer answer;
    bool ok;
};

static void *call_once(void *context)
{
    struct caller *caller = context;
    struct reg_request request = ask(caller->model);
    struct error err = {0};

    caller->ok = registry_register(caller->bench->registry, &request,
                                   &caller->answer, &err);
    return NULL;
}

static void run_callers(struct bench *bench, struct caller *callers, int count,
                        bool same_model)
{
    pthread_t threads[64];

    for (int i = 0; i < count; i++) {
        callers[i] = (struct caller){.bench = bench};
        (void)snprintf(callers[i].model, sizeof callers[i].model, "m%d",
                       same_model ? 0 : i);
        assert_int_equal(
            pthread_create(&threads[i], NULL, call_once, &callers[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_true(callers[i].ok);
    }
}

static void test_registry_fifty_at_once_get_fifty_ports(void **state)
{
    struct bench *bench = *state;
    struct caller callers[50];
    bool seen[50] = {false};

    run_callers(bench, callers, 50, false);
    for (int i = 0; i < 50; i++) {
        int at = callers[i].answer.port - 5100;

        assert_in_range(at, 0, 49);
        assert_false(seen[at]);
        seen[at] = true;
    }
}

static void test_registry_one_instance_asking_at_once_is_one(void **state)
{
    struct bench *bench = *state;
    struct caller callers[50];

    run_callers(bench, callers, 50, true);
    for (int i = 1; i < 50; i++)
        assert_string_equal(callers[i].answer.id, callers[0].answer.id);
    assert_int_equal(registry_count(bench->registry), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_registry_death_of_a_process_ends_its_registration),
        REGISTRY_TEST(test_registry_thread_notices_a_death_within_a_second),
        REGISTRY_TEST(test_registry_forgets_who_died_while_it_was_down),
        REGISTRY_TEST(test_registry_full_disk_acknowledges_nothing),
        REGISTRY_TEST(test_registry_full_disk_forgets_no_death),
        REGISTRY_TEST(test_registry_pid_of_another_start_or_boot_is_not_it),
        REGISTRY_TEST(test_registry_list_is_sorted_and_resolve_finds_a_model),
        REGISTRY_TEST(test_registry_events_have_no_gap_and_no_duplicate),
        REGISTRY_TEST(test_registry_history_that_is_gone_says_so),
        REGISTRY_TEST(test_registry_epochs_rise_over_restarts),
        REGISTRY_TEST(test_registry_fifty_at_once_get_fifty_ports),
        REGISTRY_TEST(test_registry_one_instance_asking_at_once_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
