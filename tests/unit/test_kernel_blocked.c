/*
 * Kernels over blocks of channels, every build that this CPU can run, against
 * plain C.
 */
#include <math.h>

#include "unit.h"

#include "kernel/blocked.h"

enum { SIZE_MAX_TRIED = 35, BLOCK_MAX = 16 };

static void check_order(const struct kernels *k, const struct kernel_order *o)
{
    float plain[SIZE_MAX_TRIED * BLOCK_MAX], back[SIZE_MAX_TRIED * BLOCK_MAX];
    float blocked[SIZE_MAX_TRIED * BLOCK_MAX];

    for (int64_t i = 0; i < o->size * o->channels; i++)
        plain[i] = (float)(i + 1);
    k->to_blocked(o, plain, blocked);
    for (int64_t p = 0; p < o->size; p++) {
        for (int64_t c = 0; c < o->block; c++)
            assert_true(blocked[p * o->block + c] ==
                        (c < o->channels ? plain[c * o->size + p] : 0));
    }
    k->from_blocked(o, blocked, back);
    for (int64_t i = 0; i < o->size * o->channels; i++)
        assert_true(back[i] == plain[i]);
}

static void test_orders_go_there_and_back(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (int64_t n = 0; n < (int64_t)SIZE_MAX_TRIED * BLOCK_MAX; n++) {
            int64_t size = 1 + n / BLOCK_MAX, channels = 1 + n % BLOCK_MAX;

            check_order(k, &(struct kernel_order){size, channels, BLOCK_MAX});
            check_order(k, &(struct kernel_order){size, (channels + 1) / 2, 8});
        }
    }
}

/* The definition: one channel of one output place. */
static double pooled(const struct kernel_pool *p, const float *x, int64_t oy,
                     int64_t ox)
{
    double max = -HUGE_VAL, sum = 0;
    int64_t inside = 0, counted = 0;

    for (int64_t i = 0; i < p->kernel[0] * p->kernel[1]; i++) {
        int64_t y =
            oy * p->stride[0] - p->pad[0] + i / p->kernel[1] * p->dilation[0];
        int64_t c =
            ox * p->stride[1] - p->pad[1] + i % p->kernel[1] * p->dilation[1];

        counted += y < p->in[0] + p->pad_end[0] && c < p->in[1] + p->pad_end[1];
        if (y < 0 || y >= p->in[0] || c < 0 || c >= p->in[1])
            continue;
        inside++;
        sum += (double)x[(y * p->in[1] + c) * p->block];
        max = fmax(max, (double)x[(y * p->in[1] + c) * p->block]);
    }
    if (!inside)
        return 0;
    return p->is_max ? max : sum / (double)(p->count_pad ? counted : inside);
}

static void check_pool(const struct kernels *k, const struct kernel_pool *p)
{
    float x[12 * 12 * BLOCK_MAX], y[12 * 12 * BLOCK_MAX];

    for (int64_t i = 0; i < p->in[0] * p->in[1] * p->block; i++)
        x[i] = (float)(i * 37 % 101) * 0.25F - 12;
    k->pool_blocked(p, x, y);
    for (int64_t i = 0; i < p->out[0] * p->out[1] * p->block; i++) {
        int64_t place = i / p->block;
        double want =
            pooled(p, x + i % p->block, place / p->out[1], place % p->out[1]);

        assert_true(fabs((double)y[i] - want) <= 1e-5);
    }
}

static const struct kernel_pool pools[] = {
    {{9, 8}, {5, 4}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, 16, true, false},
    {{6, 7}, {6, 6}, {3, 2}, {1, 1}, {1, 1}, {1, 0}, {1, 0}, 8, false, false},
    {{6, 7}, {6, 6}, {3, 2}, {1, 1}, {1, 1}, {1, 0}, {1, 0}, 16, false, true},
    {{9, 9}, {5, 5}, {3, 3}, {1, 1}, {2, 2}, {0, 0}, {0, 0}, 16, true, false},
    {{5, 4}, {1, 1}, {5, 4}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, 16, false, false},
    {{3, 3}, {3, 3}, {2, 2}, {2, 2}, {1, 1}, {2, 2}, {1, 1}, 8, true, false},
    {{5, 5}, {3, 3}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, 12, false, false},
};

static void test_pooling_matches_the_definition(void **state)
{
    const struct kernels *k;

    (void)state;
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (size_t n = 0; n < COUNT_OF(pools); n++)
            check_pool(k, &pools[n]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_go_there_and_back),
        cmocka_unit_test(test_pooling_matches_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
