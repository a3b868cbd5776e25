/*
 * Bundle read: trees -> typed parts. The trees obey their schemas, so a value
 * that is absent has its default and one of another type cannot occur.
 */
#include <math.h>
#include <string.h>

#include "bundle_internal.h"

/* `failed`: memory ran out; whatever is read after that is empty. */
struct reader {
    struct arena *arena;
    bool failed;
};

static void *take(struct reader *reader, size_t count, size_t size)
{
    void *array = arena_zalloc(reader->arena, count ? count : 1, size);

    if (!array)
        reader->failed = true;
    return array;
}

static const char *text(const struct doc_node *map, const char *key)
{
    return doc_string(doc_get(map, key), "");
}

static struct bundle_strings strings(struct reader *reader,
                                     const struct doc_node *list)
{
    size_t count = doc_count(list);
    const char **items = take(reader, count, sizeof *items);

    if (!items)
        return (struct bundle_strings){0};
    for (size_t i = 0; i < count; i++)
        items[i] = doc_string(doc_item(list, i), "");
    return (struct bundle_strings){.items = items, .count = count};
}

/* ---- signature ---- */

static const char *const type_names[] = {
    [BUNDLE_TEXT] = "text",
    [BUNDLE_IMAGE] = "image",
    [BUNDLE_AUDIO] = "audio",
    [BUNDLE_STRING] = "string",
    [BUNDLE_FLOAT] = "float",
    [BUNDLE_INTEGER] = "integer",
    [BUNDLE_BOOLEAN] = "boolean",
    [BUNDLE_FLOATS] = "array<float>",
    [BUNDLE_STRINGS] = "array<string>",
    [BUNDLE_OBJECT] = "object",
};

const char *bundle_type_name(enum bundle_type type)
{
    return type_names[type];
}

const char *bundle_input_kind(enum bundle_type type)
{
    bool medium =
        type == BUNDLE_TEXT || type == BUNDLE_IMAGE || type == BUNDLE_AUDIO;

    return medium ? type_names[type] : "tabular";
}

static enum bundle_type type_of(const struct doc_node *map)
{
    const char *name = text(map, "type");

    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (strcmp(type_names[i], name) == 0)
            return (enum bundle_type)i;
    return BUNDLE_OBJECT;
}

static void read_inputs(struct reader *reader, const struct doc_node *list,
                        struct bundle_signature *out)
{
    size_t count = doc_count(list);
    struct bundle_input *items = take(reader, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++) {
        const struct doc_node *map = doc_item(list, i);

        items[i] = (struct bundle_input){
            .name = text(map, "name"),
            .type = type_of(map),
            .format = text(map, "format"),
            .description = text(map, "description"),
            .required = doc_bool(doc_get(map, "required"), true),
            .truncate =
                strcmp(text(map, "onExcess"), "annotate-truncated") == 0,
            .parse_specials = strcmp(text(map, "specialTokens"), "parse") == 0,
            .length = doc_integer(doc_get(map, "length"), 0),
            .max_bytes = doc_integer(doc_get(map, "maxBytes"), 0),
            .max_tokens = doc_integer(doc_get(map, "maxTokens"), 0),
        };
    }
    out->inputs = items;
    out->input_count = items ? count : 0;
}

static void read_parameters(struct reader *reader, const struct doc_node *list,
                            struct bundle_signature *out)
{
    size_t count = doc_count(list);
    struct bundle_parameter *items = take(reader, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++) {
        const struct doc_node *map = doc_item(list, i);

        items[i] = (struct bundle_parameter){
            .name = text(map, "name"),
            .type = type_of(map),
            .description = text(map, "description"),
            .required = doc_bool(doc_get(map, "required"), false),
            .values = doc_get(map, "enum"),
            .otherwise = doc_get(map, "default"),
            .min = doc_number(doc_get(map, "minimum"), -(double)INFINITY),
            .max = doc_number(doc_get(map, "maximum"), (double)INFINITY),
        };
    }
    out->parameters = items;
    out->parameter_count = items ? count : 0;
}

static void read_outputs(struct reader *reader, const struct doc_node *list,
                         struct bundle_signature *out)
{
    size_t count = doc_count(list);
    struct bundle_output *items = take(reader, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++) {
        const struct doc_node *map = doc_item(list, i);
        const struct doc_node *from = doc_get(map, "from");

