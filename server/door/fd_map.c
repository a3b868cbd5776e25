/*
 * Descriptors are small numbers: pages of slots, made when one is needed, so
 * that a look-up is two loads and no lock.
 */
#include "fd_map.h"

#include <stdlib.h>

static _Atomic(void *) *slot_of(struct fd_map *map, int fd)
{
    _Atomic(void *) *page;

    if (fd < 0 || fd >= FD_MAP_PAGE * FD_MAP_PAGES)
        return NULL;
    page = atomic_load_explicit(&map->pages[fd / FD_MAP_PAGE],
                                memory_order_acquire);
    return page ? &page[fd % FD_MAP_PAGE] : NULL;
}

static bool make_page(struct fd_map *map, int fd)
{
    _Atomic(void *) *page, *none = NULL;

    if (fd < 0 || fd >= FD_MAP_PAGE * FD_MAP_PAGES)
        return false;
    page = calloc(FD_MAP_PAGE, sizeof *page);
    if (!page)
        return false;
    if (!atomic_compare_exchange_strong(&map->pages[fd / FD_MAP_PAGE], &none,
                                        page))
        free(page);
    return true;
}

void *fd_map_get(struct fd_map *map, int fd)
{
    _Atomic(void *) *slot = slot_of(map, fd);

    return slot ? atomic_load_explicit(slot, memory_order_acquire) : NULL;
}

bool fd_map_put(struct fd_map *map, int fd, void *entry, void **old)
{
    if (!slot_of(map, fd) && !make_page(map, fd))
        return false;
    *old = atomic_exchange(slot_of(map, fd), entry);
    return true;
}

void fd_map_remove(struct fd_map *map, int fd, void *entry)
{
    _Atomic(void *) *slot = slot_of(map, fd);

    if (slot)
        (void)atomic_compare_exchange_strong(slot, &entry, NULL);
}
