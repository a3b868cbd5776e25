/*
 * Einsum, opset 12: y = sum of products of inputs, by an equation over the
 *   names of their dimensions ("ij,jk->ik" is a matrix product)
 *
 *   input   one to four, one type: float, double, int32, int64 (float16,
 *           bfloat16 as float); a dimension of 1 broadcasts
 *   output  y   one dimension per name behind "->"; without "->" the names used
 *               once, in the order of the alphabet
 *   attr    equation  string: letters, blanks, and "..." for any dimensions
 *   errors  ERR_MODEL_INVALID: an equation that cannot be read or does not fit
 *           the ranks, dimensions of one name that differ
 *           ERR_MODEL_UNSUPPORTED: more than four inputs, a rank above eight
 *   source  ONNX operator list, Einsum-12; numpy.einsum
 *   check   one walk over y, one over what is summed; float sums in double
 */
#include <string.h>

#include "einsum.h"
#include "walk.h"

struct einsum_state {
    struct op_walk kept;   /* over y; operand k is input k */
    struct op_walk summed; /* over what one element of y takes in */
};

/* The dimension of every label, and the steps of every input along it. */
struct einsum_labels {
    int64_t dim[EINSUM_LABELS]; /* -1 = not used */
    int64_t step[OP_OPERANDS_MAX][EINSUM_LABELS];
};

static bool take_input(const struct eng_tensor *x,
                       const struct einsum_term *term, size_t k,
                       struct einsum_labels *labels, struct error *err)
{
    int64_t steps[ENG_RANK_MAX];

    op_steps(x, steps);
    for (int i = 0; i < x->rank; i++) {
        int label = term->label[i];
        int64_t *dim = &labels->dim[label];

        if (*dim >= 0 && *dim != x->dims[i] && *dim != 1 && x->dims[i] != 1)
            return fail(err, ERR_MODEL_INVALID,
                        "dimension %d of input %zu is %lld, elsewhere %lld", i,
                        k, (long long)x->dims[i], (long long)*dim);
        if (*dim < 0 || *dim == 1)
            *dim = x->dims[i];
        if (x->dims[i] != 1)
            labels->step[k][label] += steps[i];
    }
    return true;
}

/* Appends a dimension to those a walk is made of. */
struct walk_dims {
    int rank;
    int64_t dims[ENG_RANK_MAX];
    int64_t steps[OP_OPERANDS_MAX][ENG_RANK_MAX];
};

static bool add_label(struct walk_dims *walk,
                      const struct einsum_labels *labels, int label)
{
    if (walk->rank == ENG_RANK_MAX)
        return false;
    walk->dims[walk->rank] = labels->dim[label];
    for (int k = 0; k < OP_OPERANDS_MAX; k++)
        walk->steps[k][walk->rank] = labels->step[k][label];
    walk->rank++;
    return true;
}

static bool is_kept(const struct einsum_term *out, int label)
{
    for (int i = 0; i < out->rank; i++) {
        if (out->label[i] == label)
            return true;
    }
    return false;
}

static bool make_walks(struct op_node *op, const struct einsum_labels *labels,
                       const struct einsum_term *out, struct error *err)
{
    struct walk_dims kept = {0}, summed = {0};
    struct einsum_state *state = op->state;
    int inputs = (int)op->in_count;

    for (int i = 0; i < out->rank; i++)
        (void)add_label(&kept, labels, out->label[i]);
    for (int label = 0; label < EINSUM_LABELS; label++) {
        bool counts = labels->dim[label] >= 0 && labels->dim[label] != 1;

        if (counts && !is_kept(out, label) &&
            !add_label(&summed, labels, label))
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "a sum over more than %d dimensions", ENG_RANK_MAX);
    }
    op->out[0]->dtype = op->in[0]->dtype;
    eng_shape_set(op->out[0], kept.rank, kept.dims);
    op_walk_make(&state->kept, kept.rank, kept.dims, inputs, kept.steps);
    op_walk_make(&state->summed, summed.rank, summed.dims, inputs,
                 summed.steps);
    return true;
}

