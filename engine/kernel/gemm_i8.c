/*
 * gemm_i8: see gemm_i8.h. Panel by panel, so that one stays in a near cache
 * while all rows pass it; a tile's sums go through a small buffer to what is
 * made of them, which costs 2 % of the smallest product that matters.
 */
#include "gemm_i8.h"

#include "gemm_i8_tile.h"
#include "vec_act.h"
#include "vec_byte.h"

int64_t KERNEL_NAME(gemm_i8_panel)(void)
{
    return TILE_COLUMNS;
}

static int64_t groups_of(int64_t k)
{
    return (k + GEMM_I8_GROUP - 1) / GEMM_I8_GROUP;
}

static int64_t panels_of(int64_t n)
{
    return (n + TILE_COLUMNS - 1) / TILE_COLUMNS;
}

static int64_t panel_bytes(int64_t k)
{
    return groups_of(k) * GEMM_I8_GROUP * TILE_COLUMNS;
}

size_t KERNEL_NAME(gemm_i8_packed_size)(int64_t k, int64_t n)
{
    return (size_t)panels_of(n) *
           ((size_t)panel_bytes(k) + TILE_COLUMNS * sizeof(int32_t));
}

/* --- packing --- */

static float column_scale(const struct gemm_i8_source *source, int64_t j)
{
    const float *w = (const float *)source->w + j * source->n_step;
    float top = 0;

    for (int64_t l = 0; l < source->k; l++) {
        float x = fabsf(w[l * source->k_step]);

        top = x > top ? x : top;
    }
    return top > 0 && top <= 3e38F ? top / INT8_MAX : 1;
}

static int8_t weight_at(const struct gemm_i8_source *source, int64_t l,
                        int64_t j)
{
    int64_t at = l * source->k_step + j * source->n_step;
    float x;

    if (source->inner)
        at = l % source->inner * source->k_step +
             l / source->inner * source->outer_step + j * source->n_step;
    if (source->type == GEMM_I8_FROM_S8)
        return ((const int8_t *)source->w)[at];
    if (source->type == GEMM_I8_FROM_U8)
        return (int8_t)(((const uint8_t *)source->w)[at] - 128);
    x = ((const float *)source->w)[at] / source->scale[j];
    x = x > -INT8_MAX ? x : -INT8_MAX; /* NaN, too */
    return (int8_t)rintf(x < INT8_MAX ? x : INT8_MAX);
}

void KERNEL_NAME(gemm_i8_pack)(const struct gemm_i8_source *source,
                               void *packed)
{
    int64_t size = panels_of(source->n) * panel_bytes(source->k);
    int32_t *sums = (int32_t *)(void *)((int8_t *)packed + size);

    memset(packed, 0, KERNEL_NAME(gemm_i8_packed_size)(source->k, source->n));
    for (int64_t j = 0; source->type == GEMM_I8_FROM_FLOAT && j < source->n;
         j++)
        source->scale[j] = column_scale(source, j);
    for (int64_t l = 0; l < source->k; l++) {
        for (int64_t j = 0; j < source->n; j++) {
            int8_t w = weight_at(source, l, j);
            int64_t group = l / GEMM_I8_GROUP * TILE_COLUMNS + j % TILE_COLUMNS;

            ((int8_t *)packed)[j / TILE_COLUMNS * panel_bytes(source->k) +
                               group * GEMM_I8_GROUP + l % GEMM_I8_GROUP] = w;
            sums[j] += w;
        }
    }
}

/* --- what becomes of the sums --- */

#define ALWAYS static inline __attribute__((always_inline))

/* Some columns of the result (VF, or fewer at its end) and what they need. */
struct columns {
    int64_t first, count;
    vi w_sum, w_zero, offset;
    vf scale, bias;
};

ALWAYS vf load_floats(const float *p, int64_t count)
{
    if (!p)
        return vf_set(0);
    return count == VF ? vf_load(p) : vf_load_part(p, count);
}

ALWAYS vi load_ints(const int32_t *p, int64_t count)
{
    return (vi)load_floats((const float *)(const void *)p, count);
}

