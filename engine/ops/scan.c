/*
 * Scan, opset 9: runs a graph for every slice of its inputs
 *
 *   input   state...  values that are carried on
 *           x...      scan inputs; all have the same length along their axis
 *   output  state...  last values
 *           y...      scan outputs: one slice per iteration along their axis
 *   attr    body                    graph: (state..., slices) -> (state..., y)
 *           num_scan_inputs         int, how many inputs are scanned
 *           scan_input_axes         ints = 0...; scan_output_axes the same
 *           scan_input_directions   ints = 0...: 1 = from the end
 *           scan_output_directions  ints = 0...: 1 = the first slice goes last
 *   below opset 9: input 0 is sequence_lens (int64 [batch], may be left out),
 *           every value has the batch in front and is scanned along axis 1,
 *           `directions` are those of the inputs; a shorter sequence leaves
 *           zeros behind
 *   errors  ERR_MODEL_INVALID: counts, axes or lengths do not fit
 *           ERR_VALIDATION_ERROR: a sequence length outside; an iteration
 *           changes shapes
 *           ERR_MODEL_UNSUPPORTED: strings leave an iteration
 *   source  ONNX operator list, Scan-8, Scan-9 to Scan-25
 *
 * The number of iterations follows from shapes, so the body is planned once
 * and a run allocates nothing; unless shapes inside the body depend on elements
 * of a slice: then the node runs in the middle of the run (runner.h).
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "exec.h"

/* How slices lie in a tensor: [outer, length, inner] of bytes. */
struct scan_axis {
    size_t outer, inner;
    bool reverse;
};

struct scan_state {
    struct control_graph body;
    size_t states, scans_in, scans_out;
    size_t skip;                /* inputs in front: sequence_lens */
    bool batched;               /* below opset 9 */
    int64_t batch, length;      /* iterations of each sequence */
    struct scan_axis *in, *out; /* by scan input, scan output */
    const int64_t *out_axes, *out_directions;
    size_t out_axis_count, out_direction_count;
};

struct scan_bound {
    struct control_run *run;
    struct control_sink *sinks; /* [states][states] */
};

/* --- slices --- */

/* Copies slice `at` of `length` out of `from`, or into `to`. */
static void take_slice(const struct scan_axis *axis, size_t length, size_t at,
                       const unsigned char *from, unsigned char *to)
{
    size_t i = axis->reverse ? length - 1 - at : at;

    for (size_t o = 0; o < axis->outer; o++)
        memcpy(to + o * axis->inner, from + (o * length + i) * axis->inner,
               axis->inner);
}

static void put_slice(const struct scan_axis *axis, size_t length, size_t at,
                      const unsigned char *from, unsigned char *to)
{
    size_t i = axis->reverse ? length - 1 - at : at;

    for (size_t o = 0; o < axis->outer; o++)
        memcpy(to + (o * length + i) * axis->inner, from + o * axis->inner,
               axis->inner);
}

/* --- the iterations --- */

struct scan {
    const struct op_node *op;
    const struct scan_state *state;
    struct control_run *run;
    struct control_sink *sinks;
    unsigned char *slices; /* of the scan inputs, one after the other */
    void **data;           /* elements by value, as a frame has them */
    struct runner_env env;
    uint64_t seen; /* for exec_may_go_on() */
    /* In the middle of a run: makes the outputs when the first slice came. */
    struct op_node *grow;
};

static bool set_scan_outputs(struct op_node *op, struct scan_state *state,
                             const struct eng_tensor *one, struct error *err);

/* The outputs of the first iteration say what all are like. */
static bool make_outputs(struct scan *scan, struct error *err)
{
    struct op_node *op = scan->grow;
    struct scan_state *state = op->state;

    scan->grow = NULL;
    if (!set_scan_outputs(op, state, scan->run->outputs, err))
        return false;
    for (size_t i = 0; i < op->out_count; i++) {
        op->out[i]->data = op_alloc(op, eng_tensor_size(op->out[i]), err);
        if (!op->out[i]->data)
            return false;
        scan->data[op->out_value[i]] = op->out[i]->data;
    }
    return true;
}

