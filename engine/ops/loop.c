/*
 * Loop, opset 1: runs a graph until a count or a condition ends it
 *
 *   input   M     int64, one element: most iterations; left out = no limit
 *           cond  bool, one element: run at all; left out = yes
 *           v...  carried values
 *   output  v...  their last values
 *           s...  scan outputs, those of all iterations: [iterations, ...]
 *   attr    body  graph: (iteration, cond, v...) -> (cond, v..., s...)
 *   errors  ERR_MODEL_INVALID: counts of inputs and outputs do not fit; more
 *           than LOOP_TRIPS_MAX iterations; scan outputs above the memory limit
 *           of a run
 *           ERR_VALIDATION_ERROR: a scan output changes its shape
 *           ERR_MODEL_UNSUPPORTED: strings leave an iteration
 *   source  ONNX operator list, Loop-1 to Loop-25
 *
 * Deadline and cancel are looked at in every iteration.
 *
 * Where carried values keep their shapes, and there are no scan outputs or the
 * number of iterations is known, the body is planned once and a run allocates
 * nothing. Anything else is run in the middle of the run (runner.h): each
 * iteration finds its plan by the shapes it has then.
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "exec.h"

enum { LOOP_TRIPS_MAX = 1 << 23, BODY_FIXED_INPUTS = 2 };

struct loop_state {
    struct control_graph body;
    size_t carried, scans;
    int64_t trips; /* most; LOOP_TRIPS_MAX + 1 = no limit given */
    bool is_exact; /* trips is what it will be */
};

struct loop_bound {
    struct control_run *run;
    struct control_sink *sinks; /* [carried][carried][scans] */
};

/* --- the iterations --- */

struct loop {
    const struct loop_state *state;
    struct control_run *run;
    struct control_sink *next, *last; /* carried values, taking turns */
    struct control_sink *scans;
    int64_t trips;
    bool cond;
    struct runner_env env;
};

/* Takes one iteration's outputs in. */
static bool collect(struct loop *loop, struct error *err)
{
    const struct loop_state *state = loop->state;
    const struct eng_tensor *out = loop->run->outputs;
    size_t bytes_max = state->body.graph->runner->source.memory_max;
    struct control_sink *swap = loop->last;

    if (out[0].dtype != ENG_BOOL || eng_tensor_count(&out[0]) != 1)
        return fail(err, ERR_MODEL_INVALID,
                    "the body's condition is no single bool");
    loop->cond = *(const bool *)out[0].data;
    for (size_t i = 0; i < state->carried; i++) {
        loop->next[i].used = 0;
        if (!control_put(&loop->next[i], &out[1 + i], false, bytes_max, err))
            return false;
    }
    for (size_t i = 0; i < state->scans; i++) {
        if (!control_put(&loop->scans[i], &out[1 + state->carried + i], true,
                         bytes_max, err))
            return false;
    }
    loop->last = loop->next;
    loop->next = swap;
    return true;
}

static bool iterate(struct loop *loop, int64_t *count, struct error *err)
{
    const struct loop_state *state = loop->state;
    struct eng_tensor *in = loop->run->inputs;
    uint64_t seen = 0;
    int64_t i = 0;

    for (; i < loop->trips && loop->cond; i++) {
        if (i == LOOP_TRIPS_MAX)
            return fail(err, ERR_MODEL_INVALID, "more than %d iterations",
                        LOOP_TRIPS_MAX);
        if (loop->env.limits && !exec_may_go_on(loop->env.limits, &seen, err))
            return false;
        in[0].data = &i;
        in[1].data = &loop->cond;
        for (size_t k = 0; i && k < state->carried; k++) {
            op_like(&in[BODY_FIXED_INPUTS + k], &loop->last[k].shape);
            in[BODY_FIXED_INPUTS + k].data = loop->last[k].bytes;
        }
        if (!runner_execute(&loop->run->run, in, loop->run->outputs, &loop->env,
                            err) ||
            !collect(loop, err))
            return false;
    }
    *count = i;
    return true;
}

/* --- planning --- */

static bool check_ports(struct op_node *op, struct loop_state *state,
                        struct error *err)
{
    const struct eng_graph *body = state->body.graph;
    size_t own = op->in_count - op->node->captured_count;

