/*
 * Arena: memory that is taken piece by piece and given back at once.
 *
 * A request allocates from its arena and frees nothing; the door releases the
 * arena after the last byte of the answer. Blocks double in size up to 1 MiB,
 * so small requests cost one malloc.
 *
 * Threads: the caller serialises; one request, one arena.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* newest block; NULL before the first use */
    size_t total_bytes;       /* asked from malloc so far */
    size_t limit_bytes;       /* allocation beyond this fails; 0 = no limit */
};

/* An empty arena that refuses to grow past `limit_bytes` (0 = no limit). */
void arena_init(struct arena *arena, size_t limit_bytes);

/* Gives everything back; the arena is empty and may be used again. */
void arena_release(struct arena *arena);

/* Like arena_release(), but keeps the newest block for the next round. */
void arena_reset(struct arena *arena);

/* What `from` holds belongs to `to` from now on; `from` is empty. */
void arena_adopt(struct arena *to, struct arena *from);

/*
 * `size` bytes aligned to 16, uninitialised, valid until the arena is released
 * or reset; size 0 gives a valid pointer. NULL when memory or the limit is out.
 */
void *arena_alloc(struct arena *arena, size_t size);

/* As arena_alloc() for `count` zeroed elements; NULL also on overflow. */
void *arena_zalloc(struct arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of `size` bytes; NULL as arena_alloc(). */
char *arena_copy(struct arena *arena, const void *bytes, size_t size);

/* A copy of the string; NULL as arena_alloc(). */
char *arena_strdup(struct arena *arena, const char *text);

/* A formatted string; NULL as arena_alloc(). */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
