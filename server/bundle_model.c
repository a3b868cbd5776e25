/*
 * Bundle model: signature.tensors against what the loaded model says.
 *
 * -1 in the document, or an unknown dimension in the model, fits anything; two
 * fixed dimensions must be equal.
 */
#include <stdlib.h>
#include <string.h>

#include "bundle_internal.h"

/* One side of the signature. */
struct side {
    const struct bundle_check *check;
    const struct bundle_tensor *tensors;
    size_t count;
    const char *word; /* "inputs" */
};

static const struct bundle_tensor *find_tensor(const struct side *side,
                                               const char *name)
{
    for (size_t i = 0; i < side->count; i++)
        if (strcmp(side->tensors[i].name, name) == 0)
            return &side->tensors[i];
    return NULL;
}

static const struct eng_port *find_port(const struct eng_port *const *ports,
                                        size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ports[i]->name, name) == 0)
            return ports[i];
    return NULL;
}

static bool dims_fit(const struct bundle_tensor *tensor,
                     const struct eng_port *port)
{
    if (port->rank < 0)
        return true;
    if (tensor->rank != (size_t)port->rank)
        return false;
    for (size_t i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] >= 0 && port->dims[i] >= 0 &&
            tensor->dims[i] != port->dims[i])
            return false;
    return true;
}

static const char *shape_text(struct arena *arena, const int64_t *dims,
                              size_t rank)
{
    const char *text = "[";

    for (size_t i = 0; text && i < rank; i++)
        text = arena_printf(arena, "%s%s%lld", text, i ? ", " : "",
                            (long long)dims[i]);
    text = text ? arena_printf(arena, "%s]", text) : NULL;
    return text ? text : "?";
}

static void compare(const struct side *side, size_t index,
                    const struct eng_port *port)
{
    const struct bundle_tensor *tensor = &side->tensors[index];
    struct arena *arena = &side->check->bundle->arena;
    const char *above = bundle_where(
        side->check, "/spec/signature/tensors/%s/%zu", side->word, index);

    if (!port) {
        bundle_fault(side->check, BUNDLE_MODELSERVICE, above,
                     "the model file has no '%s' among its %s", tensor->name,
                     side->word);
        return;
    }
    if (strcmp(tensor->dtype, eng_dtype_name(port->dtype)) != 0)
        bundle_fault(side->check, BUNDLE_MODELSERVICE,
                     bundle_where(side->check, "%s/dtype", above),
                     "tensor '%s' is %s in the model file", tensor->name,
                     eng_dtype_name(port->dtype));
    if (!dims_fit(tensor, port))
        bundle_fault(side->check, BUNDLE_MODELSERVICE,
                     bundle_where(side->check, "%s/shape", above),
                     "tensor '%s' has shape %s in the model file, %s here",
                     tensor->name,
                     shape_text(arena, port->dims, (size_t)port->rank),
                     shape_text(arena, tensor->dims, tensor->rank));
}

bool bundle_check_ports(struct srv_bundle *bundle, bool inputs,
                        const struct eng_port *const *ports, size_t count,
                        struct doc_report *report)
{
    const struct bundle_signature *signature = &bundle->signature;
    struct bundle_check check = {bundle, report, -1};
    struct side side = {
        .check = &check,
        .tensors =
            inputs ? signature->tensor_inputs : signature->tensor_outputs,
        .count = inputs ? signature->tensor_input_count
                        : signature->tensor_output_count,
        .word = inputs ? "inputs" : "outputs",
    };
    size_t before = report->faults;

    if (signature->tensor_input_count + signature->tensor_output_count == 0)
        return true;
    for (size_t i = 0; i < side.count; i++)
        compare(&side, i, find_port(ports, count, side.tensors[i].name));
    for (size_t i = 0; i < count; i++)
        if (!find_tensor(&side, ports[i]->name))
            bundle_fault(
                &check, BUNDLE_MODELSERVICE,
                bundle_where(&check, "/spec/signature/tensors/%s", side.word),
                "the model file has '%s' too", ports[i]->name);
    return report->faults == before;
}

typedef size_t count_ports(const struct eng_model *model);
typedef const struct eng_port *get_port(const struct eng_model *model,
                                        size_t index);

static bool check_side(struct srv_bundle *bundle, const struct eng_model *model,
                       bool inputs, struct doc_report *report)
{
    count_ports *count_of =
        inputs ? eng_model_input_count : eng_model_output_count;
    get_port *port_of = inputs ? eng_model_input : eng_model_output;
    size_t count = count_of(model);
    const struct eng_port **ports = calloc(count + 1, sizeof *ports);
    bool ok;

    if (!ports) {
        doc_fault(report, "FILE", bundle->dir, NULL, "", "no memory");
        return false;
    }
    for (size_t i = 0; i < count; i++)
        ports[i] = port_of(model, i);
    ok = bundle_check_ports(bundle, inputs, ports, count, report);
    free(ports);
    return ok;
}

bool bundle_check_model(struct srv_bundle *bundle,
                        const struct eng_model *model,
                        struct doc_report *report)
{
    bool inputs = check_side(bundle, model, true, report);
    bool outputs = check_side(bundle, model, false, report);

    return inputs && outputs;
}
