/*
 * gemm_f32, see gemm_f32.h.
 *
 * A tile of TILE_ROWS rows and PANEL columns of C stays in registers while the
 * k loop runs over a block of the weights. A block is small enough for the
 * first cache when few rows read it, and for the second otherwise; while the
 * rows of A go past it, the block after it (the next in memory, as the whole
 * packed form is one stream) is fetched ahead of its use. Between blocks of k
 * the sums wait in C. Rows go in groups whose A stays in the second cache.
 *
 * One function per shape of a tile: with all bounds constant the compiler
 * keeps the sums in registers. One or two rows alone would wait for each
 * multiplication's result, so they sum in several chains.
 */
#include "gemm_f32.h"

#include "vec_act.h"

#if defined(__AVX512F__)
enum { VECS = 3, TILE_ROWS = 8 };
#elif defined(__AVX2__)
enum { VECS = 2, TILE_ROWS = 6 };
#else
enum { VECS = 2, TILE_ROWS = 4 };
#endif

enum {
    PANEL = VECS * VF,
    BLOCK = 384,             /* rows of weights */
    FETCHERS = 4,            /* tiles that share the fetching */
    GROUP_FLOATS = 96 << 10, /* of A that stay in the second cache */
    GROUP_MIN = 4 * TILE_ROWS,
    GROUP_MAX = 16 * TILE_ROWS,
    LINE = 64
};

#define INLINED static inline __attribute__((always_inline))

/* --- packing --- */

int64_t KERNEL_NAME(gemm_f32_panel)(void)
{
    return PANEL;
}

/* Columns of the panel at `col`, whole vectors. */
static int64_t panel_width(int64_t n, int64_t col)
{
    int64_t left = n - col;

    return left >= PANEL ? PANEL : (left + VF - 1) / VF * VF;
}

size_t KERNEL_NAME(gemm_f32_packed_size)(int64_t k, int64_t n)
{
    return (size_t)k * (size_t)((n + VF - 1) / VF * VF) * sizeof(float);
}

/* Columns of it that are not padding. */
static int64_t panel_columns(int64_t n, int64_t col)
{
    return n - col < PANEL ? n - col : PANEL;
}

void KERNEL_NAME(gemm_f32_pack)(const struct gemm_f32_weights *w, float *packed)
{
    for (int64_t col = 0; col < w->n; col += PANEL) {
        int64_t width = panel_width(w->n, col);
        int64_t columns = panel_columns(w->n, col);
        const float *from = w->w + col * w->col;

        for (int64_t i = 0; i < w->k; i++, from += w->row, packed += width) {
            for (int64_t j = 0; j < columns; j++)
                packed[j] = w->alpha * from[j * w->col];
            for (int64_t j = columns; j < width; j++)
                packed[j] = 0;
        }
    }
}

void KERNEL_NAME(gemm_f32_unpack)(const float *packed,
                                  const struct gemm_f32_weights *w, float *to)
{
    for (int64_t col = 0; col < w->n; col += PANEL) {
        int64_t width = panel_width(w->n, col);
        int64_t columns = panel_columns(w->n, col);

        for (int64_t i = 0; i < w->k; i++, packed += width) {
            for (int64_t j = 0; j < columns; j++)
                to[i * w->row + (col + j) * w->col] = packed[j];
        }
    }
}

/* --- one tile --- */

struct tile {
    const float *a; /* at the block's first column of A */
    int64_t a_row;
    const float *b;
    float *c;
    int64_t c_row;
    int64_t k;          /* of this block */
    int64_t part;       /* columns of the last vector */
    const char *fetch;  /* brought near while the loop runs, */
    int64_t fetch_step; /* so many bytes per row of B */
    bool sums;          /* C holds the sums of earlier blocks */
    const float *bias;  /* NULL = none, or not yet */
    const float *add;   /* residual; NULL = none, or not yet */
    int64_t add_row;
};

/* acc[i][j] += A's row i at column k times vector j of B's row k. */
INLINED void multiply(const struct tile *t, int64_t k, int64_t rows,
                      int64_t vecs, vf acc[][VECS])
{
    vf b[VECS];

#pragma GCC unroll 8
    for (int64_t j = 0; j < vecs; j++)
        b[j] = vf_load(t->b + k * vecs * VF + j * VF);
#pragma GCC unroll 8
    for (int64_t i = 0; i < rows; i++) {
        vf a = vf_set(t->a[i * t->a_row + k]);

#pragma GCC unroll 8
        for (int64_t j = 0; j < vecs; j++)
            acc[i][j] += a * b[j];
    }
}

