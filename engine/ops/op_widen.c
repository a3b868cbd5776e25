/*
 * Operators with the flag OP_WIDEN on float16 and bfloat16: the operator sees
 * float32, results are rounded once at the end.
 *
 * Behind such a node stands an inner node whose 16-bit inputs are float32. All
 * of the operator's functions work on the inner one; run converts around it, in
 * scratch memory. Nothing is computed in 16 bits, so sums do not lose what
 * later terms add. Input 0 decides: inputs of another type stay as they are.
 *
 *   scratch  [pointers of the inner node's values][their elements][its scratch]
 */
#include <string.h>

#include "cast.h"

enum { ALIGNMENT = 64 };

struct op_widened {
    struct op_node inner;
    struct op_impl impl; /* the outer node's: inner's choice, wrapped */
    enum eng_dtype dtype;
    size_t *place; /* by inner value: offset in scratch; 0 = not converted */
    size_t inner_scratch;
};

static bool is_half(enum eng_dtype dtype)
{
    return dtype == ENG_F16 || dtype == ENG_BF16;
}

/* What infer reads has to be known to the inner node, too. */
static bool widen_known(struct op_node *op, enum eng_dtype dtype,
                        struct eng_tensor *tensor, struct error *err)
{
    const void *from = tensor->data;

    tensor->data = op_alloc(op, eng_tensor_size(tensor), err);
    if (!tensor->data)
        return false;
    op_cast_find(dtype, ENG_F32)(from, tensor->data, eng_tensor_count(tensor));
    return true;
}

static bool widen_input(struct op_node *op, size_t i, enum eng_dtype dtype,
                        struct eng_tensor *tensor, struct error *err)
{
    uint32_t value_inputs = op->node->rows[0].impl->value_inputs;

    *tensor = *op->in[i];
    if (tensor->dtype != dtype)
        return true;
    tensor->dtype = ENG_F32;
    if (tensor->data && i < 32 && value_inputs >> i & 1)
        return widen_known(op, dtype, tensor, err);
    tensor->data = NULL;
    return true;
}

/* Values of the inner node: first its inputs, then its outputs. */
static bool make_inner(struct op_node *op, struct op_widened *wide,
                       struct error *err)
{
    size_t n = op->in_count + op->out_count;
    struct op_node *inner = &wide->inner;
    struct eng_graph *graph = op_alloc(op, sizeof *graph, err);
    struct eng_tensor *tensors = op_alloc(op, n * sizeof *tensors, err);
    uint32_t *values = op_alloc(op, n * sizeof *values, err);

    *inner = *op;
    inner->in = op_alloc(op, op->in_count * sizeof *inner->in, err);
    inner->out = op_alloc(op, op->out_count * sizeof *inner->out, err);
    wide->place = op_alloc(op, n * sizeof *wide->place, err);
    if (!graph || !tensors || !values || !inner->in || !inner->out ||
        !wide->place)
        return false;
    graph->values = op_alloc(op, n * sizeof *graph->values, err);
    if (!graph->values)
        return false;
    for (size_t i = 0; i < n; i++)
        values[i] = (uint32_t)i;
    inner->graph = graph;
    inner->in_value = values;
    inner->out_value = values + op->in_count;
    for (size_t i = 0; i < op->in_count; i++) {
        if (op->in[i] && !widen_input(op, i, wide->dtype, &tensors[i], err))
            return false;
        inner->in[i] = op->in[i] ? &tensors[i] : NULL;
    }
    for (size_t i = 0; i < op->out_count; i++)
        inner->out[i] = &tensors[op->in_count + i];
    return true;
}

static bool output_narrows(const struct op_node *op, size_t i)
{
    uint32_t stay = op->node->rows[0].impl->float_outputs;

    return op->widened->inner.out[i]->dtype == ENG_F32 &&
           !(i < 32 && stay >> i & 1);
}

