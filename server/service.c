/*
 * Service: see service.h.
 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#include "banner.h"
#include "log.h"

enum { TIMEOUT_S = 30, QUEUE_LENGTH = 64, QUEUE_MAX = 65536 };

static bool registry_mode(const struct srv_config *config,
                          const struct srv_bundle *bundle,
                          enum presence_mode *mode, struct error *err)
{
    static const enum presence_mode modes[] = {
        [REGISTRY_PREFERRED] = PRESENCE_PREFERRED,
        [REGISTRY_REQUIRED] = PRESENCE_REQUIRED,
        [REGISTRY_OFF] = PRESENCE_OFF};

    *mode = modes[bundle->api.registration_mode];
    return !*config->registry_mode ||
           presence_mode_by_name(config->registry_mode, mode) ||
           fail(err, ERR_USAGE,
                "--registry-mode takes required, preferred or off");
}

static int preferred_port(const struct service_options *options,
                          const struct srv_bundle *bundle)
{
    long port = options->config->port;

    if (port == 0)
        return bundle->serving.port;
    return port + options->index <= UINT16_MAX ? (int)port + options->index : 0;
}

static bool open_presence(struct service *service,
                          const struct service_options *options,
                          struct error *err)
{
    const struct srv_bundle *bundle = service->app->bundle;
    struct presence_options presence = {
        .url = options->config->registry,
        .app_name = bundle->api.app_name,
        .app_version = RUNTIME_API_VERSION,
        .model_name = bundle->name,
        .reason = bundle->api.reason,
        .metadata = "{\"protocols\":[\"http\",\"grpc\"]}",
        .preferred_port = preferred_port(options, bundle),
    };

    if (!registry_mode(options->config, bundle, &presence.mode, err))
        return false;
    service->presence = presence_new(&presence, err);
    return service->presence &&
           presence_acquire(service->presence, &service->port, err);
}

/* ---- the door ---- */

/* The names of --allowed-hosts, cut at the commas of a copy. */
static bool set_hosts(struct service *service, const struct srv_config *config,
                      struct error *err)
{
    char *text =
        arena_strdup(&service->app->bundle->arena, config->allowed_hosts);
    size_t count = 0;
    char *rest = NULL;

    if (!text)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for --allowed-hosts");
    for (char *name = strtok_r(text, ", ", &rest); name;
         name = strtok_r(NULL, ", ", &rest)) {
        if (count == SERVICE_HOSTS_MAX)
            return fail(err, ERR_USAGE, "--allowed-hosts takes %d names",
                        SERVICE_HOSTS_MAX);
        service->hosts[count++] = name;
    }
    return true;
}

/* Probes of the ModelSpec ask for health under paths of their own. */
static void set_aliases(struct service *service)
{
    const struct bundle_serving *serving = &service->app->bundle->serving;
    const char *const paths[] = {serving->readiness_path,
                                 serving->liveness_path};
    size_t count = 0;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (*paths[i])
            service->aliases[count++] =
                (struct door_alias){.path = paths[i], .target = "/health"};
}

static uint32_t timeout_ms(const struct srv_bundle *bundle)
{
    int64_t seconds = bundle->serving.timeout_s;

    if (seconds < 0)
        seconds = TIMEOUT_S;
    /* 0 is "no limit" in a ModelSpec: the longest that a door knows */
    if (seconds == 0 || seconds > UINT32_MAX / 1000)
        return UINT32_MAX;
    return (uint32_t)seconds * 1000U;
}

/* Calls that may wait, in the words of door_options. */
static int queue_length(const struct srv_config *config,
                        const struct srv_app *app)
{
    int64_t in_flight = app->bundle->serving.max_concurrency;

    if (config->queue > 0)
        return (int)config->queue;
    if (in_flight <= 0)
        return QUEUE_LENGTH;
    if (in_flight == app->worker_count)
        return -1;
    in_flight -= app->worker_count;
    return in_flight < QUEUE_MAX ? (int)in_flight : QUEUE_MAX;
}

static struct door_options door_options_of(struct service *service,
                                           const struct srv_config *config)
{
    const struct srv_app *app = service->app;

    return (struct door_options){
        .host = config->host,
        .tables = app->tables,
        .aliases = service->aliases,
        .protos = app->protos,
        .app = service->app,
        .finished = app_count,
        .allowed_hosts = service->hosts,
        .workers = app->worker_count,
        .queue_length = queue_length(config, app),
        .max_body = app->bundle->api.body_limit_bytes,
        .deadline_ms = timeout_ms(app->bundle),
    };
}

