/*
 * Picks the kernels for the CPU at hand; see kernel.h.
 */
#include "kernel.h"

#include <string.h>

#include "map.h"

#if defined(__x86_64__)
extern const struct kernels kernels_sse2, kernels_avx2, kernels_avx512,
    kernels_avx512_vnni;

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static bool has_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool always(void)
{
    return true;
}

static const struct build {
    const struct kernels *kernels;
    bool (*fits)(void);
} builds[] = {{&kernels_sse2, always},
              {&kernels_avx2, has_avx2},
              {&kernels_avx512, has_avx512},
              {&kernels_avx512_vnni, has_vnni}};

const struct kernels *kernels_each(size_t i)
{
    return i < sizeof builds / sizeof builds[0] && builds[i].fits()
               ? builds[i].kernels
               : NULL;
}
#else
extern const struct kernels kernels_generic;

const struct kernels *kernels_each(size_t i)
{
    return i == 0 ? &kernels_generic : NULL;
}
#endif

const struct kernels *kernels(void)
{
    size_t last = 0;

    while (kernels_each(last + 1))
        last++;
    return kernels_each(last);
}

kernel_map_fn kernel_map_at(size_t place)
{
    kernel_map_fn fn = NULL;

    if (place != KERNEL_NO_MAP)
        memcpy(&fn, (const char *)kernels() + place, sizeof fn);
    return fn;
}
