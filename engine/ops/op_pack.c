/*
 * Packed weights: constants in the form a kernel wants, made at first use.
 *
 * A model has few of them and a lookup happens only while planning, so a
 * locked list is enough.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"

enum { PACK_ALIGNMENT = 64, HOW_MAX = 64 };

struct pack {
    struct pack *next;
    const void *source;
    op_pack_fn fn;
    unsigned char how[HOW_MAX];
    size_t how_size;
    void *bytes;
};

struct op_packs {
    pthread_mutex_t mu;
    struct pack *first; /* mu */
};

struct op_packs *op_packs_new(void)
{
    struct op_packs *packs = calloc(1, sizeof *packs);

    if (packs)
        (void)pthread_mutex_init(&packs->mu, NULL);
    return packs;
}

void op_packs_free(struct op_packs *packs)
{
    if (!packs)
        return;
    while (packs->first) {
        struct pack *pack = packs->first;

        packs->first = pack->next;
        free(pack->bytes);
        free(pack);
    }
    (void)pthread_mutex_destroy(&packs->mu);
    free(packs);
}

static const void *find_locked(const struct op_packs *packs,
                               const struct op_pack_key *key)
{
    for (const struct pack *pack = packs->first; pack; pack = pack->next) {
        if (pack->source == key->source && pack->fn == key->pack &&
            pack->how_size == key->how_size &&
            memcmp(pack->how, key->how, key->how_size) == 0)
            return pack->bytes;
    }
    return NULL;
}

static const void *make_locked(struct op_packs *packs,
                               const struct op_pack_key *key, size_t size)
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
    pack->how_size = key->how_size;
    memcpy(pack->how, key->how, key->how_size);
    key->pack(key->source, pack->bytes, key->how);
    pack->next = packs->first;
    packs->first = pack;
    return pack->bytes;
}

const void *op_pack(struct op_node *op, const struct op_pack_key *key,
                    size_t size, struct error *err)
{
    struct op_packs *packs = op->packs;
    const void *bytes = NULL;

    (void)pthread_mutex_lock(&packs->mu);
    if (key->how_size <= HOW_MAX) {
        bytes = find_locked(packs, key);
        if (!bytes)
            bytes = make_locked(packs, key, size);
    }
    (void)pthread_mutex_unlock(&packs->mu);
    if (!bytes)
        fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu packed bytes", size);
    return bytes;
}