        items[i] = (struct bundle_output){
            .name = text(map, "name"),
            .type = type_of(map),
            .unit = text(map, "unit"),
            .description = text(map, "description"),
            .property = text(map, "property"),
            .from_tensor = text(from, "tensor"),
            .from_index = doc_integer(doc_get(from, "index"), 0),
            .from_input = text(from, "input"),
            .length = doc_integer(doc_get(map, "length"), 0),
            .dimensions = doc_get(map, "dimensions"),
        };
        items[i].as_string = items[i].type != BUNDLE_FLOATS &&
                             items[i].type != BUNDLE_STRINGS &&
                             strcmp(text(map, "encoding"), "string") == 0;
    }
    out->outputs = items;
    out->output_count = items ? count : 0;
}

static const struct bundle_tensor *
read_tensors(struct reader *reader, const struct doc_node *list, size_t *count)
{
    struct bundle_tensor *items = take(reader, doc_count(list), sizeof *items);

    *count = items ? doc_count(list) : 0;
    for (size_t i = 0; i < *count; i++) {
        const struct doc_node *map = doc_item(list, i);
        const struct doc_node *shape = doc_get(map, "shape");

        items[i].name = text(map, "name");
        items[i].dtype = text(map, "dtype");
        items[i].rank = doc_count(shape);
        for (size_t d = 0; d < items[i].rank && d < BUNDLE_RANK_MAX; d++)
            items[i].dims[d] = doc_integer(doc_item(shape, d), -1);
    }
    return items;
}

static void read_signature(struct reader *reader, const struct doc_node *map,
                           struct bundle_signature *out)
{
    read_inputs(reader, doc_get(map, "inputs"), out);
    read_parameters(reader, doc_get(map, "parameters"), out);
    read_outputs(reader, doc_get(map, "outputs"), out);
    out->tensor_inputs = read_tensors(reader, doc_at(map, "tensors.inputs"),
                                      &out->tensor_input_count);
    out->tensor_outputs = read_tensors(reader, doc_at(map, "tensors.outputs"),
                                       &out->tensor_output_count);
}

/* ---- what is told ---- */

static void read_capability(struct reader *reader, const struct doc_node *map,
                            struct bundle_capability *out)
{
    const struct doc_node *outputs = doc_get(map, "outputs");
    size_t count = doc_count(outputs);
    struct bundle_result *results = take(reader, count, sizeof *results);

    for (size_t i = 0; results && i < count; i++)
        results[i] = (struct bundle_result){
            .name = outputs->entries[i].key,
            .type = doc_string(outputs->entries[i].value, "")};
    *out = (struct bundle_capability){
        .name = text(map, "name"),
        .description = text(map, "description"),
        .input_types = strings(reader, doc_get(map, "inputTypes")),
        .outputs = results,
        .output_count = results ? count : 0,
        .batch = doc_bool(doc_get(map, "batch"), false),
    };
}

static void read_capabilities(struct reader *reader,
                              const struct doc_node *list,
                              struct srv_bundle *bundle)
{
    size_t count = doc_count(list);
    struct bundle_capability *items = take(reader, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++)
        read_capability(reader, doc_item(list, i), &items[i]);
    bundle->capabilities = items;
    bundle->capability_count = items ? count : 0;
}

static struct bundle_range read_range(const struct doc_entry *entry)
{
    const struct doc_node *map = entry->value;

    return (struct bundle_range){
        .key = entry->key,
        .name = text(map, "name"),
        .unit = text(map, "unit"),
        .note = doc_string(doc_at(map, "reliable.note"), ""),
        .min = doc_number(doc_at(map, "training.min"), 0),
        .max = doc_number(doc_at(map, "training.max"), 0),
        .mean = doc_number(doc_at(map, "training.mean"), 0),
        .reliable_min = doc_number(doc_at(map, "reliable.min"), 0),
        .reliable_max = doc_number(doc_at(map, "reliable.max"), 0),
        .samples = doc_integer(doc_get(map, "samples"), 0),
        .validation = doc_get(map, "validation"),
        .typical = doc_get(map, "typical"),
    };
}

static void read_ranges(struct reader *reader, const struct doc_node *map,
                        struct bundle_ranges *out)
{
    const struct doc_node *properties = doc_get(map, "properties");
    size_t count = doc_count(properties);
    struct bundle_range *items = take(reader, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++)
        items[i] = read_range(&properties->entries[i]);
    *out = (struct bundle_ranges){
        .description = text(map, "description"),
        .items = items,
        .count = items ? count : 0,
        .features = strings(reader, doc_at(map, "scope.features")),
        .limitations = strings(reader, doc_at(map, "scope.limitations")),
        .elements = strings(reader, doc_at(map, "scope.elements")),
        .recommendations = strings(reader, doc_get(map, "recommendations")),
    };
}

