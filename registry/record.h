/*
 * Record: what is kept of a registration, and never changes while it lives.
 *
 * Stores write and read it; the registry, its history and its readers share
 * one copy by counting references.
 *
 * Threads: immutable; get and put by any thread.
 */
#ifndef REGISTRY_RECORD_H
#define REGISTRY_RECORD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct reg_record {
    atomic_uint references;
    int port;
    uint32_t ttl_s;
    uint64_t epoch;       /* rises with every registration, never reused */
    int64_t pid;          /* 0 = the caller did not say */
    uint64_t start_ticks; /* of the process; 0 = not a process of this host */
    int64_t registered_s; /* wall clock */
    /* never NULL; "" = none */
    const char *id;      /* proves ownership */
    const char *boot_id; /* of this host when start_ticks was read */
    const char *host;    /* address at which the instance can be called */
    const char *app_name;
    const char *app_version;
    const char *model_name;
    const char *reason;
    const char *metadata;   /* JSON object */
    const char *request_id; /* as the caller named its request */
};

/* A copy of `draft` and its strings (NULL counts as ""), with one reference.
 * NULL: out of memory. */
struct reg_record *reg_record_new(const struct reg_record *draft);

/* Bytes that a copy of `draft` with its strings takes ... */
size_t reg_record_size(const struct reg_record *draft);

/* ... and the copy, in memory of that size aligned as malloc() does. For
 * readers who keep copies elsewhere, to which reg_record_put() is not meant. */
struct reg_record *reg_record_copy(void *memory,
                                   const struct reg_record *draft);

/* One more reference. */
struct reg_record *reg_record_get(struct reg_record *record);

/* Gives a reference back; the last one frees. Accepts NULL. */
void reg_record_put(struct reg_record *record);

#endif
