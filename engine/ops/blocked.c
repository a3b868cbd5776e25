/*
 * ToBlocked: [n, c, h, w] -> [n, c / block, h, w, block]; made by passes
 * FromBlocked: the way back
 *
 *   input   x   float
 *   output  y   float; channels that fill up the last block are 0
 *   attr    ToBlocked: block  int, 1 to 64
 *           FromBlocked: channels  int, those that are kept
 *   errors  ERR_MODEL_INVALID: another rank, an attribute outside its range
 */
#include "blocked.h"

#include "kernel/blocked.h"

bool op_blocked_input(const struct op_node *op, size_t i, struct error *err)
{
    const struct eng_tensor *x = op->in[i];

    if (!op_want_type(op, i, OP_TYPE(ENG_F32), err))
        return false;
    if (x->rank != 5 || x->dims[4] < 1 || x->dims[4] > OP_BLOCK_MAX)
        return fail(err, ERR_MODEL_INVALID, "input %zu is not blocked", i);
    return true;
}

struct eng_tensor op_blocked_plain(const struct eng_tensor *x, int64_t channels)
{
    return (struct eng_tensor){
        .dtype = x->dtype,
        .rank = 4,
        .dims = {x->dims[0], channels, x->dims[2], x->dims[3]}};
}

struct order_state {
    int64_t batch, channels, blocks, block, size;
    bool to_blocked;
};

static bool to_blocked_infer(struct op_node *op, struct error *err)
{
    struct order_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];

    if (!state || !op_want_type(op, 0, OP_TYPE(ENG_F32), err) ||
        !op_attr_int(op, "block", &state->block, err))
        return false;
    if (x->rank != 4 || state->block < 1 || state->block > OP_BLOCK_MAX)
        return fail(err, ERR_MODEL_INVALID, "rank %d and blocks of %lld",
                    x->rank, (long long)state->block);
    op->state = state;
    state->batch = x->dims[0];
    state->channels = x->dims[1];
    state->blocks = op_blocks(x->dims[1], state->block);
    state->size = x->dims[2] * x->dims[3];
    state->to_blocked = true;
    y->dtype = ENG_F32;
    eng_shape_set(y, 5,
                  (const int64_t[]){x->dims[0], state->blocks, x->dims[2],
                                    x->dims[3], state->block});
    return true;
}

static bool from_blocked_infer(struct op_node *op, struct error *err)
{
    struct order_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];

    if (!state || !op_blocked_input(op, 0, err) ||
        !op_attr_int(op, "channels", &state->channels, err))
        return false;
    op->state = state;
    state->batch = x->dims[0];
    state->blocks = x->dims[1];
    state->block = x->dims[4];
    state->size = x->dims[2] * x->dims[3];
    if (state->channels < 1 ||
        op_blocks(state->channels, state->block) != state->blocks)
        return fail(err, ERR_MODEL_INVALID, "%lld channels in %lld blocks",
                    (long long)state->channels, (long long)state->blocks);
    y->dtype = ENG_F32;
    eng_shape_set(
        y, 4,
        (const int64_t[]){x->dims[0], state->channels, x->dims[2], x->dims[3]});
    return true;
}

struct order_work {
    const struct order_state *state;
    const float *x;
    float *y;
};

/* One block of one image. */
static void order_part(void *argument, int64_t part, int thread)
{
    const struct order_work *work = argument;
    const struct order_state *state = work->state;
    int64_t n = part / state->blocks,
            first = part % state->blocks * state->block;
    int64_t plain = (n * state->channels + first) * state->size;
    int64_t blocked = part * state->size * state->block;
    struct kernel_order order = {.size = state->size, .block = state->block};

    (void)thread;
    order.channels = state->channels - first < state->block
                         ? state->channels - first
                         : state->block;
    if (state->to_blocked)
        kernels()->to_blocked(&order, work->x + plain, work->y + blocked);
    else
        kernels()->from_blocked(&order, work->x + blocked, work->y + plain);
}

static bool order_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    struct order_work work = {.state = op->state,
                              .x = op_in(op, frame, 0),
                              .y = op_out(op, frame, 0)};
    int64_t parts = work.state->batch * work.state->blocks;
    bool is_large = eng_tensor_count(op->out[0]) >= OP_BLOCKED_SHARE;

    (void)err;
    team_for(is_large ? frame->seat : NULL, parts, order_part, &work);
    return true;
}

const struct op_impl op_to_blocked = {.name = "to_blocked",
                                      .in_min = 1,
                                      .in_max = 1,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .infer = to_blocked_infer,
                                      .run = order_run};

const struct op_impl op_from_blocked = {.name = "from_blocked",
                                        .in_min = 1,
                                        .in_max = 1,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = from_blocked_infer,
                                        .run = order_run};
