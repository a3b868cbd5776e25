/*
 * Open attention: Attention and MultiHeadAttention of com.microsoft, as
 * onnxruntime's optimiser writes them, become what they are made of:
 *
 *   Attention            qkv = MatMul(x, w) + bias;  q, k, v = Slice(qkv)
 *   MultiHeadAttention   q = q + bias of q, ...
 *   both                 q, k, v = Reshape to [batch, rows, heads, size]
 *                        y = Reshape(AttentionCore(q, k, v, masks))
 *   the mask             Unsqueeze(Cast(Not(Cast(mask))) * filter), added
 *
 * so that products are packed and joined with what follows, and sequences run
 * without padding. Only with constant weights, without a past, and with a mask
 * of known rank 2 or 3, or one that counts the ones of another (then Cast(mask)
 * is Range(rows) < mask), or none; the whole operators do the rest.
 */
#include <math.h>
#include <string.h>

#include "facts.h"
#include "passes.h"
#include "rewrite.h"

enum { Q, K, V, PARTS };

/* What is known of one node. */
struct attention {
    bool is_self; /* Attention */
    int64_t heads, widths[PARTS];
    float scale, filter;
    uint32_t inputs[PARTS]; /* of MultiHeadAttention; x, w of Attention */
    uint32_t bias, mask, add;
    int mask_rank; /* 1: how many keys of each sequence count, from the first on;
                      2 or 3: 0 = does not count; 0: there is no mask */
};

/* Where nodes are inserted; `value` functions give ENG_NO_VALUE on failure. */
struct opening {
    struct rewrite *rw;
    size_t at;
    struct error *err;
};

static uint32_t input_at(const struct eng_node *node, size_t i)
{
    return i < node->input_count ? node->inputs[i] : ENG_NO_VALUE;
}

static float float_attr(const struct eng_node *node, const char *name,
                        float fallback)
{
    const struct eng_attr *attr = rewrite_attr(node, name);

    return attr && attr->type == ENG_ATTR_FLOAT ? attr->f : fallback;
}

/* --- is it one of the simple ones? --- */

static bool has_bias(const struct rewrite *rw, uint32_t value, int64_t width)
{
    const struct eng_tensor *bias = rewrite_constant(rw, value);

    return value == ENG_NO_VALUE || (bias && bias->dtype == ENG_F32 &&
                                     bias->rank == 1 && bias->dims[0] == width);
}

/* Columns of the constant matrix that makes `value`; 0: there is none. */
static int64_t made_width(const struct rewrite *rw, uint32_t value)
{
    const struct eng_node *product = rewrite_maker(rw, value, "MatMul");
    const struct eng_tensor *weights =
        product ? rewrite_constant(rw, product->inputs[1]) : NULL;

    return weights && weights->rank == 2 ? weights->dims[1] : 0;
}

static bool read_many(const struct rewrite *rw, const struct eng_node *node,
                      struct attention *found)
{
    enum { BIAS = 3, MASK, ADD, PAST };
    int64_t width = 0;

    for (size_t i = PAST; i < node->input_count; i++)
        if (node->inputs[i] != ENG_NO_VALUE)
            return false;
    for (size_t i = 0; i < PARTS; i++) {
        found->inputs[i] = input_at(node, i);
        found->widths[i] = made_width(rw, found->inputs[i]);
        width += found->widths[i];
        if (found->widths[i] == 0)
            return false;
    }
    found->bias = input_at(node, BIAS);
    found->mask = input_at(node, MASK);
    found->add = input_at(node, ADD);
    return has_bias(rw, found->bias, width);
}

static bool read_self(const struct rewrite *rw, const struct eng_node *node,
                      struct attention *found)
{
    enum { X, W, BIAS, MASK, PAST, ADD, MORE };
    const struct eng_attr *sizes = rewrite_attr(node, "qkv_hidden_sizes");
    const struct eng_tensor *w = rewrite_constant(rw, input_at(node, W));
    int64_t width;

    if (!w || w->rank != 2 || w->dtype != ENG_F32 || node->input_count > MORE ||
        input_at(node, PAST) != ENG_NO_VALUE)
        return false;
    if (sizes && (sizes->type != ENG_ATTR_INTS || sizes->count != PARTS))
        return false;
    for (size_t i = 0; i < PARTS; i++) {
        found->widths[i] = sizes ? sizes->ints[i] : w->dims[1] / PARTS;
        if (found->widths[i] < 1 || found->widths[i] > w->dims[1])
            return false; /* their sum is none */
    }
    found->is_self = true;
    found->inputs[0] = input_at(node, X);
    found->inputs[1] = input_at(node, W);
    found->bias = input_at(node, BIAS);
    found->mask = input_at(node, MASK);
    found->add = input_at(node, ADD);
    width = found->widths[Q] + found->widths[K] + found->widths[V];
    return width == w->dims[1] && has_bias(rw, found->bias, width);
}