INLINED void fetch_row(const struct tile *t, int64_t k, int64_t vecs)
{
#pragma GCC unroll 8
    for (int64_t line = 0; line < vecs * VF * 4; line += LINE)
        __builtin_prefetch(t->fetch + k * t->fetch_step + line);
}

/* As vf_load_part(), quick for whole vectors. */
INLINED vf load_some(const float *p, int64_t count)
{
#if defined(__AVX512F__)
    return vf_load_part(p, count);
#else
    return count == VF ? vf_load(p) : vf_load_part(p, count);
#endif
}

INLINED void store_some(float *p, vf x, int64_t count)
{
#if defined(__AVX512F__)
    vf_store_part(p, x, count);
#else
    if (count == VF)
        vf_store(p, x);
    else
        vf_store_part(p, x, count);
#endif
}

/* acc += the tile of `from`, whose rows are `step` apart. */
INLINED void add_tile(const struct tile *t, const float *from, int64_t step,
                      int64_t rows, int64_t vecs, vf acc[][VECS])
{
#pragma GCC unroll 8
    for (int64_t i = 0; i < rows; i++) {
#pragma GCC unroll 8
        for (int64_t j = 0; j < vecs - 1; j++)
            acc[i][j] += vf_load(from + i * step + j * VF);
        acc[i][vecs - 1] +=
            load_some(from + i * step + (vecs - 1) * VF, t->part);
    }
}

INLINED void store_tile(const struct tile *t, int64_t rows, int64_t vecs,
                        vf acc[][VECS])
{
#pragma GCC unroll 8
    for (int64_t i = 0; i < rows; i++) {
        float *row = t->c + i * t->c_row;

#pragma GCC unroll 8
        for (int64_t j = 0; j < vecs - 1; j++)
            vf_store(row + j * VF, acc[i][j]);
        store_some(row + (vecs - 1) * VF, acc[i][vecs - 1], t->part);
    }
}

INLINED void run_tile(const struct tile *t, int64_t rows, int64_t vecs,
                      int64_t chains)
{
    vf acc[TILE_ROWS][VECS] = {0};
    int64_t k = 0;

    for (; k + chains <= t->k; k += chains) {
#pragma GCC unroll 8
        for (int64_t c = 0; c < chains; c++) {
            multiply(t, k + c, rows, vecs, acc + c * rows);
            fetch_row(t, k + c, vecs);
        }
    }
    for (; k < t->k; k++)
        multiply(t, k, rows, vecs, acc);
#pragma GCC unroll 8
    for (int64_t i = rows; i < rows * chains; i++) {
#pragma GCC unroll 8
        for (int64_t j = 0; j < vecs; j++)
            acc[i % rows][j] += acc[i][j];
    }
    if (t->sums)
        add_tile(t, t->c, t->c_row, rows, vecs, acc);
    if (t->bias)
        add_tile(t, t->bias, 0, rows, vecs, acc);
    if (t->add)
        add_tile(t, t->add, t->add_row, rows, vecs, acc);
    store_tile(t, rows, vecs, acc);
}

/* The tiles: TILE_ROWS functions for each number of vectors. */
#define TILE(rows, vecs)                                                       \
    static void tile_##rows##_##vecs(const struct tile *t)                     \
    {                                                                          \
        run_tile(t, rows, vecs, rows <= 2 ? TILE_ROWS / 2 / rows : 1);         \
    }
#define NAME(rows, vecs) tile_##rows##_##vecs,

#if defined(__AVX512F__)
#define EACH_ROWS(X, vecs)                                                     \
    X(1, vecs)                                                                 \
    X(2, vecs) X(3, vecs) X(4, vecs) X(5, vecs) X(6, vecs) X(7, vecs) X(8, vecs)
#define EACH_TILE(X) EACH_ROWS(X, 1) EACH_ROWS(X, 2) EACH_ROWS(X, 3)
#elif defined(__AVX2__)
#define EACH_ROWS(X, vecs)                                                     \
    X(1, vecs) X(2, vecs) X(3, vecs) X(4, vecs) X(5, vecs) X(6, vecs)
