/*
 * Quantized: what the passes over QuantizeLinear and DequantizeLinear share.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_PASSES_QUANTIZED_H
#define ENGINE_PASSES_QUANTIZED_H

#include "rewrite.h"

/* A tensor of 8-bit integers and what turns them into floats: values. */
struct quantized {
    uint32_t q, scale, zero;
    enum eng_dtype dtype; /* of q: ENG_U8 or ENG_I8 */
};

/* What `value` is by a DequantizeLinear with one constant scale and zero point
 * for all of it. */
bool quantized_find(const struct rewrite *rw, uint32_t value,
                    struct quantized *found);

/* The same of what a QuantizeLinear makes; q is its input. */
bool quantized_made(const struct rewrite *rw, const struct eng_node *node,
                    struct quantized *made);

/*
 * A constant behind DequantizeLinear with one scale, or one for each index of
 * `axis` (negative counts from the end); its zero points, if any, have the
 * scales' count. ENG_NO_VALUE as `zero`: there are none, and it is all zeros.
 */
bool quantized_weight(const struct rewrite *rw, uint32_t value, int axis,
                      struct quantized *found);

/* Gives a weight without zero point one. ERR_OUT_OF_MEMORY. */
bool quantized_add_zero(struct rewrite *rw, struct quantized *weight,
                        struct error *err);

/* The only element of a constant. */
float quantized_scale(const struct rewrite *rw, uint32_t value);
int32_t quantized_zero(const struct rewrite *rw, uint32_t value);

#endif
