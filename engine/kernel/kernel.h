/*
 * Kernels: inner loops that are compiled once for each instruction set.
 *
 * Every .c file of this folder is built several times, for SSE2 (or whatever
 * the machine's plain C is), AVX2, AVX-512 and AVX-512 with VNNI; a table per
 * build holds its functions, and kernels() is the best one that the CPU at
 * hand can run. A kernel sees pointers and sizes, never nodes or tensors; it
 * neither allocates nor fails.
 *
 * To add one: a line in kernels.def, a function KERNEL_NAME(<name>) in one of
 * the .c files (vec.h has the vector types), its description in the header of
 * its family, a test in tests/unit/test_kernel_<family>.c that compares every
 * table of kernels_each() with plain C in double precision, and a benchmark
 * that shows why it exists.
 *
 * Threads: tables are immutable.
 */
#ifndef ENGINE_KERNEL_H
#define ENGINE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct depth_i8;
struct depth_i8_source;
struct gemm_f32;
struct gemm_f32_part;
struct gemm_f32_weights;
struct gemm_i8;
struct gemm_i8_part;
struct gemm_i8_source;
struct quantize_pair;
struct quantize_rows;
struct quantize_step;
struct kernel_head;
struct kernel_order; /* blocked.h */
struct kernel_pool;
struct kernel_norm;

struct kernels {
    const char *isa; /* "sse2", "avx2", "avx512", "avx512_vnni"; "generic" */
#define KERNEL(result, name, parameters) result(*name) parameters;
#include "kernels.def"
#undef KERNEL
};

/* The best table for this CPU. */
const struct kernels *kernels(void);

/* Table i of those that this CPU can run, plainest first; NULL past the last.
 * For tests and benchmarks. */
const struct kernels *kernels_each(size_t i);

#endif
