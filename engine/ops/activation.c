/*
 * Element-wise activations with constants from attributes: y = f(x; a, b)
 *
 *   LeakyRelu-16        x < 0 ? alpha * x : x                     alpha = 0.01
 *   Elu-22              x < 0 ? alpha * (exp(x) - 1) : x          alpha = 1
 *   Celu-12             x < 0 ? alpha * (exp(x / alpha) - 1) : x  alpha = 1
 *   Selu-22             gamma * (x < 0 ? alpha * (exp(x) - 1) : x)
 *   HardSigmoid-22      max(0, min(1, alpha * x + beta))          0.2, 0.5
 *   ThresholdedRelu-22  x > alpha ? x : 0                         alpha = 1
 *   Gelu-20             x / 2 * (1 + erf(x / sqrt(2))), or with approximate =
 *                       "tanh" x / 2 * (1 + tanh(c * (x + 0.044715 x^3))),
 *                       c = sqrt(2 / pi)
 *
 *   input   x   float or double (float16, bfloat16 as float)
 *   output  y   type and shape of x; may share memory with x
 *   attr    as above, float; approximate "none" (default) or "tanh"
 *   errors  ERR_MODEL_UNSUPPORTED: another word or type
 *           ERR_MODEL_INVALID: Celu with alpha = 0
 *   source  ONNX operator list
 */
#include <math.h>
#include <string.h>

#include "kernel/map.h"
#include "spread.h"

typedef void (*activation_fn)(const void *from, void *to, int64_t count,
                              const float attr[2]);

#define T          float
#define NAME(kind) kind##_f32
#define MATH(name) name##f
#include "activation_rows.inc"
#define T          double
#define NAME(kind) kind##_f64
#define MATH(name) name
#include "activation_rows.inc"

static const struct activation_kind {
    const char *name;
    const char *attr[2]; /* names; NULL = none */
    float value[2];      /* defaults */
    activation_fn f32, f64;
    size_t map; /* for float, instead of f32 */
} kinds[] = {
    {"LeakyRelu", {"alpha"}, {0.01F}, leaky_f32, leaky_f64, KERNEL_NO_MAP},
    {"Elu", {"alpha"}, {1}, elu_f32, elu_f64, KERNEL_MAP(elu)},
    {"Celu", {"alpha"}, {1}, celu_f32, celu_f64, KERNEL_MAP(celu)},
    {"Selu",
     {"alpha", "gamma"},
     {1.67326319217681884765625F, 1.05070102214813232421875F},
     selu_f32,
     selu_f64,
     KERNEL_MAP(selu)},
    {"HardSigmoid",
     {"alpha", "beta"},
     {0.2F, 0.5F},
     hard_sigmoid_f32,
     hard_sigmoid_f64,
     KERNEL_MAP(hard_sigmoid)},
    {"ThresholdedRelu",
     {"alpha"},
     {1},
     threshold_f32,
     threshold_f64,
     KERNEL_NO_MAP},
    {"Gelu", {NULL}, {0}, gelu_f32, gelu_f64, KERNEL_MAP(gelu)},
};

struct activation_state {
    activation_fn fn;
    kernel_map_fn map; /* NULL: fn */
    float attr[2];
};

static const struct activation_kind *find_kind(const char *name)
{
    size_t i = 0;

    while (strcmp(kinds[i].name, name) != 0)
        i++;
    return &kinds[i];
}

static bool gelu_fn(const struct op_node *op, struct activation_state *state,
                    struct error *err)
{
    static const char *const words[] = {"none", "tanh", NULL};
    int approximate = 0;

    if (!op_attr_word(op, "approximate", words, &approximate, err))
        return false;
    if (approximate) {
        state->fn = op->in[0]->dtype == ENG_F32 ? gelu_tanh_f32 : gelu_tanh_f64;
        state->map = state->map ? kernels()->gelu_tanh_map : NULL;
    }
    return true;
}

static bool activation_infer(struct op_node *op, struct error *err)
{
    const struct activation_kind *kind = find_kind(op->node->op);
    struct activation_state *state = op_alloc(op, sizeof *state, err);

    if (!state || !op_want_type(op, 0, OP_TYPES_REAL, err))
        return false;
    op->state = state;
    op_like(op->out[0], op->in[0]);
    state->fn = op->in[0]->dtype == ENG_F32 ? kind->f32 : kind->f64;
    if (op->in[0]->dtype == ENG_F32)
        state->map = kernel_map_at(kind->map);
    for (int i = 0; i < 2; i++) {
        state->attr[i] = kind->value[i];
        if (kind->attr[i] &&
            !op_attr_float(op, kind->attr[i], &state->attr[i], err))
            return false;
    }
    if (strcmp(kind->name, "Celu") == 0 && state->attr[0] == 0)
        return fail(err, ERR_MODEL_INVALID, "attribute 'alpha' is 0");
    return strcmp(kind->name, "Gelu") != 0 || gelu_fn(op, state, err);
}

struct part {
    const struct activation_state *state;
    const float *x;
    float *y;
};

static void run_map(void *work, int64_t first, int64_t end)
{
    const struct part *part = work;

    part->state->map(part->x + first, part->y + first, end - first,
                     part->state->attr);
}

static bool activation_run(const struct op_node *op,
                           const struct op_frame *frame, struct error *err)
{
    const struct activation_state *state = op->state;

    int64_t count = eng_tensor_count(op->out[0]);
    struct part part = {state, op_in(op, frame, 0), op_out(op, frame, 0)};

    (void)err;
    if (state->map)
        op_spread(frame, count, 0.4, run_map, &part);
    else
        state->fn(part.x, part.y, count, state->attr);
    return true;
}

const struct op_impl op_activation = {.name = "activation",
                                      .in_min = 1,
                                      .in_max = 1,
                                      .out_min = 1,
                                      .out_max = 1,
                                      .flags = OP_WIDEN,
                                      .in_place = 1,
                                      .infer = activation_infer,
                                      .run = activation_run};
