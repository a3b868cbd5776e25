/*
 * Keys: finds the place of an element in a list of numbers or strings.
 *
 * Threads: immutable after op_ml_keys_make().
 */
#ifndef ENGINE_OPS_ML_KEYS_H
#define ENGINE_OPS_ML_KEYS_H

#include "op.h"

struct op_ml_key;

struct op_ml_keys {
    enum eng_dtype dtype;
    struct op_ml_key *sorted; /* equal keys: the first of the list in front */
    size_t count;
};

/* Types that keys may have. */
enum {
    OP_TYPES_KEY = OP_TYPE(ENG_STRING) | OP_TYPE(ENG_I64) | OP_TYPE(ENG_I32) |
                   OP_TYPE(ENG_I16) | OP_TYPES_REAL
};

/* `list` (of OP_TYPES_KEY) must live as long as the plan. ERR_OUT_OF_MEMORY. */
bool op_ml_keys_make(struct op_node *op, const struct eng_tensor *list,
                     struct op_ml_keys *keys, struct error *err);

/* Place in the list of the element at `key`, or -1. NaN is equal to NaN. */
int64_t op_ml_keys_find(const struct op_ml_keys *keys, const void *key);

#endif
