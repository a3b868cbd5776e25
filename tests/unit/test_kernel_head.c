/*
 * Attention of one head, every build that this CPU can run, against plain C in
 * double precision.
 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "kernel/head.h"

enum { ROWS_MAX = 45, KEYS_MAX = 71, WIDTH_MAX = 70, GAP = 5 };

/* Everything a case reads, in rows with gaps. */
static struct data {
    float q[ROWS_MAX * (WIDTH_MAX + GAP)], k[KEYS_MAX * (WIDTH_MAX + GAP)];
    float v[KEYS_MAX * (WIDTH_MAX + GAP)], y[ROWS_MAX * (WIDTH_MAX + GAP)];
    float add[ROWS_MAX * KEYS_MAX];
    uint8_t keep[ROWS_MAX * KEYS_MAX];
} data;

static void fill(float *x, size_t count, float scale)
{
    static uint32_t seed = 1;

    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = ((float)(seed >> 8) / 0x1p23F - 1) * scale;
    }
}

static void fill_all(void)
{
    fill(data.q, sizeof data.q / sizeof(float), 1.5F);
    fill(data.k, sizeof data.k / sizeof(float), 1.5F);
    fill(data.v, sizeof data.v / sizeof(float), 1);
    fill(data.add, sizeof data.add / sizeof(float), 3);
    for (size_t i = 0; i < sizeof data.keep; i++)
        data.keep[i] = data.add[i] > -1;
}

static double score(const struct kernel_head *h, int64_t s, int64_t t)
{
    double sum = 0, add = 0;

    for (int64_t d = 0; d < h->size; d++)
        sum +=
            (double)h->q[s * h->q_step + d] * (double)h->k[t * h->k_step + d];
    sum *= (double)h->scale;
    if (h->add)
        add = (double)h->add[s * h->add_row + t * h->add_column];
    if (h->adds_first)
        sum += add;
    if (h->keep && h->keep[s * h->keep_row + t * h->keep_column] == h->drops)
        sum = (double)h->fill;
    if (!h->adds_first)
        sum += add;
    return h->is_causal && t > s + h->causal_offset ? (double)-INFINITY : sum;
}

static void check_row(const struct kernel_head *h, int64_t s, const char *isa)
{
    double weights[KEYS_MAX], max = (double)-INFINITY, total = 0;

    for (int64_t t = 0; t < h->kv_rows; t++) {
        weights[t] = score(h, s, t);
        max = fmax(max, weights[t]);
    }
    for (int64_t t = 0; t < h->kv_rows; t++)
        total += weights[t] = exp(weights[t] - max);
    for (int64_t j = 0; j < h->v_size; j++) {
        double want = 0;
        float got = h->y[s * h->y_step + j];

        for (int64_t t = 0; t < h->kv_rows; t++)
            want += weights[t] * (double)h->v[t * h->v_step + j] / total;
        if (isnan(want))
            want = h->zero_empty ? 0 : want;
        if (isnan(want) ? !isnan(got) : !(fabs((double)got - want) < 3e-6))
            fail_msg("%s, %lld x %lld x %lld x %lld: row %lld, %lld is %g, "
                     "not %g",
                     isa, (long long)h->q_rows, (long long)h->kv_rows,
                     (long long)h->size, (long long)h->v_size, (long long)s,
                     (long long)j, (double)got, want);
    }
}

static void check(struct kernel_head head)
{
    const struct kernels *k;
    size_t bytes = 0;

    head.q = data.q;
    head.k = data.k;
    head.v = data.v;
    head.y = data.y;
    head.q_step = head.k_step = head.size + GAP;
    head.v_step = head.y_step = head.v_size + GAP;
    head.scale = 0.3F;
    assert_true(kernel_head_scratch(&head, &bytes));
    head.scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(head.scratch);
    for (size_t i = 0; (k = kernels_each(i)); i++) {
        for (size_t j = 0; j < sizeof data.y / sizeof(float); j++)
            data.y[j] = 77;
        k->attention_head(&head);
        for (int64_t s = 0; s < head.q_rows; s++) {
            check_row(&head, s, k->isa);
            assert_true(head.y[s * head.y_step + head.v_size] == 77);
        }
    }
    free(head.scratch);
}

static void test_heads_of_any_size(void **state)
{
    static const int64_t sizes[] = {1, 3, 4, 15, 16, 32, 33, 64, 70};

    (void)state;
    fill_all();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int64_t rows = 1; rows <= ROWS_MAX; rows += rows < 14 ? 1 : 7)
            check((struct kernel_head){.q_rows = rows,
                                       .kv_rows = (rows * 31 + 5) % 71 + 1,
                                       .size = sizes[i],
                                       .v_size = sizes[(i * 4 + 1) % 9]});
    }
    for (int64_t keys = 1; keys <= KEYS_MAX; keys++)
        check((struct kernel_head){
            .q_rows = 13, .kv_rows = keys, .size = 16, .v_size = 32});
}

static void test_heads_with_masks(void **state)
{
    struct kernel_head head = {
        .q_rows = 17, .kv_rows = 37, .size = 8, .v_size = 24, .fill = -1e4F};

    (void)state;
    fill_all();
    for (unsigned form = 0; form < 64; form++) {
        head.q_rows = form & 1 ? 17 : 2;
        head.add = form & 2 ? data.add : NULL;
        head.keep = form & 4 ? data.keep : NULL;
        head.adds_first = form & 8;
        head.drops = form & 8;
        head.add_row = head.keep_row = form & 16 ? KEYS_MAX : 0;
        head.add_column = head.keep_column = form & 32 ? 1 : 0;
        check(head);
    }
}

static void test_causal_heads(void **state)
{
    (void)state;
    fill_all();
    for (int64_t offset = -3; offset < 40; offset += 4) {
        for (int empty = 0; empty < 2; empty++)
            check((struct kernel_head){.q_rows = 29,
                                       .kv_rows = 33,
                                       .size = 16,
                                       .v_size = 16,
                                       .is_causal = true,
                                       .causal_offset = offset,
                                       .zero_empty = empty});
    }
}

/* Rows of which nothing is left. */
static void test_heads_with_rows_masked_altogether(void **state)
{
    (void)state;
    fill_all();
    for (size_t i = 0; i < ROWS_MAX; i++)
        data.add[i] = -INFINITY;
    for (int64_t rows = 1; rows < 9; rows += 3) {
        for (int empty = 0; empty < 2; empty++)
            check((struct kernel_head){.q_rows = rows,
                                       .kv_rows = 9,
                                       .size = 16,
                                       .v_size = 5,
                                       .add = data.add,
                                       .add_row = 9,
                                       .add_column = 1,
                                       .zero_empty = empty});
    }
}

static void test_scratch_of_huge_heads_is_refused(void **state)
{
    struct kernel_head head = {.kv_rows = INT64_MAX / 8, .size = 64};
    size_t bytes = 0;

    (void)state;
    assert_false(kernel_head_scratch(&head, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_of_any_size),
        cmocka_unit_test(test_heads_with_masks),
        cmocka_unit_test(test_causal_heads),
        cmocka_unit_test(test_heads_with_rows_masked_altogether),
        cmocka_unit_test(test_scratch_of_huge_heads_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
