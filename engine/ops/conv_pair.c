/*
 * ConvPairBlocked: y = ConvBlocked(ConvBlocked(x, w, b), dw, db), the second one
 * depthwise; made by passes
 *
 *   input   x       as ConvBlocked
 *           w       weights of the first; stride 1, no borders, no groups
 *           dw      weights of the second
 *           b, db   biases of the first and the second; may be left out
 *   output  y       as ConvBlocked
 *   attr    as ConvBlocked, for the second; first_activation and first_params
 *           are activation and activation_params of the first; block is that of
 *           both
 *   errors  what conv_blocked.c says of either
 *
 * The tensor in between is wide and large: six times the channels of x in an
 * inverted residual. The fast form makes it in chunks of channels that stay in
 * the cache until the second convolution has read them.
 */
#include <stdlib.h>
#include <string.h>

#include "conv_parts.h"

/* What a chunk may take of the second cache. */
enum { CHUNK_BYTES = 768 << 10 };

enum { FIRST, SECOND, PAIR };

struct pair_state {
    struct op_node op[PAIR];
    struct eng_node first_node;
    struct eng_attr first_attrs[3];
    struct eng_tensor middle;
    const struct eng_tensor *in[PAIR][4];
    struct eng_tensor *out[PAIR][1];
    uint32_t in_value[PAIR][4];

    struct conv_parts parts[PAIR];
    size_t middle_bytes;  /* of one thread */
    size_t scratch_bytes; /* of one thread, middle included */
};

static void add_attr(struct pair_state *state, const struct op_node *op,
                     const char *from, const char *name)
{
    const struct eng_attr *attr = op_attr(op, from);
    struct eng_attr *to = &state->first_attrs[state->first_node.attr_count];

    if (!attr)
        return;
    *to = *attr;
    to->name = name;
    state->first_node.attr_count++;
}

/* Which of our inputs are x, w and b of each. */
static const size_t input_of[PAIR][3] = {{0, 1, 3}, {0, 2, 4}};

/* The two convolutions as nodes of their own. */
static void split_node(struct op_node *op, struct pair_state *state)
{
    state->first_node = *op->node;
    state->first_node.attrs = state->first_attrs;
    state->first_node.attr_count = 0;
    add_attr(state, op, "block", "block");
    add_attr(state, op, "first_activation", "activation");
    add_attr(state, op, "first_params", "activation_params");
    for (int k = 0; k < PAIR; k++) {
        struct op_node *one = &state->op[k];

        *one = *op;
        one->in = state->in[k];
        one->in_value = state->in_value[k];
        one->in_count = 3;
        one->out = state->out[k];
        for (size_t i = 0; i < 3; i++) {
            size_t from = input_of[k][i];

            state->in[k][i] = op_has(op, from) ? op->in[from] : NULL;
            state->in_value[k][i] =
                from < op->in_count ? op->in_value[from] : ENG_NO_VALUE;
        }
    }
    state->op[FIRST].node = &state->first_node;
    state->out[FIRST][0] = &state->middle;
    state->in[SECOND][0] = &state->middle;
    state->out[SECOND][0] = op->out[0];
}

static bool pair_infer(struct op_node *op, struct error *err)
{
    struct pair_state *state = op_alloc(op, sizeof *state, err);

    op->state = state;
    if (!state)
        return false;
    split_node(op, state);
    return op_conv_blocked_infer(&state->op[FIRST], err) &&
           op_conv_blocked_infer(&state->op[SECOND], err);
}

/* --- the reference --- */

static bool plain_prepare(struct op_node *op, struct error *err)
{
    const struct pair_state *state = op->state;

    (void)err;
    op->scratch_bytes = eng_tensor_size(&state->middle);
    return true;
}

static bool plain_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    static const uint32_t ins[] = {0, 1, 2}, out = 3;
    const struct pair_state *state = op->state;

    for (int k = 0; k < PAIR; k++) {
        struct op_node one = state->op[k];
        void *data[4] = {frame->scratch};
        struct op_frame inner = *frame;

        for (size_t i = k == SECOND; i < 3; i++)
            data[i] = op_has(&one, i) ? frame->data[one.in_value[i]] : NULL;
        data[out] = k == FIRST ? frame->scratch : op_out(op, frame, 0);
        one.in_value = ins;
        one.out_value = &out;
        inner.data = data;
        if (!op_conv_blocked.run(&one, &inner, err))
            return false;
    }
    return true;
}

const struct op_impl op_conv_pair = {.name = "conv_pair.ref",
                                     .in_min = 3,
                                     .in_max = 5,
                                     .out_min = 1,
                                     .out_max = 1,
                                     .infer = pair_infer,
                                     .prepare = plain_prepare,
                                     .run = plain_run};

/* --- the fast form --- */

static bool fast_accepts(const struct op_node *op)
{
    const struct pair_state *state = op->state;
    const struct op_conv_blocked *second = state->op[SECOND].state;

    return conv_parts_accept(&state->op[FIRST]) &&
           conv_parts_accept(&state->op[SECOND]) &&
           second->conv.groups == second->conv.in_channels &&
           second->conv.groups == second->conv.out_channels;
}

