/*
 * OP_CLONES before a function: it is compiled for SSE2, AVX2 and AVX-512 and
 * the dynamic loader picks one for the CPU at hand.
 *
 * Plain form elsewhere: sanitizers start too late for the resolvers, and clang
 * 14 gives the resolvers of static functions global names that collide.
 */
#ifndef ENGINE_OPS_CLONES_H
#define ENGINE_OPS_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&         \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OP_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define OP_CLONES
#endif

#endif
