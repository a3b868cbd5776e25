/*
 * History: the last events, each with its revision.
 *
 * Revisions rise by one per event. A reader names the last revision it has
 * seen and reads on from there; a revision that has left the ring, or that was
 * never given out, tells the reader to list everything again.
 *
 * Threads: the caller serialises.
 */
#ifndef REGISTRY_HISTORY_H
#define REGISTRY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum reg_event_kind { REG_EVENT_PUT, REG_EVENT_DELETE };

struct reg_event {
    uint64_t revision;
    enum reg_event_kind kind;
    struct reg_record *record;
};

struct reg_history {
    struct reg_event *ring; /* the event of revision r is at r % capacity */
    size_t capacity;
    uint64_t first; /* oldest revision in the ring; last + 1 when empty */
    uint64_t last;  /* newest revision given out */
};

/* Empty, and the next event is revision `last` + 1. false: out of memory. */
bool reg_history_init(struct reg_history *history, size_t capacity,
                      uint64_t last);
void reg_history_release(struct reg_history *history);

/* Adds an event and takes a reference on the record; forgets the oldest. */
void reg_history_add(struct reg_history *history, enum reg_event_kind kind,
                     struct reg_record *record);

/* Every event after `revision` is in the ring. */
bool reg_history_reaches(const struct reg_history *history, uint64_t revision);

/* The event of a revision in [first, last]. */
const struct reg_event *reg_history_at(const struct reg_history *history,
                                       uint64_t revision);

#endif
