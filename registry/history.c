/*
 * History: a ring of events; see history.h.
 */
#include "history.h"

#include <stdlib.h>

bool reg_history_init(struct reg_history *history, size_t capacity,
                      uint64_t last)
{
    *history = (struct reg_history){
        .capacity = capacity, .first = last + 1, .last = last};
    history->ring = calloc(capacity, sizeof *history->ring);
    return history->ring != NULL;
}

void reg_history_release(struct reg_history *history)
{
    for (size_t i = 0; history->ring && i < history->capacity; i++)
        reg_record_put(history->ring[i].record);
    free(history->ring);
    *history = (struct reg_history){0};
}

void reg_history_add(struct reg_history *history, enum reg_event_kind kind,
                     struct reg_record *record)
{
    uint64_t revision = ++history->last;
    struct reg_event *place = &history->ring[revision % history->capacity];

    reg_record_put(place->record);
    *place = (struct reg_event){
        .revision = revision, .kind = kind, .record = reg_record_get(record)};
    if (history->last - history->first >= history->capacity)
        history->first++;
}

bool reg_history_reaches(const struct reg_history *history, uint64_t revision)
{
    return revision + 1 >= history->first && revision <= history->last;
}

const struct reg_event *reg_history_at(const struct reg_history *history,
                                       uint64_t revision)
{
    return &history->ring[revision % history->capacity];
}
