/*
 * Norm: BatchNormalization with constants as y = scale x + shift by channel.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_PASSES_NORM_H
#define ENGINE_PASSES_NORM_H

#include "graph.h"

struct affine {
    double *scale, *shift;
    int64_t channels;
};

/* Room for the factors in the graph's arena. ERR_OUT_OF_MEMORY. */
bool affine_init(struct affine *affine, struct eng_graph *graph,
                 int64_t channels, struct error *err);

/* The elements of a float32 constant [channels], or NULL. */
const float *affine_list(const struct eng_graph *graph, uint32_t value,
                         int64_t channels);

/* Fills the factors of a BatchNormalization; false: it is not of this form. */
bool affine_of_norm(const struct eng_graph *graph, const struct eng_node *node,
                    struct affine *affine);

#endif
