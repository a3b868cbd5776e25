/*
 * Team: see team.h.
 *
 * Two numbers decide who gets help: `runs`, the runs under way, and `lent`, the
 * helpers borrowed. They are one word, so that "is the budget exceeded, is some
 * of it free" is one load. The list of free helpers is behind a lock that is
 * taken only when helpers change hands.
 */
#include "team.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "onednn/onednn.h"

/* How long a helper looks out for more work before it sleeps, and how often it
 * looks between two looks at the clock. */
enum { SPIN_NS = 60000, SPINS_PER_LOOK = 64 };

/* One team_for(), on the caller's stack. */
struct team_job {
    team_part_fn fn;
    void *work;
    int64_t count;
    _Atomic int64_t next;    /* the next part nobody has taken */
    atomic_int helpers_done; /* helpers that will not touch the job again */
};

struct team_helper {
    _Alignas(
        64) _Atomic(struct team_job *) job; /* offered; taken by exchange */
    atomic_bool asleep;
    atomic_bool stop;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    pthread_t thread;
    bool started;
    int number;               /* 1 to threads - 1: names its scratch memory */
    struct team_helper *next; /* free list (team->mu) or a seat's list */
};

struct eng_team {
    int threads;
    _Atomic uint32_t load; /* runs << 16 | lent */
    pthread_mutex_t mu;
    struct team_helper *free; /* mu */
    struct team_helper *helpers;
};

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* --- the work --- */

static void take_parts(struct team_job *job, int thread)
{
    for (;;) {
        int64_t part =
            atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);

        if (part >= job->count)
            return;
        job->fn(job->work, part, thread);
    }
}

static bool do_job(struct team_helper *helper)
{
    struct team_job *job =
        atomic_load_explicit(&helper->job, memory_order_relaxed);

    /* The owner may take the offer back. */
    if (job)
        job = atomic_exchange(&helper->job, NULL);
    if (!job)
        return false;
    take_parts(job, helper->number);
    (void)atomic_fetch_add_explicit(&job->helpers_done, 1,
                                    memory_order_release);
    return true;
}

static void sleep_until_woken(struct team_helper *helper)
{
    (void)pthread_mutex_lock(&helper->mu);
    atomic_store(&helper->asleep, true);
    while (!atomic_load(&helper->job) && !atomic_load(&helper->stop))
        (void)pthread_cond_wait(&helper->wake, &helper->mu);
    atomic_store(&helper->asleep, false);
    (void)pthread_mutex_unlock(&helper->mu);
}

/* True: there may be a job. */
static bool spin(struct team_helper *helper)
{
    uint64_t end = clock_now_ns() + SPIN_NS;

    do {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (atomic_load_explicit(&helper->job, memory_order_relaxed))
                return true;
            cpu_relax();
        }
    } while (clock_now_ns() < end);
    return false;
}

static void *helper_main(void *argument)
{
    struct team_helper *helper = argument;

    onednn_thread_init();
    while (!atomic_load(&helper->stop)) {
        if (!do_job(helper) && !spin(helper))
            sleep_until_woken(helper);
    }
    return NULL;
}

static void wake(struct team_helper *helper)
{
    if (!atomic_load(&helper->asleep))
        return;
    (void)pthread_mutex_lock(&helper->mu);
    (void)pthread_cond_signal(&helper->wake);
    (void)pthread_mutex_unlock(&helper->mu);
}

void team_for(struct team_seat *seat, int64_t count, team_part_fn fn,
              void *work)
{
    struct team_job job = {.fn = fn, .work = work, .count = count};
    int taken = 0;

    if (!team_has_help(seat) || count < 2) {
        for (int64_t i = 0; i < count; i++)
            fn(work, i, 0);
        return;
    }
    for (struct team_helper *h = seat->first; h; h = h->next) {
        atomic_store(&h->job, &job);
        wake(h);
    }
    take_parts(&job, 0);
    for (struct team_helper *h = seat->first; h; h = h->next)
        taken += atomic_exchange(&h->job, NULL) == NULL;
    while (atomic_load_explicit(&job.helpers_done, memory_order_acquire) <
           taken)
        cpu_relax();
}

/* --- who helps whom --- */

int team_threads(const struct eng_team *team)
{
    return team ? team->threads : 1;
}

static int runs_of(uint32_t load)
{
    return (int)(load >> 16);
}

