/*
 * Packed weights: constants in the form a kernel wants, made at first use.
 *
 * A model has few of them and a lookup happens only while planning, so a
 * locked list is enough.
 *
 * While a model loads, a weight that its only reader has packed gives its
 * pages back; what is left of it are an address, which is its name, and the
 * packed form, from which it can be made again. Nobody may read it meanwhile:
 * the address sanitizer's builds notice who does.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "op.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#include <sanitizer/asan_interface.h>
#define POISON(bytes, size)   ASAN_POISON_MEMORY_REGION(bytes, size)
#define UNPOISON(bytes, size) ASAN_UNPOISON_MEMORY_REGION(bytes, size)
#else
#define POISON(bytes, size)   ((void)(bytes), (void)(size))
#define UNPOISON(bytes, size) ((void)(bytes), (void)(size))
#endif

enum { PACK_ALIGNMENT = 64, HOW_MAX = 64, PAGE = 4096, LET_GO_MIN = 65536 };

struct pack {
    struct pack *next;
    const void *source;
    op_pack_fn fn, unpack;
    unsigned char how[HOW_MAX];
    size_t how_size;
    void *bytes;
    size_t gone; /* bytes of the source that were let go; 0 = it is there */
};

struct op_packs {
    pthread_mutex_t mu;
    struct pack *first;   /* mu */
    const void **readers; /* mu; constants by the inputs that read them, sorted;
                             NULL = nothing may be let go */
    size_t reader_count;
    const struct eng_graph *graph; /* of the readers */
};

struct op_packs *op_packs_new(void)
{
    struct op_packs *packs = calloc(1, sizeof *packs);

    if (packs)
        (void)pthread_mutex_init(&packs->mu, NULL);
    return packs;
}

/* The pages that lie in a weight as a whole. */
static size_t whole_pages(const void *source, size_t size, void **first)
{
    uintptr_t start = ((uintptr_t)source + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)source + size) & ~(uintptr_t)(PAGE - 1);

    *first = (void *)start; /* NOLINT(performance-no-int-to-ptr) */
    return end > start ? end - start : 0;
}

/* Its memory may be read and written again; the elements are undefined. */
static void *reopen_locked(struct pack *pack)
{
    void *first, *source = (void *)(uintptr_t)pack->source;
    size_t size = whole_pages(source, pack->gone, &first);

    UNPOISON(first, size);
    (void)size;
    pack->gone = 0;
    return source;
}

void op_packs_free(struct op_packs *packs)
{
    if (!packs)
        return;
    while (packs->first) {
        struct pack *pack = packs->first;

        packs->first = pack->next;
        if (pack->gone)
            (void)reopen_locked(pack);
        free(pack->bytes);
        free(pack);
    }
    free(packs->readers);
    (void)pthread_mutex_destroy(&packs->mu);
    free(packs);
}

/* --- who reads what --- */

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const void *const *)a;
    uintptr_t y = (uintptr_t) * (const void *const *)b;

    return x < y ? -1 : x > y;
}

static size_t add_reader(const struct eng_graph *graph, uint32_t value,
                         const void **readers, size_t count)
{
    const void *data =
        value == ENG_NO_VALUE ? NULL : graph->values[value].constant.data;

    if (!data)
        return count;
    if (readers)
        readers[count] = data;
    return count + 1;
}

/* Fills `readers`, or counts them when it is NULL. */
static size_t list_readers(const struct eng_graph *graph, const void **readers)
{
    size_t count = 0;

    for (size_t i = 0; i < graph->node_count; i++) {
        const struct eng_node *node = &graph->nodes[i];

        for (size_t k = 0; k < node->input_count; k++)
            count = add_reader(graph, node->inputs[k], readers, count);
    }
    for (size_t i = 0; i < graph->output_count; i++)
        count = add_reader(graph, graph->outputs[i], readers, count);
    return count;
}

bool op_packs_load(struct op_packs *packs, const struct eng_graph *graph,
                   struct error *err)
{
    size_t count = list_readers(graph, NULL);
    const void **readers = calloc(count + 1, sizeof *readers);

    if (!readers)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
    (void)list_readers(graph, readers);
    qsort(readers, count, sizeof *readers, by_address);
    (void)pthread_mutex_lock(&packs->mu);
    if (graph->inner) { /* these read its constants without an input */
        free(readers);
        readers = NULL;
    }
    packs->readers = readers;
    packs->reader_count = count;
    packs->graph = graph;
    (void)pthread_mutex_unlock(&packs->mu);
    return true;
}

void op_packs_settle(struct op_packs *packs)
{
    (void)pthread_mutex_lock(&packs->mu);
    free(packs->readers);
    packs->readers = NULL;
    (void)pthread_mutex_unlock(&packs->mu);
}

