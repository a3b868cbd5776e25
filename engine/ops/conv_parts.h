/*
 * Conv parts: a blocked convolution of one image by oneDNN, cut by output
 * channels into parts that threads, or caches, take one after the other.
 *
 * Parts differ by at most one block of output channels; each of the two sizes is
 * a primitive of its own (a form).
 *
 * Weights are packed once for all plans: their order is the same for every
 * shape. Winograd's order may follow the shape and the part, so it is in the
 * key.
 *
 * Threads: immutable after conv_parts_init(); arguments by thread.
 */
#ifndef ENGINE_OPS_CONV_PARTS_H
#define ENGINE_OPS_CONV_PARTS_H

#include "blocked.h"
#include "onednn/conv.h"

/* `count` things in `parts`; the first `more` parts have one thing more. */
struct conv_split {
    int64_t parts, size, more;
};

/* Where part i begins. */
int64_t conv_split_begin(const struct conv_split *split, int64_t i);

/* Forms by "one block more". */
enum { CONV_FORMS = 2 };

struct conv_parts {
    struct op_conv_blocked base; /* first: the reference runs on it too */
    struct onednn_conv *form[CONV_FORMS]; /* NULL = not needed */
    struct conv_split blocks;
    const float **packed; /* by part; NULL = oneDNN does not take the shape */
    const float *bias;    /* NULL = none */
    size_t scratch_bytes; /* of one thread */
    int64_t in_blocks, out_blocks;
    bool depthwise;
};

/* May oneDNN take this ConvBlocked? */
bool conv_parts_accept(const struct op_node *op);

struct conv_cut {
    const struct op_conv_blocked *base; /* what infer found */
    int64_t block_parts; /* of the output channels, at most; one where groups
                            forbid more */
};

/* `op` is a ConvBlocked. ERR_OUT_OF_MEMORY. Release it in any case. */
bool conv_parts_init(struct conv_parts *state, struct op_node *op,
                     const struct conv_cut *how, struct error *err);
void conv_parts_release(struct conv_parts *state);

/* What `threads` threads need to run parts. NULL: ERR_OUT_OF_MEMORY. */
struct conv_bound;
struct conv_bound *conv_parts_bind(const struct conv_parts *state, int threads,
                                   struct error *err);
void conv_parts_unbind(struct conv_bound *bound);

struct conv_part {
    int64_t block_part;
    const float *x; /* of the image; depthwise: of its channels */
    float *y;       /* of the part's channels */
    void *scratch;  /* scratch_bytes, 64-byte aligned */
    int thread;
};
bool conv_parts_run(const struct conv_parts *state, struct conv_bound *bound,
                    const struct conv_part *part);

#endif