static bool widened_infer(struct op_node *op, struct error *err)
{
    struct op_widened *wide = op_alloc(op, sizeof *wide, err);
    struct op_node *inner;

    if (!wide)
        return false;
    wide->dtype = op->in[0]->dtype;
    if (!make_inner(op, wide, err))
        return false;
    inner = &wide->inner;
    op->widened = wide;
    if (!op->node->rows[0].impl->infer(inner, err))
        return false;
    for (size_t i = 0; i < op->out_count; i++) {
        *op->out[i] = *inner->out[i];
        op->out[i]->data = NULL;
        if (output_narrows(op, i))
            op->out[i]->dtype = wide->dtype;
    }
    return true;
}

bool op_infer(struct op_node *op, struct error *err)
{
    const struct op_impl *impl = op->node->rows[0].impl;

    if ((impl->flags & OP_WIDEN) && op_has(op, 0) && is_half(op->in[0]->dtype))
        return widened_infer(op, err);
    return impl->infer(op, err);
}

/* --- running --- */

static void convert(const struct eng_tensor *like, enum eng_dtype from,
                    enum eng_dtype to, const void *x, void *y)
{
    op_cast_find(from, to)(x, y, eng_tensor_count(like));
}

static bool widened_run(const struct op_node *op, const struct op_frame *frame,
                        struct error *err)
{
    const struct op_widened *wide = op->widened;
    const struct op_node *inner = &wide->inner;
    char *memory = frame->scratch;
    void **data = frame->scratch;
    struct op_frame inside = {.data = data,
                              .bound = &frame->bound[op->index],
                              .scratch = memory + wide->inner_scratch,
                              .seat = frame->seat,
                              .limits = frame->limits};

    for (size_t i = 0; i < op->in_count; i++) {
        if (!op->in[i])
            continue;
        data[i] = frame->data[op->in_value[i]];
        if (wide->place[i]) {
            data[i] = memory + wide->place[i];
            convert(inner->in[i], wide->dtype, ENG_F32, op_in(op, frame, i),
                    data[i]);
        }
    }
    for (size_t i = 0; i < op->out_count; i++) {
        size_t place = wide->place[op->in_count + i];

        data[op->in_count + i] = place ? memory + place : op_out(op, frame, i);
    }
    if (!inner->impl->run(inner, &inside, err))
        return false;
    for (size_t i = 0; i < op->out_count; i++) {
        if (wide->place[op->in_count + i])
            convert(inner->out[i], ENG_F32, wide->dtype, data[op->in_count + i],
                    op_out(op, frame, i));
    }
    return true;
}

static bool widened_bind(const struct op_node *op, void **bound,
                         struct error *err)
{
    return op->widened->inner.impl->bind(&op->widened->inner, bound, err);
}

static void widened_release(struct op_node *op)
{
    op->widened->inner.impl->release(&op->widened->inner);
}

static size_t take(size_t *used, size_t size)
{
    size_t place = *used;

    *used += (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return place;
}

static void lay_out(struct op_node *op)
{
    struct op_widened *wide = op->widened;
    struct op_node *inner = &wide->inner;
    size_t used = 0, n = op->in_count + op->out_count;

    (void)take(&used, n * sizeof(void *));
    for (size_t i = 0; i < op->in_count; i++) {
        if (op->in[i] && op->in[i]->dtype == wide->dtype)
            wide->place[i] = take(&used, eng_tensor_size(inner->in[i]));
    }
    for (size_t i = 0; i < op->out_count; i++) {
        if (output_narrows(op, i))
            wide->place[op->in_count + i] =
                take(&used, eng_tensor_size(inner->out[i]));
    }
    wide->inner_scratch = take(&used, inner->scratch_bytes);
    op->scratch_bytes = used;
}

bool op_widened_choose(struct op_node *op, struct error *err)
{
    struct op_widened *wide = op->widened;
    const struct op_impl *chosen;
    bool ok;

    wide->inner.index = 0;
    ok = op_choose(&wide->inner, err);
    chosen = wide->inner.impl;
    if (!chosen)
        return false;
    wide->impl =
        (struct op_impl){.name = chosen->name,
                         .run = widened_run,
                         .bind = chosen->bind ? widened_bind : NULL,
                         .unbind = chosen->unbind,
                         .release = chosen->release ? widened_release : NULL};
    op->impl = &wide->impl;
    lay_out(op);
    return ok;
}
