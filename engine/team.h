/*
 * Team: the threads that run models, one budget for the whole process.
 *
 * A run works in the thread that calls eng_run_execute(). While fewer runs are
 * under way than the budget has threads, a run may borrow the others: an
 * operator hands out the parts of its work with team_for(), and whoever is
 * free takes the next part. When more runs come, borrowed threads are given
 * back between operators, so that a busy machine does one run per thread.
 *
 * The caller never waits for a thread that has not begun: it takes the parts
 * itself, and what it waits for at the end are parts already under way. A
 * helper spins briefly for more work, then sleeps.
 *
 * Threads: a team is shared by all runs; a team_seat belongs to one run.
 */
#ifndef ENGINE_TEAM_H
#define ENGINE_TEAM_H

#include "engine.h"

enum { TEAM_THREADS_MAX = 64 };

struct team_helper;

/* What one run holds of its team. Zeroed: a run alone in its thread. */
struct team_seat {
    struct eng_team *team;
    struct team_helper *first; /* the helpers borrowed, a list */
};

/* Threads of the budget; 1 for NULL. */
int team_threads(const struct eng_team *team);

/* A run begins and ends; `team` NULL is fine. */
void team_enter(struct team_seat *seat, struct eng_team *team);
void team_leave(struct team_seat *seat);

/* Borrows helpers that are free, or gives back what others need; one look at
 * one number when nothing changed. Between operators. */
void team_adjust(struct team_seat *seat);

/* May this run use more than its own thread now? */
static inline bool team_has_help(const struct team_seat *seat)
{
    return seat && seat->first;
}

/*
 * Part `part` of the work behind `work`. `thread` is below team_threads() and
 * differs between parts that run at the same time: it names scratch memory.
 */
typedef void (*team_part_fn)(void *work, int64_t part, int thread);

/*
 * Runs parts 0 to count - 1, each once, in any order, perhaps at the same time;
 * returns when all are done. Neither allocates nor fails; `seat` NULL = alone.
 * Worth it from some 20 us of work per part on.
 */
void team_for(struct team_seat *seat, int64_t count, team_part_fn fn,
              void *work);

#endif
