/*
 * The powers of ten that reading and printing of numbers share.
 *
 * Threads: immutable, any thread.
 */
#ifndef BASE_NUM_POW10_H
#define BASE_NUM_POW10_H

#include <stdint.h>

__extension__ typedef unsigned __int128 wide;

enum { POW10_MIN = -342, POW10_MAX = 324 };

/* ceil(10^k * 2^r) at index k - POW10_MIN; r sets the top bit of `high`. */
struct pow10 {
    uint64_t high, low;
};

extern const struct pow10 num_pow10[POW10_MAX - POW10_MIN + 1];

/* floor(log2(10^exponent)), right for |exponent| <= 1233 */
static inline int floor_log2_pow10(int exponent)
{
    return (exponent * 1741647) >> 19;
}

#endif
