/*
 * HF load: config, weights, graph, and then a look at what nobody used.
 */
#include "load.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hf/families.h"

bool hf_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A tensor that the graph does not use belongs to another model. */
static bool check_unused(const struct hf_build *build, struct error *err)
{
    const struct hf_weights *weights = build->weights;

    for (size_t i = 0; i < weights->count; i++) {
        const struct hf_weight *weight = &weights->items[i];

        if (weight->value == ENG_NO_VALUE &&
            !hf_may_be_left(weight->item->name, build->prefix))
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "tensor '%.80s' has no place in model_type '%.40s', "
                        "architecture '%.60s'",
                        weight->item->name, build->config->type,
                        build->config->architecture);
    }
    return true;
}

static bool build_graph(struct hf_weights *weights,
                        const struct hf_config *config, struct eng_graph *graph,
                        struct error *err)
{
    const char *prefix = hf_family_prefix(config->family);
    struct error cause;
    struct hf_build build = {
        .graph = graph,
        .weights = weights,
        .config = config,
        .prefix = hf_weights_have_prefix(weights, prefix) ? prefix : "",
        .err = &cause};

    hf_build_begin(&build);
    hf_heads(&build, hf_encoder(&build));
    if (hf_failed(&build)) {
        *err = cause;
        return false;
    }
    graph->file_bytes = weights->bytes;
    graph->opset = HF_OPSET;
    return check_unused(&build, err) && eng_graph_bind(graph, err);
}

bool hf_load_folder(int folder, size_t size_max, struct eng_graph *graph,
                    struct error *err)
{
    struct hf_weights weights = {0};
    struct hf_config config;
    bool ok;

    arena_init(&graph->arena, 0);
    graph->producer = "";
    ok = hf_config_read(&config, folder, &graph->arena, err) &&
         hf_weights_open(&weights, folder, size_max, err) &&
         build_graph(&weights, &config, graph, err);
    hf_weights_release(&weights);
    return ok;
}

bool hf_load(const char *path, size_t size_max, struct eng_graph *graph,
             struct error *err)
{
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool ok;

    if (folder < 0)
        return fail(err, ERR_FILE_MISSING,
                    "the model's folder cannot be opened");
    ok = hf_load_folder(folder, size_max, graph, err);
    (void)close(folder);
    return ok;
}
