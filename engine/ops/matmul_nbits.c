/*
 * com.microsoft MatMulNBits-1: y = a b' + bias with b in blocks of 4 or 8 bits
 *
 *   input   a       float [..., K]
 *           b       uint8 [N, K / block, block bits / 8]; low bits first
 *           scales  float, N * (K / block), one per block
 *           zeros   uint8, packed like b, [N, ...]; or float, one per block;
 *                   may be left out = half the range
 *           group   g_idx: not supported
 *           bias    float [N] = 0
 *   output  y       float [..., N]
 *   attr    K, N, block_size int; bits int = 4: 4 or 8
 *   errors  ERR_MODEL_INVALID: sizes do not fit
 *           ERR_MODEL_UNSUPPORTED: g_idx, other numbers of bits, computed
 *           weights
 *   source  ONNX Runtime, ContribOperators
 *
 * b is widened to float once, when the model is loaded, and multiplied like any
 * other weight.
 */
#include <string.h>

#include "gemm.h"

enum { A, B, SCALES, ZEROS, GROUP, BIAS };

struct nbits {
    int64_t n, k, block, blocks;
    int bits;
    bool zeros_are_float;
    const uint8_t *b;
    const float *scales;
    const void *zeros; /* NULL = half the range */
};

struct nbits_state {
    struct op_product product;
    struct nbits how;
    const float *wide; /* [k, n] */
};

static bool read_sizes(const struct op_node *op, struct nbits *how,
                       struct error *err)
{
    int64_t bits = 4;

    if (!op_attr_int(op, "K", &how->k, err) ||
        !op_attr_int(op, "N", &how->n, err) ||
        !op_attr_int(op, "block_size", &how->block, err) ||
        !op_attr_int(op, "bits", &bits, err))
        return false;
    how->bits = (int)bits;
    if (bits != 4 && bits != 8)
        return fail(err, ERR_MODEL_UNSUPPORTED, "%lld bits", (long long)bits);
    if (how->k < 1 || how->n < 1 || how->k > INT32_MAX || how->n > INT32_MAX ||
        how->block < 16 || how->block > 1 << 16 ||
        (how->block & (how->block - 1)))
        return fail(err, ERR_MODEL_INVALID, "K %lld, N %lld, block_size %lld",
                    (long long)how->k, (long long)how->n,
                    (long long)how->block);
    how->blocks = (how->k + how->block - 1) / how->block;
    return true;
}

/* Bytes of zero points in a row: packed like b, rows begin at a byte. */
static int64_t zero_row(const struct nbits *how)
{
    return (how->blocks * how->bits + 7) / 8;
}

static bool check_weights(const struct op_node *op, struct nbits *how,
                          struct error *err)
{
    int64_t all = how->n * how->blocks;

    if (!op_want_type(op, B, OP_TYPE(ENG_U8), err) ||
        !op_want_type(op, SCALES, OP_TYPE(ENG_F32), err))
        return false;
    if (!op_is_weight(op, B) || !op_is_weight(op, SCALES) ||
        (op_has(op, ZEROS) && !op_is_weight(op, ZEROS)))
        return fail(err, ERR_MODEL_UNSUPPORTED, "weights that are computed");
    if (eng_tensor_count(op->in[B]) != all * (how->block * how->bits / 8) ||
        eng_tensor_count(op->in[SCALES]) != all)
        return fail(err, ERR_MODEL_INVALID, "weights or scales do not fit");
    if (!op_has(op, ZEROS))
        return true;
    how->zeros_are_float = op->in[ZEROS]->dtype == ENG_F32;
    if (!op_want_type(op, ZEROS, OP_TYPE(ENG_F32) | OP_TYPE(ENG_U8), err))
        return false;
    return eng_tensor_count(op->in[ZEROS]) ==
               (how->zeros_are_float ? all : how->n * zero_row(how)) ||
           fail(err, ERR_MODEL_INVALID, "the zero points do not fit");
}

