/*
 * Numbers: a model without a tokenizer. Every tensor that goes in is a declared
 * input, an array of numbers or texts in row-major order, and every tensor that
 * comes out an output. A row is one request.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bundle.h"
#include "init/init.h"

enum { NAME_MAX_BYTES = 56, PORTS_MAX = 64, EXAMPLE_MAX = 256 };

/* What is tried for an open dimension behind the first, and an open side of an
 * image. */
enum { OPEN_TRIED = 4, SIDE_TRIED = 224 };

/* --- names --- */

/* A name for requests: letters, digits and '_'. */
static void make_name(const struct eng_port *port, size_t index, bool unique,
                      char name[72])
{
    size_t used = 0;

    if (isdigit((unsigned char)port->name[0]))
        name[used++] = '_';
    for (const char *c = port->name; *c && used < NAME_MAX_BYTES; c++)
        name[used++] = isalnum((unsigned char)*c) ? *c : '_';
    name[used] = '\0';
    if (!unique || !used)
        (void)snprintf(name + used, 72 - used, "_%zu", index);
}

/* Does a port before this one get the same name? */
static bool is_unique(const struct eng_model *model, size_t index, bool input)
{
    char mine[72], other[72];
    const struct eng_port *port =
        input ? eng_model_input(model, index) : eng_model_output(model, index);

    make_name(port, index, true, mine);
    for (size_t i = 0; i < index; i++) {
        make_name(input ? eng_model_input(model, i)
                        : eng_model_output(model, i),
                  i, true, other);
        if (strcmp(mine, other) == 0)
            return false;
    }
    return true;
}

/* --- inputs --- */

/* A first dimension that is open counts the rows of a batch. */
static bool is_open(const struct eng_port *port, int d)
{
    return port->dims[d] < 0 && d > 0;
}

static int count_open(const struct eng_port *port)
{
    int open = port->rank == 1 && port->dims[0] < 0;

    for (int d = 1; d < port->rank; d++)
        open += is_open(port, d);
    return open;
}

/* Elements of one request; 0 = the model leaves it open. */
static int64_t elements_of(const struct eng_port *port)
{
    int64_t count = 1;

    if (port->rank < 0 || count_open(port))
        return 0;
    for (int d = 0; d < port->rank; d++)
        count *= port->dims[d] < 0 ? 1 : port->dims[d];
    return count;
}

static bool is_image(const struct eng_port *port)
{
    return port->rank == 4 && (port->dims[1] == 1 || port->dims[1] == 3);
}

/* Dimension d as the step's `shape` says it. */
static int64_t shape_at(const struct eng_port *port, int d)
{
    if (port->dims[d] >= 0)
        return port->dims[d];
    if (d == 0)
        return 1;
    return is_image(port) ? SIDE_TRIED : -1;
}

/* ", shape: [1, 3, 224, 224]" where an array's length does not say it. */
static void put_shape(struct init_plan *plan, const struct eng_port *port,
                      const char *name, struct buf *out)
{
    if (port->rank < 0) {
        buf_string(out, ", shape: [1, -1]");
        init_note(plan, BUNDLE_GAP "the model does not say the shape of '%s'",
                  name);
        return;
    }
    if (count_open(port) < 2)
        return;
    buf_string(out, ", shape: [");
    for (int d = 0; d < port->rank; d++) {
        int64_t dim = shape_at(port, d);

        /* only one dimension can follow from the length */
        if (dim < 0 && d + 1 < port->rank)
            dim = 1;
        buf_printf(out, "%s%lld", d ? ", " : "", (long long)dim);
    }
    buf_char(out, ']');
    init_note(plan,
              BUNDLE_GAP "several dimensions of '%s' are open; the shape of "
                         "its step is a guess",
              name);
}

static const char *input_type(const struct eng_port *port)
{
    if (port->dtype == ENG_STRING)
        return "array<string>";
    return port->rank >= 0 && elements_of(port) == 1 ? "float" : "array<float>";
}

/* The pipeline feeds it by its name alone. */
static bool needs_no_step(const struct eng_port *port, const char *name)
{
    return port->dtype == ENG_F32 && port->rank >= 0 && port->rank <= 2 &&
           (port->rank < 2 || port->dims[0] < 0 || port->dims[0] == 1) &&
           count_open(port) < 2 && strcmp(port->name, name) == 0;
}

static void plan_one_input(struct init_plan *plan, size_t index)
{
    const struct eng_port *port = eng_model_input(plan->facts->model, index);
    int64_t count = elements_of(port);
    struct buf step = {0};
    char name[72], step_name[96];

    make_name(port, index, is_unique(plan->facts->model, index, true), name);
    buf_printf(&plan->inputs, "    - {name: %s, type: %s, required: true", name,
               input_type(port));
    if (count > 1 && port->dtype != ENG_STRING)
        buf_printf(&plan->inputs, ", length: %lld", (long long)count);
    buf_string(&plan->inputs, "}\n");
    if (needs_no_step(port, name))
        return;
    buf_printf(&step, "input: %s, tensor: ", name);
    init_quote(&step, port->name);
    put_shape(plan, port, name, &step);
    (void)snprintf(step_name, sizeof step_name, "feed_%s", name);
    init_step(plan, true, step_name, "feed", "%s", step.data ? step.data : "");
    buf_release(&step);
}

/* --- outputs --- */

