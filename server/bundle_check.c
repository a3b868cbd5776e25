/*
 * Bundle check: the ModelService against itself and against the ModelSpec.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bundle_internal.h"
#include "log.h"

enum { MESSAGE_SIZE = 512 };

/* ---- reporting ---- */

/* The node at `pointer`, or the nearest one above it. */
static const struct doc_node *nearest_node(const struct doc_node *root,
                                           const char *pointer)
{
    char path[MESSAGE_SIZE];
    const struct doc_node *node;

    (void)snprintf(path, sizeof path, "%s", pointer);
    while (!(node = doc_find(root, path)) && strrchr(path, '/'))
        *strrchr(path, '/') = '\0';
    return node;
}

static void add(const struct bundle_check *check, enum doc_severity severity,
                const char *rule, enum bundle_kind kind, const char *pointer,
                const char *message)
{
    const struct bundle_document *document = &check->bundle->documents[kind];
    const struct doc_node *node = nearest_node(document->root, pointer);

    doc_report_add(check->report,
                   &(struct doc_issue){.severity = severity,
                                       .rule = rule,
                                       .file = document->file,
                                       .line = node ? node->line : 0,
                                       .col = node ? node->col : 0,
                                       .pointer = pointer,
                                       .message = message});
}

void bundle_fault(const struct bundle_check *check, enum bundle_kind kind,
                  const char *pointer, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    add(check, DOC_FAULT, "MS190", kind, pointer, message);
}

void bundle_warn(const struct bundle_check *check, enum bundle_kind kind,
                 const char *pointer, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    add(check, DOC_WARNING, "MS190", kind, pointer, message);
}

const char *bundle_where(const struct bundle_check *check, const char *format,
                         ...)
{
    char pointer[MESSAGE_SIZE];
    const char *copy;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(pointer, sizeof pointer, format, args);
    va_end(args);
    copy = arena_strdup(&check->bundle->arena, pointer);
    return copy ? copy : "";
}

bool bundle_has(const struct bundle_strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

/* ---- capabilities ---- */

static void check_result(const struct bundle_check *check, size_t capability,
                         const struct bundle_result *result)
{
    const struct bundle_output *output =
        bundle_find_output(check->bundle, result->name);
    const char *above =
        bundle_where(check, "/spec/capabilities/%zu/outputs", capability);
    const char *pointer =
        doc_pointer_key(&check->bundle->arena, above, result->name);

    if (!output)
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "output '%s' is not in signature.outputs", result->name);
    else if (strcmp(bundle_type_name(output->type), result->type) != 0)
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "output '%s' is %s here and %s in signature.outputs",
                     result->name, result->type,
                     bundle_type_name(output->type));
}

static bool takes_kind(const struct srv_bundle *bundle, const char *kind)
{
    for (size_t i = 0; i < bundle->signature.input_count; i++)
        if (strcmp(bundle_input_kind(bundle->signature.inputs[i].type), kind) ==
            0)
            return true;
    return false;
}

static void check_capability(const struct bundle_check *check, size_t index)
{
    const struct bundle_capability *capability =
        &check->bundle->capabilities[index];

    for (size_t i = 0; i < capability->output_count; i++)
        check_result(check, index, &capability->outputs[i]);
    for (size_t i = 0; i < capability->input_types.count; i++)
        if (!takes_kind(check->bundle, capability->input_types.items[i]))
            bundle_fault(check, BUNDLE_MODELSERVICE,
                         bundle_where(check,
                                      "/spec/capabilities/%zu/inputTypes/%zu",
                                      index, i),
                         "no input of the signature is of kind '%s'",
                         capability->input_types.items[i]);
}

static bool is_offered(const struct srv_bundle *bundle, const char *output)
{
    for (size_t i = 0; i < bundle->capability_count; i++)
        for (size_t j = 0; j < bundle->capabilities[i].output_count; j++)
            if (strcmp(bundle->capabilities[i].outputs[j].name, output) == 0)
                return true;
    return false;
}

