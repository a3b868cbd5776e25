/*
 * Num: the table of powers of ten.
 */
#include "num_pow10.h"

const struct pow10 num_pow10[POW10_MAX - POW10_MIN + 1] = {
#define POW10(exponent, high_word, low_word)                                   \
    [(exponent)-POW10_MIN] = {.high = (high_word), .low = (low_word)},
#include "num_pow10.def"
#undef POW10
};
