/*
 * Store: where registrations survive the registry.
 *
 * A store keeps at most one record per port and applies changes in batches,
 * all or nothing. It also says where epochs and revisions of this run start:
 * above all those of earlier runs, which is how they rise over restarts
 * without a write for each.
 *
 * To add one: a file in stores/ that defines `reg_store_<name>` and a row in
 * stores.def; the one store test runs on every row.
 *
 * Threads: the caller serialises.
 */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "record.h"

enum reg_change_kind {
    REG_PUT,   /* this record, in place of any other on its port */
    REG_DELETE /* the record of this port and id, if it is there */
};

struct reg_change {
    enum reg_change_kind kind;
    struct reg_record *record; /* borrowed */
};

/* Takes a reference for itself if it keeps the record. */
typedef bool reg_store_visit(void *context, struct reg_record *record,
                             struct error *err);

/* What a store must do. `state` is its own. */
struct reg_store_ops {
    const char *name;
    bool durable; /* what apply() wrote is there after a crash */

    /*
     * Opens `location` for this process alone. Counters that start above
     * `*base` meet none of an earlier run, if each counted less than 2^32.
     *   ERR_STORE_UNAVAILABLE  another process has it, or it cannot be opened
     *   ERR_FILE_INVALID       broken, or written by a newer program
     */
    bool (*open)(const char *location, void **state, uint64_t *base,
                 struct error *err);

    /* Shows every record once; stops when `visit` fails. */
    bool (*load)(void *state, reg_store_visit *visit, void *context,
                 struct error *err);

    /* Applies all changes in order or none. When it returns true they are as
     * safe as the store can make them. ERR_STORE_UNAVAILABLE. */
    bool (*apply)(void *state, const struct reg_change *changes, size_t count,
                  struct error *err);

    /* Accepts NULL. */
    void (*close)(void *state);
};

struct reg_store {
    const struct reg_store_ops *ops;
    void *state;
    uint64_t base; /* epochs and revisions of this run are above it */
};

/* Every row of stores.def, NULL-ended. */
extern const struct reg_store_ops *const reg_store_kinds[];

/* Opens "NAME" or "NAME:LOCATION". ERR_USAGE: no such store; else as open. */
bool reg_store_open(struct reg_store *store, const char *spec,
                    struct error *err);

/* Closes it; accepts a zeroed store. */
void reg_store_close(struct reg_store *store);

#endif
