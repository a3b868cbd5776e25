/*
 * Memory store: registrations end with the registry.
 *
 * For tests, and for machines where every server registers again by itself.
 * Nothing is counted over restarts, so the base is the time in microseconds: it
 * rises faster than anybody registers, unless the clock is set back between two
 * starts.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store.h"

enum { PORT_COUNT = 65536 };

struct memory_store {
    struct reg_record *by_port[PORT_COUNT];
};

static bool memory_open(const char *location, void **state, uint64_t *base,
                        struct error *err)
{
    struct memory_store *store;
    struct timespec now;

    if (*location)
        return fail(err, ERR_USAGE, "the memory store has no location");
    store = calloc(1, sizeof *store);
    if (!store)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the store");
    *state = store;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *base = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    return true;
}

static bool memory_load(void *state, reg_store_visit *visit, void *context,
                        struct error *err)
{
    struct memory_store *store = state;

    for (int port = 0; port < PORT_COUNT; port++)
        if (store->by_port[port] && !visit(context, store->by_port[port], err))
            return false;
    return true;
}

static bool memory_apply(void *state, const struct reg_change *changes,
                         size_t count, struct error *err)
{
    struct memory_store *store = state;

    (void)err;
    for (size_t i = 0; i < count; i++) {
        struct reg_record *record = changes[i].record;
        struct reg_record **place = &store->by_port[record->port];

        if (changes[i].kind == REG_PUT) {
            reg_record_put(*place);
            *place = reg_record_get(record);
        } else if (*place && strcmp((*place)->id, record->id) == 0) {
            reg_record_put(*place);
            *place = NULL;
        }
    }
    return true;
}

static void memory_close(void *state)
{
    struct memory_store *store = state;

    for (int port = 0; store && port < PORT_COUNT; port++)
        reg_record_put(store->by_port[port]);
    free(store);
}

extern const struct reg_store_ops reg_store_memory;
const struct reg_store_ops reg_store_memory = {.name = "memory",
                                               .durable = false,
                                               .open = memory_open,
                                               .load = memory_load,
                                               .apply = memory_apply,
                                               .close = memory_close};
