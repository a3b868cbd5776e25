/*
 * Moments: see moments.h. Sixteen partial sums let the compiler use vectors.
 */
#include "moments.h"

#include "clones.h"

enum { LANES = 16 };

#define MOMENTS(T, sum_of, scale_of)                                           \
    /* sum of (x - middle), or of its square */                                \
    OP_CLONES static double sum_of(const T *x, int64_t count, T middle,        \
                                   bool square)                                \
    {                                                                          \
        T lanes[LANES] = {0};                                                  \
        double sum = 0;                                                        \
        int64_t i = 0;                                                         \
                                                                               \
        for (; i + LANES <= count; i += LANES) {                               \
            for (int j = 0; j < LANES; j++) {                                  \
                T v = x[i + j] - middle;                                       \
                                                                               \
                lanes[j] += square ? v * v : v;                                \
            }                                                                  \
        }                                                                      \
        for (; i < count; i++) {                                               \
            T v = x[i] - middle;                                               \
                                                                               \
            sum += (double)(square ? v * v : v);                               \
        }                                                                      \
        for (int j = 0; j < LANES; j++)                                        \
            sum += (double)lanes[j];                                           \
        return sum;                                                            \
    }                                                                          \
    OP_CLONES static void scale_of(const T *x, T *y, int64_t count, T factor,  \
                                   T shift)                                    \
    {                                                                          \
        for (int64_t i = 0; i < count; i++)                                    \
            y[i] = x[i] * factor + shift;                                      \
    }

MOMENTS(float, sum_f32, scale_f32)
MOMENTS(double, sum_f64, scale_f64)

struct op_moments op_moments_of(enum eng_dtype dtype, const void *x,
                                int64_t count)
{
    double n = (double)count;
    struct op_moments result;

    if (dtype == ENG_F32) {
        result.mean = sum_f32(x, count, 0, false) / n;
        result.variance = sum_f32(x, count, (float)result.mean, true) / n;
    } else {
        result.mean = sum_f64(x, count, 0, false) / n;
        result.variance = sum_f64(x, count, result.mean, true) / n;
    }
    return result;
}

void op_scale_row(enum eng_dtype dtype, const void *x, void *y, int64_t count,
                  const double scale[2])
{
    if (dtype == ENG_F32)
        scale_f32(x, y, count, (float)scale[0], (float)scale[1]);
    else
        scale_f64(x, y, count, scale[0], scale[1]);
}