static bool check_slice(const struct eng_tensor *one, size_t size,
                        struct error *err)
{
    char text[ENG_SHAPE_TEXT];

    if (eng_tensor_size(one) == size)
        return true;
    return fail(err, ERR_VALIDATION_ERROR,
                "an output of an iteration is %.60s, unlike the first",
                eng_shape_text(one, text));
}

/* Takes one iteration's outputs in. */
static bool collect(struct scan *scan, size_t b, size_t at, struct error *err)
{
    const struct scan_state *state = scan->state;
    struct eng_tensor *out = scan->run->outputs;
    struct control_sink *sinks = scan->sinks + (at & 1 ? state->states : 0);

    if (scan->grow && !make_outputs(scan, err))
        return false;
    for (size_t i = 0; i < state->states; i++) {
        sinks[i].used = 0;
        if (!control_put(&sinks[i], &out[i], true, SIZE_MAX, err))
            return false;
    }
    for (size_t i = 0; i < state->scans_out; i++) {
        const struct scan_axis *axis = &state->out[i];
        size_t size = axis->outer * axis->inner;
        unsigned char *to = scan->data[scan->op->out_value[state->states + i]];

        if (!check_slice(&out[state->states + i], size, err))
            return false;
        put_slice(axis, (size_t)state->length, at, out[state->states + i].data,
                  to + b * (size_t)state->length * size);
    }
    return true;
}

static void set_slices(struct scan *scan, size_t b, size_t at)
{
    const struct scan_state *state = scan->state;
    unsigned char *slice = scan->slices;

    for (size_t i = 0; i < state->scans_in; i++) {
        const struct scan_axis *axis = &state->in[i];
        struct eng_tensor *in = &scan->run->inputs[state->states + i];
        size_t size = axis->outer * axis->inner;
        const unsigned char *from =
            scan->data[scan->op->in_value[state->skip + state->states + i]];

        take_slice(axis, (size_t)state->length, at,
                   from + b * (size_t)state->length * size, slice);
        in->data = slice;
        slice += control_room(in);
    }
}

/* Last values of the states of one sequence. */
static void leave_states(struct scan *scan, size_t b, int64_t length)
{
    const struct scan_state *state = scan->state;
    const struct op_node *op = scan->op;
    const struct control_sink *last =
        scan->sinks + (length & 1 ? 0 : state->states);

    for (size_t i = 0; i < state->states; i++) {
        size_t size = eng_tensor_size(&scan->run->inputs[i]);
        const unsigned char *first = scan->data[op->in_value[state->skip + i]];
        unsigned char *to = scan->data[op->out_value[i]];

        if (size)
            memcpy(to + b * size, length ? last[i].bytes : first + b * size,
                   size);
    }
}

/* One sequence of the batch; `length` of it are there. */
static bool run_sequence(struct scan *scan, size_t b, int64_t length,
                         struct error *err)
{
    const struct scan_state *state = scan->state;
    const struct op_node *op = scan->op;
    struct eng_tensor *in = scan->run->inputs;

    for (int64_t t = 0; t < length; t++) {
        const struct control_sink *last =
            scan->sinks + (t & 1 ? 0 : state->states);

        if (scan->env.limits &&
            !exec_may_go_on(scan->env.limits, &scan->seen, err))
            return false;
        for (size_t i = 0; i < state->states; i++) {
            unsigned char *first = scan->data[op->in_value[state->skip + i]];

            in[i].data =
                t ? last[i].bytes : first + b * eng_tensor_size(&in[i]);
        }
        set_slices(scan, b, (size_t)t);
        if (!runner_execute(&scan->run->run, in, scan->run->outputs, &scan->env,
                            err) ||
            !collect(scan, b, (size_t)t, err))
            return false;
    }
    leave_states(scan, b, length);
    return true;
}

static bool run_batch(struct scan *scan, struct error *err)
{
    const struct scan_state *state = scan->state;
    const struct op_node *op = scan->op;
    const int64_t *lengths =
        state->skip && op->in[0] ? scan->data[op->in_value[0]] : NULL;

    for (int64_t b = 0; b < state->batch; b++) {
        int64_t length = lengths ? lengths[b] : state->length;

        if (length < 0 || length > state->length)
            return fail(err, ERR_VALIDATION_ERROR,
                        "sequence length %lld outside [0, %lld]",
                        (long long)length, (long long)state->length);
        if (!run_sequence(scan, (size_t)b, length, err))
            return false;
    }
    return true;
}

