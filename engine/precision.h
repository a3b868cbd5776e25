/*
 * Precision: what a graph's products compute in, decided once at load.
 *
 * An operator looks at graph->precision when it is asked whether it accepts a
 * node; passes and folding come before and see ENG_PRECISION_FP32.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_PRECISION_H
#define ENGINE_PRECISION_H

#include "graph.h"

struct precision {
    enum eng_precision used;
    const char *reason; /* static */
    size_t int8_products, products;
};

/* Sets graph->precision, of inner graphs too, as far as this machine and the
 * graph allow `asked`. */
struct precision precision_choose(struct eng_graph *graph,
                                  enum eng_precision asked);

#endif
