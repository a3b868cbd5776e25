/*
 * Names of the build at hand: KERNEL_ISA comes from the build file, once for
 * each instruction set that the folder's files are compiled for.
 */
#ifndef ENGINE_KERNEL_ISA_H
#define ENGINE_KERNEL_ISA_H

#include "kernel.h"

#ifndef KERNEL_ISA
#define KERNEL_ISA generic
#endif

#define KERNEL_PASTE(a, b) a##_##b
#define KERNEL_JOIN(a, b)  KERNEL_PASTE(a, b)
#define KERNEL_STRING(a)   #a
#define KERNEL_TEXT(a)     KERNEL_STRING(a)

/* softmax_rows -> softmax_rows_avx2 */
#define KERNEL_NAME(name) KERNEL_JOIN(name, KERNEL_ISA)

#define KERNEL(result, name, parameters) result KERNEL_NAME(name) parameters;
#include "kernels.def"
#undef KERNEL

#endif
