/*
 * Element walk: visits the indices of GatherElements and ScatterElements and
 * says which element of x each one means: the place of the index itself, with
 * its coordinate along the axis replaced by the index.
 *
 * Threads: as walk.h.
 */
#ifndef ENGINE_OPS_ELEMENT_WALK_H
#define ENGINE_OPS_ELEMENT_WALK_H

#include "indices.h"
#include "walk.h"

struct op_element_walk {
    struct op_walk walk; /* operand 0: x without the axis, 1: indices */
    int64_t dim, step;   /* of x along the axis */
};

struct op_element_place {
    struct op_place row;
    int64_t i; /* in the row */
};

/*
 * Reads the attribute `axis`; input 0 is x, input 1 the indices.
 *   ERR_MODEL_INVALID  ranks differ, indices longer than x, axis outside
 */
bool op_element_walk_make(struct op_node *op, struct op_element_walk *walk,
                          struct error *err);

static inline bool op_element_first(const struct op_element_walk *walk,
                                    struct op_element_place *at)
{
    at->i = 0;
    return op_walk_first(&walk->walk, &at->row);
}

static inline bool op_element_next(const struct op_element_walk *walk,
                                   struct op_element_place *at)
{
    if (++at->i < walk->walk.inner)
        return true;
    at->i = 0;
    return op_walk_next(&walk->walk, &at->row);
}

/* Which element of the indices this is. */
static inline int64_t op_element_index(const struct op_element_walk *walk,
                                       const struct op_element_place *at)
{
    return at->row.offset[1] + at->i * walk->walk.inner_step[1];
}

/* Which element of x it means; -1: the index is outside. */
static inline int64_t op_element_target(const struct op_node *op,
                                        const struct op_frame *frame,
                                        const struct op_element_walk *walk,
                                        const struct op_element_place *at)
{
    int64_t index = op_index_at(op->in[1], op_in(op, frame, 1),
                                op_element_index(walk, at), walk->dim);

    if (index < 0)
        return -1;
    return at->row.offset[0] + at->i * walk->walk.inner_step[0] +
           index * walk->step;
}

#endif
