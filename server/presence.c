/*
 * Presence: registers, beats from its own thread, registers again when the
 * registry has forgotten us; see presence.h.
 *
 * The client belongs to one thread at a time: to the caller until
 * presence_start() and after the join in presence_leave(), to the heartbeat
 * thread between. Requests are served by other threads and never wait here.
 */
#include "presence.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "registry_client.h"
#include "sync.h"

enum {
    CALL_MS = 5000,  /* registering at start; the caller waits for it */
    BEAT_MS = 2000,  /* beside serving */
    LEAVE_MS = 2000, /* at the end */
    BEAT_MAX_S = 30,
    RETRY_S = 5, /* a registry that is away is asked again */
    ASKS_MAX = 5,
    PORT_FIRST = 5100, /* without a registry */
    PORT_LAST = 5999
};

struct presence {
    struct presence_options options; /* texts are ours */
    struct registry_client *client;  /* NULL in mode off */
    struct registry_lease lease;     /* valid while registered */
    atomic_bool is_registered;
    bool is_away;    /* said so in the log */
    int asks;        /* ports given back because somebody sat there */
    int port;        /* bound, or tried last */
    bool has_thread; /* heartbeats were started */
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool stopping; /* under mu */
};

bool presence_mode_by_name(const char *name, enum presence_mode *mode)
{
    static const char *const names[] = {[PRESENCE_PREFERRED] = "preferred",
                                        [PRESENCE_REQUIRED] = "required",
                                        [PRESENCE_OFF] = "off"};

    for (int i = PRESENCE_PREFERRED; i <= PRESENCE_OFF; i++)
        if (strcmp(name, names[i]) == 0) {
            *mode = (enum presence_mode)i;
            return true;
        }
    return false;
}

/* ---- making ---- */

/* Replaces a borrowed text by a copy; `fallback` stands for NULL. */
static bool keep_text(const char **text, const char *fallback)
{
    *text = strdup(*text ? *text : fallback);
    return *text != NULL;
}

static bool keep_options(struct presence_options *own,
                         const struct presence_options *options)
{
    const char **texts[] = {&own->url,        &own->app_name, &own->app_version,
                            &own->model_name, &own->reason,   &own->metadata};
    static const char *const fallbacks[] = {
        "", "", "1.2.0", "", "Starting model instance", "{}"};
    bool ok = true;

    *own = *options;
    /* all of them, so that freeing needs not know where it failed */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ok = keep_text(texts[i], fallbacks[i]) && ok;
    return ok;
}

struct presence *presence_new(const struct presence_options *options,
                              struct error *err)
{
    struct presence *presence = calloc(1, sizeof *presence);

    if (!presence) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the presence");
        return NULL;
    }
    (void)pthread_mutex_init(&presence->mu, NULL);
    sync_cond_init(&presence->wake);
    if (!keep_options(&presence->options, options)) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the presence");
        presence_free(presence);
        return NULL;
    }
    if (options->mode == PRESENCE_OFF)
        return presence;
    presence->client = registry_client_open(presence->options.url, err);
    if (!presence->client) {
        presence_free(presence);
        return NULL;
    }
    return presence;
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    presence_leave(presence);
    registry_client_close(presence->client);
    (void)pthread_cond_destroy(&presence->wake);
    (void)pthread_mutex_destroy(&presence->mu);
    free((void *)(uintptr_t)presence->options.url);
    free((void *)(uintptr_t)presence->options.app_name);
    free((void *)(uintptr_t)presence->options.app_version);
    free((void *)(uintptr_t)presence->options.model_name);
    free((void *)(uintptr_t)presence->options.reason);
    free((void *)(uintptr_t)presence->options.metadata);
    free(presence);
}

/* ---- talking to the registry ---- */

