/*
 * attention_head, see head.h.
 *
 * Keys are transposed into panels of two vectors once, values copied into such
 * panels; then blocks of query rows go through scores, softmax and product with
 * the values while they stay in the first cache. Both products are the same
 * tile: some rows times one panel, sums in registers. What is unnormalised stays
 * so until the last product scales it.
 *
 * With fewer rows than a panel pays for (decoders: one), keys and values are
 * read where they are.
 */
#include "head.h"
#include "vec_math.h"

#if defined(__AVX512F__)
enum { TILE_ROWS = 12 };
#else
enum { TILE_ROWS = 6 };
#endif
enum { PANEL = 2 * VF, FEW_ROWS = 3, LINE = 16 };

_Static_assert((int)PANEL <= (int)HEAD_PANEL_MAX,
               "kernel_head_scratch() counts on it");

/* --- a tile: c [rows, PANEL or VF] = factor a b --- */

struct tile {
    const float *a; /* rows, a_step apart */
    const float *b; /* depth rows, b_step apart */
    float *c;       /* rows, c_step apart */
    int64_t a_step, b_step, c_step, depth;
    const float *factor; /* one a row */
    int64_t columns;     /* of c, at most PANEL */
};

static inline __attribute__((always_inline)) void
store_tile(const struct tile *tile, vf (*sum)[2], int rows, int vectors)
{
    int64_t last = tile->columns - (int64_t)(vectors - 1) * VF;
    float *c = tile->c;

    VEC_UNROLL
    for (int r = 0; r < rows; r++, c += tile->c_step) {
        vf factor = vf_set(tile->factor[r]);

        if (vectors > 1)
            vf_store(c, sum[r][0] * factor);
        sum[r][0] = sum[r][vectors - 1] * factor;
    }
    c = tile->c + (size_t)(vectors - 1) * VF;
    VEC_UNROLL
    for (int r = 0; last == VF && r < rows; r++, c += tile->c_step)
        vf_store(c, sum[r][0]);
    for (int r = 0; last < VF && r < rows; r++, c += tile->c_step)
        vf_store_part(c, sum[r][0], last);
}

/* Rows are addressed as three at a time from one pointer: there are not enough
 * registers for a pointer each. */
static inline __attribute__((always_inline)) void
tile_of(const struct tile *tile, int rows, int vectors)
{
    vf sum[TILE_ROWS][2] = {{{0}}};
    const float *a[(TILE_ROWS + 2) / 3], *b = tile->b;
    int64_t step = tile->a_step;

    VEC_UNROLL
    for (int r = 0; r < rows; r += 3)
        a[r / 3] = tile->a + r * step;
    for (int64_t i = 0; i < tile->depth; i++, b += tile->b_step) {
        vf b0 = vf_load(b), b1 = vectors > 1 ? vf_load(b + VF) : b0;

        VEC_UNROLL
        for (int r = 0; r < rows; r++) {
            vf x = vf_set(a[r / 3][r % 3 * step]);

            sum[r][0] += x * b0;
            if (vectors > 1)
                sum[r][1] += x * b1;
        }
        VEC_UNROLL
        for (int r = 0; r < rows; r += 3)
            a[r / 3]++;
    }
    store_tile(tile, sum, rows, vectors);
}

