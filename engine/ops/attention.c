/*
 * Attention: see attention.h.
 */
#include "attention.h"

#include <math.h>
#include <string.h>

#include "gemm.h"
#include "kernel/head.h"
#include "kernel/rows.h"

enum { ALIGNMENT = 64 };

/* --- one head --- */

static bool add_product(size_t *total, int64_t rows, int64_t columns)
{
    size_t count;

    return !__builtin_mul_overflow((size_t)rows, (size_t)columns, &count) &&
           !__builtin_add_overflow(*total, count, total);
}

static struct kernel_head kernel_sizes(const struct op_head *head)
{
    return (struct kernel_head){.q_rows = head->q_seq,
                                .kv_rows = head->kv_seq,
                                .size = head->size,
                                .v_size = head->v_size,
                                .q_step = head->size,
                                .k_step = head->size,
                                .v_step = head->v_size,
                                .y_step = head->v_size,
                                .scale = head->scale,
                                .zero_empty = true};
}

bool op_head_room(struct op_node *op, const struct op_head *sizes,
                  size_t before, struct error *err)
{
    const struct kernel_head kernel = kernel_sizes(sizes);
    size_t floats = before, room;

    if (!add_product(&floats, sizes->q_seq, sizes->size) ||
        !add_product(&floats, sizes->kv_seq, sizes->size) ||
        !add_product(&floats, sizes->kv_seq, sizes->v_size) ||
        !add_product(&floats, sizes->q_seq, sizes->kv_seq) ||
        !add_product(&floats, sizes->q_seq, sizes->v_size) ||
        __builtin_mul_overflow(floats, sizeof(float), &op->scratch_bytes) ||
        !kernel_head_scratch(&kernel, &room) ||
        __builtin_add_overflow(room, ALIGNMENT, &room) ||
        __builtin_add_overflow(op->scratch_bytes, room, &op->scratch_bytes))
        return fail(err, ERR_MODEL_INVALID, "the heads are too large");
    return true;
}

void op_head_place(struct op_head *head, float *memory)
{
    uintptr_t end;

    head->q = memory;
    head->k = head->q + head->q_seq * head->size;
    head->v = head->k + head->kv_seq * head->size;
    head->scores = head->v + head->kv_seq * head->v_size;
    head->y = head->scores + head->q_seq * head->kv_seq;
    head->room = head->y + head->q_seq * head->v_size;
    end = (uintptr_t)head->room % ALIGNMENT;
    head->room = (char *)head->room + (end ? ALIGNMENT - end : 0);
}

void op_head_attend(const struct op_head *head, bool adds)
{
    struct kernel_head kernel = kernel_sizes(head);

    if (!head->kv_seq || !head->q_seq) {
        memset(head->y, 0,
               (size_t)(head->q_seq * head->v_size) * sizeof *head->y);
        return;
    }
    kernel.q = head->q;
    kernel.k = head->k;
    kernel.v = head->v;
    kernel.y = head->y;
    kernel.add = adds ? head->scores : NULL;
    kernel.add_row = head->kv_seq;
    kernel.add_column = 1;
    kernel.scratch = head->room;
    kernels()->attention_head(&kernel);
}

void op_head_clear(const struct op_head *head)
{
    memset(head->scores, 0,
           (size_t)(head->q_seq * head->kv_seq) * sizeof *head->scores);
}

void op_head_scores(const struct op_head *head)
{
    struct op_product product = {.m = head->q_seq,
                                 .n = head->kv_seq,
                                 .k = head->size,
                                 .a_row = head->size,
                                 .a_col = 1,
                                 .b_row = 1,
                                 .b_col = head->size};

    op_product_f32(&product, head->q, head->k, head->scores);
    for (int64_t i = 0; i < head->q_seq * head->kv_seq; i++)
        head->scores[i] *= head->scale;
}

void op_head_softmax(const struct op_head *head)
{
    const struct kernels *k = kernels();
    int64_t count = head->kv_seq;

    for (int64_t s = 0; count && s < head->q_seq; s++) {
        float *row = head->scores + s * count;
        int64_t t = 0;

        while (t < count && row[t] == -INFINITY)
            t++;
        if (t == count)
            memset(row, 0, (size_t)count * sizeof *row);
        else
            k->softmax_rows(row, row, 1, count);
    }
}

void op_head_values(const struct op_head *head)
{
    struct op_product product = {.m = head->q_seq,
                                 .n = head->v_size,
                                 .k = head->kv_seq,
                                 .a_row = head->kv_seq,
                                 .a_col = 1,
                                 .b_row = head->v_size,
                                 .b_col = 1};

    op_product_f32(&product, head->scores, head->v, head->y);
}

