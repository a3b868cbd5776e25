/*
 * BPE queue: whatever comes in between, pairs leave by rank, then by place; in
 * short words, where all are in a heap, and in long ones, where most are in lists.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "model_bpe_queue.h"

enum { RANKS = 70000, SHORT = 1000, LONG = 70000, WAITING = 4000 };

static uint32_t seed;

static uint32_t next_random(uint32_t below)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
}

/* The first of what waits, taken out; the plain way. */
static struct bpe_candidate take_first(struct bpe_candidate *waiting,
                                       size_t *count)
{
    size_t first = 0;
    struct bpe_candidate item;

    for (size_t i = 1; i < *count; i++) {
        const struct bpe_candidate *a = &waiting[i], *b = &waiting[first];

        if (a->rank < b->rank || (a->rank == b->rank && a->at < b->at))
            first = i;
    }
    item = waiting[first];
    waiting[first] = waiting[--*count];
    return item;
}

/* Pairs of few ranks and of many, from left to right and back, no two alike. */
static struct bpe_candidate make_candidate(int32_t i)
{
    uint32_t rank = i % 3 ? next_random(5) * 16000 : next_random(RANKS);

    return (struct bpe_candidate){rank, i % 7 ? i : SHORT * 1000 - i,
                                  (int32_t)next_random(99)};
}

struct both {
    struct bpe_queue queue;
    struct bpe_candidate waiting[WAITING];
    size_t count;
    int32_t made;
};

static void add(struct both *both)
{
    struct bpe_candidate item = make_candidate(both->made++);

    both->waiting[both->count++] = item;
    assert_true(bpe_queue_push(&both->queue, item));
}

static void take(struct both *both)
{
    struct bpe_candidate got, wanted = take_first(both->waiting, &both->count);

    assert_true(bpe_queue_pop(&both->queue, &got));
    assert_memory_equal(&got, &wanted, sizeof got);
}

/* Fills it, takes and adds in turn, then empties it. */
static void check(size_t pieces)
{
    static struct both both;
    struct bpe_candidate got;
    struct arena arena;

    arena_init(&arena, 0);
    both.count = 0;
    assert_true(bpe_queue_init(&both.queue, pieces, RANKS, &arena));
    while (both.count < WAITING / 2)
        add(&both);
    for (int i = 0; i < WAITING; i++) {
        take(&both);
        if (next_random(4) > 0)
            add(&both);
    }
    while (both.count > 0)
        take(&both);
    assert_false(bpe_queue_pop(&both.queue, &got));
    arena_release(&arena);
}

static void test_queue_gives_pairs_in_order(void **state)
{
    (void)state;
    check(SHORT);
    check(LONG);
}

static void test_queue_says_when_memory_is_out(void **state)
{
    struct bpe_queue queue;
    struct arena arena;

    (void)state;
    arena_init(&arena, 4096);
    assert_false(bpe_queue_init(&queue, LONG, RANKS, &arena));
    arena_release(&arena);
    arena_init(&arena, 4096);
    assert_true(bpe_queue_init(&queue, SHORT, RANKS, &arena));
    assert_false(bpe_queue_push(&queue, (struct bpe_candidate){1, 1, 1}));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_gives_pairs_in_order),
        cmocka_unit_test(test_queue_says_when_memory_is_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