#define TILE(rows)                                                             \
    static void tile_##rows(const struct tile *tile)                           \
    {                                                                          \
        if (tile->columns > VF)                                                \
            tile_of(tile, rows, 2);                                            \
        else                                                                   \
            tile_of(tile, rows, 1);                                            \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(6)
#if defined(__AVX512F__)
TILE(8)
TILE(12)
#endif

static const struct tile_size {
    int rows;
    void (*run)(const struct tile *tile);
} tile_sizes[] = {
#if defined(__AVX512F__)
    {12, tile_12}, {8, tile_8},
#endif
    {6, tile_6},   {4, tile_4}, {3, tile_3}, {2, tile_2}, {1, tile_1}};

/* `rows` (at most TILE_ROWS) rows of all panels: c [rows, columns]; panels of b
 * are `panel_step` apart. */
static void multiply(struct tile tile, int64_t rows, int64_t columns,
                     int64_t panel_step)
{
    const struct tile_size *size = tile_sizes;

    while (rows) {
        struct tile part = tile;

        while (size->rows > rows)
            size++;
        for (int64_t j = 0; j < columns; j += PANEL) {
            part.columns = columns - j < PANEL ? columns - j : PANEL;
            size->run(&part);
            part.b += panel_step;
            part.c += PANEL;
        }
        tile.a += size->rows * tile.a_step;
        tile.c += size->rows * tile.c_step;
        tile.factor += size->rows;
        rows -= size->rows;
    }
}

/* --- panels of keys and values --- */

typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));

static inline v4 v4_load(const float *p)
{
    return *(const v4 *)p;
}

