/*
 * OP_CLONES before a function: it is compiled for SSE2, AVX2 and AVX-512 and
 * the loader picks one for the CPU at hand. Sanitizers run too late for the
 * resolvers, so their builds get the plain form.
 */
#ifndef ENGINE_OPS_CLONES_H
#define ENGINE_OPS_CLONES_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define OP_CLONES
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OP_CLONES
#endif
#if !defined(OP_CLONES) && defined(__x86_64__)
#define OP_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#elif !defined(OP_CLONES)
#define OP_CLONES
#endif

#endif
