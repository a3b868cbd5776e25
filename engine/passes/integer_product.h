/*
 * Integer product: the name that its pass gives to the nodes it makes, so that
 * a later pass can tell them from those of a file.
 */
#ifndef ENGINE_PASSES_INTEGER_PRODUCT_H
#define ENGINE_PASSES_INTEGER_PRODUCT_H

extern const char linear_integer_op[];

#endif