/* --- planning --- */

static bool check_ports(struct op_node *op, struct scan_state *state,
                        struct error *err)
{
    const struct eng_graph *body = state->body.graph;
    size_t own = op->in_count - op->node->captured_count;
    int64_t scans = 0;

    if (!op_attr_int(op, "num_scan_inputs", &scans, err))
        return false;
    state->batched = op->node->version < 9;
    state->skip = state->batched ? 1 : 0;
    if (scans < 1 || own < state->skip + (size_t)scans ||
        body->formal_count != own - state->skip)
        return fail(err, ERR_MODEL_INVALID,
                    "%lld scan inputs of %zu inputs, the body has %zu",
                    (long long)scans, own, body->formal_count);
    state->scans_in = (size_t)scans;
    state->states = own - state->skip - state->scans_in;
    if (body->output_count != op->out_count || op->out_count < state->states)
        return fail(err, ERR_MODEL_INVALID,
                    "the body has %zu outputs, the node %zu",
                    body->output_count, op->out_count);
    state->scans_out = op->out_count - state->states;
    for (size_t i = state->skip; i < own; i++) {
        if (!op->in[i])
            return fail(err, ERR_MODEL_INVALID, "input %zu is left out", i);
    }
    state->in = op_alloc(op, state->scans_in * sizeof *state->in, err);
    state->out = op_alloc(op, state->scans_out * sizeof *state->out, err);
    return state->in && state->out;
}

/* Entry i of a list of axes or directions; 0 where there is no list. */
static bool list_at(const int64_t *list, size_t count, size_t i, size_t want,
                    int64_t *value, struct error *err)
{
    *value = 0;
    if (!list)
        return true;
    if (count != want)
        return fail(err, ERR_MODEL_INVALID,
                    "a list of axes or directions has %zu entries, not %zu",
                    count, want);
    *value = list[i];
    return true;
}

/* The slice of one scan input; sets the length. */
static bool cut_input(const struct op_node *op, struct scan_state *state,
                      size_t i, int64_t axis, struct error *err)
{
    const struct eng_tensor *x = op->in[state->skip + state->states + i];
    struct eng_tensor *slice = &state->body.inputs[state->states + i];
    int lead = state->batched ? 1 : 0;

    if (x->rank <= lead)
        return fail(err, ERR_MODEL_INVALID, "scan input %zu has rank %d", i,
                    x->rank);
    if (state->batched)
        axis = 1;
    if (!op_axis(&axis, x->rank, err))
        return false;
    if (i == 0)
        state->length = x->dims[axis];
    if (x->dims[axis] != state->length ||
        (state->batched && x->dims[0] != state->batch))
        return fail(err, ERR_MODEL_INVALID,
                    "scan inputs differ in their lengths");
    *slice = (struct eng_tensor){.dtype = x->dtype};
    for (int d = lead; d < x->rank; d++) {
        if (d != axis)
            slice->dims[slice->rank++] = x->dims[d];
    }
    state->in[i].outer =
        state->batched ? 1 : (size_t)eng_shape_product(x, 0, (int)axis);
    state->in[i].inner = (size_t)eng_shape_product(x, (int)axis + 1, x->rank) *
                         eng_dtype_size(x->dtype);
    return true;
}

static bool cut_inputs(struct op_node *op, struct scan_state *state,
                       struct error *err)
{
    const int64_t *axes = NULL, *directions = NULL;
    size_t axis_count = 0, direction_count = 0;

    if (!op_attr_ints(op, "scan_input_axes", &axes, &axis_count, err) ||
        !op_attr_ints(op,
                      state->batched ? "directions" : "scan_input_directions",
                      &directions, &direction_count, err))
        return false;
    for (size_t i = 0; i < state->scans_in; i++) {
        int64_t axis, direction;

        if (!list_at(axes, axis_count, i, state->scans_in, &axis, err) ||
            !list_at(directions, direction_count, i, state->scans_in,
                     &direction, err) ||
            !cut_input(op, state, i, axis, err))
            return false;
        state->in[i].reverse = direction == 1;
    }
    return true;
}