static void check_capabilities(const struct bundle_check *check)
{
    const struct srv_bundle *bundle = check->bundle;

    for (size_t i = 0; i < bundle->capability_count; i++)
        check_capability(check, i);
    for (size_t i = 0; i < bundle->signature.output_count; i++)
        if (!is_offered(bundle, bundle->signature.outputs[i].name))
            bundle_fault(check, BUNDLE_MODELSERVICE,
                         bundle_where(check, "/spec/signature/outputs/%zu", i),
                         "output '%s' is in no capability",
                         bundle->signature.outputs[i].name);
}

/* ---- ranges ---- */

/* A parameter may choose among properties by name. */
static bool parameter_names(const struct bundle_parameter *parameter,
                            const char *key)
{
    if (strcmp(parameter->name, key) == 0)
        return true;
    for (size_t i = 0; i < doc_count(parameter->values); i++)
        if (strcmp(doc_string(doc_item(parameter->values, i), ""), key) == 0)
            return true;
    return false;
}

/* What a range may describe besides outputs and parameters: the input. */
static bool is_length_metric(const char *key)
{
    static const char *const metrics[] = {"input_tokens", "input_bytes",
                                          "input_characters"};

    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        if (strcmp(metrics[i], key) == 0)
            return true;
    return false;
}

static const struct bundle_output *
output_of_range(const struct srv_bundle *bundle, const char *key)
{
    for (size_t i = 0; i < bundle->signature.output_count; i++)
        if (strcmp(bundle->signature.outputs[i].property, key) == 0)
            return &bundle->signature.outputs[i];
    return bundle_find_output(bundle, key);
}

static bool describes_something(const struct srv_bundle *bundle,
                                const char *key)
{
    if (is_length_metric(key) || output_of_range(bundle, key))
        return true;
    for (size_t i = 0; i < bundle->signature.parameter_count; i++)
        if (parameter_names(&bundle->signature.parameters[i], key))
            return true;
    return false;
}

static void check_order(const struct bundle_check *check,
                        const struct bundle_range *range, const char *pointer)
{
    if (!(range->min <= range->mean && range->mean <= range->max))
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "training must have min <= mean <= max, found %g, %g, %g",
                     range->min, range->mean, range->max);
    if (!(range->reliable_min <= range->reliable_max))
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "reliable must have min <= max, found %g, %g",
                     range->reliable_min, range->reliable_max);
    if (range->reliable_min > range->min || range->reliable_max < range->max)
        bundle_warn(check, BUNDLE_MODELSERVICE, pointer,
                    "reliable (%g to %g) does not contain training (%g to %g)",
                    range->reliable_min, range->reliable_max, range->min,
                    range->max);
}

static void check_range(const struct bundle_check *check,
                        const struct bundle_range *range)
{
    const char *pointer = doc_pointer_key(
        &check->bundle->arena, "/spec/ranges/properties", range->key);
    const struct bundle_output *output =
        output_of_range(check->bundle, range->key);

    if (!describes_something(check->bundle, range->key))
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "'%s' is no output, parameter or length of the input",
                     range->key);
    if (output && output->unit[0] && strcmp(output->unit, range->unit) != 0)
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "the unit is '%s' here and '%s' at output '%s'",
                     range->unit, output->unit, output->name);
    check_order(check, range, pointer);
}

/* ---- elements ---- */

static bool same_set(const struct bundle_strings *a,
                     const struct bundle_strings *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (!bundle_has(b, a->items[i]))
            return false;
    for (size_t i = 0; i < b->count; i++)
        if (!bundle_has(a, b->items[i]))
            return false;
    return true;
}