    if (body->formal_count < BODY_FIXED_INPUTS)
        return fail(err, ERR_MODEL_INVALID, "the body has %zu inputs",
                    body->formal_count);
    state->carried = body->formal_count - BODY_FIXED_INPUTS;
    if (state->carried &&
        (own < BODY_FIXED_INPUTS || own - BODY_FIXED_INPUTS != state->carried))
        return fail(err, ERR_MODEL_INVALID,
                    "%zu inputs, but the body carries %zu values", own,
                    state->carried);
    for (size_t i = 0; i < state->carried; i++) {
        if (!op_has(op, BODY_FIXED_INPUTS + i))
            return fail(err, ERR_MODEL_INVALID, "carried value %zu is left out",
                        i);
    }
    if (body->output_count != op->out_count + 1 ||
        op->out_count < state->carried)
        return fail(err, ERR_MODEL_INVALID,
                    "the body has %zu outputs, the node %zu, with %zu carried",
                    body->output_count, op->out_count, state->carried);
    state->scans = op->out_count - state->carried;
    return true;
}

static bool has_own(const struct op_node *op, size_t i)
{
    return i < op->in_count - op->node->captured_count && op->in[i];
}

static bool check_limits(struct op_node *op, struct error *err)
{
    static const enum eng_dtype types[] = {ENG_I64, ENG_BOOL};

    for (size_t i = 0; i < 2; i++) {
        if (has_own(op, i) &&
            (op->in[i]->dtype != types[i] || eng_tensor_count(op->in[i]) != 1))
            return fail(err, ERR_MODEL_INVALID, "input %zu is no single %s", i,
                        eng_dtype_name(types[i]));
    }
    return true;
}

/* A scalar, or a list of one where the body asks for that. */
static void set_fixed(struct loop_state *state, size_t i, enum eng_dtype dtype)
{
    struct eng_tensor *tensor = &state->body.inputs[i];

    *tensor = (struct eng_tensor){.dtype = dtype};
    if (state->body.graph->input_ports[i].rank == 1) {
        tensor->rank = 1;
        tensor->dims[0] = 1;
    }
}

/* Is output 0 of the body its input 1, so that cond never changes? */
static bool passes_cond(const struct eng_graph *body)
{
    uint32_t value = body->outputs[0];

    while (body->values[value].producer != ENG_NO_VALUE) {
        const struct eng_node *node =
            &body->nodes[body->values[value].producer];

        if (strcmp(node->op, "Identity") != 0 || *node->domain)
            return false;
        value = node->inputs[0];
    }
    return value == body->inputs[1];
}

/* How many iterations there will be, as far as it is known. */
static bool count_trips(const struct op_node *op, struct loop_state *state,
                        struct error *err)
{
    const struct eng_tensor *out = &state->body.outputs[0];
    bool cond_known = !has_own(op, 1) || op->in[1]->data;
    bool cond =
        !has_own(op, 1) || (op->in[1]->data && *(const bool *)op->in[1]->data);
    bool endless = out->data ? *(const bool *)out->data
                             : cond && passes_cond(state->body.graph);

    state->trips = INT64_MAX;
    if (has_own(op, 0) && !op->in[0]->data)
        return true;
    if (has_own(op, 0))
        state->trips = *(const int64_t *)op->in[0]->data;
    if (state->trips < 0 || (cond_known && !cond))
        state->trips = 0;
    if (endless && cond && state->trips > LOOP_TRIPS_MAX)
        return fail(err, ERR_MODEL_INVALID, "it never ends: limit %d",
                    LOOP_TRIPS_MAX);
    state->is_exact = cond_known && (state->trips == 0 || endless);
    return true;
}

static bool keeps_shapes(const struct loop_state *state)
{
    const struct eng_tensor *in = &state->body.inputs[BODY_FIXED_INPUTS];
    const struct eng_tensor *out = &state->body.outputs[1];

    for (size_t i = 0; i < state->carried; i++) {
        if (in[i].dtype != out[i].dtype || in[i].dtype == ENG_STRING ||
            !eng_shape_equal(&in[i], &out[i]))
            return false;
    }
    return true;
}