/* State values; those of one sequence where there is a batch. */
static bool cut_states(struct op_node *op, struct scan_state *state,
                       struct error *err)
{
    const struct eng_tensor *scanned = op->in[state->skip + state->states];

    state->batch = 1;
    if (state->batched && scanned->rank)
        state->batch = scanned->dims[0];
    if (state->skip && op->in[0] &&
        (op->in[0]->dtype != ENG_I64 ||
         eng_tensor_count(op->in[0]) != state->batch))
        return fail(err, ERR_MODEL_INVALID,
                    "sequence_lens is not one int64 per sequence");
    for (size_t i = 0; i < state->states; i++) {
        const struct eng_tensor *x = op->in[state->skip + i];
        struct eng_tensor *one = &state->body.inputs[i];

        *one = *x;
        if (!state->batched)
            continue;
        if (x->rank < 1 || x->dims[0] != state->batch)
            return fail(err, ERR_MODEL_INVALID,
                        "state %zu has another batch than the scan inputs", i);
        one->data = NULL;
        eng_shape_set(one, x->rank - 1, &x->dims[1]);
    }
    return true;
}

/* Puts the batch and the length into the shape of one slice. */
static bool set_scan_output(struct scan_state *state, size_t i,
                            const struct eng_tensor *one, struct eng_tensor *to,
                            struct error *err)
{
    int lead = state->batched ? 2 : 1;
    int64_t axis, direction;

    if (one->rank + lead > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "a scan output has rank %d",
                    one->rank + lead);
    if (!list_at(state->out_axes, state->out_axis_count, i, state->scans_out,
                 &axis, err) ||
        !list_at(state->out_directions, state->out_direction_count, i,
                 state->scans_out, &direction, err))
        return false;
    *to = (struct eng_tensor){.dtype = one->dtype, .rank = one->rank + lead};
    if (state->batched)
        axis = 1;
    if (!op_axis(&axis, to->rank, err))
        return false;
    for (int d = 0, from = 0; d < to->rank; d++) {
        if (d == axis)
            to->dims[d] = state->length;
        else
            to->dims[d] =
                state->batched && d == 0 ? state->batch : one->dims[from++];
    }
    state->out[i].outer =
        state->batched ? 1 : (size_t)eng_shape_product(to, 0, (int)axis);
    state->out[i].inner =
        (size_t)eng_shape_product(to, (int)axis + 1, to->rank) *
        eng_dtype_size(to->dtype);
    state->out[i].reverse = direction == 1;
    return true;
}

/* The node's outputs from those of one iteration. */
static bool set_scan_outputs(struct op_node *op, struct scan_state *state,
                             const struct eng_tensor *one, struct error *err)
{
    for (size_t i = 0; i < op->out_count; i++) {
        if (one[i].dtype == ENG_STRING)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "strings leave an iteration of a loop");
        if (i >= state->states && !set_scan_output(state, i - state->states,
                                                   &one[i], op->out[i], err))
            return false;
        if (i >= state->states)
            continue;
        if (one[i].dtype != state->body.inputs[i].dtype ||
            !eng_shape_equal(&one[i], &state->body.inputs[i]))
            return fail(err, ERR_MODEL_INVALID,
                        "an iteration changes the shape of state %zu", i);
        op_like(op->out[i], op->in[state->skip + i]);
    }
    return true;
}

static size_t slice_bytes(const struct scan_state *state)
{
    size_t bytes = 0;

    for (size_t i = 0; i < state->scans_in; i++)
        bytes += control_room(&state->body.inputs[state->states + i]);
    return bytes;
}

static size_t state_bytes(const struct scan_state *state)
{
    size_t bytes = 0;

    for (size_t i = 0; i < state->states; i++)
        bytes += control_room(&state->body.inputs[i]);
    return bytes;
}

/* Two places per state value, behind the slices. */
/* NOLINTNEXTLINE(readability-non-const-parameter): written through sinks */
static void place_sinks(const struct scan_state *state, unsigned char *memory,
                        struct control_sink *sinks)
{
    for (size_t i = 0; i < 2 * state->states; i++) {
        const struct eng_tensor *one =
            &state->body.inputs[i % (state->states + !state->states)];

        sinks[i] = (struct control_sink){.bytes = memory,
                                         .room = eng_tensor_size(one)};
        memory += control_room(one);
    }
}