/* A list of a document that must hold exactly spec.elements. */
static void check_elements_at(const struct bundle_check *check,
                              enum bundle_kind kind, const char *pointer)
{
    const struct bundle_strings *elements = &check->bundle->elements;
    const struct doc_node *list =
        doc_find(check->bundle->documents[kind].root, pointer);
    size_t count = doc_count(list);
    const char **items =
        arena_zalloc(&check->bundle->arena, count + 1, sizeof *items);

    if (!list || !items)
        return;
    for (size_t i = 0; i < count; i++)
        items[i] = doc_string(doc_item(list, i), "");
    if (!same_set(elements,
                  &(struct bundle_strings){.items = items, .count = count}))
        bundle_fault(check, kind, pointer,
                     "the elements differ from spec.elements of the "
                     "ModelService");
}

static void check_elements(const struct bundle_check *check)
{
    const struct srv_bundle *bundle = check->bundle;
    const struct doc_node *detectors =
        doc_at(bundle->documents[BUNDLE_BEHAVIORSPEC].root, "spec.detectors");
    const struct doc_node *steps =
        doc_at(bundle->documents[BUNDLE_MODELSERVICE].root, "spec.steps");
    struct arena *arena = &check->bundle->arena;

    check_elements_at(check, BUNDLE_MODELSERVICE,
                      "/spec/ranges/scope/elements");
    for (size_t i = 0; i < doc_count(steps); i++)
        check_elements_at(check, BUNDLE_MODELSERVICE,
                          bundle_where(check, "%s/elements",
                                       doc_pointer_key(arena, "/spec/steps",
                                                       steps->entries[i].key)));
    for (size_t i = 0; i < doc_count(detectors); i++) {
        const struct doc_entry *entry = &detectors->entries[i];
        const char *type = doc_string(doc_get(entry->value, "type"), "");

        if (strcmp(type, "smiles-elements") == 0)
            check_elements_at(
                check, BUNDLE_BEHAVIORSPEC,
                bundle_where(
                    check, "%s/allowed",
                    doc_pointer_key(arena, "/spec/detectors", entry->key)));
    }
}

/* ---- steps and serving ---- */

static const char *const stages[] = {"preprocess", "postprocess"};

/* All step names of the ModelSpec, disabled ones too. */
static struct bundle_strings step_names(const struct bundle_check *check)
{
    const struct doc_node *pipeline = doc_at(
        check->bundle->documents[BUNDLE_MODELSPEC].root, "spec.pipeline");
    const struct doc_node *before = doc_at(pipeline, "preprocess.steps");
    const struct doc_node *after = doc_at(pipeline, "postprocess.steps");
    size_t count = doc_count(before) + doc_count(after);
    const char **items =
        arena_zalloc(&check->bundle->arena, count + 1, sizeof *items);

    for (size_t i = 0; items && i < count; i++) {
        const struct doc_node *step =
            i < doc_count(before) ? doc_item(before, i)
                                  : doc_item(after, i - doc_count(before));

        items[i] = doc_string(doc_get(step, "name"), "");
    }
    return (struct bundle_strings){.items = items, .count = items ? count : 0};
}

/* Parameters go by name, so a name stands for one step in both stages. */
static void check_step_names(const struct bundle_check *check,
                             const struct bundle_strings *names)
{
    size_t first =
        doc_count(doc_at(check->bundle->documents[BUNDLE_MODELSPEC].root,
                         "spec.pipeline.preprocess.steps"));

    for (size_t i = 0; i < names->count; i++) {
        struct bundle_strings before = {names->items, i};
        size_t stage = i >= first;

        if (bundle_has(&before, names->items[i]))
            bundle_fault(check, BUNDLE_MODELSPEC,
                         bundle_where(check, "/spec/pipeline/%s/steps/%zu/name",
                                      stages[stage], stage ? i - first : i),
                         "a second step is called '%s'", names->items[i]);
    }
}