static bool set_scan(struct eng_tensor *to, const struct eng_tensor *one,
                     int64_t count, struct error *err)
{
    if (one->dtype == ENG_STRING)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "strings leave an iteration of a loop");
    if (one->rank == ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "a scan output has rank %d",
                    one->rank + 1);
    *to = (struct eng_tensor){.dtype = one->dtype, .rank = one->rank + 1};
    to->dims[0] = count;
    memcpy(&to->dims[1], one->dims, (size_t)one->rank * sizeof one->dims[0]);
    return true;
}

static bool set_outputs(struct op_node *op, const struct loop_state *state,
                        struct error *err)
{
    const struct eng_tensor *out = &state->body.outputs[1];

    for (size_t i = 0; i < state->carried; i++)
        op_like(op->out[i], &out[i]);
    for (size_t i = state->carried; i < op->out_count; i++) {
        if (!set_scan(op->out[i], &out[i], state->trips, err))
            return false;
    }
    return true;
}

/* --- in the middle of a run --- */

/* What a scan output that never came says of itself. */
static bool empty_scan(const struct loop_state *state, size_t i,
                       struct eng_tensor *one, struct error *err)
{
    const struct eng_port *port =
        &state->body.graph->output_ports[1 + state->carried + i];

    if (!port->dtype || port->rank < 0)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "no iteration, and the body does not say the shape of "
                    "scan output %zu",
                    i);
    *one = (struct eng_tensor){.dtype = port->dtype};
    eng_shape_set(one, port->rank, port->dims);
    for (int d = 0; d < one->rank; d++)
        one->dims[d] = one->dims[d] < 0 ? 0 : one->dims[d];
    return true;
}

static bool keep_output(struct op_node *op, size_t i, const void *bytes,
                        struct error *err)
{
    size_t size = eng_tensor_size(op->out[i]);

    op->out[i]->data = op_alloc(op, size, err);
    if (op->out[i]->data && size)
        memcpy(op->out[i]->data, bytes, size);
    return op->out[i]->data != NULL;
}

static bool keep_outputs(struct op_node *op, struct loop *loop, int64_t count,
                         struct error *err)
{
    const struct loop_state *state = loop->state;

    for (size_t i = 0; i < state->carried; i++) {
        const struct eng_tensor *first = op->in[BODY_FIXED_INPUTS + i];

        op_like(op->out[i], count ? &loop->last[i].shape : first);
        if (!keep_output(op, i, count ? loop->last[i].bytes : first->data, err))
            return false;
    }
    for (size_t i = 0; i < state->scans; i++) {
        size_t at = state->carried + i;

        if (!count && !empty_scan(state, i, &loop->scans[i].shape, err))
            return false;
        if (!set_scan(op->out[at], &loop->scans[i].shape, count, err) ||
            !keep_output(op, at, loop->scans[i].bytes, err))
            return false;
    }
    return true;
}

static void begin(struct loop *loop, const struct loop_state *state,
                  struct control_sink *sinks)
{
    *loop = (struct loop){.state = state,
                          .next = sinks,
                          .last = sinks + state->carried,
                          .scans = sinks + 2 * state->carried,
                          .trips = INT64_MAX,
                          .cond = true};
}

static bool run_now(struct op_node *op, struct loop_state *state,
                    struct error *err)
{
    size_t sink_count = 2 * state->carried + state->scans;
    struct control_sink *sinks = calloc(sink_count + 1, sizeof *sinks);
    struct loop loop;
    int64_t count = 0;
    bool ok = false;

    if (!sinks)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    begin(&loop, state, sinks);
    state->body.complete = false;
    loop.run = control_run_new(&state->body, err);
    loop.env = (struct runner_env){op->now->seat, op->now->limits, NULL};
    if (!loop.run)
        goto out;
    for (size_t i = 0; i < sink_count; i++)
        sinks[i].grows = true;
    if (has_own(op, 0))
        loop.trips = *(const int64_t *)op->in[0]->data;
    if (has_own(op, 1))
        loop.cond = *(const bool *)op->in[1]->data;
    ok = iterate(&loop, &count, err) && keep_outputs(op, &loop, count, err);
out:
    for (size_t i = 0; i < sink_count; i++)
        free(sinks[i].bytes);
    free(sinks);
    control_run_free(loop.run);
    return ok;
}