#define EACH_TILE(X) EACH_ROWS(X, 1) EACH_ROWS(X, 2)
#else
#define EACH_ROWS(X, vecs) X(1, vecs) X(2, vecs) X(3, vecs) X(4, vecs)
#define EACH_TILE(X)       EACH_ROWS(X, 1) EACH_ROWS(X, 2)
#endif

EACH_TILE(TILE)

static void (*const tiles[VECS * TILE_ROWS])(const struct tile *) = {
    EACH_TILE(NAME)};

/* --- what follows the sums, while they are in the first cache --- */

INLINED void act_rows(const struct gemm_f32 *g,
                      const struct gemm_f32_part *part, enum act_kind kind)
{
    for (int64_t i = part->row; i < part->row_end; i++) {
        float *c = g->c + i * g->c_row;
        const float *add =
            g->residual ? g->residual + i * g->residual_row : NULL;

        for (int64_t j = part->col; j < part->col_end; j += VF) {
            int64_t left = part->col_end - j < VF ? part->col_end - j : VF;
            vf x = vf_act(load_some(c + j, left), kind, &g->act);

            if (add)
                x += load_some(add + j, left);
            store_some(c + j, x, left);
        }
    }
}

static void activate_part(const struct gemm_f32 *g,
                          const struct gemm_f32_part *part)
{
#define CASE(kind)                                                             \
    case kind:                                                                 \
        act_rows(g, part, kind);                                               \
        break;

    switch (g->act.kind) {
        VEC_ACT_EACH(CASE)
    case ACT_NONE:
        break;
    }
#undef CASE
}

/* --- blocks --- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The rows of `part` times one block of one panel. */
static void run_block(const struct gemm_f32 *g,
                      const struct gemm_f32_part *part, int64_t k,
                      int64_t block)
{
    int64_t width = panel_width(g->n, part->col);
    int64_t real = part->col_end - part->col;
    int64_t m = part->row_end - part->row;
    int64_t tile_count = (m + TILE_ROWS - 1) / TILE_ROWS;
    int64_t fetchers = smaller(tile_count, FETCHERS);
    bool last = k + block == g->k;
    bool acts = g->act.kind != ACT_NONE;
    struct tile t = {.a_row = g->a_row,
                     .b = g->packed + part->col * g->k + k * width,
                     .c_row = g->c_row,
                     .k = block,
                     .part = VF - (width - real),
                     .sums = k > 0,
                     .bias = last && g->bias ? g->bias + part->col : NULL,
                     .add_row = g->residual_row};

    t.fetch = (const char *)t.b;
    if (fetchers > 1) {
        t.fetch += block * width * (int64_t)sizeof(float);
        t.fetch_step = width * (int64_t)sizeof(float) / fetchers;
    }
    for (int64_t i = 0, row = part->row; i < tile_count; i++) {
        int64_t rows = m / tile_count + (i < m % tile_count);

        t.a = g->a + row * g->a_row + k;
        t.c = g->c + row * g->c_row + part->col;
        if (last && g->residual && !acts)
            t.add = g->residual + row * g->residual_row + part->col;
        tiles[(width / VF - 1) * TILE_ROWS + rows - 1](&t);
        t.fetch += t.fetch_step * block;
        if (i + 1 >= fetchers)
            t.fetch_step = 0;
        if (last && acts)
            activate_part(g, &(struct gemm_f32_part){row, row + rows, part->col,
                                                     part->col_end});
        row += rows;
    }
}

static void run_group(const struct gemm_f32 *g,
                      const struct gemm_f32_part *part)
{
    for (int64_t col = part->col; col < part->col_end; col += PANEL) {
        struct gemm_f32_part panel = {part->row, part->row_end, col,
                                      smaller(col + PANEL, part->col_end)};

        for (int64_t k = 0; k < g->k; k += BLOCK)
            run_block(g, &panel, k, smaller(BLOCK, g->k - k));
    }
}

void KERNEL_NAME(gemm_f32)(const struct gemm_f32 *g,
                           const struct gemm_f32_part *part)
{
    int64_t rows = GROUP_FLOATS / g->k / TILE_ROWS * TILE_ROWS;
    struct gemm_f32_part group = *part;

    rows = rows < GROUP_MIN ? GROUP_MIN : smaller(rows, GROUP_MAX);
    for (; group.row < part->row_end; group.row += rows) {
        group.row_end = smaller(group.row + rows, part->row_end);
        run_group(g, &group);
    }
}