static struct bundle_expect read_expect(struct reader *reader,
                                        const struct doc_node *map)
{
    return (struct bundle_expect){
        .declared = map != NULL,
        .success = doc_bool(doc_get(map, "success"), true),
        .error_code = text(map, "error_code"),
        .finite = strings(reader, doc_get(map, "finite")),
        .values = doc_get(map, "values"),
        .length = doc_get(map, "length"),
        .norm = doc_get(map, "norm"),
        .tolerance = doc_number(doc_get(map, "tolerance"),
                                doc_number(doc_at(map, "norm.tolerance"), 0)),
        .cosine_to = text(map, "cosineTo"),
        .cosine_min = doc_number(doc_get(map, "min"), -1),
    };
}

static void read_examples(struct reader *reader, const struct doc_node *list,
                          struct srv_bundle *bundle)
{
    size_t count = doc_count(list);
    struct bundle_example *items = take(reader, count, sizeof *items);

    for (size_t i = 0; items && i < count; i++) {
        const struct doc_node *map = doc_item(list, i);

        items[i] = (struct bundle_example){
            .name = text(map, "name"),
            .description = text(map, "description"),
            .category = text(map, "category"),
            .data = doc_get(map, "data"),
            .expect = read_expect(reader, doc_get(map, "expect")),
        };
    }
    bundle->examples = items;
    bundle->example_count = items ? count : 0;
}

static void read_told(struct reader *reader, const struct doc_node *spec,
                      struct srv_bundle *bundle)
{
    const struct doc_node *use = doc_get(spec, "intendedUse");
    const struct doc_node *training = doc_get(spec, "training");
    const struct doc_node *confidence = doc_get(spec, "confidence");

    bundle->elements = strings(reader, doc_get(spec, "elements"));
    bundle->notes = strings(reader, doc_get(spec, "notes"));
    bundle->disclaimers = strings(reader, doc_get(spec, "disclaimers"));
    bundle->use = (struct bundle_use){
        .primary = text(use, "primary"),
        .out_of_scope = strings(reader, doc_get(use, "outOfScope")),
        .users = strings(reader, doc_get(use, "users")),
    };
    bundle->training = (struct bundle_training){
        .data = text(training, "data"),
        .license = text(training, "license"),
        .cutoff = text(training, "cutoff"),
        .procedure = text(training, "procedure"),
        .samples = doc_integer(doc_get(training, "samples"), 0),
    };
    bundle->confidence = (struct bundle_confidence){
        .method = text(confidence, "method"),
        .level = doc_number(doc_get(confidence, "level"), 0),
        .calibrated = doc_bool(doc_get(confidence, "calibrated"), false),
    };
}

/* ---- how it is served ---- */

static const char *app_name(struct reader *reader, const char *model)
{
    const char *name = arena_printf(reader->arena, "%s_API", model);

    if (!name)
        reader->failed = true;
    return name ? name : "";
}

static void read_api(struct reader *reader, const struct doc_node *map,
                     struct srv_bundle *bundle)
{
    const struct doc_node *registration = doc_get(map, "registration");
    const char *shutdown = text(map, "shutdown");
    const char *mode = text(registration, "mode");

    bundle->api = (struct bundle_api){
        .strict = doc_bool(doc_get(map, "strict"), false),
        .shutdown = strcmp(shutdown, "loopback") == 0 ? SHUTDOWN_LOOPBACK
                    : strcmp(shutdown, "token") == 0  ? SHUTDOWN_TOKEN
                                                      : SHUTDOWN_OFF,
        .body_limit_bytes =
            (size_t)doc_integer(doc_get(map, "bodyLimitBytes"), 1 << 20),
        .registration_mode = strcmp(mode, "required") == 0 ? REGISTRY_REQUIRED
                             : strcmp(mode, "off") == 0    ? REGISTRY_OFF
                                                           : REGISTRY_PREFERRED,
        .app_name = text(registration, "appName"),
        .reason = doc_string(doc_get(registration, "reason"),
                             "Starting model instance"),
        .acknowledged = doc_bool(doc_get(registration, "acknowledged"), false),
    };
    if (!bundle->api.app_name[0])
        bundle->api.app_name = app_name(reader, bundle->name);
}

static void read_serving(const struct doc_node *spec,
                         struct bundle_serving *out)
{
    const struct doc_node *serving = doc_at(spec, "operations.serving");
    const struct doc_node *batch = doc_at(spec, "runtime.batch");
    const struct doc_node *metrics =
        doc_at(spec, "operations.observability.metrics");