/* Binds the assigned port; asks for another one while strangers hold it. */
static bool open_door(struct service *service, const struct srv_config *config,
                      struct error *err)
{
    struct door_options options;

    if (!set_hosts(service, config, err))
        return false;
    set_aliases(service);
    options = door_options_of(service, config);
    for (;;) {
        options.port = service->port;
        service->door = door_open(&options, err);
        if (service->door)
            break;
        if (err->code != ERR_ADDRESS_IN_USE ||
            !presence_port_taken(service->presence, &service->port, err))
            return false;
    }
    service->port = door_port(service->door);
    service->app->door = service->door;
    log_event(LOG_INFO, "listening", "model=%s host=%s port=%d workers=%d",
              service->app->bundle->name, config->host, service->port,
              options.workers);
    return true;
}

/* ---- opening ---- */

static struct banner banner_of(const struct service *service)
{
    const struct srv_bundle *bundle = service->app->bundle;

    return (struct banner){
        .app = bundle->api.app_name,
        .model = bundle->name,
        .description = bundle->description,
        .citation = bundle->paper,
        .port = service->port,
        .registered = presence_is_registered(service->presence),
        .acknowledged = bundle->api.acknowledged,
    };
}

/* What the documents declare and nobody acts on is said once. */
static void log_unused(const struct srv_bundle *bundle)
{
    struct buf text = {0};

    bundle_list_unused(bundle, &text);
    if (text.size)
        log_event(LOG_INFO, "declared_only", "model=%s fields=\"%s\"",
                  bundle->name, text.data);
    buf_release(&text);
}

/* One process has one log. */
static void choose_log_level(const struct service_options *options,
                             const struct srv_bundle *bundle)
{
    enum log_level level;

    if (options->index == 0 && !*options->config->log_level &&
        log_level_by_name(bundle->serving.log_level, &level))
        log_set_level(level);
}

bool service_open(struct service *service,
                  const struct service_options *options, struct error *err)
{
    struct banner banner;

    *service = (struct service){0};
    service->app = app_open(options->config, options->path, options->workers,
                            options->team, options->stop_fd, err);
    if (!service->app)
        return false;
    if (!apps_add(options->apps, service->app))
        return fail(err, ERR_USAGE, "at most %d bundles", (int)APPS_MAX);
    choose_log_level(options, service->app->bundle);
    if (!open_presence(service, options, err) ||
        !open_door(service, options->config, err))
        return false;
    banner = banner_of(service);
    banner_print(&banner, stdout);
    log_unused(service->app->bundle);
    return presence_start(service->presence, service->port, err);
}

/* An input to show: of the first example that must succeed. */
static const char *example_text(const struct srv_bundle *bundle)
{
    for (size_t i = 0; i < bundle->example_count; i++) {
        const struct bundle_example *example = &bundle->examples[i];
        const char *text = doc_string(doc_get(example->data, "text"), NULL);

        if (text && example->expect.success)
            return text;
    }
    return NULL;
}

bool service_load(struct service *service, struct error *err)
{
    struct banner banner;
    const char *text;

    if (!app_load(service->app, err))
        return false;
    door_set_serving(service->door, service->app->state == APP_READY);
    text = example_text(service->app->bundle);
    if (service->app->config->show_examples && text &&
        service->app->state == APP_READY) {
        banner = banner_of(service);
        banner_print_examples(&banner, text, stdout);
    }
    return true;
}

static uint32_t grace_ms(const struct srv_app *app)
{
    uint32_t limit = timeout_ms(app->bundle);

    if (app->config->drain_s > 0)
        return (uint32_t)app->config->drain_s * 1000U;
    return limit == UINT32_MAX ? TIMEOUT_S * 1000U : limit;
}

void service_stop(struct service *service)
{
    if (service->app)
        app_drain(service->app);
    if (service->door)
        door_set_serving(service->door, false);
}

void service_drain(struct service *service)
{
    service_stop(service);
    /* A door is only ever open for an app. */
    if (service->app && service->door) {
        log_event(LOG_INFO, "draining", "port=%d", service->port);
        door_drain(service->door, grace_ms(service->app));
        log_event(LOG_INFO, "drained", "port=%d", service->port);
    }
    if (service->presence)
        presence_leave(service->presence);
    door_close(service->door);
    service->door = NULL;
}

void service_close(struct service *service)
{
    service_drain(service);
    presence_free(service->presence);
    app_close(service->app);
    *service = (struct service){0};
}