/* Whether `value` [batch] counts the ones of a mask. */
static bool is_count(const struct rewrite *rw, uint32_t value)
{
    enum { INDEX = 1, MASK = 7 };
    const struct eng_node *cast = rewrite_maker(rw, value, "Cast"), *node;
    uint32_t producer;

    value = cast ? cast->inputs[0] : value;
    producer = rw->graph->values[value].producer;
    if (producer == ENG_NO_VALUE)
        return false;
    node = &rw->graph->nodes[producer];
    if (rewrite_is(node, "ReduceSum"))
        return !rewrite_int(node, "keepdims", 1);
    return strcmp(node->op, "EmbedLayerNormalization") == 0 &&
           node->output_count > INDEX && node->outputs[INDEX] == value &&
           input_at(node, MASK) != ENG_NO_VALUE;
}

/* -1: it is not known. */
static int mask_rank(const struct rewrite *rw, const struct facts *facts,
                     uint32_t mask)
{
    int rank = mask == ENG_NO_VALUE ? 0 : facts_rank(facts, mask);

    if (rank == 0 || rank == 2 || rank == 3)
        return rank;
    return rank < 2 && is_count(rw, mask) ? 1 : -1;
}

static bool find(const struct rewrite *rw, const struct facts *facts,
                 const struct eng_node *node, struct attention *found)
{
    bool is_self = strcmp(node->op, "Attention") == 0;

    *found = (struct attention){
        .heads = rewrite_int(node, "num_heads", 0),
        .scale = float_attr(node, "scale", 0),
        .filter = float_attr(node, "mask_filter_value", -10000)};
    if (strcmp(node->domain, "com.microsoft") != 0 ||
        (!is_self && strcmp(node->op, "MultiHeadAttention") != 0) ||
        node->output_count != 1 || found->heads < 1 ||
        rewrite_int(node, "unidirectional", 0) ||
        rewrite_int(node, "do_rotary", 0))
        return false;
    if (!(is_self ? read_self(rw, node, found) : read_many(rw, node, found)))
        return false;
    for (size_t i = 0; i < PARTS; i++)
        if (found->widths[i] < 1 || found->widths[i] % found->heads != 0)
            return false;
    found->mask_rank = mask_rank(rw, facts, found->mask);
    if (!(fabsf(found->scale) > 0))
        found->scale = 1 / sqrtf((float)found->widths[Q] / (float)found->heads);
    return found->widths[Q] == found->widths[K] && found->mask_rank >= 0;
}

/* --- making nodes --- */

static uint32_t put(struct opening *opening, const char *name,
                    const struct rewrite_spec *spec)
{
    uint32_t made = rewrite_add_value(opening->rw, name, opening->err);

    if (made == ENG_NO_VALUE ||
        !rewrite_insert(opening->rw, opening->at, spec, made, opening->err))
        return ENG_NO_VALUE;
    opening->at++;
    return made;
}

/* A node of one or two inputs and at most one attribute. */
static uint32_t put_node(struct opening *opening, const char *op,
                         int64_t version, uint32_t a, uint32_t b,
                         const struct eng_attr *attr)
{
    const uint32_t inputs[] = {a, b};
    const struct rewrite_spec spec = {.domain = "",
                                      .op = op,
                                      .version = version,
                                      .inputs = inputs,
                                      .input_count = b == ENG_NO_VALUE ? 1 : 2,
                                      .attrs = attr,
                                      .attr_count = attr != NULL};

    return a == ENG_NO_VALUE ? ENG_NO_VALUE
                             : put(opening, "(attention)", &spec);
}

static uint32_t put_constant(struct opening *opening, enum eng_dtype dtype,
                             const void *data, int64_t count)
{
    struct eng_tensor tensor = {
        .dtype = dtype, .rank = count > 0, .dims = {count}};

    tensor.data =
        arena_copy(&opening->rw->graph->arena, data, eng_tensor_size(&tensor));
    if (!tensor.data) {
        fail(opening->err, ERR_OUT_OF_MEMORY, "no memory for the model");
        return ENG_NO_VALUE;
    }
    return rewrite_add_constant(opening->rw, "(attention)", &tensor,
                                opening->err);
}