/* to[j, i] = from[i, j] for 4 x 4 */
static inline void transpose_4(const float *from, int64_t step, float *to,
                               int64_t to_step)
{
    v4 a = v4_load(from), b = v4_load(from + step);
    v4 c = v4_load(from + 2 * step), d = v4_load(from + 3 * step);
    v4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    v4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);

    *(v4 *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(v4 *)(to + to_step) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(v4 *)(to + 2 * to_step) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(v4 *)(to + 3 * to_step) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

/* Four keys, or fewer, become columns of a panel. */
static void pack_keys_4(const struct kernel_head *head, int64_t first,
                        int64_t count, float *to)
{
    const float *from = head->k + first * head->k_step;
    int64_t d = 0;

    for (; count == 4 && d + 4 <= head->size; d += 4)
        transpose_4(from + d, head->k_step, to + d * PANEL, PANEL);
    for (; d < head->size; d++) {
        for (int64_t i = 0; i < 4; i++)
            to[d * PANEL + i] = i < count ? from[i * head->k_step + d] : 0;
    }
}

/* to [panels][size][PANEL] = k', columns behind the last key are 0 */
static void pack_keys(const struct kernel_head *head, float *to)
{
    for (int64_t t = 0; t < head->kv_rows; t += PANEL) {
        for (int64_t i = 0; i < PANEL; i += 4) {
            int64_t count = head->kv_rows - t - i;

            if (count > 0)
                pack_keys_4(head, t + i, count < 4 ? count : 4, to + i);
            else if (i % VF == 0 && i)
                break; /* the tile reads whole vectors */
            else
                pack_keys_4(head, 0, 0, to + i);
        }
        to += head->size * PANEL;
    }
}

static inline void pack_row(const float *from, int64_t columns, float *to)
{
    int64_t second = columns < VF ? 0 : columns - VF;

    if (columns >= PANEL) {
        vf_store(to, vf_load(from));
        vf_store(to + VF, vf_load(from + VF));
        return;
    }
    vf_store(to, vf_load_part(from, columns < VF ? columns : VF));
    vf_store(to + VF, vf_load_part(from + VF, second));
}

/* to [panels][kv_rows][PANEL] = v, columns behind the last one are 0 */
static void pack_values(const struct kernel_head *head, float *to)
{
    int64_t step = head->v_step;

    for (int64_t j = 0; j < head->v_size; j += PANEL) {
        const float *from = head->v + j;

        for (int64_t t = 0; t < head->kv_rows; t++, to += PANEL, from += step)
            pack_row(from, head->v_size - j, to);
    }
}

/* --- scores -> weights --- */

/* Elements of a row that take part. */
static int64_t reach(const struct kernel_head *head, int64_t row)
{
    int64_t last = row + head->causal_offset + 1;

    if (!head->is_causal || last > head->kv_rows)
        return head->kv_rows;
    return last < 0 ? 0 : last;
}

static void drop_masked(const struct kernel_head *head, int64_t row, float *x,
                        int64_t count)
{
    const uint8_t *keep = head->keep + row * head->keep_row;
    bool drops = head->drops;
    float fill = head->fill;

    for (int64_t t = 0; head->keep_column && t < count; t++)
        x[t] = keep[t] == drops ? fill : x[t];
    for (int64_t t = 0; !head->keep_column && keep[0] == drops && t < count;
         t++)
        x[t] = fill;
}

/* x += the row's addend, if it has one; elements from `count` on to the end of
 * the last vector become -infinity. Returns the largest ones. */
static inline vf add_and_max(const float *add, bool is_row, float *x,
                             int64_t count)
{
    static const float ramp[] = {0, 1, 2,  3,  4,  5,  6,  7,
                                 8, 9, 10, 11, 12, 13, 14, 15};
    vf all = vf_set(add && !is_row ? add[0] : 0);
    vf max = vf_set(-INFINITY);
    int64_t t = 0;

    for (; t + VF <= count; t += VF) {
        vf v = vf_load(x + t) + (is_row ? vf_load(add + t) : all);

        vf_store(x + t, v);
        max = vf_max(max, v);
    }
    if (t < count) {
        int64_t left = count - t;
        vf v = vf_load(x + t) + (is_row ? vf_load_part(add + t, left) : all);

        v = vf_below(vf_load(ramp), vf_set((float)left), v, vf_set(-INFINITY));
        vf_store(x + t, v);
        max = vf_max(max, v);
    }
    return max;
}

static vf mask_row(const struct kernel_head *head, int64_t row, float *x)
{
    int64_t count = reach(head, row);
    const float *add = head->add ? head->add + row * head->add_row : NULL;

    if (head->keep && add && head->adds_first) {
        (void)add_and_max(add, head->add_column, x, count);
        add = NULL;
    }
    if (head->keep)
        drop_masked(head, row, x, count);
    return add && head->add_column ? add_and_max(add, true, x, count)
                                   : add_and_max(add, false, x, count);
}

/* x = exp(x - max); returns sums. */
static vf exp_row(float *x, int64_t count, float max)
{
    vf sum = {0};

    for (int64_t t = 0; t < count; t += VF) {
        vf e = vf_exp(vf_load(x + t) - max);

        sum += e;
        vf_store(x + t, e);
    }
    return sum;
}

/* --- a block of rows --- */

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static void dot_scores(const struct kernel_head *head, const float *q,
                       int64_t depth, float *scores)
{
    int64_t size = head->size;

    for (int64_t t = 0; t < depth; t++) {
        const float *k = head->k + t * head->k_step;
        vf sum = {0};
        int64_t d = 0;

        for (; d + VF <= size; d += VF)
            sum += vf_load(q + d) * vf_load(k + d);
        if (d < size)
            sum +=
                vf_load_part(q + d, size - d) * vf_load_part(k + d, size - d);
        scores[t] = head->scale * vf_sum(sum);
    }
}

struct block {
    int64_t first, rows, depth; /* depth: keys that one of the rows sees */
    float *scores;              /* [rows][step] */
    int64_t step;
    float factor[TILE_ROWS];
};

static void score(const struct kernel_head *head, struct block *block,
                  const float *keys)
{
    const float *q = head->q + block->first * head->q_step;
    struct tile tile = {.a = q,
                        .a_step = head->q_step,
                        .b = keys,
                        .b_step = PANEL,
                        .c = block->scores,
                        .c_step = block->step,
                        .depth = head->size,
                        .factor = block->factor};

    for (int64_t r = 0; r < block->rows; r++)
        block->factor[r] = head->scale;
    if (keys)
        multiply(tile, block->rows, round_up(block->depth, VF),
                 head->size * PANEL);
    for (int64_t r = 0; !keys && r < block->rows; r++)
        dot_scores(head, q + r * head->q_step, block->depth,
                   block->scores + r * block->step);
}

/* Scores become weights; block->factor is what they are to be multiplied with.
 * Step by step for all rows: sums across a vector take long one by one. */
static void weigh(const struct kernel_head *head, struct block *block)
{
    vf across[TILE_ROWS];
    float max[TILE_ROWS], *x = block->scores;
    int64_t step = block->step;

    for (int64_t r = 0; r < block->rows; r++)
        across[r] = mask_row(head, block->first + r, x + r * step);
    for (int64_t r = 0; r < block->rows; r++)
        max[r] = vf_largest(across[r]);
    for (int64_t r = 0; r < block->rows; r++) {
        int64_t count = reach(head, block->first + r);
        int64_t end = round_up(count, VF);

        across[r] = exp_row(x + r * step, count, max[r]);
        if (end < block->depth)
            memset(x + r * step + end, 0,
                   (size_t)(block->depth - end) * sizeof *x);
    }
    for (int64_t r = 0; r < block->rows; r++)
        block->factor[r] = 1 / vf_sum(across[r]);
    for (int64_t r = 0; head->zero_empty && r < block->rows; r++) {
        if (max[r] == -INFINITY) {
            block->factor[r] = 0;
            memset(x + r * step, 0, (size_t)block->depth * sizeof *x);
        }
    }
}

static void apply(const struct kernel_head *head, const struct block *block,
                  const float *values)
{
    struct tile tile = {.a = block->scores,
                        .a_step = block->step,
                        .b = values ? values : head->v,
                        .b_step = values ? PANEL : head->v_step,
                        .c = head->y + block->first * head->y_step,
                        .c_step = head->y_step,
                        .depth = block->depth,
                        .factor = block->factor};

    multiply(tile, block->rows, head->v_size,
             values ? head->kv_rows * PANEL : PANEL);
}

/* --- the head that follows --- */

/* Share `part` of `parts` of some rows comes into the cache. */
static void fetch(const float *rows, int64_t count, int64_t step, int64_t size,
                  const struct block *block, int64_t blocks)
{
    int64_t part = block->first / TILE_ROWS;
    int64_t row = count * part / blocks, end = count * (part + 1) / blocks;

    for (; row < end; row++) {
        for (int64_t d = 0; d < size; d += LINE)
            __builtin_prefetch(rows + row * step + d, 0, 2);
    }
}

/* Where this block's result goes, and what comes next. */
static void fetch_around(const struct kernel_head *head,
                         const struct block *block)
{
    int64_t blocks = (head->q_rows + TILE_ROWS - 1) / TILE_ROWS;

    for (int64_t r = 0; r < block->rows; r++) {
        float *y = head->y + (block->first + r) * head->y_step;

        for (int64_t d = 0; d < head->v_size; d += LINE)
            __builtin_prefetch(y + d, 1, 3);
    }
    if (!head->next_q)
        return;
    fetch(head->next_q, head->q_rows, head->q_step, head->size, block, blocks);
    fetch(head->next_k, head->kv_rows, head->k_step, head->size, block, blocks);
    fetch(head->next_v, head->kv_rows, head->v_step, head->v_size, block,
          blocks);
}

void KERNEL_NAME(attention_head)(const struct kernel_head *head)
{
    bool few = head->q_rows <= FEW_ROWS;
    float *scores = head->scratch, *keys = NULL, *values = NULL, *next;
    struct block block = {.scores = scores,
                          .step = round_up(head->kv_rows, PANEL)};

    next = scores + TILE_ROWS * block.step;
    if (!few) {
        keys = next;
        pack_keys(head, keys);
        next += block.step * head->size;
    }
    if (!few || head->v_size % VF != 0) {
        values = next;
        pack_values(head, values);
    }
    for (; block.first < head->q_rows; block.first += block.rows) {
        block.rows = head->q_rows - block.first;
        if (block.rows > TILE_ROWS)
            block.rows = TILE_ROWS;
        block.depth = reach(head, block.first + block.rows - 1);
        fetch_around(head, &block);
        score(head, &block, keys);
        weigh(head, &block);
        apply(head, &block, values);
    }
}
