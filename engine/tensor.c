/*
 * Tensor: the table of element types, and what follows from a shape.
 */
#include "tensor.h"

#include <stdio.h>
#include <string.h>

struct dtype_info {
    const char *name;
    uint8_t size;
    bool is_float;
};

static const struct dtype_info dtypes[] = {
    [ENG_F32] = {"float32", 4, true},
    [ENG_U8] = {"uint8", 1, false},
    [ENG_I8] = {"int8", 1, false},
    [ENG_U16] = {"uint16", 2, false},
    [ENG_I16] = {"int16", 2, false},
    [ENG_I32] = {"int32", 4, false},
    [ENG_I64] = {"int64", 8, false},
    [ENG_STRING] = {"string", sizeof(struct eng_string), false},
    [ENG_BOOL] = {"bool", 1, false},
    [ENG_F16] = {"float16", 2, true},
    [ENG_F64] = {"float64", 8, true},
    [ENG_U32] = {"uint32", 4, false},
    [ENG_U64] = {"uint64", 8, false},
    [ENG_BF16] = {"bfloat16", 2, true},
};

enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

static const struct dtype_info *find_dtype(enum eng_dtype dtype)
{
    static const struct dtype_info unknown = {"?", 0, false};

    if ((unsigned)dtype >= DTYPE_COUNT || !dtypes[dtype].name)
        return &unknown;
    return &dtypes[dtype];
}

size_t eng_dtype_size(enum eng_dtype dtype)
{
    return find_dtype(dtype)->size;
}

const char *eng_dtype_name(enum eng_dtype dtype)
{
    return find_dtype(dtype)->name;
}

bool eng_dtype_is_float(enum eng_dtype dtype)
{
    return find_dtype(dtype)->is_float;
}

enum eng_dtype eng_dtype_by_name(const char *name)
{
    for (unsigned i = 0; i < DTYPE_COUNT; i++) {
        if (dtypes[i].name && strcmp(dtypes[i].name, name) == 0)
            return (enum eng_dtype)i;
    }
    return ENG_NONE;
}

int64_t eng_tensor_count(const struct eng_tensor *tensor)
{
    int64_t count = 1;
    bool empty = false;

    /* Zeros are left out, so that [2^40, 2^40, 0] overflows wherever the zero
     * stands. */
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 0)
            return -1;
        if (tensor->dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(count, tensor->dims[i], &count))
            return -1;
    }
    return empty ? 0 : count;
}

size_t eng_tensor_size(const struct eng_tensor *tensor)
{
    int64_t count = eng_tensor_count(tensor);
    size_t size;

    if (count < 0 || __builtin_mul_overflow(
                         (size_t)count, eng_dtype_size(tensor->dtype), &size))
        return SIZE_MAX;
    return size;
}

const char *eng_shape_text(const struct eng_tensor *tensor,
                           char text[ENG_SHAPE_TEXT])
{
    size_t used = 1;

    text[0] = '[';
    for (int i = 0; i < tensor->rank; i++) {
        const char *comma = i ? ", " : "";
        int wrote;

        if (tensor->dims[i] < 0)
            wrote = snprintf(text + used, ENG_SHAPE_TEXT - used, "%s?", comma);
        else
            wrote = snprintf(text + used, ENG_SHAPE_TEXT - used, "%s%lld",
                             comma, (long long)tensor->dims[i]);
        used += (size_t)wrote;
    }
    text[used] = ']';
    text[used + 1] = '\0';
    return text;
}

void eng_shape_set(struct eng_tensor *tensor, int rank, const int64_t *dims)
{
    tensor->rank = rank;
    for (int i = 0; i < rank; i++)
        tensor->dims[i] = dims[i];
}

bool eng_shape_equal(const struct eng_tensor *a, const struct eng_tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

int64_t eng_shape_product(const struct eng_tensor *tensor, int first, int last)
{
    int64_t product = 1;

    for (int i = first; i < last; i++)
        product *= tensor->dims[i];
    return product;
}

void *eng_weight_alloc(struct arena *arena, size_t size)
{
    enum { ALIGNMENT = 64 };
    unsigned char *bytes = arena_alloc(arena, size + ALIGNMENT);
    size_t over = (uintptr_t)bytes % ALIGNMENT;

    return bytes && over ? bytes + (ALIGNMENT - over) : bytes;
}
