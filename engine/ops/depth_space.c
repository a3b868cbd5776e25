/*
 * DepthToSpace-13, SpaceToDepth-13: blocks of b x b pixels from channels, and
 *   back: a transpose of x seen with six dimensions
 *
 *   input   x     any type; DepthToSpace [n, c, h, w] with c = k * b * b,
 *                 SpaceToDepth [n, k, h * b, w * b]
 *   output  y     [n, k, h * b, w * b], or [n, k * b * b, h, w]
 *   attr    blocksize  int, required
 *           mode       DepthToSpace only: "DCR" (default), channels are
 *                      [b, b, k]; "CRD", they are [k, b, b]
 *   errors  ERR_MODEL_INVALID: rank is not 4, blocksize below 1, or it does not
 *           divide the dimensions
 *   source  ONNX operator list
 */
#include <string.h>

#include "walk.h"

enum { SIX = 6 };

/* x as [dims], and y's dimension i is x's dimension order[i]. */
static void make_walk(struct op_walk *walk, const int64_t dims[SIX],
                      const int order[SIX])
{
    struct eng_tensor from, to;
    int64_t plain[ENG_RANK_MAX], steps[2][ENG_RANK_MAX];

    eng_shape_set(&from, SIX, dims);
    to.rank = SIX;
    op_steps(&from, plain);
    for (int i = 0; i < SIX; i++) {
        to.dims[i] = dims[order[i]];
        steps[0][i] = plain[order[i]];
    }
    op_steps(&to, steps[1]);
    op_walk_make(walk, SIX, to.dims, 2, steps);
}

/* *block in [1, 2^31) */
static bool read_block(const struct op_node *op, int64_t *block,
                       struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int64_t size = 0;

    if (x->rank != 4)
        return fail(err, ERR_MODEL_INVALID, "rank %d, expected 4", x->rank);
    if (!op_attr_int(op, "blocksize", &size, err))
        return false;
    if (size < 1 || size > INT32_MAX)
        return fail(err, ERR_MODEL_INVALID, "attribute 'blocksize' is %lld",
                    (long long)size);
    *block = size;
    return true;
}

static bool to_space_infer(struct op_node *op, struct error *err)
{
    static const char *const words[] = {"DCR", "CRD", NULL};
    static const int orders[2][SIX] = {{0, 3, 4, 1, 5, 2}, {0, 1, 4, 2, 5, 3}};
    struct op_walk *walk = op_alloc(op, sizeof *walk, err);
    const int64_t *d = op->in[0]->dims;
    int64_t b = 1, k, height, width;
    int mode = 0;

    if (!walk || !read_block(op, &b, err) ||
        !op_attr_word(op, "mode", words, &mode, err))
        return false;
    k = d[1] / (b * b);
    if (d[1] % (b * b) || __builtin_mul_overflow(d[2], b, &height) ||
        __builtin_mul_overflow(d[3], b, &width))
        return fail(err, ERR_MODEL_INVALID,
                    "%lld channels in blocks of %lld x %lld", (long long)d[1],
                    (long long)b, (long long)b);
    op->state = walk;
    op->out[0]->dtype = op->in[0]->dtype;
    eng_shape_set(op->out[0], 4, (const int64_t[]){d[0], k, height, width});
    make_walk(walk,
              mode ? (const int64_t[]){d[0], k, b, b, d[2], d[3]}
                   : (const int64_t[]){d[0], b, b, k, d[2], d[3]},
              orders[mode]);
    return true;
}

static bool to_depth_infer(struct op_node *op, struct error *err)
{
    static const int order[SIX] = {0, 3, 5, 1, 2, 4};
    struct op_walk *walk = op_alloc(op, sizeof *walk, err);
    const int64_t *d = op->in[0]->dims;
    int64_t b = 1, channels;

    if (!walk || !read_block(op, &b, err))
        return false;
    if (d[2] % b || d[3] % b || __builtin_mul_overflow(d[1], b * b, &channels))
        return fail(err, ERR_MODEL_INVALID,
                    "an image of %lld x %lld in blocks of %lld",
                    (long long)d[2], (long long)d[3], (long long)b);
    op->state = walk;
    op->out[0]->dtype = op->in[0]->dtype;
    eng_shape_set(op->out[0], 4,
                  (const int64_t[]){d[0], channels, d[2] / b, d[3] / b});
    make_walk(walk, (const int64_t[]){d[0], d[1], d[2] / b, b, d[3] / b, b},
              order);
    return true;
}

static bool depth_space_run(const struct op_node *op,
                            const struct op_frame *frame, struct error *err)
{
    (void)err;
    op_walk_copy(op->state, eng_dtype_size(op->out[0]->dtype),
                 op_in(op, frame, 0), op_out(op, frame, 0));
    return true;
}

const struct op_impl op_depth_to_space = {.name = "depth_to_space",
                                          .in_min = 1,
                                          .in_max = 1,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = to_space_infer,
                                          .run = depth_space_run};

const struct op_impl op_space_to_depth = {.name = "space_to_depth",
                                          .in_min = 1,
                                          .in_max = 1,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .infer = to_depth_infer,
                                          .run = depth_space_run};