/* Columns [first, first + width) of `value`. */
static uint32_t put_slice(struct opening *opening, uint32_t value,
                          int64_t first, int64_t width)
{
    static const int64_t last_axis[] = {2};
    int64_t *ends = arena_alloc(&opening->rw->graph->arena, 2 * sizeof *ends);
    struct rewrite_spec spec = {.domain = "",
                                .op = "Slice",
                                .version = 1,
                                .inputs = &value,
                                .input_count = 1,
                                .attr_count = 3};

    if (!ends) {
        fail(opening->err, ERR_OUT_OF_MEMORY, "no memory for the model");
        return ENG_NO_VALUE;
    }
    ends[0] = first;
    ends[1] = first + width;
    spec.attrs = (const struct eng_attr[]){
        {"axes", ENG_ATTR_INTS, 1, {.ints = last_axis}},
        {"starts", ENG_ATTR_INTS, 1, {.ints = ends}},
        {"ends", ENG_ATTR_INTS, 1, {.ints = ends + 1}}};
    return put(opening, "(attention)", &spec);
}

/* q, k or v with its bias, [batch, rows, heads, size]. */
static uint32_t put_part(struct opening *opening, const struct attention *found,
                         size_t i, uint32_t all)
{
    const int64_t shape[] = {0, 0, found->heads,
                             found->widths[i] / found->heads};
    uint32_t value = found->inputs[i], bias;
    int64_t first = 0;

    for (size_t k = 0; k < i; k++)
        first += found->widths[k];
    if (found->is_self) {
        value = put_slice(opening, all, first, found->widths[i]);
    } else if (found->bias != ENG_NO_VALUE) {
        const struct eng_tensor *whole =
            rewrite_constant(opening->rw, found->bias);

        bias =
            put_constant(opening, ENG_F32, (const float *)whole->data + first,
                         found->widths[i]);
        if (bias == ENG_NO_VALUE)
            return ENG_NO_VALUE;
        value = put_node(opening, "Add", 14, value, bias, NULL);
    }
    bias = put_constant(opening, ENG_I64, shape, 4);
    return bias == ENG_NO_VALUE
               ? ENG_NO_VALUE
               : put_node(opening, "Reshape", 13, value, bias, NULL);
}

/* Whether each key counts, [batch, keys], where the mask is how many do. */
static uint32_t put_counted(struct opening *opening,
                            const struct attention *found)
{
    static const int64_t numbers[] = {0, 1}, last[] = {1};
    const struct eng_attr axes = {"axes", ENG_ATTR_INTS, 1, {.ints = last}};
    uint32_t keys = found->inputs[found->is_self ? Q : K];
    uint32_t rows = put_node(opening, "Shape", 1, keys, ENG_NO_VALUE, NULL);
    uint32_t zero = put_constant(opening, ENG_I64, &numbers[0], 0);
    uint32_t one = put_constant(opening, ENG_I64, &numbers[1], 0), counts;
    uint32_t inputs[] = {zero, ENG_NO_VALUE, one};
    const struct rewrite_spec range = {.domain = "",
                                       .op = "Range",
                                       .version = 11,
                                       .inputs = inputs,
                                       .input_count = 3};
    const struct eng_attr wide = {"to", ENG_ATTR_INT, 1, {.i = ENG_I64}};

    if (zero == ENG_NO_VALUE || one == ENG_NO_VALUE)
        return ENG_NO_VALUE;
    inputs[1] = put_node(opening, "Gather", 13, rows, one, NULL);
    if (inputs[1] == ENG_NO_VALUE)
        return ENG_NO_VALUE;
    rows = put(opening, "(attention)", &range);
    counts = put_node(opening, "Cast", 13, found->mask, ENG_NO_VALUE, &wide);
    counts = put_node(opening, "Unsqueeze", 1, counts, ENG_NO_VALUE, &axes);
    return counts == ENG_NO_VALUE
               ? ENG_NO_VALUE
               : put_node(opening, "Less", 13, rows, counts, NULL);
}

/* What is added to the scores because of the mask, [batch, 1, 1 or rows,
 * keys]. */
static uint32_t put_mask(struct opening *opening, const struct attention *found)
{
    static const int64_t axes[] = {1, 2};
    const struct eng_attr truth = {"to", ENG_ATTR_INT, 1, {.i = ENG_BOOL}};
    const struct eng_attr floats = {"to", ENG_ATTR_INT, 1, {.i = ENG_F32}};
    const struct eng_attr where = {
        "axes", ENG_ATTR_INTS, found->mask_rank < 3 ? 2 : 1, {.ints = axes}};
    uint32_t filter = put_constant(opening, ENG_F32, &found->filter, 0), mask;

    if (filter == ENG_NO_VALUE)
        return filter;
    mask = found->mask_rank == 1 ? put_counted(opening, found)
                                 : put_node(opening, "Cast", 13, found->mask,
                                            ENG_NO_VALUE, &truth);
    mask = put_node(opening, "Not", 1, mask, ENG_NO_VALUE, NULL);
    mask = put_node(opening, "Cast", 13, mask, ENG_NO_VALUE, &floats);
    mask = put_node(opening, "Mul", 14, mask, filter, NULL);
    return put_node(opening, "Unsqueeze", 1, mask, ENG_NO_VALUE, &where);
}