ALWAYS void store_floats(float *p, vf x, int64_t count)
{
    if (count == VF)
        vf_store(p, x);
    else
        vf_store_part(p, x, count);
}

ALWAYS struct columns load_columns(const struct gemm_i8 *g, int64_t first,
                                   int64_t count)
{
    const int8_t *end =
        (const int8_t *)g->weights + panels_of(g->n) * panel_bytes(g->k);
    const int32_t *w_sums = (const int32_t *)(const void *)end;
    struct columns c = {.first = first, .count = count};

    c.w_sum = load_ints(w_sums + first, count);
    c.w_zero = load_ints(g->w_zero ? g->w_zero + first : NULL, count);
    c.offset = load_ints(g->offset ? g->offset + first : NULL, count);
    c.scale = load_floats(g->w_scale ? g->w_scale + first : NULL, count);
    c.bias = load_floats(g->bias ? g->bias + first : NULL, count);
    if (g->out == GEMM_I8_U8 || g->out == GEMM_I8_S8) {
        c.scale = c.scale * g->a_scale[0] / g->y_scale;
        c.bias = c.bias / g->y_scale;
    }
    return c;
}

/* The sum of row i with its zero points and offset. */
ALWAYS vi correct(const struct gemm_i8 *g, vi sum, const struct columns *c,
                  int64_t i)
{
    int32_t zero = g->a_zero ? g->a_zero[i * g->a_step] : 0;

    sum += c->offset - c->w_sum * vi_set(zero);
    if (g->w_zero) {
        /* unsigned: sums wrap */
        uint32_t rest =
            (uint32_t)g->a_sums[i] - (uint32_t)zero * (uint32_t)g->k;

        sum -= c->w_zero * vi_set((int32_t)rest);
    }
    return sum;
}

/* With an activation the floats take the place of the sums first. */
ALWAYS void put_float(const struct gemm_i8 *g, vi sum, const struct columns *c,
                      int64_t i, float *place)
{
    int64_t to = i * g->y_stride + c->first;
    vf x = __builtin_convertvector(sum, vf) *
               (c->scale * g->a_scale[i * g->a_step]) +
           c->bias;

    if (g->act.kind != ACT_NONE) {
        vf_store(place, x);
        return;
    }
    if (g->residual)
        x += load_floats(g->residual + to, c->count);
    store_floats((float *)g->y + to, x, c->count);
}

/* What becomes of sums: a copy, which what is written cannot change. */
struct step {
    int32_t zero, low;
};

ALWAYS struct step step_of(const struct gemm_i8 *g)
{
    return (struct step){g->y_zero, g->out == GEMM_I8_U8 ? 0 : INT8_MIN};
}

ALWAYS void put_bytes(struct step step, vi sum, const struct columns *c,
                      uint8_t *to)
{
    vq bytes =
        vq_quantize(__builtin_convertvector(sum, vf) * c->scale + c->bias,
                    step.zero, step.low);

    memcpy(to, &bytes, (size_t)c->count);
}

/* With one zero point for all rows, what corrects a sum is one for its column. */
ALWAYS void put_byte_columns(const struct gemm_i8 *g,
                             const struct gemm_i8_part *tile,
                             const int32_t *sums, const struct columns *c)
{
    const struct step step = step_of(g);
    const int64_t rows = tile->rows, stride = g->y_stride;
    uint8_t *to = (uint8_t *)g->y + tile->row * stride + c->first;
    vi shift = correct(g, vi_set(0), c, tile->row);

    for (int64_t r = 0; r < rows; r++, sums += TILE_COLUMNS, to += stride)
        put_bytes(step, *(const vi *)sums + shift, c, to);
}

/* `count` is a constant where it is VF. */
ALWAYS void put_columns(const struct gemm_i8 *g,
                        const struct gemm_i8_part *tile, int32_t *sums,
                        const int64_t first, const int64_t count)
{
    struct columns c = load_columns(g, first, count);
    bool bytes = g->out == GEMM_I8_U8 || g->out == GEMM_I8_S8;

    if (bytes && !g->a_step && !g->w_zero) {
        put_byte_columns(g, tile, sums, &c);
        return;
    }
    for (int64_t r = 0; r < tile->rows; r++, sums += TILE_COLUMNS) {
        int64_t i = tile->row + r;
        vi sum = correct(g, *(const vi *)sums, &c, i);

        if (g->out == GEMM_I8_FLOAT)
            put_float(g, sum, &c, i, (float *)(void *)sums);
        else if (g->out == GEMM_I8_SUM)
            store_floats((float *)g->y + i * g->y_stride + first, (vf)sum,
                         count);
        else
            put_bytes(step_of(g), sum, &c,
                      (uint8_t *)g->y + i * g->y_stride + first);
    }
}

