/*
 * If, opset 1: runs one of two graphs
 *
 *   input   cond         bool, one element
 *   output  y...         what the graph that runs gives, any number
 *   attr    then_branch  graph without inputs of its own, runs if cond
 *           else_branch  the other one
 *   errors  ERR_MODEL_INVALID: cond is no single bool; the graphs do not give
 *           as many outputs as the node has
 *   source  ONNX operator list, If-1 to If-25; one element in any rank is
 *           taken, as ONNX Runtime does
 *
 * A condition that is known while planning leaves one branch: it costs nothing,
 * and shapes may follow from the outputs. Otherwise both are planned, and if
 * they give the same shapes the run chooses. If they do not, the run is cut
 * here (runner.h).
 */
#include <stdlib.h>
#include <string.h>

#include "control.h"

struct if_state {
    struct control_graph branch[2]; /* else, then */
    int fixed;                      /* the one that runs; -1 = either */
};

struct if_bound {
    struct control_run *branch[2];
};

static bool find_branch(struct op_node *op, struct if_state *state, int which,
                        struct error *err)
{
    static const char *const names[] = {"else_branch", "then_branch"};
    struct control_graph *branch = &state->branch[which];

    if (!control_graph(op, names[which], branch, err))
        return false;
    if (branch->graph->formal_count)
        return fail(err, ERR_MODEL_INVALID, "'%s' has inputs", names[which]);
    if (branch->graph->output_count != op->out_count)
        return fail(err, ERR_MODEL_INVALID,
                    "'%s' has %zu outputs, the node %zu", names[which],
                    branch->graph->output_count, op->out_count);
    return true;
}

static bool same_outputs(const struct op_node *op, const struct if_state *state)
{
    for (size_t i = 0; i < op->out_count; i++) {
        const struct eng_tensor *a = &state->branch[0].outputs[i];
        const struct eng_tensor *b = &state->branch[1].outputs[i];

        if (a->dtype != b->dtype || !eng_shape_equal(a, b))
            return false;
    }
    return true;
}

/* Runs the branch now: its shapes depend on elements inside it. */
static bool run_now(struct op_node *op, const struct control_graph *branch,
                    struct error *err)
{
    struct control_run *run = control_run_new(branch, err);
    struct runner_env env = {op->now->seat, op->now->limits, NULL};
    bool ok =
        run && runner_execute(&run->run, run->inputs, run->outputs, &env, err);

    for (size_t i = 0; ok && i < op->out_count; i++) {
        size_t size = eng_tensor_size(&run->outputs[i]);

        *op->out[i] = run->outputs[i];
        op->out[i]->data = op_alloc(op, size, err);
        ok = op->out[i]->data != NULL;
        if (ok && size)
            memcpy(op->out[i]->data, run->outputs[i].data, size);
    }
    control_run_free(run);
    return ok;
}

static bool infer_fixed(struct op_node *op, struct if_state *state,
                        struct error *err)
{
    struct control_graph *branch = &state->branch[state->fixed];

    if (!control_shapes(op, branch, err))
        return false;
    if (!branch->complete)
        return op->now ? run_now(op, branch, err) : control_wait(op, err);
    for (size_t i = 0; i < op->out_count; i++)
        *op->out[i] = branch->outputs[i];
    return true;
}

static bool if_infer(struct op_node *op, struct error *err)
{
    struct if_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *cond = op->in[0];

    if (!state || !op_want_type(op, 0, OP_TYPE(ENG_BOOL), err))
        return false;
    if (eng_tensor_count(cond) != 1)
        return fail(err, ERR_MODEL_INVALID, "cond has %lld elements, not 1",
                    (long long)eng_tensor_count(cond));
    if (!find_branch(op, state, 0, err) || !find_branch(op, state, 1, err))
        return false;
    op->state = state;
    state->fixed = cond->data ? *(const bool *)cond->data : -1;
    if (state->fixed >= 0)
        return infer_fixed(op, state, err);
    for (int b = 0; b < 2; b++) {
        if (!control_shapes(op, &state->branch[b], err))
            return false;
        if (!state->branch[b].complete)
            return control_wait(op, err);
    }
    if (!same_outputs(op, state))
        return control_wait(op, err);
    for (size_t i = 0; i < op->out_count; i++)
        op_like(op->out[i], &state->branch[0].outputs[i]);
    return true;
}

static void if_unbind(void *memory)
{
    struct if_bound *bound = memory;

    if (!bound)
        return;
    control_run_free(bound->branch[0]);
    control_run_free(bound->branch[1]);
    free(bound);
}

static bool if_bind(const struct op_node *op, void **memory, struct error *err)
{
    const struct if_state *state = op->state;
    struct if_bound *bound = calloc(1, sizeof *bound);

    *memory = bound;
    if (!bound)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a run");
    for (int b = 0; b < 2; b++) {
        if (state->fixed >= 0 && state->fixed != b)
            continue;
        bound->branch[b] = control_run_new(&state->branch[b], err);
        if (!bound->branch[b])
            return false;
    }
    return true;
}

static bool if_run(const struct op_node *op, const struct op_frame *frame,
                   struct error *err)
{
    const struct if_state *state = op->state;
    struct if_bound *bound = frame->bound[op->index];
    int which =
        state->fixed >= 0 ? state->fixed : *(const bool *)op_in(op, frame, 0);
    struct control_run *run = bound->branch[which];
    struct runner_env env = {frame->seat, frame->limits, NULL};

    control_capture(op, frame, &state->branch[which], run);
    if (!runner_execute(&run->run, run->inputs, run->outputs, &env, err))
        return false;
    for (size_t i = 0; i < op->out_count; i++) {
        size_t size = eng_tensor_size(op->out[i]);

        if (size)
            memcpy(op_out(op, frame, i), run->outputs[i].data, size);
    }
    return true;
}

const struct op_impl op_if = {.name = "if",
                              .in_min = 1,
                              .in_max = 1,
                              .out_min = 1,
                              .out_max = OP_MANY,
                              .flags = OP_CONTROL | OP_BRANCHES,
                              .value_inputs = 1,
                              .infer = if_infer,
                              .bind = if_bind,
                              .run = if_run,
                              .unbind = if_unbind};