    *out = (struct bundle_serving){
        .port = (int)doc_integer(doc_get(serving, "port"), 0),
        .max_concurrency = doc_integer(doc_get(serving, "maxConcurrency"), 0),
        .timeout_s = doc_integer(doc_get(serving, "timeoutSeconds"), -1),
        .max_batch_size = doc_integer(doc_get(batch, "maxBatchSize"), 0),
        .max_sequence_tokens =
            doc_integer(doc_get(batch, "maxSequenceLengthTokens"), 0),
        .readiness_path =
            doc_string(doc_at(serving, "readinessProbe.path"), ""),
        .liveness_path = doc_string(doc_at(serving, "livenessProbe.path"), ""),
        .log_level = doc_string(
            doc_at(spec, "operations.observability.logging.level"), ""),
        .cpu_cores = doc_integer(doc_at(spec, "runtime.resources.cpuCores"), 0),
        .metrics_port = (int)doc_integer(doc_get(metrics, "port"), 0),
        .metrics_enabled = doc_bool(doc_get(metrics, "enabled"), true),
    };
}

static void read_steps(struct reader *reader, const struct srv_bundle *bundle,
                       const struct doc_node *list, struct bundle_steps *out)
{
    size_t count = doc_count(list);
    struct bundle_step *items = take(reader, count, sizeof *items);

    out->items = items;
    out->count = 0;
    for (size_t i = 0; items && i < count; i++) {
        const struct doc_node *map = doc_item(list, i);
        const char *name = text(map, "name");

        if (doc_bool(doc_get(map, "enabled"), true))
            items[out->count++] = (struct bundle_step){
                .name = name,
                .type = text(map, "type"),
                .parameters = bundle_step_parameters(bundle, name),
            };
    }
}

/* "dir/name" for a file of the bundle, "" for none. */
static const char *path(struct reader *reader, const struct srv_bundle *bundle,
                        const char *name)
{
    const char *full =
        *name ? arena_printf(reader->arena, "%s/%s", bundle->dir, name) : "";

    if (!full)
        reader->failed = true;
    return full ? full : "";
}

static void read_modelspec(struct reader *reader, struct srv_bundle *bundle)
{
    const struct doc_node *spec =
        doc_get(bundle->documents[BUNDLE_MODELSPEC].root, "spec");
    const struct doc_node *model = doc_at(spec, "identity.model");
    const struct doc_node *artifacts = doc_at(spec, "identity.model.artifacts");

    bundle->model_id = text(model, "id");
    bundle->family = text(model, "family");
    bundle->task = text(model, "task");
    bundle->framework = text(model, "framework");
    bundle->precision = text(model, "precision");
    bundle->model_path = path(reader, bundle, text(artifacts, "modelUri"));
    bundle->tokenizer_path =
        path(reader, bundle, text(artifacts, "tokenizerUri"));
    read_serving(spec, &bundle->serving);
    read_steps(reader, bundle, doc_at(spec, "pipeline.preprocess.steps"),
               &bundle->preprocess);
    read_steps(reader, bundle, doc_at(spec, "pipeline.postprocess.steps"),
               &bundle->postprocess);
}

bool bundle_read(struct srv_bundle *bundle)
{
    const struct doc_node *root = bundle->documents[BUNDLE_MODELSERVICE].root;
    const struct doc_node *metadata = doc_get(root, "metadata");
    const struct doc_node *spec = doc_get(root, "spec");
    struct reader reader = {.arena = &bundle->arena};

    bundle->name = text(metadata, "name");
    bundle->version = text(metadata, "version");
    bundle->description = text(metadata, "description");
    bundle->license = doc_string(doc_at(spec, "info.license"), "");
    bundle->maintainer = doc_string(doc_at(spec, "info.maintainer"), "");
    bundle->citation_url = doc_string(doc_at(spec, "info.citationUrl"), "");
    bundle->paper = doc_string(doc_at(spec, "citation.paper"), "");
    bundle->doi = doc_string(doc_at(spec, "citation.doi"), "");
    bundle->bibtex = "";
    read_signature(&reader, doc_get(spec, "signature"), &bundle->signature);
    read_capabilities(&reader, doc_get(spec, "capabilities"), bundle);
    read_ranges(&reader, doc_get(spec, "ranges"), &bundle->ranges);
    read_examples(&reader, doc_get(spec, "examples"), bundle);
    read_told(&reader, spec, bundle);
    read_api(&reader, doc_get(spec, "api"), bundle);
    read_modelspec(&reader, bundle);
    return !reader.failed;
}
