/*
 * Registry bench: a registry with a clock that the test turns, in a database of
 * its own, and callers that are real processes: the test itself, or children
 * that it starts and ends. Ports are never bound, the probe is a stub.
 *
 * Threads: a test's own.
 */
#ifndef TESTS_REGISTRY_BENCH_H
#define TESTS_REGISTRY_BENCH_H

#include <stdatomic.h>
#include <sys/types.h>

#include "registry.h"
#include "unit.h"

#define SECOND_NS UINT64_C(1000000000)

/* The port on which a stranger sits. */
enum { STRANGERS_PORT = 5666 };

/* A registry, its clock, and the folder of its database. */
struct bench {
    struct registry *registry;
    atomic_uint_fast64_t now_ns;
    char folder[64];
    char store[128];
    struct reg_options options;
};

/* Opens the registry of bench->options, or closes it first. */
void bench_open(struct bench *bench);
void bench_restart(struct bench *bench);

/* Of cmocka: `*state` is a bench. */
int bench_set_up(void **state);
int bench_tear_down(void **state);

#define REGISTRY_TEST(name)                                                    \
    cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

/* What this process would send. */
struct reg_request ask(const char *model);

/* Registers, or fails the test. */
struct reg_answer must_register(struct bench *bench,
                                const struct reg_request *request);

/* Registers with a preferred port and expects this port and message. */
void expect_port(struct bench *bench, const char *model, int preferred,
                 int port, const char *why);

/* The code with which each is refused; ERR_NONE = it is not. */
enum err_code refused(struct bench *bench, const struct reg_request *request);
enum err_code beat(struct bench *bench, int port, const char *id,
                   uint64_t epoch);
enum err_code leave(struct bench *bench, int port, const char *id);

/* A process that waits for its end, and that end. */
pid_t start_child(void);
void end_child(pid_t pid);

#endif
