/*
 * What there is: the server, its models, their tensors and their statistics.
 */
#include "oip.h"

#include <string.h>

static const char *const extensions[] = {
    "binary_tensor_data", "model_configuration", "statistics", "parameters"};

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
}

/* The text as a message member; messages only ever read it. */
static char *text(const char *from)
{
    char *to;

    memcpy(&to, &from, sizeof to);
    return to;
}

static bool is_ready(const struct srv_app *app)
{
    struct error err;

    return app_is_ready(app, &err);
}

/* ---- server ---- */

bool handle_oip_server_live(struct srv_call *call,
                            const struct oip_server_live_request *request,
                            struct oip_server_live_response *reply,
                            struct error *err)
{
    (void)call, (void)request, (void)err;
    reply->live = true;
    return true;
}

bool handle_oip_server_ready(struct srv_call *call,
                             const struct oip_server_ready_request *request,
                             struct oip_server_ready_response *reply,
                             struct error *err)
{
    struct srv_app *apps[APPS_MAX];
    size_t count = oip_models(call, apps);

    (void)request, (void)err;
    reply->ready = count > 0;
    for (size_t i = 0; i < count; i++)
        if (!is_ready(apps[i]))
            reply->ready = false;
    return true;
}

bool handle_oip_server_metadata(
    struct srv_call *call, const struct oip_server_metadata_request *request,
    struct oip_server_metadata_response *reply, struct error *err)
{
    size_t count = sizeof extensions / sizeof *extensions;

    (void)request;
    reply->name = text("specserve");
    reply->version = text(SPECSERVE_VERSION);
    reply->extensions =
        arena_zalloc(&call->arena, count, sizeof *reply->extensions);
    if (!reply->extensions)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        reply->extensions[reply->n_extensions++] = text(extensions[i]);
    return true;
}

/* ---- models ---- */

bool handle_oip_model_ready(struct srv_call *call,
                            const struct oip_model_ready_request *request,
                            struct oip_model_ready_response *reply,
                            struct error *err)
{
    const struct srv_app *app =
        oip_model(call, request->name, request->version, err);

    if (!app)
        return false;
    reply->ready = is_ready(app);
    return true;
}

/* The model of this name, loaded: only then its tensors are known. */
static const struct srv_app *loaded(struct srv_call *call, const char *name,
                                    const char *version, struct error *err)
{
    const struct srv_app *app = oip_model(call, name, version, err);

    if (!app || app->state != APP_STARTING)
        return app;
    (void)app_is_ready(app, err);
    return NULL;
}

static int64_t *copy_dims(struct arena *arena, const struct eng_port *port,
                          size_t *count)
{
    size_t rank = port->rank < 0 ? 0 : (size_t)port->rank;
    int64_t *dims = arena_alloc(arena, rank * sizeof *dims);

    if (dims)
        memcpy(dims, port->dims, rank * sizeof *dims);
    *count = dims ? rank : 0;
    return dims;
}

static struct oip_model_metadata_response_tensor_metadata *
describe(struct arena *arena, const struct eng_port *port)
{
    struct oip_model_metadata_response_tensor_metadata *to =
        oip_model_metadata_response_tensor_metadata_new(arena);

    if (!to)
        return NULL;
    to->name = text(port->name);
    to->datatype = text(oip_dtype_name(port->dtype));
    to->shape = copy_dims(arena, port, &to->n_shape);
    return to->shape ? to : NULL;
}

bool handle_oip_model_metadata(struct srv_call *call,
                               const struct oip_model_metadata_request *request,
                               struct oip_model_metadata_response *reply,
                               struct error *err)
{
    const struct srv_app *app =
        loaded(call, request->name, request->version, err);
    struct arena *arena = &call->arena;
    size_t inputs, outputs;