static void plan_one_output(struct init_plan *plan, size_t index)
{
    const struct eng_port *port = eng_model_output(plan->facts->model, index);
    bool texts = port->dtype == ENG_STRING;
    int64_t count = elements_of(port);
    struct buf from = {0};
    char name[72];
    bool one;

    /* [rows] holds one number for a row */
    if (port->rank == 1 && port->dims[0] < 0)
        count = 1;
    one = count == 1 && !port->is_map;
    make_name(port, index, is_unique(plan->facts->model, index, false), name);
    if (!one && count > 1 && !texts)
        buf_printf(&from, ", length: %lld", (long long)count);
    buf_string(&from, ", from: {tensor: ");
    init_quote(&from, port->name);
    buf_string(&from, one && !texts ? ", index: 0}" : "}");
    init_offer(plan, name,
               texts ? (one ? "string" : "array<string>")
                     : (one ? "float" : "array<float>"),
               "%s", from.data ? from.data : "");
    buf_release(&from);
}

bool init_plan_outputs(struct init_plan *plan, struct error *err)
{
    const struct eng_model *model = plan->facts->model;
    size_t count = eng_model_output_count(model);

    if (count > PORTS_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "the model has %zu outputs",
                    count);
    plan->task = plan->capability = "inference";
    plan->kind = INIT_NUMBERS;
    for (size_t i = 0; i < count; i++)
        plan_one_output(plan, i);
    init_note(plan, "Arrays hold a tensor's elements in row-major order");
    return true;
}

/* --- an example --- */

static void try_shape(const struct eng_port *port, struct eng_tensor *tensor)
{
    tensor->rank = port->rank < 0 ? 2 : port->rank;
    for (int d = 0; d < tensor->rank; d++) {
        int64_t dim = port->rank < 0 ? -1 : port->dims[d];

        tensor->dims[d] = dim >= 0                     ? dim
                          : d == 0 && tensor->rank > 1 ? 1
                                                       : OPEN_TRIED;
    }
}

/* A tensor of ones, true or "a"; false: too many for an example. */
static bool try_input(const struct eng_port *port, struct arena *arena,
                      struct eng_tensor *tensor)
{
    int64_t count;

    *tensor = (struct eng_tensor){.dtype = port->dtype};
    try_shape(port, tensor);
    count = eng_tensor_count(tensor);
    if (count < 0 || count > EXAMPLE_MAX || count_open(port) > 1)
        return false;
    tensor->data =
        arena_zalloc(arena, (size_t)count + 1, sizeof(struct eng_string));
    for (int64_t i = 0; tensor->data && i < count; i++) {
        if (port->dtype == ENG_F32)
            ((float *)tensor->data)[i] = 1;
        else if (port->dtype == ENG_F64)
            ((double *)tensor->data)[i] = 1;
        else if (port->dtype == ENG_STRING)
            ((struct eng_string *)tensor->data)[i] =
                (struct eng_string){"a", 1};
        else if (eng_dtype_size(port->dtype) == 8)
            ((int64_t *)tensor->data)[i] = 1;
        else if (eng_dtype_size(port->dtype) == 4)
            ((int32_t *)tensor->data)[i] = 1;
        else if (eng_dtype_size(port->dtype) == 1)
            ((uint8_t *)tensor->data)[i] = 1;
        else
            return false;
    }
    return tensor->data != NULL;
}

static bool runs(struct eng_model *model, const struct eng_tensor *inputs)
{
    struct eng_tensor outputs[PORTS_MAX];
    struct error ignored;
    struct eng_run *run = eng_run_new(model, &ignored);
    bool ok = run && eng_run_execute(run, inputs, outputs, NULL, &ignored);

    eng_run_free(run);
    return ok;
}

static void put_values(struct init_plan *plan, const struct eng_tensor *inputs)
{
    const struct eng_model *model = plan->facts->model;
    struct buf *out = &plan->examples;
    char name[72];

    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        const struct eng_port *port = eng_model_input(model, i);
        const char *value = port->dtype == ENG_STRING ? "\"a\"" : "1";
        bool one = strcmp(input_type(port), "float") == 0;

        make_name(port, i, is_unique(model, i, true), name);
        buf_printf(out, "%s%s: %s", i ? ", " : "", name, one ? "" : "[");
        for (int64_t k = 0; k < eng_tensor_count(&inputs[i]); k++)
            buf_printf(out, "%s%s", k ? ", " : "", value);
        buf_string(out, one ? "" : "]");
    }
}

/* An example of ones, if the model takes that. */
static void plan_example(struct init_plan *plan)
{
    struct eng_model *model = plan->facts->model;
    struct eng_tensor inputs[PORTS_MAX];
    struct arena arena;
    bool ok = true;

    arena_init(&arena, 0);
    for (size_t i = 0; ok && i < eng_model_input_count(model); i++)
        ok = try_input(eng_model_input(model, i), &arena, &inputs[i]);
    if (ok && runs(model, inputs)) {
        buf_string(&plan->examples, "  - name: ones\n    data: {");
        put_values(plan, inputs);
        buf_string(&plan->examples,
                   "}\n    description: \"every element is 1\"\n"
                   "    category: technical\n    expect: {success: true}\n");
    } else {
        init_note(plan, BUNDLE_GAP "an example (spec.examples)");
    }
    arena_release(&arena);
}

bool init_plan_numbers(struct init_plan *plan, struct error *err)
{
    const struct eng_model *model = plan->facts->model;
    size_t count = eng_model_input_count(model);

    if (count > PORTS_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "the model has %zu inputs",
                    count);
    plan->takes = "tabular";
    for (size_t i = 0; i < count; i++)
        plan_one_input(plan, i);
    if (!init_plan_outputs(plan, err))
        return false;
    plan_example(plan);
    return true;
}
