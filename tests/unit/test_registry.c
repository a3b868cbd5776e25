/*
 * Registry: the promises of registry.h, with a clock that the test turns.
 *
 * Local callers are real processes: this one, or children that the tests
 * start and end. Ports are never bound (the probe is a stub), except where
 * binding is what is tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "process.h"
#include "registry.h"
#include "store.h"

#include <cmocka.h> /* last: its fail() is a macro */

static const uint64_t second = 1000000000;

static uint64_t read_clock(void *context)
{
    return atomic_load((const atomic_uint_fast64_t *)context);
}

static bool probe_yes(void *context, int port)
{
    (void)context;
    return port != 5666; /* a stranger sits there */
}

/* A registry, its clock, and the folder of its database. */
struct bench {
    struct registry *registry;
    atomic_uint_fast64_t now_ns;
    char folder[64];
    char store[128];
    struct reg_options options;
};

static void open_again(struct bench *bench)
{
    struct error err = {0};

    bench->registry = registry_open(&bench->options, &err);
    if (!bench->registry)
        fail_msg("%s", err.msg);
}

static void restart(struct bench *bench)
{
    registry_close(bench->registry);
    open_again(bench);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    log_set_level(LOG_ERROR);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/regXXXXXX");
    if (!mkdtemp(bench->folder))
        return -1;
    (void)snprintf(bench->store, sizeof bench->store, "sqlite:%s/registry.db",
                   bench->folder);
    bench->now_ns = 1000 * second;
    bench->options = (struct reg_options){.store = bench->store,
                                          .own_port = 5000,
                                          .clock = read_clock,
                                          .clock_context = &bench->now_ns,
                                          .probe = probe_yes};
    open_again(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"registry.db", "registry.db-wal"};
    struct bench *bench = *state;

    registry_close(bench->registry);
    for (size_t i = 0; i < 2; i++) {
        char path[96];

        (void)snprintf(path, sizeof path, "%s/%s", bench->folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(bench->folder);
    free(bench);
    return 0;
}

/* What this process would send. */
static struct reg_request ask(const char *model)
{
    return (struct reg_request){.host = "127.0.0.1",
                                .host_is_local = true,
                                .app_name = "Test_API",
                                .app_version = "1.2.0",
                                .model_name = model,
                                .has_pid = true,
                                .pid = getpid()};
}

static struct reg_answer must_register(struct bench *bench,
                                       const struct reg_request *request)
{
    struct reg_answer answer = {0};
    struct error err = {0};

    if (!registry_register(bench->registry, request, &answer, &err))
        fail_msg("%s", err.msg);
    return answer;
}

static enum err_code refused(struct bench *bench,
                             const struct reg_request *request)
{
    struct reg_answer answer;
    struct error err = {0};

    if (registry_register(bench->registry, request, &answer, &err))
        return ERR_NONE;
    return err.code;
}

static enum err_code beat(struct bench *bench, int port, const char *id,
                          uint64_t epoch)
{
    struct reg_beat result;
    struct error err = {0};

    if (registry_heartbeat(bench->registry, port, id, epoch, &result, &err))
        return ERR_NONE;
    return err.code;
}

static enum err_code leave(struct bench *bench, int port, const char *id)
{
    char message[REG_MESSAGE_SIZE];
    struct error err = {0};

    if (registry_unregister(bench->registry, port, id, message, &err))
        return ERR_NONE;
    return err.code;
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

static void end_child(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* ---- registering ---- */

static void test_registry_first_port_is_5100(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer answer = must_register(bench, &request);
    unsigned unix_s = 0, sequence = 0;
    char secret[17] = "", rest = 0;

    assert_int_equal(answer.port, 5100);
    assert_int_equal(answer.ttl_s, 90);
    assert_string_equal(answer.message, "Successfully registered");
    assert_int_equal(sscanf(answer.id, "brain_reg_%10u_%4u_%16[0-9a-f]%c",
                            &unix_s, &sequence, secret, &rest),
                     3);
    assert_int_equal(strlen(secret), 16);
}

static void test_registry_same_process_keeps_its_registration(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer first = must_register(bench, &request), again;

    bench->now_ns += 60 * second;
    again = must_register(bench, &request);
    assert_int_equal(again.port, first.port);
    assert_string_equal(again.id, first.id);
    assert_int_equal(again.epoch, first.epoch);
    assert_string_equal(again.message, "Already registered");
    bench->now_ns += 60 * second; /* the lease was renewed */
    assert_int_equal(registry_count(bench->registry), 1);
}

static void test_registry_other_model_or_process_is_a_new_instance(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m"), other = ask("n"), child = ask("m");
    pid_t pid = start_child();

    child.pid = pid;
    assert_int_equal(must_register(bench, &request).port, 5100);
    assert_int_equal(must_register(bench, &other).port, 5101);
    assert_int_equal(must_register(bench, &child).port, 5102);
    end_child(pid);
}

static void test_registry_same_request_id_gets_the_same_answer(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer first, again;

    /* an old client: without a pid only the request id tells */
    request.app_version = "1.1.0";
    request.has_pid = false;
    request.request_id = "r-1";
    first = must_register(bench, &request);
    again = must_register(bench, &request);
    assert_int_equal(again.port, first.port);
    assert_string_equal(again.id, first.id);
    restart(bench);
    again = must_register(bench, &request);
    assert_string_equal(again.id, first.id);
    assert_int_equal(registry_count(bench->registry), 1);

    request.model_name = "other";
    assert_int_equal(refused(bench, &request), ERR_ALREADY_EXISTS);
    request.model_name = "m";
    assert_int_equal(leave(bench, first.port, first.id), ERR_NONE);
    assert_int_equal(refused(bench, &request), ERR_REGISTRATION_GONE);
}

static void test_registry_old_clients_need_no_pid(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");

    request.has_pid = false;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request.app_version = "1.1.0";
    assert_int_equal(must_register(bench, &request).port, 5100);
    assert_int_equal(must_register(bench, &request).port, 5101);
}

static void test_registry_refuses_names_that_are_none(void **state)
{
    static const char long_name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                    "aaaaaaaaaaaaaaaaaaaaaaaaa";
    static const char *const names[] = {"",        "../x", "a/b",
                                        long_name, "a\nb", "p\xd0\xbelync",
                                        "a\x7f",   " a",   "a\\b"};
    struct bench *bench = *state;

    assert_int_equal(strlen(long_name), 65);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct reg_request request = ask("m");

        request.app_name = names[i];
        assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
        request = ask(names[i]);
        assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    }
    assert_int_equal(registry_count(bench->registry), 0);
}

static void test_registry_refuses_processes_that_are_none(void **state)
{
    static const int64_t pids[] = {0, 1, -1, 4194305};
    struct bench *bench = *state;
    struct reg_request request = ask("m");

    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
        request.pid = pids[i];
        assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    }
}

static void test_registry_refuses_processes_of_other_users(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    int ready[2];
    char byte = 0;

    if (getuid() != 0)
        skip(); /* only root can start one */
    assert_int_equal(pipe(ready), 0);
    request.pid = fork();
    if (request.pid == 0) {
        _exit(setuid(65534) == 0 && write(ready[1], "x", 1) == 1 ? pause() : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(refused(bench, &request), ERR_PERMISSION_DENIED);
    bench->options.any_user = true;
    restart(bench);
    assert_int_equal(must_register(bench, &request).port, 5100);
    end_child((pid_t)request.pid);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void test_registry_refuses_terms_and_sizes_out_of_range(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    char text[5000];

    request.ttl_s = 2;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request.ttl_s = 301;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request = ask("m");
    request.preferred_port = 65536;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request.preferred_port = -1;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request = ask("m");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    request.reason = text;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request = ask("m");
    text[0] = '"';
    text[sizeof text - 2] = '"';
    request.metadata = text;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request.metadata = "[1]";
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    request.metadata = "{\"a\":1}";
    assert_int_equal(refused(bench, &request), ERR_NONE);
}

static void test_registry_limits_the_keys_of_metadata(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    char text[400] = "{";

    for (int i = 0; i < 33; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                       "%s\"k%d\":%d", i ? "," : "", i, i);
    (void)strcat(text, "}");
    request.metadata = text;
    assert_int_equal(refused(bench, &request), ERR_VALIDATION_ERROR);
    memcpy(strstr(text, ",\"k32\""), "}", 2);
    assert_int_equal(refused(bench, &request), ERR_NONE);
}

static void test_registry_one_caller_has_64_registrations(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask(""), child = ask("m");
    char model[16];

    for (int i = 0; i < 64; i++) {
        (void)snprintf(model, sizeof model, "m%d", i);
        request.model_name = model;
        (void)must_register(bench, &request);
    }
    (void)must_register(bench, &request); /* the same again is no more */
    request.model_name = "one-more";
    assert_int_equal(refused(bench, &request), ERR_QUOTA_EXCEEDED);
    child.pid = start_child();
    (void)must_register(bench, &child);
    end_child((pid_t)child.pid);
}

/* Processes of another host cannot be checked, so the host is the caller. */
static void test_registry_one_host_has_64_registrations(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");

    request.host = "192.0.2.7";
    request.host_is_local = false;
    for (int i = 1; i <= 64; i++) {
        request.pid = i;
        (void)must_register(bench, &request);
    }
    (void)must_register(bench, &request);
    request.pid = 65;
    assert_int_equal(refused(bench, &request), ERR_QUOTA_EXCEEDED);
}

/* ---- ports ---- */

static void expect_port(struct bench *bench, const char *model, int preferred,
                        int port, const char *why)
{
    struct reg_request request = ask(model);
    struct reg_answer answer;

    request.preferred_port = preferred;
    answer = must_register(bench, &request);
    assert_int_equal(answer.port, port);
    if (!strstr(answer.message, why))
        fail_msg("'%s' does not say '%s'", answer.message, why);
}

static void test_registry_preferred_port_or_the_reason_why_not(void **state)
{
    struct bench *bench = *state;

    expect_port(bench, "a", 8080, 8080, "Successfully");
    expect_port(bench, "b", 1024, 1024, "Successfully");
    expect_port(bench, "c", 8080, 5100, "is taken by Test_API");
    expect_port(bench, "d", 80, 5101, "privileged");
    expect_port(bench, "e", 5000, 5102, "reserved");
    expect_port(bench, "f", 5666, 5103, "not registered");
    expect_port(bench, "g", 5104, 5104, "Successfully");
}

static void test_registry_without_a_port_says_so(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("a");

    bench->options.first_port = 5200;
    bench->options.last_port = 5200;
    restart(bench);
    assert_int_equal(must_register(bench, &request).port, 5200);
    request.model_name = "b";
    assert_int_equal(refused(bench, &request), ERR_NO_PORT_AVAILABLE);
}

/* ---- leases ---- */

static void test_registry_lease_ends_after_ttl_not_before(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer answer = must_register(bench, &request);

    bench->now_ns += 90 * second - 1;
    assert_int_equal(registry_count(bench->registry), 1);
    assert_int_equal(beat(bench, answer.port, NULL, 0), ERR_NONE);
    bench->now_ns += 90 * second - 1;
    assert_int_equal(registry_count(bench->registry), 1);
    bench->now_ns += 1;
    assert_int_equal(registry_count(bench->registry), 0);
    assert_int_equal(beat(bench, answer.port, NULL, 0), ERR_NOT_FOUND);
    assert_int_equal(beat(bench, answer.port, answer.id, answer.epoch),
                     ERR_REGISTRATION_GONE);
}

static void test_registry_port_of_who_expired_rests(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m"), other = ask("other");

    assert_int_equal(must_register(bench, &request).port, 5100);
    bench->now_ns += 90 * second;
    other.preferred_port = 5100;
    assert_int_equal(must_register(bench, &other).port, 5101);
    request.preferred_port = 5100; /* the same service comes back */
    assert_int_equal(must_register(bench, &request).port, 5100);
}

static void test_registry_lease_is_whole_again_after_a_restart(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer answer = must_register(bench, &request);

    bench->now_ns += 89 * second;
    restart(bench);
    bench->now_ns += 90 * second - 1;
    assert_int_equal(registry_count(bench->registry), 1);
    assert_int_equal(beat(bench, answer.port, answer.id, answer.epoch),
                     ERR_NONE);
    bench->now_ns += 90 * second;
    assert_int_equal(registry_count(bench->registry), 0);
}

static void test_registry_beat_needs_the_right_id_and_epoch(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct reg_answer old = must_register(bench, &request), now;
    char wrong[REG_ID_SIZE];

    memcpy(wrong, old.id, sizeof wrong);
    wrong[strlen(wrong) - 1] ^= 1;
    assert_int_equal(beat(bench, old.port, wrong, 0),
                     ERR_REGISTRATION_MISMATCH);
    assert_int_equal(beat(bench, old.port, "", 0), ERR_NONE);
    assert_int_equal(beat(bench, old.port, old.id, old.epoch + 1),
                     ERR_REGISTRATION_MISMATCH);
    assert_int_equal(beat(bench, 5999, NULL, 0), ERR_NOT_FOUND);
    assert_int_equal(beat(bench, 0, NULL, 0), ERR_NOT_FOUND);
    assert_int_equal(beat(bench, 70000, NULL, 0), ERR_NOT_FOUND);

    assert_int_equal(leave(bench, old.port, old.id), ERR_NONE);
    now = must_register(bench, &request);
    assert_int_equal(now.port, old.port);
    assert_true(now.epoch > old.epoch);
    assert_int_equal(beat(bench, old.port, old.id, old.epoch),
                     ERR_REGISTRATION_GONE);
}

/* The thread runs, and nobody looked at the leases for more than a term. */
static void test_registry_standing_still_ends_no_lease(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");
    struct error err = {0};

    (void)must_register(bench, &request);
    assert_true(registry_start(bench->registry, &err));
    atomic_fetch_add(&bench->now_ns, 3600 * second);
    assert_int_equal(registry_count(bench->registry), 1);
    atomic_fetch_add(&bench->now_ns, 4 * second);
    assert_int_equal(registry_count(bench->registry), 1);
}

/* ---- leaving ---- */

static void test_registry_unregister_needs_the_owner(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m"), other = ask("other");
    struct reg_answer answer = must_register(bench, &request);

    assert_int_equal(leave(bench, answer.port, "brain_reg_1_0001_0"),
                     ERR_REGISTRATION_MISMATCH);
    assert_int_equal(registry_count(bench->registry), 1);
    assert_int_equal(leave(bench, 5101, answer.id), ERR_NOT_FOUND);
    assert_int_equal(leave(bench, answer.port, answer.id), ERR_NONE);
    assert_int_equal(registry_count(bench->registry), 0);
    assert_int_equal(leave(bench, answer.port, answer.id), ERR_NONE);
    assert_int_equal(leave(bench, answer.port, "brain_reg_1_0001_0"),
                     ERR_NOT_FOUND);
    /* the port is free at once */
    assert_int_equal(must_register(bench, &other).port, answer.port);
    assert_int_equal(leave(bench, answer.port, answer.id),
                     ERR_REGISTRATION_MISMATCH);
    restart(bench);
    assert_int_equal(registry_count(bench->registry), 1);
}

/* ---- deaths ---- */

static void wait_until_gone(struct bench *bench)
{
    uint64_t until_ns = clock_now_ns() + 5 * second;

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
    restart(bench); /* and the store knows */
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
        if (clock_now_ns() - killed_ns > second)
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
    open_again(bench);
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
    restart(bench);
    assert_int_equal(registry_count(bench->registry), 2);
}

static void test_registry_full_disk_forgets_no_death(void **state)
{
    struct bench *bench = *state;
    struct reg_request request = ask("m");

    request.host = "192.0.2.7"; /* after a restart only the store knows */
    request.host_is_local = false;
    (void)must_register(bench, &request);
    bench->now_ns += 90 * second;
    fill_disk(true);
    log_set_level((enum log_level) - 1); /* it complains, rightly */
    registry_tick(bench->registry);
    registry_tick(bench->registry);
    log_set_level(LOG_ERROR);
    fill_disk(false);
    assert_int_equal(registry_count(bench->registry), 0);
    registry_tick(bench->registry);
    restart(bench);
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
    open_again(bench);
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
            bench->now_ns += 90 * second; /* it expires */
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
    restart(bench);
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
    restart(bench); /* revisions of an earlier run are not ours */
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
        restart(bench);
    }
}

static void test_registry_epochs_rise_over_restarts(void **state)
{
    struct bench *bench = *state;

    check_epochs_rise(bench);
    bench->options.store = "memory";
    restart(bench);
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

#define REGISTRY_TEST(name)                                                    \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_registry_first_port_is_5100),
        REGISTRY_TEST(test_registry_same_process_keeps_its_registration),
        REGISTRY_TEST(test_registry_other_model_or_process_is_a_new_instance),
        REGISTRY_TEST(test_registry_same_request_id_gets_the_same_answer),
        REGISTRY_TEST(test_registry_old_clients_need_no_pid),
        REGISTRY_TEST(test_registry_refuses_names_that_are_none),
        REGISTRY_TEST(test_registry_refuses_processes_that_are_none),
        REGISTRY_TEST(test_registry_refuses_processes_of_other_users),
        REGISTRY_TEST(test_registry_refuses_terms_and_sizes_out_of_range),
        REGISTRY_TEST(test_registry_limits_the_keys_of_metadata),
        REGISTRY_TEST(test_registry_one_caller_has_64_registrations),
        REGISTRY_TEST(test_registry_one_host_has_64_registrations),
        REGISTRY_TEST(test_registry_preferred_port_or_the_reason_why_not),
        REGISTRY_TEST(test_registry_without_a_port_says_so),
        REGISTRY_TEST(test_registry_lease_ends_after_ttl_not_before),
        REGISTRY_TEST(test_registry_port_of_who_expired_rests),
        REGISTRY_TEST(test_registry_lease_is_whole_again_after_a_restart),
        REGISTRY_TEST(test_registry_beat_needs_the_right_id_and_epoch),
        REGISTRY_TEST(test_registry_standing_still_ends_no_lease),
        REGISTRY_TEST(test_registry_unregister_needs_the_owner),
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