void op_head_causal(const struct op_head *head, int64_t offset)
{
    for (int64_t s = 0; s < head->q_seq; s++) {
        int64_t first = s + offset + 1;

        for (int64_t t = first < 0 ? 0 : first; t < head->kv_seq; t++)
            head->scores[s * head->kv_seq + t] = -INFINITY;
    }
}

/* --- stacks of heads --- */

bool op_heads_read(const struct eng_tensor *tensor, int64_t heads,
                   struct op_heads *stack, struct error *err)
{
    char text[ENG_SHAPE_TEXT];

    *stack = (struct op_heads){.dtype = tensor->dtype};
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] > INT32_MAX)
            return fail(err, ERR_MODEL_INVALID, "dimension %d is too large", i);
    }
    if (tensor->rank == 4) {
        stack->heads = tensor->dims[1];
        stack->rows = tensor->dims[2];
        stack->size = stack->row = tensor->dims[3];
        stack->head = stack->rows * stack->size;
    } else if (tensor->rank == 3 && heads > 0 && tensor->dims[2] % heads == 0) {
        stack->heads = heads;
        stack->rows = tensor->dims[1];
        stack->size = stack->head = tensor->dims[2] / heads;
        stack->row = tensor->dims[2];
    } else {
        return fail(err, ERR_MODEL_INVALID, "shape %.60s for %lld heads",
                    eng_shape_text(tensor, text), (long long)heads);
    }
    /* Empty tensors may have dimensions of any size beside the 0. */
    if (__builtin_mul_overflow(stack->heads * stack->size, stack->rows,
                               &stack->batch))
        return fail(err, ERR_MODEL_INVALID, "the heads are too large");
    return true;
}

static int64_t row_at(const struct op_heads *stack, int64_t b, int64_t h,
                      int64_t row)
{
    return stack->first + b * stack->batch + h * stack->head + row * stack->row;
}

void op_heads_load(const struct op_heads *stack, const void *data, int64_t b,
                   int64_t h, float *to)
{
    for (int64_t row = 0; row < stack->rows; row++)
        op_real_load(stack->dtype, data, row_at(stack, b, h, row), stack->size,
                     to + row * stack->size);
}

void op_heads_store(const struct op_heads *stack, const float *from, int64_t b,
                    int64_t h, void *data)
{
    for (int64_t row = 0; row < stack->rows; row++)
        op_real_store(stack->dtype, from + row * stack->size,
                      row_at(stack, b, h, row), stack->size, data);
}

/* --- an addend --- */

bool op_head_check_add(const struct op_node *op, size_t input, int64_t batch,
                       int64_t heads, const struct op_head *head,
                       struct error *err)
{
    struct eng_tensor bias = *op->in[input];
    struct eng_tensor scores = {
        .rank = 4, .dims = {batch, heads, head->q_seq, head->kv_seq}};
    struct eng_tensor both = {0};
    char text[ENG_SHAPE_TEXT];

    if (bias.rank && bias.dims[bias.rank - 1] > 1 &&
        bias.dims[bias.rank - 1] < head->kv_seq)
        bias.dims[bias.rank - 1] = head->kv_seq;
    if (op_broadcast(&bias, &scores, &both, err) &&
        eng_shape_equal(&both, &scores))
        return true;
    return fail(err, ERR_MODEL_INVALID, "input %zu has shape %.60s", input,
                eng_shape_text(op->in[input], text));
}

void op_head_add(const struct op_head *head, const struct eng_tensor *bias,
                 const void *data, int64_t b, int64_t h)
{
    struct eng_tensor scores = {
        .rank = 4, .dims = {b + 1, h + 1, head->q_seq, head->kv_seq}};
    int64_t width = bias->rank ? bias->dims[bias->rank - 1] : 1;
    int64_t steps[ENG_RANK_MAX];
    float *to = head->scores;

    op_broadcast_steps(bias, &scores, steps);
    for (int64_t s = 0; s < head->q_seq; s++) {
        for (int64_t t = 0; t < head->kv_seq; t++) {
            int64_t at =
                b * steps[0] + h * steps[1] + s * steps[2] + t * steps[3];

            bool reached = width == 1 || t < width;

            if (!reached ||
                (bias->dtype == ENG_BOOL && !((const uint8_t *)data)[at]))
                *to = -INFINITY;
            else if (bias->dtype != ENG_BOOL)
                *to += op_real_at(bias->dtype, data, at);
            to++;
        }
    }
}
