/*
 * Lease: a binary heap whose elements know their place; see lease.h.
 */
#include "lease.h"

#include <assert.h>
#include <stdlib.h>

static const uint64_t ns_per_s = 1000000000;

void reg_leases_release(struct reg_leases *leases)
{
    free(leases->heap);
    *leases = (struct reg_leases){0};
}

static void put(struct reg_leases *leases, size_t at, struct reg_lease *lease)
{
    leases->heap[at] = lease;
    lease->slot = at + 1;
}

/* Moves the element at `at` towards the root until its parent ends earlier. */
static void sift_up(struct reg_leases *leases, size_t at)
{
    struct reg_lease *lease = leases->heap[at];

    while (at > 0) {
        size_t parent = (at - 1) / 2;

        if (leases->heap[parent]->expires_ns <= lease->expires_ns)
            break;
        put(leases, at, leases->heap[parent]);
        at = parent;
    }
    put(leases, at, lease);
}

/* Moves the element at `at` away from the root until its children end later. */
static void sift_down(struct reg_leases *leases, size_t at)
{
    struct reg_lease *lease = leases->heap[at];

    for (size_t child; (child = 2 * at + 1) < leases->count; at = child) {
        if (child + 1 < leases->count && leases->heap[child + 1]->expires_ns <
                                             leases->heap[child]->expires_ns)
            child++;
        if (lease->expires_ns <= leases->heap[child]->expires_ns)
            break;
        put(leases, at, leases->heap[child]);
    }
    put(leases, at, lease);
}

bool reg_leases_reserve(struct reg_leases *leases, size_t count)
{
    size_t capacity = leases->capacity ? leases->capacity : 64;
    struct reg_lease **heap;

    if (count <= leases->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    heap = realloc(leases->heap, capacity * sizeof(struct reg_lease *));
    if (!heap)
        return false;
    leases->heap = heap;
    leases->capacity = capacity;
    return true;
}

void reg_lease_start(struct reg_leases *leases, struct reg_lease *lease,
                     uint32_t ttl_s, uint64_t now_ns)
{
    assert(leases->count < leases->capacity);
    lease->ttl_s = ttl_s;
    lease->expires_ns = now_ns + ttl_s * ns_per_s;
    put(leases, leases->count, lease);
    leases->count++;
    sift_up(leases, leases->count - 1);
}

void reg_lease_renew(struct reg_leases *leases, struct reg_lease *lease,
                     uint64_t now_ns)
{
    if (lease->slot == 0)
        return;
    lease->expires_ns = now_ns + lease->ttl_s * ns_per_s;
    sift_up(leases, lease->slot - 1);
    sift_down(leases, lease->slot - 1);
}

void reg_leases_renew_all(struct reg_leases *leases, uint64_t now_ns)
{
    for (size_t i = 0; i < leases->count; i++)
        leases->heap[i]->expires_ns =
            now_ns + leases->heap[i]->ttl_s * ns_per_s;
    for (size_t i = leases->count / 2; i-- > 0;)
        sift_down(leases, i);
}

void reg_lease_end(struct reg_leases *leases, struct reg_lease *lease)
{
    struct reg_lease *last;
    size_t at;

    if (lease->slot == 0)
        return;
    at = lease->slot - 1;
    lease->slot = 0;
    last = leases->heap[--leases->count];
    if (last == lease)
        return;
    put(leases, at, last);
    sift_up(leases, at);
    sift_down(leases, last->slot - 1);
}

struct reg_lease *reg_lease_due(const struct reg_leases *leases,
                                uint64_t now_ns)
{
    if (leases->count == 0 || leases->heap[0]->expires_ns > now_ns)
        return NULL;
    return leases->heap[0];
}
