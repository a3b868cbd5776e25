/*
 * Arena: a list of blocks, allocation by moving a mark in the newest one.
 */
#include "arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, LARGEST_STEP = 1 << 20, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *older;
    size_t capacity; /* of bytes[] */
    size_t used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *older = block->older;

        free(block);
        block = older;
    }
}

void arena_release(struct arena *arena)
{
    free_blocks(arena->head);
    arena->head = NULL;
    arena->total_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    if (!arena->head)
        return;
    free_blocks(arena->head->older);
    arena->head->older = NULL;
    arena->head->used = 0;
    arena->total_bytes = sizeof *arena->head + arena->head->capacity;
}

void arena_adopt(struct arena *to, struct arena *from)
{
    struct arena_block **end = &to->head;

    if (to->head)
        end = &to->head->older;
    if (from->head) {
        struct arena_block *last = from->head;

        while (last->older)
            last = last->older;
        last->older = *end;
        *end = from->head;
    }
    to->total_bytes += from->total_bytes;
    from->head = NULL;
    from->total_bytes = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t capacity = arena->head ? arena->head->capacity * 2 : FIRST_BLOCK;
    struct arena_block *block;

    if (capacity > LARGEST_STEP)
        capacity = LARGEST_STEP;
    if (capacity < size)
        capacity = size;
    if (capacity > SIZE_MAX / 2 - sizeof *block)
        return NULL;
    if (arena->limit_bytes &&
        sizeof *block + capacity > arena->limit_bytes - arena->total_bytes)
        return NULL;
    block = malloc(sizeof *block + capacity);
    if (!block)
        return NULL;
    block->older = arena->head;
    block->capacity = capacity;
    block->used = 0;
    arena->head = block;
    arena->total_bytes += sizeof *block + capacity;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->head;
    void *piece;

    if (size > SIZE_MAX / 4)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!block || block->capacity - block->used < size) {
        block = add_block(arena, size);
        if (!block)
            return NULL;
    }
    piece = block->bytes + block->used;
    block->used += size;
    return piece;
}

void *arena_zalloc(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    void *piece;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    piece = arena_alloc(arena, total);
    return piece ? memset(piece, 0, total) : NULL;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t size)
{
    char *copy = size < SIZE_MAX ? arena_alloc(arena, size + 1) : NULL;

    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    int length;
    char *text;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    text = arena_alloc(arena, (size_t)length + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}
