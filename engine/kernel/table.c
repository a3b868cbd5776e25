/*
 * The table of one build of the kernels; see kernel.h.
 */
#include "isa.h"

extern const struct kernels KERNEL_NAME(kernels);

const struct kernels KERNEL_NAME(kernels) = {
    .isa = KERNEL_TEXT(KERNEL_ISA),
#define KERNEL(result, name, parameters) .name = KERNEL_NAME(name),
#include "kernels.def"
#undef KERNEL
};
