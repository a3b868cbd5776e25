/*
 * Registry: coming and leaving as registry.h promises it - registrations,
 * ports, leases. Deaths, readers and crowds are in test_registry_life.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "registry_bench.h"

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

    bench->now_ns += 60 * SECOND_NS;
    again = must_register(bench, &request);
    assert_int_equal(again.port, first.port);
    assert_string_equal(again.id, first.id);
    assert_int_equal(again.epoch, first.epoch);
    assert_string_equal(again.message, "Already registered");
    bench->now_ns += 60 * SECOND_NS; /* the lease was renewed */
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
    bench_restart(bench);
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
    bench_restart(bench);
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
    bench_restart(bench);
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

    bench->now_ns += 90 * SECOND_NS - 1;
    assert_int_equal(registry_count(bench->registry), 1);
    assert_int_equal(beat(bench, answer.port, NULL, 0), ERR_NONE);
    bench->now_ns += 90 * SECOND_NS - 1;
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
    bench->now_ns += 90 * SECOND_NS;
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

    bench->now_ns += 89 * SECOND_NS;
    bench_restart(bench);
    bench->now_ns += 90 * SECOND_NS - 1;
    assert_int_equal(registry_count(bench->registry), 1);
    assert_int_equal(beat(bench, answer.port, answer.id, answer.epoch),
                     ERR_NONE);
    bench->now_ns += 90 * SECOND_NS;
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
    atomic_fetch_add(&bench->now_ns, 3600 * SECOND_NS);
    assert_int_equal(registry_count(bench->registry), 1);
    atomic_fetch_add(&bench->now_ns, 4 * SECOND_NS);
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
    bench_restart(bench);
    assert_int_equal(registry_count(bench->registry), 1);
}

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
