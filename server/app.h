/*
 * App: what lives as long as one served bundle - documents, model, pipeline,
 * workers, counters - and the state that /health tells.
 *
 *   app_open()   documents, at once; wrong ones end the program here
 *   app_load()   weights and test examples, while /health says "starting"
 *   app_drain()  /health says "draining"
 *
 * Threads: open, load and close by one thread; everything else any.
 */
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include <pthread.h>
#include <stdatomic.h>

#include "bundle.h"
#include "config.h"
#include "digests.h"
#include "door.h"
#include "metrics.h"
#include "oip/stats.h"
#include "pipeline.h"
#include "typed.h"

/* Version of the Runtime API, not of the model. */
#define RUNTIME_API_VERSION "1.2.0"

enum app_state {
    APP_STARTING,
    APP_READY,
    APP_BLOCKED, /* a test example gave another answer than declared */
    APP_DRAINING
};

struct srv_app;

/* The models of the process, in the order in which their ports opened; those
 * protocols that are not bound to one model see all of them on any port.
 * Threads: adding by one, reading by any. */
enum { APPS_MAX = 16 };

struct srv_apps {
    struct srv_app *items[APPS_MAX];
    atomic_size_t count; /* of items that are set */
};

/* Adds an app, which must live until no door is open any more. False when
 * there are APPS_MAX. */
bool apps_add(struct srv_apps *apps, struct srv_app *app);

/* Fills `items` and returns how many there are. */
size_t apps_list(const struct srv_apps *apps, struct srv_app *items[APPS_MAX]);

struct srv_app {
    const struct srv_config *config;
    struct eng_team *team; /* NULL = each prediction has one thread */
    struct srv_bundle *bundle;
    struct srv_digests digests;
    struct typed_model typed;
    /* every service that the port answers, and their files; NULL-ended, in the
     * bundle's arena */
    const struct op_table **tables;
    const struct proto_file **protos;
    struct eng_model *model;   /* NULL until loaded */
    struct pipeline *pipeline; /* same */
    struct srv_metrics metrics;
    struct oip_stats oip;
    const struct srv_apps *peers; /* with this one; NULL = it is alone */
    /* NULL until open, when requests come already; for the load that /metrics
     * tells */
    _Atomic(struct door *) door;
    int stop_fd; /* eventfd: a write asks the program to end */
    enum bundle_shutdown shutdown; /* who may ask for it */

    atomic_int state;     /* enum app_state */
    char blocked_by[240]; /* written before the state becomes APP_BLOCKED */
    /* until when it was ready, 0 = never; written before APP_DRAINING */
    uint64_t drained_ns;

    pthread_mutex_t workers_mu;
    pthread_cond_t worker_put;        /* monotonic clock */
    int waiting_count;                /* threads that wait; under workers_mu */
    struct pipeline_worker **workers; /* idle ones; under workers_mu */
    int worker_count;                 /* all of them */
    int idle_count;                   /* under workers_mu */
};

/*
 * Loads and checks the bundle at `path`; what is wrong with it is printed to
 * stderr. At most `workers` predictions may run side by side, fewer if the
 * ModelSpec says so. `team` has the threads of the process; a prediction that
 * is alone may use several unless the ModelSpec allows one core only. `team`
 * and `stop_fd` are borrowed.
 * NULL: ERR_DOCUMENT_INVALID, ERR_OUT_OF_MEMORY, errors of digests_open().
 */
struct srv_app *app_open(const struct srv_config *config, const char *path,
                         int workers, struct eng_team *team, int stop_fd,
                         struct error *err);
void app_close(struct srv_app *app);

/*
 * Loads the weights and takes their digests, compares them with the documents
 * and runs the test examples; the state becomes APP_READY, or APP_BLOCKED when
 * an example fails (which is no failure of this function: the service answers
 * why). Errors are those of eng_model_open(), digests_wait(), pipeline_open()
 * and accuracy_check().
 */
bool app_load(struct srv_app *app, struct error *err);

/* /health says "draining" from now on; what has come before is still done. */
void app_drain(struct srv_app *app);

/* "ok", "starting", "draining" or "blocked". */
const char *app_state_name(const struct srv_app *app);

/* False and ERR_NOT_READY with the reason unless the state is APP_READY. */
bool app_is_ready(const struct srv_app *app, struct error *err);

/* The same, but a call that came while it was ready is taken, even if it had to
 * wait until the state was APP_DRAINING. */
bool app_takes(const struct srv_app *app, const struct srv_call *call,
               struct error *err);

/* An idle pipeline worker; never NULL while no more calls run than `workers`
 * of app_open(). Give it back with app_worker_put(). */
struct pipeline_worker *app_worker_get(struct srv_app *app);
void app_worker_put(struct srv_app *app, struct pipeline_worker *worker);

/*
 * As app_worker_get() for a call that came through another port, where more
 * calls may run than this app has workers: waits for one.
 * NULL: ERR_TIMEOUT, ERR_CANCELLED.
 */
struct pipeline_worker *app_worker_wait(struct srv_app *app,
                                        uint64_t deadline_ns,
                                        const atomic_bool *cancelled,
                                        struct error *err);

/* The answer to `call` says which model gives it; nothing before app_load(). */
void app_tell(const struct srv_app *app, struct srv_call *call);

/* Counts a finished call; for door_options.finished. */
void app_count(const struct srv_call *call);

/* Asks the program to end; returns at once. */
void app_stop(struct srv_app *app);

#endif
