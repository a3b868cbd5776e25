/*
 * Maps: y[i] = f(x[i]) for float; y may be x. `attr` holds the function's one
 * or two numbers a, b; NULL where it has none.
 *
 *   exp_map sigmoid_map tanh_map log_map erf_map softplus_map mish_map
 *   hard_swish_map      x clip(x / 6 + 1 / 2, 0, 1)
 *   gelu_map            x / 2 (1 + erf(x / sqrt(2)))
 *   gelu_tanh_map       the same with tanh, as ONNX writes it
 *   swish_map           x / (1 + exp(-a x))
 *   elu_map             x < 0 ? a (exp(x) - 1) : x
 *   celu_map            x < 0 ? a (exp(x / a) - 1) : x
 *   selu_map            b (x < 0 ? a (exp(x) - 1) : x)
 *   hard_sigmoid_map    clip(a x + b, 0, 1)
 *
 * NaN gives NaN. How exact the functions are is said in vec_math.h.
 */
#ifndef ENGINE_KERNEL_MAP_H
#define ENGINE_KERNEL_MAP_H

#include "kernel.h"

typedef void (*kernel_map_fn)(const float *x, float *y, int64_t count,
                              const float *attr);

/* A place in struct kernels, so that tables may name a map; KERNEL_NO_MAP is
 * none. */
#define KERNEL_MAP(name) offsetof(struct kernels, name##_map)
enum { KERNEL_NO_MAP = 0 };

/* The map at this place, of the best table; NULL for KERNEL_NO_MAP. */
kernel_map_fn kernel_map_at(size_t place);

#endif