static bool run_now(struct op_node *op, struct scan_state *state,
                    struct error *err)
{
    struct scan scan = {.op = op,
                        .state = state,
                        .env = {op->now->seat, op->now->limits, NULL},
                        .grow = op};
    bool ok = false;

    if (!state->length || !state->batch)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "no iteration to learn the shapes of outputs from");
    state->body.complete = false;
    scan.sinks =
        op_alloc(op, (2 * state->states + 1) * sizeof *scan.sinks, err);
    scan.slices =
        op_alloc(op, slice_bytes(state) + 2 * state_bytes(state), err);
    scan.data = op_alloc(op, op->graph->value_count * sizeof *scan.data, err);
    if (!scan.sinks || !scan.slices || !scan.data)
        return false;
    place_sinks(state, scan.slices + slice_bytes(state), scan.sinks);
    for (size_t i = 0; i < op->in_count; i++) {
        if (op->in[i])
            scan.data[op->in_value[i]] = op->in[i]->data;
    }
    scan.run = control_run_new(&state->body, err);
    ok = scan.run && run_batch(&scan, err);
    control_run_free(scan.run);
    return ok;
}

static bool scan_infer(struct op_node *op, struct error *err)
{
    struct scan_state *state = op_alloc(op, sizeof *state, err);

    if (!state || !control_graph(op, "body", &state->body, err) ||
        !check_ports(op, state, err) || !cut_states(op, state, err) ||
        !cut_inputs(op, state, err) ||
        !op_attr_ints(op, "scan_output_axes", &state->out_axes,
                      &state->out_axis_count, err) ||
        !op_attr_ints(op, "scan_output_directions", &state->out_directions,
                      &state->out_direction_count, err))
        return false;
    op->state = state;
    if (!control_shapes(op, &state->body, err))
        return false;
    if (state->body.complete)
        return set_scan_outputs(op, state, state->body.outputs, err);
    return op->now ? run_now(op, state, err) : control_wait(op, err);
}

/* --- running --- */

static bool scan_prepare(struct op_node *op, struct error *err)
{
    const struct scan_state *state = op->state;

    (void)err;
    op->scratch_bytes = slice_bytes(state) + 2 * state_bytes(state);
    return true;
}

static void scan_unbind(void *memory)
{
    struct scan_bound *bound = memory;

    if (!bound)
        return;
    control_run_free(bound->run);
    free(bound->sinks);
    free(bound);
}

static bool scan_bind(const struct op_node *op, void **memory,
                      struct error *err)
{
    const struct scan_state *state = op->state;
    struct scan_bound *bound = calloc(1, sizeof *bound);

    *memory = bound;
    if (!bound)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    bound->sinks = calloc(2 * state->states + 1, sizeof *bound->sinks);
    if (!bound->sinks)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    bound->run = control_run_new(&state->body, err);
    return bound->run != NULL;
}

static bool scan_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct scan_state *state = op->state;
    struct scan_bound *bound = frame->bound[op->index];
    struct scan scan = {.op = op,
                        .state = state,
                        .run = bound->run,
                        .sinks = bound->sinks,
                        .slices = frame->scratch,
                        .data = frame->data,
                        .env = {frame->seat, frame->limits, NULL}};

    control_capture(op, frame, &state->body, bound->run);
    place_sinks(state, scan.slices + slice_bytes(state), bound->sinks);
    for (size_t i = state->states; state->skip && i < op->out_count; i++)
        memset(op_out(op, frame, i), 0, eng_tensor_size(op->out[i]));
    return run_batch(&scan, err);
}

const struct op_impl op_scan = {.name = "scan",
                                .in_max = OP_MANY,
                                .out_min = 1,
                                .out_max = OP_MANY,
                                .flags = OP_CONTROL,
                                .infer = scan_infer,
                                .prepare = scan_prepare,
                                .bind = scan_bind,
                                .run = scan_run,
                                .unbind = scan_unbind};
