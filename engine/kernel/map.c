/*
 * Maps, see map.h: libm's functions one element at a time take 5 to 20 ns each,
 * these well below 1 ns.
 */
#include "map.h"
#include "vec_math.h"

#define MAP(name, value)                                                       \
    void KERNEL_NAME(name##_map)(const float *x, float *y, int64_t count,      \
                                 const float *attr)                            \
    {                                                                          \
        const vf a = vf_set(attr ? attr[0] : 0),                               \
                 b = vf_set(attr ? attr[1] : 0);                               \
        int64_t i = 0;                                                         \
                                                                               \
        (void)a;                                                               \
        (void)b;                                                               \
        for (; i + VF <= count; i += VF) {                                     \
            vf v = vf_load(x + i);                                             \
                                                                               \
            vf_store(y + i, (value));                                          \
        }                                                                      \
        if (i < count) {                                                       \
            vf v = vf_load_part(x + i, count - i);                             \
                                                                               \
            vf_store_part(y + i, (value), count - i);                          \
        }                                                                      \
    }

/* Between 0 and 1; NaN stays. */
static inline vf unit_clip(vf x)
{
    return vf_min(vf_set(1), vf_max(vf_set(0), x));
}

/* v < 0 ? a (exp(v / c) - 1) : v */
static inline vf elu(vf v, vf a, vf c)
{
    return vf_below(v, vf_set(0), a * vf_expm1(v / c), v);
}

MAP(exp, vf_exp(v))
MAP(log, vf_log(v))
MAP(tanh, vf_tanh(v))
MAP(erf, vf_erf(v))
MAP(sigmoid, vf_sigmoid(v))
MAP(softplus, vf_softplus(v))
MAP(mish, v *vf_tanh(vf_softplus(v)))
MAP(hard_swish, v *unit_clip(v *(1.0F / 6) + 0.5F))
MAP(gelu, vf_gelu(v))
MAP(gelu_tanh, vf_gelu_tanh(v))
MAP(swish, v *vf_sigmoid(a *v))
MAP(elu, elu(v, a, vf_set(1)))
MAP(celu, elu(v, a, a))
MAP(selu, b *elu(v, a, vf_set(1)))
MAP(hard_sigmoid, unit_clip(a *v + b))
