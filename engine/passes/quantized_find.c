/*
 * Quantized: see quantized.h.
 */
#include <stdint.h>

#include "quantized.h"

float quantized_scale(const struct rewrite *rw, uint32_t value)
{
    return *(const float *)rewrite_constant(rw, value)->data;
}

int32_t quantized_zero(const struct rewrite *rw, uint32_t value)
{
    const struct eng_tensor *zero = rewrite_constant(rw, value);

    return zero->dtype == ENG_I8 ? *(const int8_t *)zero->data
                                 : *(const uint8_t *)zero->data;
}

static bool is_byte(enum eng_dtype dtype)
{
    return dtype == ENG_U8 || dtype == ENG_I8;
}

/* Inputs 1 and 2 of either node: one float above 0 and one byte. */
static bool read_step(const struct rewrite *rw, const struct eng_node *node,
                      struct quantized *found)
{
    const struct eng_tensor *scale, *zero;

    if (node->input_count != 3 || rewrite_int(node, "block_size", 0) != 0)
        return false;
    scale = rewrite_constant(rw, node->inputs[1]);
    zero = rewrite_constant(rw, node->inputs[2]);
    if (!scale || !zero || scale->dtype != ENG_F32 || !is_byte(zero->dtype) ||
        scale->rank > 1 || zero->rank > 1 || eng_tensor_count(scale) != 1 ||
        eng_tensor_count(zero) != 1 || !(*(const float *)scale->data > 0))
        return false;
    *found = (struct quantized){.q = node->inputs[0],
                                .scale = node->inputs[1],
                                .zero = node->inputs[2],
                                .dtype = zero->dtype};
    return true;
}

bool quantized_find(const struct rewrite *rw, uint32_t value,
                    struct quantized *found)
{
    const struct eng_node *node = rewrite_maker(rw, value, "DequantizeLinear");

    return node && rewrite_int(node, "output_dtype", ENG_F32) == ENG_F32 &&
           read_step(rw, node, found);
}

bool quantized_made(const struct rewrite *rw, const struct eng_node *node,
                    struct quantized *made)
{
    return rewrite_is(node, "QuantizeLinear") && read_step(rw, node, made);
}

/* One number, or one for each index of the axis that the node names. */
static bool covers(const struct eng_node *node, const struct eng_tensor *list,
                   const struct eng_tensor *weight, int axis)
{
    int64_t named = rewrite_int(node, "axis", 1);

    if (list->rank > 1)
        return false;
    if (eng_tensor_count(list) == 1)
        return true;
    named += named < 0 ? weight->rank : 0;
    axis += axis < 0 ? weight->rank : 0;
    return named == axis && axis < weight->rank &&
           eng_tensor_count(list) == weight->dims[axis];
}

bool quantized_weight(const struct rewrite *rw, uint32_t value, int axis,
                      struct quantized *found)
{
    const struct eng_node *node = rewrite_maker(rw, value, "DequantizeLinear");
    const struct eng_tensor *weight, *scale, *zero = NULL;

    if (!node || rewrite_int(node, "block_size", 0) != 0 ||
        rewrite_int(node, "output_dtype", ENG_F32) != ENG_F32)
        return false;
    *found = (struct quantized){.q = node->inputs[0],
                                .scale = node->inputs[1],
                                .zero = node->input_count > 2 ? node->inputs[2]
                                                              : ENG_NO_VALUE};
    weight = rewrite_constant(rw, found->q);
    scale = rewrite_constant(rw, found->scale);
    if (!weight || !scale || !is_byte(weight->dtype) ||
        scale->dtype != ENG_F32 || !covers(node, scale, weight, axis))
        return false;
    found->dtype = weight->dtype;
    if (found->zero == ENG_NO_VALUE)
        return true;
    zero = rewrite_constant(rw, found->zero);
    return zero && zero->dtype == weight->dtype &&
           eng_tensor_count(zero) == eng_tensor_count(scale) &&
           covers(node, zero, weight, axis);
}

bool quantized_add_zero(struct rewrite *rw, struct quantized *weight,
                        struct error *err)
{
    static const uint8_t nothing = 0;
    struct eng_tensor zero = {.dtype = weight->dtype};

    if (weight->zero != ENG_NO_VALUE)
        return true;
    zero.data = arena_copy(&rw->graph->arena, &nothing, 1);
    if (!zero.data)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a zero point");
    weight->zero = rewrite_add_constant(rw, "", &zero, err);
    return weight->zero != ENG_NO_VALUE;
}
