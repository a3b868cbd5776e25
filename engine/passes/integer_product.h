/*
 * Integer product: the node that passes make of products of integers. Its name
 * is one object, so that a later pass can tell it from those of a file.
 */
#ifndef ENGINE_PASSES_INTEGER_PRODUCT_H
#define ENGINE_PASSES_INTEGER_PRODUCT_H

#include "rewrite.h"

extern const char linear_integer_op[];

enum { LINEAR_INTEGER_INPUTS = 8 };

/* Puts a LinearInteger in the node's place. Errors: rewrite_replace(). */
bool linear_integer_replace(struct rewrite *rw, struct eng_node *node,
                            const uint32_t inputs[LINEAR_INTEGER_INPUTS],
                            struct error *err);

#endif
