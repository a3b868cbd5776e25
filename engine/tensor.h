/*
 * Tensor: helpers on struct eng_tensor that the engine's own files share.
 *
 * Types, sizes and text only; no arithmetic on elements. A tensor whose `data`
 * is not NULL is "known": its elements may be read while planning. Known empty
 * tensors therefore carry a pointer too.
 *
 * Threads: no state; a tensor belongs to its caller.
 */
#ifndef ENGINE_TENSOR_H
#define ENGINE_TENSOR_H

#include "arena.h"
#include "engine.h"

/* Room for the text of any shape: 12 dimensions of 20 characters and what stands between. */
enum { ENG_SHAPE_TEXT = 288 };

/* Writes "[2, 3]" ("[]" for a scalar), "?" for negative dimensions, and
 * returns `text`. */
const char *eng_shape_text(const struct eng_tensor *tensor,
                           char text[ENG_SHAPE_TEXT]);

/* Sets rank and dimensions from `dims[rank]`; rank <= ENG_RANK_MAX. */
void eng_shape_set(struct eng_tensor *tensor, int rank, const int64_t *dims);

/* Equal rank and dimensions. */
bool eng_shape_equal(const struct eng_tensor *a, const struct eng_tensor *b);

/* Product of dims[first .. last-1]; the tensor's size was checked before. */
int64_t eng_shape_product(const struct eng_tensor *tensor, int first, int last);

/* `size` bytes for a weight's elements, 64-byte aligned; NULL without memory. */
void *eng_weight_alloc(struct arena *arena, size_t size);

/* One of the floating-point types. */
bool eng_dtype_is_float(enum eng_dtype dtype);

#endif
