/*
 * Tile: see gemm_i8_tile.h. The sums stay in registers over all of k; that
 * needs every loop over them unrolled, so there is one function per number of
 * rows and vectors. (`objdump -d` shows it: no store of a vector before the end.)
 *
 * The last panel of a matrix is computed as wide as it is filled: half of the
 * sums of a 64 column product would be of nothing otherwise.
 *
 * With few rows a panel is used up faster than a far cache delivers the next
 * one: fetching it into the second cache meanwhile gives 15 % at 16 rows.
 */
#include "gemm_i8_tile.h"

#include "gemm_i8.h"
#include "gemm_i8_dot.h"

enum { LINE = 64, GROUP_BYTES = TILE_COLUMNS * GEMM_I8_GROUP };

DOT_INLINE int32_t four_at(const uint8_t *p)
{
    int32_t four;

    memcpy(&four, p, sizeof four);
    return four;
}

DOT_INLINE void tile_of(const struct gemm_i8_tile *tile, int32_t *sums,
                        const int64_t rows, const int64_t vectors)
{
    const uint8_t *a = tile->a;
    const int8_t *w = tile->panel, *ahead = tile->ahead;
    const int64_t stride = tile->a_stride;
    vi sum[TILE_ROWS][TILE_VECTORS] = {{{0}}};

    for (int64_t g = tile->groups; g > 0; g--) {
        struct dot_side wide[TILE_VECTORS];

#pragma GCC unroll 4
        for (int64_t v = 0; v < vectors; v++)
            wide[v] = dot_w(w + v * VF * GEMM_I8_GROUP);
#pragma GCC unroll 4
        for (int64_t i = 0; i < vectors * VF * GEMM_I8_GROUP; i += LINE)
            __builtin_prefetch(ahead + i, 0, 2);
#pragma GCC unroll 8
        for (int64_t r = 0; r < rows; r++) {
            struct dot_side one = dot_a(four_at(a + r * stride));

#pragma GCC unroll 4
            for (int64_t v = 0; v < vectors; v++)
                sum[r][v] = dot_add(sum[r][v], one, wide[v]);
        }
        a += GEMM_I8_GROUP;
        w += GROUP_BYTES;
        ahead += GROUP_BYTES;
    }
#pragma GCC unroll 8
    for (int64_t r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int64_t v = 0; v < vectors; v++)
            *(vi *)(sums + r * TILE_COLUMNS + v * VF) = sum[r][v];
    }
}

/* `vectors` is a constant. */
DOT_INLINE void tile_rows(const struct gemm_i8_tile *tile, int32_t *sums,
                          const int64_t vectors)
{
#define TILE_CASE(rows_)                                                       \
    case rows_:                                                                \
        tile_of(tile, sums, rows_, vectors);                                   \
        break;

    switch (tile->rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
#if defined(__AVX512F__)
        TILE_CASE(5)
        TILE_CASE(6)
#endif
#if defined(__AVX512VNNI__)
        TILE_CASE(7)
        TILE_CASE(8)
#endif
    default:
        break;
    }
#undef TILE_CASE
}

void KERNEL_NAME(gemm_i8_tile)(const struct gemm_i8_tile *tile, int32_t *sums)
{
    switch (tile->vectors) {
    case 1:
        tile_rows(tile, sums, 1);
        break;
    case 2:
        tile_rows(tile, sums, 2);
        break;
#if defined(__AVX512F__)
    case 3:
        tile_rows(tile, sums, 3);
        break;
#endif
    default:
        break;
    }
}