static int lent_of(uint32_t load)
{
    return (int)(load & 0xFFFF);
}

static void borrow(struct team_seat *seat)
{
    struct eng_team *team = seat->team;

    (void)pthread_mutex_lock(&team->mu);
    while (team->free) {
        uint32_t load = atomic_load(&team->load);
        struct team_helper *helper = team->free;

        if (runs_of(load) + lent_of(load) >= team->threads)
            break;
        (void)atomic_fetch_add(&team->load, 1);
        team->free = helper->next;
        helper->next = seat->first;
        seat->first = helper;
    }
    (void)pthread_mutex_unlock(&team->mu);
}

static void give_back(struct team_seat *seat)
{
    struct eng_team *team = seat->team;

    (void)pthread_mutex_lock(&team->mu);
    while (seat->first) {
        struct team_helper *helper = seat->first;

        seat->first = helper->next;
        helper->next = team->free;
        team->free = helper;
        (void)atomic_fetch_sub(&team->load, 1);
    }
    (void)pthread_mutex_unlock(&team->mu);
}

void team_adjust(struct team_seat *seat)
{
    const struct eng_team *team = seat->team;
    uint32_t load;
    int busy;

    if (!team || team->threads == 1)
        return;
    load = atomic_load_explicit(&team->load, memory_order_relaxed);
    busy = runs_of(load) + lent_of(load);
    if (busy > team->threads && seat->first)
        give_back(seat);
    else if (busy < team->threads)
        borrow(seat);
}

void team_enter(struct team_seat *seat, struct eng_team *team)
{
    *seat = (struct team_seat){.team = team};
    if (!team || team->threads == 1)
        return;
    (void)atomic_fetch_add(&team->load, 1U << 16);
    team_adjust(seat);
}

void team_leave(struct team_seat *seat)
{
    if (!seat->team || seat->team->threads == 1)
        return;
    if (seat->first)
        give_back(seat);
    (void)atomic_fetch_sub(&seat->team->load, 1U << 16);
}

/* --- life --- */

static bool start_helper(struct eng_team *team, int number)
{
    struct team_helper *helper = &team->helpers[number - 1];

    helper->number = number;
    atomic_init(&helper->job, NULL);
    (void)pthread_mutex_init(&helper->mu, NULL);
    (void)pthread_cond_init(&helper->wake, NULL);
    helper->started =
        pthread_create(&helper->thread, NULL, helper_main, helper) == 0;
    helper->next = team->free;
    team->free = helper;
    return helper->started;
}

struct eng_team *eng_team_new(int threads, struct error *err)
{
    struct eng_team *team = calloc(1, sizeof *team);
    size_t helpers;
    bool ok;

    if (threads < 1)
        threads = 1;
    if (threads > TEAM_THREADS_MAX)
        threads = TEAM_THREADS_MAX;
    helpers = (size_t)threads - 1;
    ok = team != NULL;
    if (ok) {
        team->threads = threads;
        (void)pthread_mutex_init(&team->mu, NULL);
        team->helpers =
            aligned_alloc(64, (helpers + 1) * sizeof *team->helpers);
        ok = team->helpers != NULL;
    }
    for (size_t i = 0; ok && i < helpers; i++)
        team->helpers[i] = (struct team_helper){.number = 0};
    for (int i = 1; ok && i < threads; i++)
        ok = start_helper(team, i);
    if (ok)
        return team;
    eng_team_free(team);
    fail(err, ERR_OUT_OF_MEMORY, "cannot start %d threads", threads);
    return NULL;
}

static void stop_helper(struct team_helper *helper)
{
    atomic_store(&helper->stop, true);
    (void)pthread_mutex_lock(&helper->mu);
    (void)pthread_cond_signal(&helper->wake);
    (void)pthread_mutex_unlock(&helper->mu);
    if (helper->started)
        (void)pthread_join(helper->thread, NULL);
    (void)pthread_cond_destroy(&helper->wake);
    (void)pthread_mutex_destroy(&helper->mu);
}

void eng_team_free(struct eng_team *team)
{
    if (!team)
        return;
    for (int i = 1; team->helpers && i < team->threads; i++) {
        if (team->helpers[i - 1].number)
            stop_helper(&team->helpers[i - 1]);
    }
    free(team->helpers);
    (void)pthread_mutex_destroy(&team->mu);
    free(team);
}