/* Says once that the registry is away, and once that it is back. */
static void note_away(struct presence *presence, bool is_away, const char *why)
{
    if (is_away && !presence->is_away)
        log_event(LOG_WARN, "registry_unavailable", "reason=\"%s\"", why);
    else if (!is_away && presence->is_away)
        log_event(LOG_INFO, "registry_back", "");
    presence->is_away = is_away;
}

static bool enter(struct presence *presence, int preferred_port,
                  uint32_t timeout_ms, struct error *err)
{
    const struct presence_options *options = &presence->options;
    const struct registry_announcement who = {.app_name = options->app_name,
                                              .app_version =
                                                  options->app_version,
                                              .model_name = options->model_name,
                                              .reason = options->reason,
                                              .metadata = options->metadata,
                                              .process_id = getpid(),
                                              .preferred_port = preferred_port};

    if (!registry_client_register(presence->client, &who, timeout_ms,
                                  &presence->lease, err)) {
        note_away(presence, true, err->msg);
        return false;
    }
    note_away(presence, false, "");
    atomic_store(&presence->is_registered, true);
    log_event(LOG_INFO, "registered", "port=%d ttl_s=%u message=\"%s\"",
              presence->lease.port, presence->lease.ttl_s,
              presence->lease.message);
    return true;
}

/* Ends our registration; that the registry knows none is as good. */
static void give_back(struct presence *presence)
{
    struct error err = {0};

    if (!atomic_exchange(&presence->is_registered, false))
        return;
    if (registry_client_unregister(presence->client, presence->lease.port,
                                   presence->lease.id, LEAVE_MS, &err) ||
        err.code == ERR_NOT_FOUND)
        log_event(LOG_INFO, "unregistered", "port=%d", presence->lease.port);
    else
        log_event(LOG_INFO, "unregistration_skipped",
                  "port=%d reason=\"%s\" (the registration will expire)",
                  presence->lease.port, err.msg);
}

/* ---- the port to bind ---- */

/* Asks the registry; fails only where the mode says so. Without an answer the
 * port is `fallback`. */
static bool ask(struct presence *presence, int preferred_port, int fallback,
                int *port, struct error *err)
{
    struct error why = {0};

    if (presence->client && enter(presence, preferred_port, CALL_MS, &why))
        fallback = presence->lease.port;
    else if (presence->options.mode == PRESENCE_REQUIRED)
        return fail(err, ERR_REGISTRY_UNAVAILABLE, "%s", why.msg);
    presence->port = *port = fallback;
    return true;
}

bool presence_acquire(struct presence *presence, int *port, struct error *err)
{
    int preferred = presence->options.preferred_port;

    return ask(presence, preferred, preferred ? preferred : PORT_FIRST, port,
               err);
}

/* The next port to try when there is no registry; 0 = none. */
static int next_port(const struct presence *presence)
{
    const struct presence_options *options = &presence->options;

    if (options->mode == PRESENCE_OFF && options->preferred_port > 0)
        return 0;
    if (presence->port < PORT_FIRST || presence->port > PORT_LAST)
        return PORT_FIRST;
    return presence->port < PORT_LAST ? presence->port + 1 : 0;
}

bool presence_port_taken(struct presence *presence, int *port,
                         struct error *err)
{
    int taken = presence->port, next;

    if (atomic_load(&presence->is_registered)) {
        give_back(presence);
        if (++presence->asks >= ASKS_MAX)
            return fail(err, ERR_ADDRESS_IN_USE,
                        "port %d is taken, as were %d others of the registry",
                        taken, ASKS_MAX - 1);
        log_event(LOG_WARN, "port_taken", "port=%d", taken);
        /* a registry that does not look would give the same port again */
        return ask(presence, taken < 65535 ? taken + 1 : PORT_FIRST,
                   next_port(presence), port, err);
    }
    next = next_port(presence);
    if (next == 0)
        return fail(err, ERR_ADDRESS_IN_USE, "port %d is taken", taken);
    presence->port = *port = next;
    return true;
}

