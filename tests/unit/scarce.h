/*
 * Scarce: allocations of our code that fail when a test says so.
 *
 * For programs made with scarce_test(), whose linker sends malloc and its kin
 * of our code here (--wrap); those inside shared libraries stay as they are.
 *
 * Threads: one thread allocates.
 */
#ifndef TESTS_SCARCE_H
#define TESTS_SCARCE_H

#include <stdbool.h>
#include <stddef.h>

/* Counts from 0; the allocation with this number fails, once. 0 = none. */
void scarce_begin(size_t number);

/* Allocations since scarce_begin(), the one that failed among them. All
 * succeed from now on. */
size_t scarce_end(void);

#endif