/* Inputs that read something between `source` and its end. */
static size_t count_readers_locked(const struct op_packs *packs,
                                   const void *source, size_t size)
{
    size_t low = 0, high = packs->reader_count, count = 0;
    uintptr_t start = (uintptr_t)source;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uintptr_t)packs->readers[middle] < start)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + count < packs->reader_count &&
           (uintptr_t)packs->readers[low + count] < start + size)
        count++;
    return count;
}

/* --- letting go and bringing back --- */

static void let_go_locked(const struct op_packs *packs,
                          const struct op_node *op, struct pack *pack,
                          size_t size)
{
    void *first;
    size_t pages = whole_pages(pack->source, size, &first);

    if (!packs->readers || op->graph != packs->graph || !pack->unpack ||
        !(op->impl->flags & OP_PACKED) || size < LET_GO_MIN ||
        count_readers_locked(packs, pack->source, size) != 1)
        return;
    if (madvise(first, pages, MADV_DONTNEED) != 0)
        return;
    POISON(first, pages);
    pack->gone = size;
}

/* The packed form that stands for this weight; NULL = it is there itself. */
static struct pack *find_gone_locked(const struct op_packs *packs,
                                     const void *source)
{
    for (struct pack *pack = packs->first; pack; pack = pack->next) {
        if (pack->source == source && pack->gone)
            return pack;
    }
    return NULL;
}

static void bring_back_locked(const struct op_packs *packs, const void *source)
{
    struct pack *pack = source ? find_gone_locked(packs, source) : NULL;

    if (pack)
        pack->unpack(pack->bytes, reopen_locked(pack), pack->how);
}

void op_unpack_inputs(const struct op_node *op)
{
    struct op_packs *packs = op->packs;

    if (!packs)
        return;
    (void)pthread_mutex_lock(&packs->mu);
    for (size_t i = 0; i < op->in_count; i++) {
        bool packed = i < 32 && (op->packed >> i & 1);

        if (op->in[i] && !packed)
            bring_back_locked(packs, op->in[i]->data);
    }
    (void)pthread_mutex_unlock(&packs->mu);
}

/* --- packing --- */

static struct pack *find_locked(const struct op_packs *packs,
                                const struct op_pack_key *key)
{
    for (struct pack *pack = packs->first; pack; pack = pack->next) {
        if (pack->source == key->source && pack->fn == key->pack &&
            pack->how_size == key->how_size &&
            (!key->how_size || memcmp(pack->how, key->how, key->how_size) == 0))
            return pack;
    }
    return NULL;
}

static struct pack *make_locked(struct op_packs *packs,
                                const struct op_pack_key *key,
                                op_pack_fn unpack, size_t size)
{
    size_t rounded =
        (size + PACK_ALIGNMENT - 1) & ~(size_t)(PACK_ALIGNMENT - 1);
    struct pack *pack = calloc(1, sizeof *pack);

    if (!pack)
        return NULL;
    pack->bytes = aligned_alloc(PACK_ALIGNMENT, rounded + PACK_ALIGNMENT);
    if (!pack->bytes) {
        free(pack);
        return NULL;
    }
    pack->source = key->source;
    pack->fn = key->pack;
    pack->unpack = unpack;
    pack->how_size = key->how_size;
    if (key->how_size)
        memcpy(pack->how, key->how, key->how_size);
    bring_back_locked(packs, key->source);
    key->pack(key->source, pack->bytes, key->how);
    pack->next = packs->first;
    packs->first = pack;
    return pack;
}

/* The input that has these bytes; in_count = none. */
static size_t input_of(const struct op_node *op, const void *source)
{
    size_t i = 0;

    while (i < op->in_count && (!op->in[i] || op->in[i]->data != source))
        i++;
    return i;
}

const void *op_pack_only(struct op_node *op, const struct op_pack_key *key,
                         op_pack_fn unpack, size_t size, struct error *err)
{
    struct op_packs *packs = op->packs;
    size_t input = input_of(op, key->source);
    struct pack *pack = NULL;

    (void)pthread_mutex_lock(&packs->mu);
    if (key->how_size <= HOW_MAX) {
        pack = find_locked(packs, key);
        if (!pack)
            pack = make_locked(packs, key, unpack, size);
    }
    if (pack && input < op->in_count && input < 32) {
        op->packed |= (op->impl->flags & OP_PACKED ? 1U : 0U) << input;
        let_go_locked(packs, op, pack, eng_tensor_size(op->in[input]));
    }
    (void)pthread_mutex_unlock(&packs->mu);
    if (!pack) {
        fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu packed bytes", size);
        return NULL;
    }
    return pack->bytes;
}

const void *op_pack(struct op_node *op, const struct op_pack_key *key,
                    size_t size, struct error *err)
{
    return op_pack_only(op, key, NULL, size, err);
}
