/*
 * ConvBlocked by oneDNN: direct, or Winograd's algorithm where the node allows
 * it and the shape gains by it.
 *
 * The work is cut into parts of one image each, and of some blocks of output
 * channels where threads outnumber images: weights and outputs of a part lie
 * together. oneDNN could take several images at once; then it chooses another
 * form of Winograd's algorithm, 4 % faster over ResNet-50 at batch 8, which
 * needs 147 MB of weights more and lets an image's answer depend on how many
 * come with it. A shape that oneDNN does not take runs as the plain reference.
 */
#include <string.h>

#include "conv_parts.h"

static bool fast_prepare(struct op_node *op, struct error *err)
{
    struct conv_parts *parts = op_alloc(op, sizeof *parts, err);
    const struct op_conv_blocked *base = op->state;
    int64_t batch = base->conv.batch, threads = op->threads;
    struct conv_cut cut = {
        .base = base, .block_parts = threads > batch ? threads / batch : 1};
    bool ok;

    op->state = parts; /* also when there is none: release looks at it */
    if (!parts)
        return false;
    ok = conv_parts_init(parts, op, &cut, err);
    op->scratch_bytes = parts->scratch_bytes * (size_t)threads;
    return ok;
}

static void fast_release(struct op_node *op)
{
    if (op->state)
        conv_parts_release(op->state);
}

static bool fast_bind(const struct op_node *op, void **bound, struct error *err)
{
    *bound = conv_parts_bind(op->state, op->threads, err);
    return *bound != NULL;
}

static void fast_unbind(void *bound)
{
    conv_parts_unbind(bound);
}

struct fast_work {
    const struct op_node *op;
    const struct op_frame *frame;
    atomic_bool failed;
};

/* y begins as z, where they are not the same memory. */
static void copy_addend(const struct op_node *op, const struct op_frame *frame,
                        int64_t at, int64_t count)
{
    const float *z = op_has(op, 3) ? op_in(op, frame, 3) : NULL;
    float *y = op_out(op, frame, 0);

    if (z && z != y)
        memcpy(y + at, z + at, (size_t)count * sizeof *y);
}

static void fast_part(void *argument, int64_t index, int thread)
{
    struct fast_work *work = argument;
    const struct op_node *op = work->op;
    const struct conv_parts *parts = op->state;
    const struct conv_split *blocks = &parts->blocks;
    const struct op_conv *conv = &parts->base.conv;
    int64_t image = index / blocks->parts;
    int64_t b = index % blocks->parts, block = conv_split_begin(blocks, b);
    int64_t count = blocks->size + (b < blocks->more);
    int64_t x = image * op->in[0]->dims[1] * conv->in_size;
    int64_t y_size = conv->out_size * parts->base.block;
    int64_t y = (image * parts->out_blocks + block) * y_size;
    struct conv_part part = {.block_part = b, .thread = thread};

    if (!parts->base.plain_input)
        x *= parts->base.block;
    if (parts->depthwise)
        x += block * conv->in_size * parts->base.block;
    copy_addend(op, work->frame, y, count * y_size);
    part.x = (const float *)op_in(op, work->frame, 0) + x;
    part.y = (float *)op_out(op, work->frame, 0) + y;
    part.scratch =
        (char *)work->frame->scratch + (size_t)thread * parts->scratch_bytes;
    if (!conv_parts_run(parts, work->frame->bound[op->index], &part))
        atomic_store(&work->failed, true);
}

static bool fast_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct conv_parts *parts = op->state;
    struct fast_work work = {.op = op, .frame = frame};

    if (!parts->packed)
        return op_conv_blocked.run(op, frame, err);
    atomic_init(&work.failed, false);
    team_for(frame->seat, parts->base.conv.batch * parts->blocks.parts,
             fast_part, &work);
    return !atomic_load(&work.failed) ||
           fail(err, ERR_INTERNAL, "oneDNN's convolution failed");
}

const struct op_impl op_conv_blocked_fast = {.name = "conv_blocked.onednn",
                                             .in_min = 2,
                                             .in_max = 4,
                                             .out_min = 1,
                                             .out_max = 1,
                                             .flags = OP_PACKED,
                                             .in_place = 1U << 3,
                                             .infer = op_conv_blocked_infer,
                                             .accepts = conv_parts_accept,
                                             .prepare = fast_prepare,
                                             .bind = fast_bind,
                                             .run = fast_run,
                                             .unbind = fast_unbind,
                                             .release = fast_release};
