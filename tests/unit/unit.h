/*
 * Unit: what every cmocka test of ours includes, in the order cmocka needs,
 * and a random generator whose numbers are the same in every run.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka has a macro of the name of our function in error.h */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                          \
    do {                                                                       \
        print_error(__VA_ARGS__);                                              \
        _fail(__FILE__, __LINE__);                                             \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* xorshift64*; the state must not be 0. */
static inline uint64_t unit_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dU;
}

#endif