/* Chunks of one image: each fits the cache, and threads share them evenly. */
static int64_t count_chunks(const struct op_node *op,
                            const struct pair_state *state)
{
    int64_t batch = state->middle.dims[0];
    int64_t image = (int64_t)eng_tensor_size(&state->middle) / batch;
    int64_t threads = op->threads > batch ? op->threads / batch : 1;
    int64_t chunks = (image + CHUNK_BYTES - 1) / CHUNK_BYTES;

    return (chunks + threads - 1) / threads * threads;
}

static size_t round_up(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* What only the packed forms are read of. */
static void note_packed(struct op_node *op, const struct pair_state *state)
{
    for (int k = 0; k < PAIR; k++) {
        for (size_t i = 1; i < 3; i++)
            op->packed |= (state->op[k].packed >> i & 1) << input_of[k][i];
    }
}

static bool fast_prepare(struct op_node *op, struct error *err)
{
    struct pair_state *state = op->state;
    struct conv_parts *parts = state->parts;
    struct conv_cut cut = {.block_parts = count_chunks(op, state)};
    size_t scratch;

    for (int k = 0; k < PAIR; k++) {
        cut.base = state->op[k].state;
        state->op[k].impl = op->impl;
        if (!conv_parts_init(&parts[k], &state->op[k], &cut, err))
            return false;
    }
    if (!parts[FIRST].packed || !parts[SECOND].packed)
        return plain_prepare(op, err);
    note_packed(op, state);
    scratch = parts[FIRST].scratch_bytes > parts[SECOND].scratch_bytes
                  ? parts[FIRST].scratch_bytes
                  : parts[SECOND].scratch_bytes;
    state->middle_bytes = round_up((size_t)((parts[FIRST].blocks.size + 1) *
                                            parts[FIRST].base.conv.out_size *
                                            parts[FIRST].base.block) *
                                   sizeof(float));
    state->scratch_bytes = state->middle_bytes + scratch;
    op->scratch_bytes = state->scratch_bytes * (size_t)op->threads;
    return true;
}

static void fast_release(struct op_node *op)
{
    struct pair_state *state = op->state;

    for (int k = 0; k < PAIR; k++)
        conv_parts_release(&state->parts[k]);
}

struct pair_bound {
    struct conv_bound *one[PAIR];
};

static void fast_unbind(void *argument)
{
    struct pair_bound *bound = argument;

    for (int k = 0; k < PAIR; k++)
        conv_parts_unbind(bound->one[k]);
    free(bound);
}

static bool fast_bind(const struct op_node *op, void **to, struct error *err)
{
    const struct pair_state *state = op->state;
    struct pair_bound *bound = calloc(1, sizeof *bound);

    if (!bound)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a convolution");
    for (int k = 0; k < PAIR; k++) {
        bound->one[k] = conv_parts_bind(&state->parts[k], op->threads, err);
        if (!bound->one[k]) {
            fast_unbind(bound);
            return false;
        }
    }
    *to = bound;
    return true;
}

struct pair_work {
    const struct op_node *op;
    const struct op_frame *frame;
    atomic_bool failed;
};

/* One chunk of channels of one image through both convolutions. */
static void fast_part(void *argument, int64_t index, int thread)
{
    struct pair_work *work = argument;
    const struct op_node *op = work->op;
    const struct pair_state *state = op->state;
    const struct conv_parts *second = &state->parts[SECOND];
    const struct pair_bound *bound = work->frame->bound[op->index];
    int64_t chunks = second->blocks.parts, image = index / chunks;
    int64_t block = conv_split_begin(&second->blocks, index % chunks);
    char *scratch =
        (char *)work->frame->scratch + (size_t)thread * state->scratch_bytes;
    float *middle = (void *)scratch;
    int64_t x = eng_tensor_count(op->in[0]) / op->in[0]->dims[0];
    struct conv_part part = {.block_part = index % chunks,
                             .x = (const float *)op_in(op, work->frame, 0) +
                                  image * x,
                             .y = middle,
                             .scratch = scratch + state->middle_bytes,
                             .thread = thread};
    bool ok = conv_parts_run(&state->parts[FIRST], bound->one[FIRST], &part);

    part.x = middle;
    part.y = (float *)op_out(op, work->frame, 0) +
             (image * second->out_blocks + block) * second->base.conv.out_size *
                 second->base.block;
    ok = ok && conv_parts_run(second, bound->one[SECOND], &part);
    if (!ok)
        atomic_store(&work->failed, true);
}

static bool fast_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct pair_state *state = op->state;
    struct pair_work work = {.op = op, .frame = frame};

    if (!state->parts[FIRST].packed || !state->parts[SECOND].packed)
        return plain_run(op, frame, err);
    atomic_init(&work.failed, false);
    team_for(frame->seat,
             state->middle.dims[0] * state->parts[SECOND].blocks.parts,
             fast_part, &work);
    return !atomic_load(&work.failed) ||
           fail(err, ERR_INTERNAL, "oneDNN's convolution failed");
}

const struct op_impl op_conv_pair_fast = {.name = "conv_pair.onednn",
                                          .in_min = 3,
                                          .in_max = 5,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .flags = OP_PACKED,
                                          .infer = pair_infer,
                                          .accepts = fast_accepts,
                                          .prepare = fast_prepare,
                                          .bind = fast_bind,
                                          .run = fast_run,
                                          .unbind = fast_unbind,
                                          .release = fast_release};
