/*
 * Store: finds the implementation by name; see store.h.
 */
#include "store.h"

#include <string.h>

#define STORE(name) extern const struct reg_store_ops reg_store_##name;
#include "stores.def"
#undef STORE

const struct reg_store_ops *const reg_store_kinds[] = {
#define STORE(name) &reg_store_##name,
#include "stores.def"
#undef STORE
    NULL};

bool reg_store_open(struct reg_store *store, const char *spec,
                    struct error *err)
{
    size_t length = strcspn(spec, ":");
    const char *location = spec[length] ? spec + length + 1 : "";

    for (size_t i = 0; reg_store_kinds[i]; i++) {
        const struct reg_store_ops *ops = reg_store_kinds[i];

        if (strlen(ops->name) != length ||
            strncmp(ops->name, spec, length) != 0)
            continue;
        *store = (struct reg_store){.ops = ops};
        return ops->open(location, &store->state, &store->base, err);
    }
    return fail(err, ERR_USAGE, "'%s' is not a store", spec);
}

void reg_store_close(struct reg_store *store)
{
    if (store->ops)
        store->ops->close(store->state);
    *store = (struct reg_store){0};
}
