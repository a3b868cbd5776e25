/*
 * MaxPoolBlocked, AveragePoolBlocked, GlobalMaxPoolBlocked,
 * GlobalAveragePoolBlocked: the operators without "Blocked" in blocks of
 * channels; made by passes
 *
 *   input   x   blocked float [n, c / block, h, w, block]
 *   output  y   blocked, h and w as pool.c and global_pool.c say
 *   attr    as MaxPool and AveragePool; the global ones have none
 *   errors  ERR_MODEL_INVALID: x is not blocked, what window.h says
 */
#include <string.h>

#include "blocked.h"
#include "kernel/blocked.h"

struct pool_blocked_state {
    struct kernel_pool pool;
    int64_t planes; /* n * blocks */
};

/* The window is the whole plane. */
static void global_window(const struct eng_tensor *x, struct kernel_pool *pool)
{
    for (int i = 0; i < 2; i++) {
        pool->in[i] = pool->kernel[i] = x->dims[2 + i];
        pool->out[i] = pool->stride[i] = pool->dilation[i] = 1;
    }
}

static bool read_window(struct op_node *op, struct kernel_pool *pool,
                        struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor plain = op_blocked_plain(x, x->dims[1] * x->dims[4]);
    struct op_window window;
    bool ok;

    op->in[0] = &plain;
    ok = op_window_read(op, NULL, &window, err) &&
         op_attr_bool(op, "count_include_pad", &pool->count_pad, err);
    op->in[0] = x;
    for (int i = 0; ok && i < 2; i++) {
        pool->in[i] = window.in[i];
        pool->out[i] = window.out[i];
        pool->kernel[i] = window.kernel[i];
        pool->stride[i] = window.stride[i];
        pool->dilation[i] = window.dilation[i];
        pool->pad[i] = window.pad[i];
        pool->pad_end[i] = window.pad_end[i];
    }
    return ok;
}

static bool pool_blocked_infer(struct op_node *op, struct error *err)
{
    struct pool_blocked_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *x = op->in[0];
    struct eng_tensor *y = op->out[0];

    if (!state || !op_blocked_input(op, 0, err))
        return false;
    op->state = state;
    state->planes = x->dims[0] * x->dims[1];
    state->pool.block = x->dims[4];
    state->pool.is_max = strstr(op->node->op, "Max") != NULL;
    if (strncmp(op->node->op, "Global", 6) == 0)
        global_window(x, &state->pool);
    else if (!read_window(op, &state->pool, err))
        return false;
    op_like(y, x);
    y->dims[2] = state->pool.out[0];
    y->dims[3] = state->pool.out[1];
    return true;
}

struct pool_work {
    const struct kernel_pool *pool;
    const float *x;
    float *y;
};

static void pool_part(void *argument, int64_t part, int thread)
{
    const struct pool_work *work = argument;
    const struct kernel_pool *pool = work->pool;

    (void)thread;
    kernels()->pool_blocked(
        pool, work->x + part * pool->in[0] * pool->in[1] * pool->block,
        work->y + part * pool->out[0] * pool->out[1] * pool->block);
}

static bool pool_blocked_run(const struct op_node *op,
                             const struct op_frame *frame, struct error *err)
{
    const struct pool_blocked_state *state = op->state;
    struct pool_work work = {.pool = &state->pool,
                             .x = op_in(op, frame, 0),
                             .y = op_out(op, frame, 0)};
    bool is_large = eng_tensor_count(op->in[0]) >= OP_BLOCKED_SHARE;

    (void)err;
    team_for(is_large ? frame->seat : NULL, state->planes, pool_part, &work);
    return true;
}

const struct op_impl op_pool_blocked = {.name = "pool_blocked",
                                        .in_min = 1,
                                        .in_max = 1,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = pool_blocked_infer,
                                        .run = pool_blocked_run};