/* The node that makes `value`, whatever it is; NULL: none does. */
static const struct eng_node *maker(const struct rewrite *rw, uint32_t value)
{
    uint32_t producer = rw->graph->values[value].producer;

    return producer == ENG_NO_VALUE ? NULL : &rw->graph->nodes[producer];
}

/* Whether `node` is the end of put_mask() for this mask. */
static bool is_mask(const struct rewrite *rw, const struct eng_node *node,
                    const struct attention *found)
{
    static const char *const way[] = {"Unsqueeze", "Mul", "Cast", "Not"};
    float filter = 0;

    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
        if (!node || !rewrite_is(node, way[i]) ||
            strcmp(node->name, "(attention)") != 0)
            return false;
        if (i == 1 && !rewrite_scalar(rw, node->inputs[1], &filter))
            return false;
        node = maker(rw, node->inputs[0]);
    }
    if (node && rewrite_is(node, "Less")) /* Unsqueeze(Cast(mask)) */
        node = maker(rw, node->inputs[1]);
    if (node && rewrite_is(node, "Unsqueeze"))
        node = maker(rw, node->inputs[0]);
    return node && rewrite_is(node, "Cast") && node->inputs[0] == found->mask &&
           !(filter < found->filter) && !(filter > found->filter);
}

/* What a layer before made of the same mask. */
static uint32_t find_mask(const struct rewrite *rw, size_t before,
                          const struct attention *found)
{
    for (size_t i = 0; i < before; i++)
        if (is_mask(rw, &rw->graph->nodes[i], found))
            return rw->graph->nodes[i].outputs[0];
    return ENG_NO_VALUE;
}

/* Both masks, or the one that there is. */
static bool put_masks(struct opening *opening, const struct attention *found,
                      uint32_t *masks)
{
    *masks = found->add;
    if (found->mask == ENG_NO_VALUE)
        return true;
    *masks = find_mask(opening->rw, opening->at, found);
    if (*masks == ENG_NO_VALUE)
        *masks = put_mask(opening, found);
    if (*masks != ENG_NO_VALUE && found->add != ENG_NO_VALUE)
        *masks = put_node(opening, "Add", 14, *masks, found->add, NULL);
    return *masks != ENG_NO_VALUE;
}

static uint32_t put_all_parts(struct opening *opening,
                              const struct attention *found)
{
    uint32_t all = put_node(opening, "MatMul", 13, found->inputs[0],
                            found->inputs[1], NULL);

    return found->bias == ENG_NO_VALUE
               ? all
               : put_node(opening, "Add", 14, all, found->bias, NULL);
}

static uint32_t put_core(struct opening *opening, const struct attention *found)
{
    const struct eng_attr scale = {
        "scale", ENG_ATTR_FLOAT, 1, {.f = found->scale}};
    uint32_t inputs[PARTS + 1], all = ENG_NO_VALUE;
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = "AttentionCore",
                                .version = 1,
                                .inputs = inputs,
                                .attrs = &scale,
                                .attr_count = 1};

    if (!put_masks(opening, found, &inputs[PARTS]))
        return ENG_NO_VALUE;
    if (found->is_self) {
        all = put_all_parts(opening, found);
        if (all == ENG_NO_VALUE)
            return all;
    }
    for (size_t i = 0; i < PARTS; i++) {
        inputs[i] = put_part(opening, found, i, all);
        if (inputs[i] == ENG_NO_VALUE)
            return ENG_NO_VALUE;
    }
    spec.input_count = inputs[PARTS] == ENG_NO_VALUE ? PARTS : PARTS + 1;
    return put(opening, "(attention)", &spec);
}

static bool open_one(struct rewrite *rw, const struct facts *facts,
                     struct eng_node *node, struct error *err)
{
    const int64_t joined[] = {0, 0, -1};
    struct opening opening = {rw, (size_t)(node - rw->graph->nodes), err};
    uint32_t inputs[2];
    struct rewrite_spec spec = {.domain = "",
                                .op = "Reshape",
                                .version = 13,
                                .inputs = inputs,
                                .input_count = 2};
    struct attention found;

    if (!find(rw, facts, node, &found))
        return true;
    inputs[0] = put_core(&opening, &found);
    if (inputs[0] == ENG_NO_VALUE)
        return false;
    inputs[1] = put_constant(&opening, ENG_I64, joined, 3);
    return inputs[1] != ENG_NO_VALUE &&
           rewrite_replace(rw, &rw->graph->nodes[opening.at], &spec, err);
}

bool pass_open_attention(struct eng_graph *graph, struct op_packs *packs,
                         struct error *err)
{
    (void)packs;
    return facts_each(graph, open_one, err);
}