bool presence_is_registered(struct presence *presence)
{
    return atomic_load(&presence->is_registered);
}

/* ---- heartbeats ---- */

/* Waits; false when we shall stop. */
static bool sleep_s(struct presence *presence, uint32_t seconds)
{
    struct timespec until = sync_after_ms(seconds * 1000);
    bool stopping;

    (void)pthread_mutex_lock(&presence->mu);
    while (!presence->stopping &&
           pthread_cond_timedwait(&presence->wake, &presence->mu, &until) == 0)
        ;
    stopping = presence->stopping;
    (void)pthread_mutex_unlock(&presence->mu);
    return !stopping;
}

static uint32_t beat_period_s(const struct presence *presence)
{
    uint32_t third = presence->lease.ttl_s / 3;

    if (third == 0)
        return 1;
    return third < BEAT_MAX_S ? third : BEAT_MAX_S;
}

static uint32_t retry_period_s(const struct presence *presence)
{
    uint32_t period = presence->lease.ttl_s ? beat_period_s(presence) : RETRY_S;

    return period < RETRY_S ? period : RETRY_S;
}

/* Registers again. We listen already, so any other port is of no use. Returns
 * the seconds until the next step. */
static uint32_t come_back(struct presence *presence)
{
    struct error err = {0};

    if (!enter(presence, presence->port, BEAT_MS, &err))
        return retry_period_s(presence);
    if (presence->lease.port != presence->port) {
        log_event(LOG_WARN, "port_not_ours", "port=%d offered=%d",
                  presence->port, presence->lease.port);
        give_back(presence);
        return BEAT_MAX_S;
    }
    return beat_period_s(presence);
}

/* One heartbeat. Returns the seconds until the next step; 0 = never again,
 * because the registry takes none. */
static uint32_t beat(struct presence *presence)
{
    struct error err = {0};

    if (registry_client_heartbeat(presence->client, presence->lease.port,
                                  presence->lease.id, BEAT_MS, &err)) {
        note_away(presence, false, "");
        return beat_period_s(presence);
    }
    if (err.code == ERR_METHOD_NOT_ALLOWED ||
        (err.code == ERR_NOT_FOUND && presence->lease.is_old)) {
        log_event(LOG_INFO, "heartbeats_ended", "reason=\"%s\"", err.msg);
        return 0;
    }
    if (err.code == ERR_NOT_FOUND || err.code == ERR_REGISTRATION_GONE ||
        err.code == ERR_REGISTRATION_MISMATCH) {
        log_event(LOG_INFO, "registering_again", "reason=\"%s\"", err.msg);
        atomic_store(&presence->is_registered, false);
        return come_back(presence);
    }
    note_away(presence, true, err.msg);
    return retry_period_s(presence);
}

static void *run(void *context)
{
    struct presence *presence = context;
    uint32_t pause_s = atomic_load(&presence->is_registered)
                           ? beat_period_s(presence)
                           : retry_period_s(presence);

    while (pause_s > 0 && sleep_s(presence, pause_s))
        pause_s = atomic_load(&presence->is_registered) ? beat(presence)
                                                        : come_back(presence);
    return NULL;
}

bool presence_start(struct presence *presence, int port, struct error *err)
{
    presence->port = port;
    if (!presence->client)
        return true;
    if (pthread_create(&presence->thread, NULL, run, presence) != 0)
        return fail(err, ERR_INTERNAL, "no thread for heartbeats");
    presence->has_thread = true;
    return true;
}

void presence_leave(struct presence *presence)
{
    if (presence->has_thread) {
        (void)pthread_mutex_lock(&presence->mu);
        presence->stopping = true;
        (void)pthread_cond_signal(&presence->wake);
        (void)pthread_mutex_unlock(&presence->mu);
        (void)pthread_join(presence->thread, NULL);
        presence->has_thread = false;
    }
    if (presence->client)
        give_back(presence);
}
