/*
 * Open streams: linear probing, at most half full; whoever stands behind a
 * removed entry moves up, so there are no marks to clean.
 */
#include "h2_streams.h"

#include <stdlib.h>

enum { SMALLEST = 16 };

static size_t home_of(const struct h2_streams *streams, uint32_t id)
{
    return (id >> 1) & (streams->capacity - 1);
}

static size_t after(const struct h2_streams *streams, size_t slot)
{
    return (slot + 1) & (streams->capacity - 1);
}

void h2_streams_release(struct h2_streams *streams)
{
    free(streams->slots);
    *streams = (struct h2_streams){0};
}

struct h2_stream *h2_streams_find(const struct h2_streams *streams, uint32_t id)
{
    if (streams->count == 0)
        return NULL;
    for (size_t i = home_of(streams, id); streams->slots[i].id;
         i = after(streams, i))
        if (streams->slots[i].id == id)
            return &streams->slots[i];
    return NULL;
}

/* There is room. */
static struct h2_stream *place(struct h2_streams *streams,
                               const struct h2_stream *stream)
{
    size_t i = home_of(streams, stream->id);

    while (streams->slots[i].id)
        i = after(streams, i);
    streams->slots[i] = *stream;
    streams->count++;
    return &streams->slots[i];
}

static bool grow(struct h2_streams *streams)
{
    struct h2_streams larger = {
        .capacity = streams->capacity ? streams->capacity * 2 : SMALLEST};

    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < streams->capacity; i++)
        if (streams->slots[i].id)
            (void)place(&larger, &streams->slots[i]);
    free(streams->slots);
    *streams = larger;
    return true;
}

struct h2_stream *h2_streams_open(struct h2_streams *streams, uint32_t id)
{
    if (streams->count * 2 >= streams->capacity && !grow(streams))
        return NULL;
    return place(streams, &(struct h2_stream){.id = id});
}

void h2_streams_close(struct h2_streams *streams, uint32_t id)
{
    const struct h2_stream *stream = h2_streams_find(streams, id);
    size_t hole, mask = streams->capacity - 1;

    if (!stream)
        return;
    hole = (size_t)(stream - streams->slots);
    streams->slots[hole].id = 0;
    streams->count--;
    for (size_t i = after(streams, hole); streams->slots[i].id;
         i = after(streams, i)) {
        size_t home = home_of(streams, streams->slots[i].id);

        /* stays when its home lies behind the hole, going round */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        streams->slots[hole] = streams->slots[i];
        streams->slots[i].id = 0;
        hole = i;
    }
}