static bool loop_infer(struct op_node *op, struct error *err)
{
    struct loop_state *state = op_alloc(op, sizeof *state, err);

    if (!state || !control_graph(op, "body", &state->body, err) ||
        !check_ports(op, state, err) || !check_limits(op, err))
        return false;
    op->state = state;
    set_fixed(state, 0, ENG_I64);
    set_fixed(state, 1, ENG_BOOL);
    for (size_t i = 0; i < state->carried; i++)
        state->body.inputs[BODY_FIXED_INPUTS + i] =
            *op->in[BODY_FIXED_INPUTS + i];
    if (!control_shapes(op, &state->body, err) ||
        (state->body.complete && !count_trips(op, state, err)))
        return false;
    if (state->body.complete && keeps_shapes(state) &&
        (!state->scans || state->is_exact))
        return set_outputs(op, state, err);
    return op->now ? run_now(op, state, err) : control_wait(op, err);
}

/* --- running --- */

static bool loop_prepare(struct op_node *op, struct error *err)
{
    const struct loop_state *state = op->state;

    (void)err;
    for (size_t i = 0; i < state->carried; i++)
        op->scratch_bytes += control_room(op->out[i]);
    return true;
}

static void loop_unbind(void *memory)
{
    struct loop_bound *bound = memory;

    if (!bound)
        return;
    control_run_free(bound->run);
    free(bound->sinks);
    free(bound);
}

static bool loop_bind(const struct op_node *op, void **memory,
                      struct error *err)
{
    const struct loop_state *state = op->state;
    struct loop_bound *bound = calloc(1, sizeof *bound);

    *memory = bound;
    if (!bound)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    bound->sinks =
        calloc(2 * state->carried + state->scans + 1, sizeof *bound->sinks);
    if (!bound->sinks)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    bound->run = control_run_new(&state->body, err);
    return bound->run != NULL;
}

/* Outputs, and scratch memory for carried values every other time. */
static void place_sinks(const struct op_node *op, const struct op_frame *frame,
                        const struct loop_state *state,
                        struct control_sink *sinks)
{
    unsigned char *scratch = frame->scratch;

    for (size_t i = 0; i < op->out_count; i++) {
        struct control_sink sink = {.bytes = op_out(op, frame, i),
                                    .room = eng_tensor_size(op->out[i])};

        if (i >= state->carried) {
            sinks[state->carried + i] = sink;
            continue;
        }
        sinks[i] = sink;
        sink.bytes = scratch;
        scratch += control_room(op->out[i]);
        sinks[state->carried + i] = sink;
    }
}

static bool loop_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct loop_state *state = op->state;
    struct loop_bound *bound = frame->bound[op->index];
    struct loop loop;
    int64_t count = 0;

    place_sinks(op, frame, state, bound->sinks);
    begin(&loop, state, bound->sinks);
    loop.run = bound->run;
    loop.env = (struct runner_env){frame->seat, frame->limits, NULL};
    control_capture(op, frame, &state->body, bound->run);
    if (has_own(op, 0))
        loop.trips = *(const int64_t *)op_in(op, frame, 0);
    if (has_own(op, 1))
        loop.cond = *(const bool *)op_in(op, frame, 1);
    for (size_t i = 0; i < state->carried; i++)
        bound->run->inputs[BODY_FIXED_INPUTS + i].data =
            frame->data[op->in_value[BODY_FIXED_INPUTS + i]];
    if (!iterate(&loop, &count, err))
        return false;
    for (size_t i = 0; i < state->carried; i++) {
        const void *bytes = count ? loop.last[i].bytes
                                  : op_in(op, frame, BODY_FIXED_INPUTS + i);
        size_t size = eng_tensor_size(op->out[i]);

        if (size && bytes != op_out(op, frame, i))
            memcpy(op_out(op, frame, i), bytes, size);
    }
    return true;
}

const struct op_impl op_loop = {.name = "loop",
                                .in_max = OP_MANY,
                                .out_min = 1,
                                .out_max = OP_MANY,
                                .flags = OP_CONTROL,
                                .value_inputs = 3,
                                .infer = loop_infer,
                                .prepare = loop_prepare,
                                .bind = loop_bind,
                                .run = loop_run,
                                .unbind = loop_unbind};