    if (!app)
        return false;
    inputs = eng_model_input_count(app->model);
    outputs = eng_model_output_count(app->model);
    reply->name = text(app->bundle->name);
    reply->platform = text("specserve_onnx");
    reply->versions = arena_zalloc(arena, 1, sizeof *reply->versions);
    reply->inputs = arena_zalloc(arena, inputs + 1, sizeof *reply->inputs);
    reply->outputs = arena_zalloc(arena, outputs + 1, sizeof *reply->outputs);
    if (!reply->versions || !reply->inputs || !reply->outputs)
        return no_memory(err);
    reply->versions[reply->n_versions++] = text(app->bundle->version);
    for (size_t i = 0; i < inputs; i++) {
        reply->inputs[i] = describe(arena, eng_model_input(app->model, i));
        if (!reply->inputs[reply->n_inputs++])
            return no_memory(err);
    }
    for (size_t i = 0; i < outputs; i++) {
        reply->outputs[i] = describe(arena, eng_model_output(app->model, i));
        if (!reply->outputs[reply->n_outputs++])
            return no_memory(err);
    }
    return true;
}

/* ---- Triton's configuration ---- */

static bool configure_tensors(struct arena *arena, struct eng_model *model,
                              struct oip_model_config *config)
{
    size_t inputs = eng_model_input_count(model);
    size_t outputs = eng_model_output_count(model);

    config->input = arena_zalloc(arena, inputs + 1, sizeof *config->input);
    config->output = arena_zalloc(arena, outputs + 1, sizeof *config->output);
    if (!config->input || !config->output)
        return false;
    for (size_t i = 0; i < inputs; i++) {
        const struct eng_port *port = eng_model_input(model, i);
        struct oip_model_input *to = oip_model_input_new(arena);

        config->input[config->n_input++] = to;
        if (!to || !(to->dims = copy_dims(arena, port, &to->n_dims)))
            return false;
        to->name = text(port->name);
        to->data_type = oip_dtype_triton(port->dtype);
    }
    for (size_t i = 0; i < outputs; i++) {
        const struct eng_port *port = eng_model_output(model, i);
        struct oip_model_output *to = oip_model_output_new(arena);

        config->output[config->n_output++] = to;
        if (!to || !(to->dims = copy_dims(arena, port, &to->n_dims)))
            return false;
        to->name = text(port->name);
        to->data_type = oip_dtype_triton(port->dtype);
    }
    return true;
}

/*
 * max_batch_size is 0: every dimension of a tensor is told, the first one, too,
 * as the model file has them, and a client sends shapes as they are.
 */
bool handle_oip_model_config(struct srv_call *call,
                             const struct oip_model_config_request *request,
                             struct oip_model_config_response *reply,
                             struct error *err)
{
    const struct srv_app *app =
        loaded(call, request->name, request->version, err);
    struct arena *arena = &call->arena;
    struct oip_model_config *config;
    struct oip_model_instance_group *group;

    if (!app)
        return false;
    reply->config = config = oip_model_config_new(arena);
    group = oip_model_instance_group_new(arena);
    if (!config || !group || !configure_tensors(arena, app->model, config))
        return no_memory(err);
    config->name = text(app->bundle->name);
    config->platform = text("specserve_onnx");
    config->backend = text("specserve");
    config->default_model_filename = text("");
    config->model_transaction_policy = oip_model_transaction_policy_new(arena);
    config->instance_group =
        arena_zalloc(arena, 1, sizeof *config->instance_group);
    if (!config->model_transaction_policy || !config->instance_group)
        return no_memory(err);
    group->name = text(app->bundle->name);
    group->count = app->worker_count;
    group->kind = INFERENCE__MODEL_INSTANCE_GROUP__KIND__KIND_CPU;
    config->instance_group[config->n_instance_group++] = group;
    return true;
}

/* ---- statistics ---- */

static struct oip_statistic_duration *duration(struct arena *arena,
                                               const struct oip_duration *from)
{
    struct oip_statistic_duration *to = oip_statistic_duration_new(arena);

    if (to && from) {
        to->count = atomic_load(&from->count);
        to->ns = atomic_load(&from->ns);
    }
    return to;
}

