/*
 * Walk: see walk.h.
 */
#include "walk.h"

#include <string.h>

void op_steps(const struct eng_tensor *tensor, int64_t steps[ENG_RANK_MAX])
{
    int64_t step = 1;

    for (int i = tensor->rank - 1; i >= 0; i--) {
        steps[i] = step;
        step *= tensor->dims[i];
    }
}

/* Can dimension `d` be visited as part of the one collected last? */
static bool merges(const struct op_walk *walk, int last, int64_t dim,
                   int64_t (*steps)[ENG_RANK_MAX], int d)
{
    for (int k = 0; k < walk->operands; k++) {
        if (walk->steps[k][last] != steps[k][d] * dim)
            return false;
    }
    return true;
}

void op_walk_make(struct op_walk *walk, int rank, const int64_t *dims,
                  int operands, int64_t (*steps)[ENG_RANK_MAX])
{
    int count = 0;

    *walk = (struct op_walk){.operands = operands, .inner = 1};
    for (int d = 0; d < rank; d++) {
        if (dims[d] == 1)
            continue;
        if (count && merges(walk, count - 1, dims[d], steps, d))
            walk->dims[count - 1] *= dims[d];
        else
            walk->dims[count++] = dims[d];
        for (int k = 0; k < operands; k++)
            walk->steps[k][count - 1] = steps[k][d];
    }
    if (!count)
        return;
    walk->rank = count - 1;
    walk->inner = walk->dims[count - 1];
    for (int k = 0; k < operands; k++)
        walk->inner_step[k] = walk->steps[k][count - 1];
}

void op_walk_broadcast(struct op_walk *walk, const struct eng_tensor *out,
                       int inputs, const struct eng_tensor *const *input)
{
    int64_t steps[OP_OPERANDS_MAX][ENG_RANK_MAX] = {{0}};

    for (int k = 0; k < inputs; k++)
        op_broadcast_steps(input[k], out, steps[k]);
    op_steps(out, steps[inputs]);
    op_walk_make(walk, out->rank, out->dims, inputs + 1, steps);
}

bool op_walk_first(const struct op_walk *walk, struct op_place *place)
{
    *place = (struct op_place){0};
    for (int d = 0; d < walk->rank; d++) {
        if (!walk->dims[d])
            return false;
    }
    return walk->inner > 0;
}

bool op_walk_next(const struct op_walk *walk, struct op_place *place)
{
    for (int d = walk->rank - 1; d >= 0; d--) {
        bool carry = ++place->index[d] == walk->dims[d];
        int64_t steps = carry ? 1 - walk->dims[d] : 1;

        for (int k = 0; k < walk->operands; k++)
            place->offset[k] += steps * walk->steps[k][d];
        if (!carry)
            return true;
        place->index[d] = 0;
    }
    return false;
}

#define COPY_ROW(name, type)                                                   \
    static void name(const void *from, void *to, const struct op_walk *walk)   \
    {                                                                          \
        const type *source = from;                                             \
        type *target = to;                                                     \
        int64_t step = walk->inner_step[0], target_step = walk->inner_step[1]; \
                                                                               \
        for (int64_t i = 0; i < walk->inner; i++)                              \
            target[i * target_step] = source[i * step];                        \
    }

COPY_ROW(copy_row_1, uint8_t)
COPY_ROW(copy_row_2, uint16_t)
COPY_ROW(copy_row_4, uint32_t)
COPY_ROW(copy_row_8, uint64_t)
COPY_ROW(copy_row_string, struct eng_string)

typedef void (*copy_row_fn)(const void *from, void *to,
                            const struct op_walk *walk);

static copy_row_fn pick_copy(size_t size)
{
    switch (size) {
    case 1:
        return copy_row_1;
    case 2:
        return copy_row_2;
    case 4:
        return copy_row_4;
    case 8:
        return copy_row_8;
    default:
        return copy_row_string;
    }
}

/* Rows of a few elements cost more to find than to copy: the dimension around
 * them becomes the row. */
static void lengthen(const struct op_walk *walk, struct op_walk *longer)
{
    enum { FEW = 8, NEAR = 1 << 20 }; /* rows, bytes that a cache holds */
    int last = walk->rank - 1;
    bool dense = walk->inner_step[0] == 1 && walk->inner_step[1] == 1;

    *longer = *walk;
    if (dense || last < 0 || walk->inner >= FEW ||
        walk->dims[last] <= walk->inner || walk->dims[last] > NEAR / FEW)
        return;
    longer->inner = walk->dims[last];
    longer->dims[last] = walk->inner;
    for (int k = 0; k < walk->operands; k++) {
        longer->inner_step[k] = walk->steps[k][last];
        longer->steps[k][last] = walk->inner_step[k];
    }
}

void op_walk_copy(const struct op_walk *shape, size_t size, const void *from,
                  void *to)
{
    struct op_walk longer;
    const struct op_walk *walk = &longer;
    copy_row_fn copy_row = pick_copy(size);
    struct op_place at;
    bool dense;

    lengthen(shape, &longer);
    dense = walk->inner_step[0] == 1 && walk->inner_step[1] == 1;

    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        const char *source = (const char *)from + at.offset[0] * (int64_t)size;
        char *target = (char *)to + at.offset[1] * (int64_t)size;

        if (dense)
            memcpy(target, source, (size_t)walk->inner * size);
        else
            copy_row(source, target, walk);
    }
}
