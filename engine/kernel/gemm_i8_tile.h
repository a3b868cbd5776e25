/*
 * Tile: the sums of a few rows and one panel of gemm_i8.h.
 *
 * For files of this folder only.
 */
#ifndef ENGINE_KERNEL_GEMM_I8_TILE_H
#define ENGINE_KERNEL_GEMM_I8_TILE_H

#include "vec.h"

/* As many sums as registers hold beside what is multiplied. */
#if defined(__AVX512VNNI__)
enum { TILE_ROWS = 8, TILE_VECTORS = 3 };
#elif defined(__AVX512F__)
enum { TILE_ROWS = 6, TILE_VECTORS = 3 };
#else
enum { TILE_ROWS = 4, TILE_VECTORS = 2 };
#endif

enum { TILE_COLUMNS = TILE_VECTORS * VF };

struct gemm_i8_tile {
    const uint8_t *a;
    int64_t a_stride;
    const int8_t *panel;
    const int8_t *ahead; /* fetched meanwhile; as long as the panel */
    int64_t groups;      /* of four l */
    int64_t rows;        /* 1 to TILE_ROWS */
    int64_t vectors;     /* 1 to TILE_VECTORS: columns that count */
};

/* sums [rows, TILE_COLUMNS], 64-byte aligned, of a and w as they lie there; those
 * of further vectors are left alone. */
void KERNEL_NAME(gemm_i8_tile)(const struct gemm_i8_tile *tile, int32_t *sums);

#endif