/* `kind` is a constant. */
ALWAYS void act_as(const enum act_kind kind, const struct act *act, float *x,
                   int64_t count)
{
    for (int64_t i = 0; i < count; i += VF)
        vf_store(x + i, vf_act(vf_load(x + i), kind, act));
}

static void act_on(const struct act *act, float *x, int64_t count)
{
#define ACT_CASE(kind_)                                                        \
    case kind_:                                                                \
        act_as(kind_, act, x, count);                                          \
        break;

    switch (act->kind) {
        VEC_ACT_EACH(ACT_CASE)
    case ACT_NONE:
        break;
    }
#undef ACT_CASE
}

/* The tile's floats, of columns from `first` on, to the result. */
static void put_acted(const struct gemm_i8 *g, const struct gemm_i8_part *tile,
                      float *x, int64_t first, int64_t end)
{
    int64_t width = (end - first + VF - 1) / VF * VF;
    bool whole = width == TILE_COLUMNS;

    if (whole)
        act_on(&g->act, x, tile->rows * TILE_COLUMNS);
    for (int64_t r = 0; r < tile->rows; r++, x += TILE_COLUMNS) {
        if (!whole)
            act_on(&g->act, x, width);
        for (int64_t j = first; j < end; j += VF) {
            int64_t to = (tile->row + r) * g->y_stride + j;
            int64_t count = end - j < VF ? end - j : VF;
            vf one = vf_load(x + j - first);

            if (g->residual)
                one += load_floats(g->residual + to, count);
            store_floats((float *)g->y + to, one, count);
        }
    }
}

static void put_tile(const struct gemm_i8 *g, const struct gemm_i8_part *tile,
                     int32_t *sums)
{
    int64_t first = tile->panel * TILE_COLUMNS, j = first;
    int64_t end = first + TILE_COLUMNS < g->n ? first + TILE_COLUMNS : g->n;

    for (; j + VF <= end; j += VF)
        put_columns(g, tile, sums + j - first, j, VF);
    if (j < end)
        put_columns(g, tile, sums + j - first, j, end - j);
    if (g->out == GEMM_I8_FLOAT && g->act.kind != ACT_NONE)
        put_acted(g, tile, (float *)(void *)sums, first, end);
}

void KERNEL_NAME(gemm_i8)(const struct gemm_i8 *g,
                          const struct gemm_i8_part *part)
{
    _Alignas(64) int32_t sums[TILE_ROWS * TILE_COLUMNS];
    int64_t bytes = panel_bytes(g->k), end = part->row + part->rows;

    for (int64_t p = part->panel; p < part->panel + part->panels; p++) {
        const int8_t *panel = (const int8_t *)g->weights + p * bytes;
        bool last = p + 1 == part->panel + part->panels;
        int64_t columns = g->n - p * TILE_COLUMNS;
        int64_t vectors =
            columns < TILE_COLUMNS ? (columns + VF - 1) / VF : TILE_VECTORS;

        for (int64_t i = part->row; i < end; i += TILE_ROWS) {
            struct gemm_i8_part at = {
                i, end - i < TILE_ROWS ? end - i : TILE_ROWS, p, 1};
            struct gemm_i8_tile tile = {.a = g->a + i * g->a_stride,
                                        .a_stride = g->a_stride,
                                        .panel = panel,
                                        .ahead = last ? panel : panel + bytes,
                                        .groups = groups_of(g->k),
                                        .rows = at.rows,
                                        .vectors = vectors};

            KERNEL_NAME(gemm_i8_tile)(&tile, sums);
            put_tile(g, &at, sums);
        }
    }
}
