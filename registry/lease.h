/*
 * Lease: who must be heard from until when.
 *
 * A heap ordered by expiry, so that the next lease to end is known at once and
 * a renewal costs O(log n). Time comes in as an argument (nanoseconds of a
 * clock that never goes back); this module never asks what time it is.
 *
 * Threads: the caller serialises.
 */
#ifndef REGISTRY_LEASE_H
#define REGISTRY_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a caller may ask for, and what it gets when it does not ask. */
enum { REG_TTL_MIN_S = 3, REG_TTL_MAX_S = 300, REG_TTL_DEFAULT_S = 90 };

/* Embedded in whatever is leased; zeroed = not in a heap. */
struct reg_lease {
    uint64_t expires_ns;
    uint32_t ttl_s;
    size_t slot; /* index in the heap + 1; 0 = not running */
};

struct reg_leases {
    struct reg_lease **heap; /* heap[0] ends first */
    size_t count, capacity;
};

/* An empty heap is `struct reg_leases leases = {0}`. Leases are not freed. */
void reg_leases_release(struct reg_leases *leases);

/* Makes room for `count` leases in all. false: out of memory. */
bool reg_leases_reserve(struct reg_leases *leases, size_t count);

/* Starts a lease, for which there must be room: it ends `ttl_s` seconds from
 * now. */
void reg_lease_start(struct reg_leases *leases, struct reg_lease *lease,
                     uint32_t ttl_s, uint64_t now_ns);

/* A running lease ends a full TTL from now. */
void reg_lease_renew(struct reg_leases *leases, struct reg_lease *lease,
                     uint64_t now_ns);

/* Every running lease ends a full TTL from now. */
void reg_leases_renew_all(struct reg_leases *leases, uint64_t now_ns);

/* Takes the lease out; does nothing if it is not running. */
void reg_lease_end(struct reg_leases *leases, struct reg_lease *lease);

/* The lease that ended first, if its time has come; it stays in the heap. */
struct reg_lease *reg_lease_due(const struct reg_leases *leases,
                                uint64_t now_ns);

#endif
