/*
 * Keys: see ml_keys.h. A sorted list and a binary search.
 */
#include "ml_keys.h"

#include <stdlib.h>
#include <string.h>

struct op_ml_key {
    enum eng_dtype dtype;
    const void *element;
    int64_t place;
};

static int compare_strings(const struct eng_string *a,
                           const struct eng_string *b)
{
    size_t size = a->size < b->size ? a->size : b->size;
    int order = size ? memcmp(a->text, b->text, size) : 0;

    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* NaN comes last, equal to itself. */
static int compare_reals(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

static int64_t integer_at(enum eng_dtype dtype, const void *element)
{
    if (dtype == ENG_I64)
        return *(const int64_t *)element;
    return dtype == ENG_I32 ? *(const int32_t *)element
                            : *(const int16_t *)element;
}

static int compare(enum eng_dtype dtype, const void *a, const void *b)
{
    int64_t left, right;

    if (dtype == ENG_STRING)
        return compare_strings(a, b);
    if (dtype == ENG_F32)
        return compare_reals((double)*(const float *)a,
                             (double)*(const float *)b);
    if (dtype == ENG_F64)
        return compare_reals(*(const double *)a, *(const double *)b);
    left = integer_at(dtype, a);
    right = integer_at(dtype, b);
    return (left > right) - (left < right);
}

static int by_key(const void *left, const void *right)
{
    const struct op_ml_key *a = left, *b = right;
    int order = compare(a->dtype, a->element, b->element);

    return order ? order : (a->place > b->place) - (a->place < b->place);
}

bool op_ml_keys_make(struct op_node *op, const struct eng_tensor *list,
                     struct op_ml_keys *keys, struct error *err)
{
    size_t count = (size_t)eng_tensor_count(list);
    size_t size = eng_dtype_size(list->dtype);

    *keys = (struct op_ml_keys){.dtype = list->dtype, .count = count};
    keys->sorted = op_alloc(op, (count + 1) * sizeof *keys->sorted, err);
    if (!keys->sorted)
        return false;
    for (size_t i = 0; i < count; i++)
        keys->sorted[i] = (struct op_ml_key){
            list->dtype, (const char *)list->data + i * size, (int64_t)i};
    qsort(keys->sorted, count, sizeof *keys->sorted, by_key);
    return true;
}

int64_t op_ml_keys_find(const struct op_ml_keys *keys, const void *key)
{
    size_t low = 0, high = keys->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(keys->dtype, keys->sorted[middle].element, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < keys->count &&
        compare(keys->dtype, keys->sorted[low].element, key) == 0)
        return keys->sorted[low].place;
    return -1;
}
