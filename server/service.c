/*
 * Service: see service.h.
 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#include "banner.h"
#include "log.h"
#include "protos.h"
#include "runtime_server.h"

enum { TIMEOUT_S = 30, QUEUE_LENGTH = 64, HOSTS_MAX = 16 };

static bool open_presence(struct service *service,
                          const struct srv_config *config, struct error *err)
{
    const struct srv_bundle *bundle = service->app->bundle;
    struct presence_options options = {
        .url = config->registry,
        .app_name = bundle->api.app_name,
        .app_version = RUNTIME_API_VERSION,
        .model_name = bundle->name,
        .reason = bundle->api.reason,
        .metadata = "{\"protocols\":[\"http\",\"grpc\"]}",
        .preferred_port =
            config->port ? (int)config->port : bundle->serving.port,
    };

    if (!presence_mode_by_name(config->registry_mode, &options.mode))
        return fail(err, ERR_USAGE,
                    "--registry-mode takes required, preferred or off");
    service->presence = presence_new(&options, err);
    return service->presence &&
           presence_acquire(service->presence, &service->port, err);
}

/* The names of --allowed-hosts, cut at the commas inside `text`. */
static void split_hosts(char *text, const char *hosts[HOSTS_MAX + 1])
{
    size_t count = 0;
    char *rest = NULL;

    for (char *name = strtok_r(text, ", ", &rest); name && count < HOSTS_MAX;
         name = strtok_r(NULL, ", ", &rest))
        hosts[count++] = name;
    hosts[count] = NULL;
}

static uint32_t timeout_ms(const struct srv_bundle *bundle)
{
    int64_t seconds = bundle->serving.timeout_s;

    /* 0 is "no limit" in a ModelSpec; the longest that a door knows */
    if (seconds == 0)
        return UINT32_MAX;
    return (uint32_t)(seconds > 0 ? seconds : TIMEOUT_S) * 1000U;
}

static int queue_length(const struct srv_config *config,
                        const struct srv_bundle *bundle, int workers)
{
    int64_t in_flight = bundle->serving.max_concurrency;

    if (config->queue > 0)
        return (int)config->queue;
    if (in_flight <= 0)
        return QUEUE_LENGTH;
    return in_flight > workers ? (int)in_flight - workers : 1;
}

/* Binds the assigned port; asks for another one while strangers hold it. */
static bool open_door(struct service *service, const struct srv_config *config,
                      int workers, struct error *err)
{
    static const struct op_table *const tables[] = {&runtime_ops, NULL};
    const struct srv_bundle *bundle = service->app->bundle;
    const char *hosts[HOSTS_MAX + 1];
    char *names =
        arena_strdup(&service->app->bundle->arena, config->allowed_hosts);
    struct door_options options = {
        .host = config->host,
        .tables = tables,
        .protos = proto_files,
        .app = service->app,
        .finished = app_count,
        .allowed_hosts = hosts,
        .workers = workers,
        .queue_length = queue_length(config, bundle, workers),
        .max_body = bundle->api.body_limit_bytes,
        .deadline_ms = timeout_ms(bundle),
    };

    if (!names)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for --allowed-hosts");
    split_hosts(names, hosts);
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
              bundle->name, config->host, service->port, workers);
    return true;
}

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

bool service_open(struct service *service, const struct srv_config *config,
                  const char *path, int workers, int stop_fd, struct error *err)
{
    struct banner banner;

    *service = (struct service){0};
    service->app = app_open(config, path, workers, stop_fd, err);
    if (!service->app || !open_presence(service, config, err) ||
        !open_door(service, config, workers, err))
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

/* A door is only ever open for an app. */
static void drain(const struct service *service)
{
    log_event(LOG_INFO, "draining", "port=%d", service->port);
    door_set_serving(service->door, false);
    door_drain(service->door, grace_ms(service->app));
    log_event(LOG_INFO, "drained", "port=%d", service->port);
}

void service_close(struct service *service)
{
    if (service->app)
        app_drain(service->app);
    if (service->app && service->door)
        drain(service);
    if (service->presence)
        presence_leave(service->presence);
    door_close(service->door);
    presence_free(service->presence);
    app_close(service->app);
    *service = (struct service){0};
}