static bool check_inputs(const struct op_node *op, struct error *err)
{
    const uint32_t types = OP_TYPES_REAL | OP_TYPE(ENG_I32) | OP_TYPE(ENG_I64);

    if (op->in_count > OP_OPERANDS_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "%zu inputs", op->in_count);
    for (size_t i = 0; i < op->in_count; i++) {
        if (!op->in[i])
            return fail(err, ERR_MODEL_INVALID, "input %zu is left out", i);
        if (!op_same_type(op, 0, i, err))
            return false;
    }
    return op_want_type(op, 0, types, err);
}

static bool einsum_infer(struct op_node *op, struct error *err)
{
    struct einsum_equation equation;
    struct einsum_labels labels = {.dim = {0}};

    op->state = op_alloc(op, sizeof(struct einsum_state), err);
    if (!op->state || !check_inputs(op, err) ||
        !einsum_parse(op, &equation, err))
        return false;
    for (int i = 0; i < EINSUM_LABELS; i++)
        labels.dim[i] = -1;
    for (size_t i = 0; i < op->in_count; i++) {
        if (!take_input(op->in[i], &equation.in[i], i, &labels, err))
            return false;
    }
    return make_walks(op, &labels, &equation.out, err);
}

/* --- running --- */

/* One row of products; SUM is wide enough, or wraps. */
#define SUM_ROW(name, T, SUM)                                                  \
    static SUM name(const struct op_walk *walk, const T *const *x)             \
    {                                                                          \
        SUM sum = 0;                                                           \
                                                                               \
        for (int64_t i = 0; i < walk->inner; i++) {                            \
            SUM product = 1;                                                   \
                                                                               \
            for (int k = 0; k < walk->operands; k++)                           \
                product *= (SUM)x[k][i * walk->inner_step[k]];                 \
            sum += product;                                                    \
        }                                                                      \
        return sum;                                                            \
    }                                                                          \
    static void name##_all(const struct op_walk *walk, const void *const *x,   \
                           const int64_t *first, void *y)                      \
    {                                                                          \
        const T *rows[OP_OPERANDS_MAX] = {NULL};                               \
        struct op_place at;                                                    \
        SUM sum = 0;                                                           \
                                                                               \
        for (bool more = op_walk_first(walk, &at); more;                       \
             more = op_walk_next(walk, &at)) {                                 \
            for (int k = 0; k < walk->operands; k++)                           \
                rows[k] = (const T *)x[k] + first[k] + at.offset[k];           \
            sum += name(walk, rows);                                           \
        }                                                                      \
        *(T *)y = (T)sum;                                                      \
    }

SUM_ROW(sum_f32, float, double)
SUM_ROW(sum_f64, double, double)
SUM_ROW(sum_i32, int32_t, uint64_t)
SUM_ROW(sum_i64, int64_t, uint64_t)

typedef void (*sum_fn)(const struct op_walk *walk, const void *const *x,
                       const int64_t *first, void *y);

static const sum_fn sums[ENG_BF16 + 1] = {[ENG_F32] = sum_f32_all,
                                          [ENG_F64] = sum_f64_all,
                                          [ENG_I32] = sum_i32_all,
                                          [ENG_I64] = sum_i64_all};

static bool einsum_run(const struct op_node *op, const struct op_frame *frame,
                       struct error *err)
{
    const struct einsum_state *state = op->state;
    const struct op_walk *walk = &state->kept;
    size_t size = eng_dtype_size(op->out[0]->dtype);
    sum_fn sum = sums[op->out[0]->dtype];
    const void *x[OP_OPERANDS_MAX] = {NULL};
    char *y = op_out(op, frame, 0);
    struct op_place at;

    (void)err;
    for (size_t k = 0; k < op->in_count; k++)
        x[k] = op_in(op, frame, k);
    for (bool more = op_walk_first(walk, &at); more;
         more = op_walk_next(walk, &at)) {
        for (int64_t i = 0; i < walk->inner; i++, y += size) {
            sum(&state->summed, x, at.offset, y);
            for (int k = 0; k < walk->operands; k++)
                at.offset[k] += walk->inner_step[k];
        }
        for (int k = 0; k < walk->operands; k++)
            at.offset[k] -= walk->inner * walk->inner_step[k];
    }
    return true;
}

const struct op_impl op_einsum = {.name = "einsum",
                                  .in_min = 1,
                                  .in_max = OP_MANY,
                                  .out_min = 1,
                                  .out_max = 1,
                                  .flags = OP_WIDEN,
                                  .infer = einsum_infer,
                                  .run = einsum_run};
