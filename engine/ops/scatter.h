/*
 * Scatter: what ScatterElements and ScatterND do with an update: put it in
 * place of the element, or combine the two.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_SCATTER_H
#define ENGINE_OPS_SCATTER_H

#include "binary.h"

struct op_scatter {
    op_binary_fn combine; /* NULL = replace */
    size_t size;          /* bytes of an element */
};

/*
 * Reads the attribute `reduction`; input 0 is x, input 2 the updates.
 *   ERR_MODEL_INVALID      x and updates have different types
 *   ERR_MODEL_UNSUPPORTED  an unknown word, or no such reduction of the type
 */
bool op_scatter_read(struct op_node *op, struct op_scatter *scatter,
                     struct error *err);

/* Applies `count` updates to as many elements of y. */
void op_scatter_put(const struct op_scatter *scatter, void *y,
                    const void *updates, int64_t count);

#endif
