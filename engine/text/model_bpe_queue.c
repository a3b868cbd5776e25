/*
 * BPE queue: see model_bpe_queue.h.
 */
#include "model_bpe_queue.h"

#include <string.h>

enum {
    HEAP_ENOUGH = 1 << 16, /* pieces up to which a heap stays in the cache */
    HEAP_ROOM = 1024,
    BITS = 64
};

struct bpe_waiting {
    int32_t at, result;
    int32_t next; /* of its list, or of those that are free; -1 = none */
};

struct bpe_list {
    int32_t first, last; /* -1: it is empty */
};

/* --- the heap --- */

static bool before(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static bool heap_grow(struct bpe_queue *queue)
{
    size_t room = queue->heap_room ? 2 * queue->heap_room : HEAP_ROOM;
    struct bpe_candidate *heap = arena_alloc(queue->arena, room * sizeof *heap);

    if (!heap)
        return false;
    if (queue->heap_count > 0)
        memcpy(heap, queue->heap, queue->heap_count * sizeof *heap);
    queue->heap = heap;
    queue->heap_room = room;
    return true;
}

static bool heap_push(struct bpe_queue *queue, struct bpe_candidate item)
{
    size_t at = queue->heap_count;

    if (at == queue->heap_room && !heap_grow(queue))
        return false;
    queue->heap_count++;
    while (at > 0 && before(&item, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = item;
    return true;
}

static struct bpe_candidate heap_pop(struct bpe_queue *queue)
{
    struct bpe_candidate top = queue->heap[0];
    struct bpe_candidate item = queue->heap[--queue->heap_count];
    size_t at = 0, child = 1;

    while (child < queue->heap_count) {
        if (child + 1 < queue->heap_count &&
            before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!before(&queue->heap[child], &item))
            break;
        queue->heap[at] = queue->heap[child];
        at = child;
        child = 2 * at + 1;
    }
    queue->heap[at] = item;
    return top;
}

/* --- which lists have pairs --- */

static void set_bit(struct bpe_queue *queue, size_t rank)
{
    for (int level = 0; level < queue->levels; level++, rank /= BITS)
        queue->bits[level][rank / BITS] |= UINT64_C(1) << (rank % BITS);
}

static void clear_bit(struct bpe_queue *queue, size_t rank)
{
    for (int level = 0; level < queue->levels; level++, rank /= BITS) {
        queue->bits[level][rank / BITS] &= ~(UINT64_C(1) << (rank % BITS));
        if (queue->bits[level][rank / BITS])
            break;
    }
}

/* The smallest rank whose list has pairs. */
static bool first_bit(const struct bpe_queue *queue, size_t *rank)
{
    size_t at = 0;

    for (int level = queue->levels - 1; level >= 0; level--) {
        uint64_t word = queue->bits[level][at];

        if (!word)
            return false;
        at = at * BITS + (size_t)__builtin_ctzll(word);
    }
    *rank = at;
    return queue->levels > 0;
}

/* --- the lists --- */

/* At the end of its list, if it lies behind the last one there. */
static bool append(struct bpe_queue *queue, const struct bpe_candidate *item)
{
    struct bpe_list *list = &queue->lists[item->rank];
    int32_t place = queue->spare;

    if (list->first >= 0 && queue->waiting[list->last].at >= item->at)
        return false;
    if (place >= 0)
        queue->spare = queue->waiting[place].next;
    else
        place = (int32_t)queue->fresh++;
    queue->waiting[place] = (struct bpe_waiting){item->at, item->result, -1};
    if (list->first >= 0) {
        queue->waiting[list->last].next = place;
    } else {
        list->first = place;
        set_bit(queue, item->rank);
    }
    list->last = place;
    return true;
}

static void take_first(struct bpe_queue *queue, size_t rank)
{
    struct bpe_list *list = &queue->lists[rank];
    int32_t place = list->first;

    list->first = queue->waiting[place].next;
    queue->waiting[place].next = queue->spare;
    queue->spare = place;
    if (list->first < 0)
        clear_bit(queue, rank);
}

static bool make_lists(struct bpe_queue *queue, size_t pieces, size_t ranks)
{
    size_t words = ranks;

    queue->waiting =
        arena_alloc(queue->arena, 2 * pieces * sizeof *queue->waiting);
    queue->lists = arena_alloc(queue->arena, ranks * sizeof *queue->lists);
    if (!queue->waiting || !queue->lists)
        return false;
    memset(queue->lists, 0xff, ranks * sizeof *queue->lists); /* all -1 */
    do {
        words = (words + BITS - 1) / BITS;
        queue->bits[queue->levels] =
            arena_zalloc(queue->arena, words, sizeof(uint64_t));
        if (!queue->bits[queue->levels++])
            return false;
    } while (words > 1);
    return true;
}

/* --- both --- */

bool bpe_queue_init(struct bpe_queue *queue, size_t pieces, size_t ranks,
                    struct arena *arena)
{
    *queue = (struct bpe_queue){.arena = arena, .spare = -1};
    return pieces <= HEAP_ENOUGH || make_lists(queue, pieces, ranks);
}

bool bpe_queue_push(struct bpe_queue *queue, struct bpe_candidate item)
{
    return (queue->lists && append(queue, &item)) || heap_push(queue, item);
}

bool bpe_queue_pop(struct bpe_queue *queue, struct bpe_candidate *item)
{
    size_t rank = 0;

    if (!first_bit(queue, &rank)) {
        if (queue->heap_count == 0)
            return false;
        *item = heap_pop(queue);
        return true;
    }
    *item = (struct bpe_candidate){
        (uint32_t)rank, queue->waiting[queue->lists[rank].first].at,
        queue->waiting[queue->lists[rank].first].result};
    if (queue->heap_count > 0 && before(&queue->heap[0], item))
        *item = heap_pop(queue);
    else
        take_first(queue, rank);
    return true;
}