static void check_steps(const struct bundle_check *check)
{
    const struct doc_node *steps = doc_at(
        check->bundle->documents[BUNDLE_MODELSERVICE].root, "spec.steps");
    struct bundle_strings names = step_names(check);

    check_step_names(check, &names);
    for (size_t i = 0; i < doc_count(steps); i++) {
        const char *name = steps->entries[i].key;
        const char *near = doc_nearest(name, names.items, names.count);

        if (!bundle_has(&names, name))
            bundle_fault(
                check, BUNDLE_MODELSERVICE,
                doc_pointer_key(&check->bundle->arena, "/spec/steps", name),
                "the ModelSpec's pipeline has no step '%s'%s%s%s", name,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "");
    }
}

static void check_probe(const struct bundle_check *check, const char *probe,
                        const char *path)
{
    if (path[0] && (path[0] != '/' || strpbrk(path, "?# ")))
        bundle_fault(
            check, BUNDLE_MODELSPEC,
            bundle_where(check, "/spec/operations/serving/%s/path", probe),
            "'%s' must start with '/' and have no query", path);
}

enum { REGISTRY_PORT = 5000 };

static void check_serving(const struct bundle_check *check)
{
    const struct srv_bundle *bundle = check->bundle;
    const struct bundle_serving *serving = &bundle->serving;
    enum log_level level;

    check_probe(check, "readinessProbe", serving->readiness_path);
    check_probe(check, "livenessProbe", serving->liveness_path);
    if (serving->log_level[0] && !log_level_by_name(serving->log_level, &level))
        bundle_warn(check, BUNDLE_MODELSPEC,
                    "/spec/operations/observability/logging/level",
                    "'%s' is none of error, warn, info and debug; info is used",
                    serving->log_level);
    if (serving->port == REGISTRY_PORT)
        bundle_warn(check, BUNDLE_MODELSPEC, "/spec/operations/serving/port",
                    "port %d belongs to the registry; another one will be "
                    "assigned",
                    REGISTRY_PORT);
    if (serving->metrics_port && serving->metrics_port == serving->port)
        bundle_warn(check, BUNDLE_MODELSPEC,
                    "/spec/operations/observability/metrics/port",
                    "the serving port already answers /metrics");
    if (strcmp(bundle->framework, "onnx") != 0 &&
        strcmp(bundle->framework, "transformers") != 0)
        bundle_fault(check, BUNDLE_MODELSPEC, "/spec/identity/model/framework",
                     "framework '%s' cannot be served, only onnx and "
                     "transformers",
                     bundle->framework);
}

/* ---- gaps ---- */

static void check_gaps(const struct bundle_check *check, enum bundle_kind kind,
                       const struct doc_node *node, const char *pointer)
{
    struct arena *arena = &check->bundle->arena;
    size_t size = strlen(BUNDLE_GAP);

    if (node->type == DOC_STRING && strncmp(node->text, BUNDLE_GAP, size) == 0)
        add(check, DOC_WARNING, "GAP", kind, pointer, node->text);
    for (size_t i = 0; node->type == DOC_MAP && i < node->size; i++)
        check_gaps(check, kind, node->entries[i].value,
                   doc_pointer_key(arena, pointer, node->entries[i].key));
    for (size_t i = 0; node->type == DOC_LIST && i < node->size; i++)
        check_gaps(check, kind, node->items[i],
                   doc_pointer_index(arena, pointer, i));
}

static void check_documents(const struct bundle_check *check)
{
    for (size_t i = 0; i < BUNDLE_KIND_COUNT; i++) {
        const struct doc_node *root = check->bundle->documents[i].root;

        if (root)
            check_gaps(check, (enum bundle_kind)i, root, "");
    }
}

void bundle_check_service(struct bundle_check *check)
{
    check_documents(check);
    check_capabilities(check);
    for (size_t i = 0; i < check->bundle->ranges.count; i++)
        check_range(check, &check->bundle->ranges.items[i]);
    check_elements(check);
    check_steps(check);
    check_serving(check);
}
