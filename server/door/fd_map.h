/*
 * A map from descriptors to what we know of them: libraries call back with a
 * number and nothing else. Shared by all doors of the process, since
 * descriptors are, too; an entry belongs to whoever owns the descriptor.
 *
 * Threads: any.
 */
#ifndef DOOR_FD_MAP_H
#define DOOR_FD_MAP_H

#include <stdatomic.h>
#include <stdbool.h>

enum { FD_MAP_PAGE = 1024, FD_MAP_PAGES = 1024 }; /* up to 1,048,575 */

/* Static and zeroed; its pages stay for the life of the process. */
struct fd_map {
    _Atomic(_Atomic(void *) *) pages[FD_MAP_PAGES];
};

/* What was put there, or NULL. */
void *fd_map_get(struct fd_map *map, int fd);

/* Replaces the entry and tells the one before in `*old`; false when memory is
 * out or the number is no descriptor. */
bool fd_map_put(struct fd_map *map, int fd, void *entry, void **old);

/* Removes the entry if it is still this one. */
void fd_map_remove(struct fd_map *map, int fd, void *entry);

#endif