static bool nbits_infer(struct op_node *op, struct error *err)
{
    struct nbits_state *state = op_alloc(op, sizeof *state, err);
    const struct eng_tensor *a = op->in[A];
    struct nbits *how;

    op->state = state;
    if (!state)
        return false;
    how = &state->how;
    if (!op_want_type(op, A, OP_TYPE(ENG_F32), err) ||
        !read_sizes(op, how, err) || !check_weights(op, how, err))
        return false;
    if (op_has(op, GROUP))
        return fail(err, ERR_MODEL_UNSUPPORTED, "g_idx");
    if (a->rank < 1 || a->dims[a->rank - 1] != how->k)
        return fail(err, ERR_MODEL_INVALID, "a does not have K columns");
    if (op_has(op, BIAS) &&
        (op->in[BIAS]->dtype != ENG_F32 || op->in[BIAS]->rank != 1 ||
         op->in[BIAS]->dims[0] != how->n))
        return fail(err, ERR_MODEL_INVALID, "the bias is not float [N]");
    op_like(op->out[0], a);
    op->out[0]->dims[a->rank - 1] = how->n;
    state->product =
        (struct op_product){.m = eng_shape_product(a, 0, a->rank - 1),
                            .n = how->n,
                            .k = how->k,
                            .a_row = how->k,
                            .a_col = 1,
                            .b_row = how->n,
                            .b_col = 1};
    return true;
}

/* Number i of a packed list. */
static int unpack(const uint8_t *bytes, int64_t i, int bits)
{
    if (bits == 8)
        return bytes[i];
    return i & 1 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
}

static float zero_of(const struct nbits *how, int64_t n, int64_t block)
{
    if (!how->zeros)
        return how->bits == 4 ? 8 : 128;
    if (how->zeros_are_float)
        return ((const float *)how->zeros)[n * how->blocks + block];
    return (float)unpack((const uint8_t *)how->zeros + n * zero_row(how), block,
                         how->bits);
}

static void widen(const void *source, void *packed, const void *settings)
{
    const struct nbits *how = settings;
    float *wide = packed;

    (void)source;
    for (int64_t n = 0; n < how->n; n++) {
        const uint8_t *row =
            how->b + n * how->blocks * (how->block * how->bits / 8);

        for (int64_t k = 0; k < how->k; k++) {
            int64_t block = k / how->block;

            wide[k * how->n + n] =
                ((float)unpack(row, k, how->bits) - zero_of(how, n, block)) *
                how->scales[n * how->blocks + block];
        }
    }
}

static bool nbits_prepare(struct op_node *op, struct error *err)
{
    struct nbits_state *state = op->state;
    struct nbits how;

    memset(&how, 0, sizeof how); /* it is compared byte by byte */
    how.n = state->how.n;
    how.k = state->how.k;
    how.block = state->how.block;
    how.blocks = state->how.blocks;
    how.bits = state->how.bits;
    how.zeros_are_float = state->how.zeros_are_float;
    how.b = op->in[B]->data;
    how.scales = op->in[SCALES]->data;
    how.zeros = op_has(op, ZEROS) ? op->in[ZEROS]->data : NULL;
    state->wide = op_pack(op,
                          &(struct op_pack_key){.source = how.b,
                                                .pack = widen,
                                                .how = &how,
                                                .how_size = sizeof how},
                          (size_t)(how.n * how.k) * sizeof(float), err);
    return state->wide != NULL;
}

static bool nbits_run(const struct op_node *op, const struct op_frame *frame,
                      struct error *err)
{
    const struct nbits_state *state = op->state;
    const float *bias = op_has(op, BIAS) ? op_in(op, frame, BIAS) : NULL;
    float *y = op_out(op, frame, 0);
    int64_t n = state->product.n;

    (void)err;
    op_product_f32(&state->product, op_in(op, frame, A), state->wide, y);
    for (int64_t i = 0; bias && i < state->product.m * n; i++)
        y[i] += bias[i % n];
    return true;
}

const struct op_impl op_matmul_nbits = {.name = "matmul_nbits",
                                        .in_min = 3,
                                        .in_max = 6,
                                        .out_min = 1,
                                        .out_max = 1,
                                        .infer = nbits_infer,
                                        .prepare = nbits_prepare,
                                        .run = nbits_run};