static struct oip_infer_statistics *inference(struct arena *arena,
                                              const struct oip_stats *stats)
{
    struct oip_infer_statistics *to = oip_infer_statistics_new(arena);

    if (!to)
        return NULL;
    to->success = duration(arena, &stats->success);
    to->fail = duration(arena, &stats->fail);
    to->queue = duration(arena, &stats->queue);
    to->compute_input = duration(arena, &stats->compute_input);
    to->compute_infer = duration(arena, &stats->compute_infer);
    to->compute_output = duration(arena, &stats->compute_output);
    to->cache_hit = duration(arena, NULL);
    to->cache_miss = duration(arena, NULL);
    return to->success && to->fail && to->queue && to->compute_input &&
                   to->compute_infer && to->compute_output && to->cache_hit &&
                   to->cache_miss
               ? to
               : NULL;
}

/* Each run is one request of its own size: one row, once there was one. */
static bool batches(struct arena *arena, const struct oip_stats *stats,
                    struct oip_model_statistics *to)
{
    struct oip_infer_batch_statistics *row;

    to->batch_stats = arena_zalloc(arena, 1, sizeof *to->batch_stats);
    row = oip_infer_batch_statistics_new(arena);
    if (!to->batch_stats || !row)
        return false;
    if (to->execution_count == 0)
        return true;
    row->batch_size = 1;
    row->compute_input = duration(arena, &stats->compute_input);
    row->compute_infer = duration(arena, &stats->compute_infer);
    row->compute_output = duration(arena, &stats->compute_output);
    to->batch_stats[to->n_batch_stats++] = row;
    return row->compute_input && row->compute_infer && row->compute_output;
}

static struct oip_model_statistics *statistics(struct arena *arena,
                                               const struct srv_app *app)
{
    struct oip_model_statistics *to = oip_model_statistics_new(arena);

    if (!to)
        return NULL;
    to->name = text(app->bundle->name);
    to->version = text(app->bundle->version);
    to->last_inference = atomic_load(&app->oip.last_ms);
    to->inference_count = atomic_load(&app->oip.success.count);
    to->execution_count = atomic_load(&app->oip.compute_infer.count);
    to->inference_stats = inference(arena, &app->oip);
    return to->inference_stats && batches(arena, &app->oip, to) ? to : NULL;
}

bool handle_oip_model_statistics(
    struct srv_call *call, const struct oip_model_statistics_request *request,
    struct oip_model_statistics_response *reply, struct error *err)
{
    bool all = !request->name || !*request->name;
    struct srv_app *apps[APPS_MAX];
    size_t count = 1;

    if (all)
        count = oip_models(call, apps);
    else
        apps[0] = oip_model(call, request->name, request->version, err);
    if (!all && !apps[0])
        return false;
    reply->model_stats =
        arena_zalloc(&call->arena, count, sizeof *reply->model_stats);
    for (size_t i = 0; i < count; i++) {
        if (!reply->model_stats ||
            !(reply->model_stats[i] = statistics(&call->arena, apps[i])))
            return no_memory(err);
        reply->n_model_stats++;
    }
    return true;
}

/* ---- repository ---- */

static struct oip_repository_index_response_model_index *
index_row(struct arena *arena, const struct srv_app *app)
{
    struct oip_repository_index_response_model_index *row =
        oip_repository_index_response_model_index_new(arena);
    struct error why = {0};

    if (!row)
        return NULL;
    row->name = text(app->bundle->name);
    row->version = text(app->bundle->version);
    row->state = text(app_is_ready(app, &why)      ? "READY"
                      : app->state == APP_STARTING ? "LOADING"
                                                   : "UNAVAILABLE");
    row->reason = arena_strdup(arena, why.code == ERR_NONE ? "" : why.msg);
    return row->reason ? row : NULL;
}

bool handle_oip_repository_index(
    struct srv_call *call, const struct oip_repository_index_request *request,
    struct oip_repository_index_response *reply, struct error *err)
{
    struct srv_app *apps[APPS_MAX];
    size_t count = oip_models(call, apps);

    reply->models = arena_zalloc(&call->arena, count, sizeof *reply->models);
    if (!reply->models)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (request->ready && !is_ready(apps[i]))
            continue;
        if (!(reply->models[reply->n_models] =
                  index_row(&call->arena, apps[i])))
            return no_memory(err);
        reply->n_models++;
    }
    return true;
}
