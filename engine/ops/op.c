/*
 * The table of operators, and the helpers that operators share.
 */
#include "op.h"

#include <stdlib.h>
#include <string.h>

#define OP(domain, name, since, impl) extern const struct op_impl op_##impl;
#include "ops.def"
#undef OP

static const struct op_row rows[] = {
#define OP(domain, name, since, impl) {domain, #name, since, &op_##impl},
#include "ops.def"
#undef OP
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

size_t op_row_count(void)
{
    return ROW_COUNT;
}

const struct op_row *op_row_at(size_t i)
{
    return &rows[i];
}

/* Opset versions of a domain that the rows are right for. */
static const struct op_domain {
    const char *name;
    int64_t oldest, newest;
} domains[] = {{"", 1, 27},
               {"ai.onnx.ml", 1, 5},
               {"com.microsoft", 1, 1},
               {"specserve", 1, 1}}; /* made by passes, see passes/rewrite.h */

static bool version_is_known(const char *domain, int64_t version)
{
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        if (strcmp(domain, domains[i].name) == 0)
            return version >= domains[i].oldest && version <= domains[i].newest;
    }
    return false;
}

static bool row_is(const struct op_row *row, const char *domain,
                   const char *name)
{
    return strcmp(row->name, name) == 0 && strcmp(row->domain, domain) == 0;
}

const struct op_row *op_find(const char *domain, const char *name,
                             int64_t version, size_t *count)
{
    const struct op_row *best = NULL;

    *count = 0;
    if (!version_is_known(domain, version))
        return NULL;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct op_row *row = &rows[i];

        if (!row_is(row, domain, name) || row->since > version)
            continue;
        if (best && row->since == best->since) {
            (*count)++;
        } else if (!best || row->since > best->since) {
            best = row;
            *count = 1;
        }
    }
    return best;
}

/* --- attributes --- */

const struct eng_attr *op_attr(const struct op_node *op, const char *name)
{
    for (size_t i = 0; i < op->node->attr_count; i++) {
        if (strcmp(op->node->attrs[i].name, name) == 0)
            return &op->node->attrs[i];
    }
    return NULL;
}

/* The attribute in *attr, NULL if absent; fails if it has another type. */
static bool typed_attr(const struct op_node *op, const char *name,
                       enum eng_attr_type type, const struct eng_attr **attr,
                       struct error *err)
{
    *attr = op_attr(op, name);
    if (*attr && (*attr)->type != type)
        return fail(err, ERR_MODEL_INVALID,
                    "attribute '%s' has type %d, expected %d", name,
                    (int)(*attr)->type, (int)type);
    return true;
}

bool op_attr_int(const struct op_node *op, const char *name, int64_t *value,
                 struct error *err)
{
    const struct eng_attr *attr;

    if (!typed_attr(op, name, ENG_ATTR_INT, &attr, err))
        return false;
    if (attr)
        *value = attr->i;
    return true;
}

bool op_attr_float(const struct op_node *op, const char *name, float *value,
                   struct error *err)
{
    const struct eng_attr *attr;

    if (!typed_attr(op, name, ENG_ATTR_FLOAT, &attr, err))
        return false;
    if (attr)
        *value = attr->f;
    return true;
}

bool op_attr_ints(const struct op_node *op, const char *name,
                  const int64_t **values, size_t *count, struct error *err)
{
    const struct eng_attr *attr;

    if (!typed_attr(op, name, ENG_ATTR_INTS, &attr, err))
        return false;
    if (attr) {
        *values = attr->ints;
        *count = attr->count;
    }
    return true;
}

bool op_attr_floats(const struct op_node *op, const char *name,
                    const float **values, size_t *count, struct error *err)
{
    const struct eng_attr *attr;

    if (!typed_attr(op, name, ENG_ATTR_FLOATS, &attr, err))
        return false;
    if (attr) {
        *values = attr->floats;
        *count = attr->count;
    }
    return true;
}

bool op_attr_bool(const struct op_node *op, const char *name, bool *value,
                  struct error *err)
{
    int64_t number = *value;

    if (!op_attr_int(op, name, &number, err))
        return false;
    if (number != 0 && number != 1)
        return fail(err, ERR_MODEL_INVALID,
                    "attribute '%s' is %lld, expected 0 or 1", name,
                    (long long)number);
    *value = number == 1;
    return true;
}

bool op_attr_word(const struct op_node *op, const char *name,
                  const char *const *words, int *index, struct error *err)
{
    const struct eng_attr *attr;

    if (!typed_attr(op, name, ENG_ATTR_STRING, &attr, err))
        return false;
    if (!attr)
        return true;
    for (int i = 0; words[i]; i++) {
        if (strlen(words[i]) == attr->s.size &&
            memcmp(words[i], attr->s.text, attr->s.size) == 0) {
            *index = i;
            return true;
        }
    }
    return fail(err, ERR_MODEL_UNSUPPORTED, "attribute '%s' is '%.*s'", name,
                attr->s.size < 40 ? (int)attr->s.size : 40, attr->s.text);
}

/* --- checks --- */

bool op_axis(int64_t *axis, int rank, struct error *err)
{
    if (*axis < -rank || *axis >= rank)
        return fail(err, ERR_MODEL_INVALID, "axis %lld outside [%d, %d]",
                    (long long)*axis, -rank, rank - 1);
    if (*axis < 0)
        *axis += rank;
    return true;
}

bool op_axes(const int64_t *axes, size_t count, int rank, uint32_t *mask,
             struct error *err)
{
    *mask = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t axis = axes[i];

        if (!op_axis(&axis, rank, err))
            return false;
        if (*mask >> axis & 1)
            return fail(err, ERR_MODEL_INVALID, "axis %lld is named twice",
                        (long long)axes[i]);
        *mask |= 1U << axis;
    }
    return true;
}

bool op_known_ints(const struct op_node *op, size_t input, int64_t *list,
                   size_t max, size_t *count, struct error *err)
{
    const struct eng_tensor *tensor;
    int64_t elements;

    if (!op_has(op, input))
        return fail(err, ERR_MODEL_INVALID, "input %zu is left out", input);
    tensor = op->in[input];
    if (tensor->dtype != ENG_I64 && tensor->dtype != ENG_I32)
        return fail(err, ERR_MODEL_INVALID,
                    "input %zu is %s, expected int64 or int32", input,
                    eng_dtype_name(tensor->dtype));
    if (!tensor->data)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "a shape depends on input %zu, which is not known before "
                    "the run",
                    input);
    elements = eng_tensor_count(tensor);
    if (elements < 0 || (uint64_t)elements > max)
        return fail(err, ERR_MODEL_INVALID,
                    "input %zu has %lld elements, limit %zu", input,
                    (long long)elements, max);
    for (int64_t i = 0; i < elements; i++)
        list[i] = tensor->dtype == ENG_I64 ? ((const int64_t *)tensor->data)[i]
                                           : ((const int32_t *)tensor->data)[i];
    *count = (size_t)elements;
    return true;
}

void op_like(struct eng_tensor *out, const struct eng_tensor *like)
{
    out->dtype = like->dtype;
    eng_shape_set(out, like->rank, like->dims);
}

bool op_want_type(const struct op_node *op, size_t input, uint32_t types,
                  struct error *err)
{
    enum eng_dtype dtype = op->in[input]->dtype;

    if (types >> dtype & 1)
        return true;
    return fail(err, ERR_MODEL_UNSUPPORTED, "input %zu is %s", input,
                eng_dtype_name(dtype));
}

bool op_same_type(const struct op_node *op, size_t a, size_t b,
                  struct error *err)
{
    if (op->in[a]->dtype == op->in[b]->dtype)
        return true;
    return fail(err, ERR_MODEL_INVALID, "input %zu is %s, but input %zu is %s",
                a, eng_dtype_name(op->in[a]->dtype), b,
                eng_dtype_name(op->in[b]->dtype));
}

bool op_broadcast(const struct eng_tensor *a, const struct eng_tensor *b,
                  struct eng_tensor *out, struct error *err)
{
    int rank = a->rank > b->rank ? a->rank : b->rank;
    int64_t dims[ENG_RANK_MAX];

    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - a->rank), ib = i - (rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dims[ia], db = ib < 0 ? 1 : b->dims[ib];
        char left[ENG_SHAPE_TEXT], right[ENG_SHAPE_TEXT];

        if (da != db && da != 1 && db != 1)
            return fail(err, ERR_MODEL_INVALID,
                        "shapes %.60s and %.60s do not broadcast",
                        eng_shape_text(a, left), eng_shape_text(b, right));
        dims[i] = da == 1 ? db : da;
    }
    eng_shape_set(out, rank, dims);
    return true;
}

void op_broadcast_steps(const struct eng_tensor *from,
                        const struct eng_tensor *to,
                        int64_t steps[ENG_RANK_MAX])
{
    int64_t step = 1;

    for (int i = to->rank - 1; i >= 0; i--) {
        int k = i - (to->rank - from->rank);

        steps[i] = k < 0 || from->dims[k] == 1 ? 0 : step;
        if (k >= 0)
            step *= from->dims[k];
    }
}

void *op_alloc(struct op_node *op, size_t size, struct error *err)
{
    void *memory = arena_zalloc(op->arena, 1, size);

    if (!memory)
        fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu bytes", size);
    return memory;
}

bool op_copy_run(const struct op_node *op, const struct op_frame *frame,
                 struct error *err)
{
    size_t size = eng_tensor_size(op->out[0]);

    (void)err;
    if (size)
        memcpy(op_out(op, frame, 0), op_in(op, frame, 0), size);
    return true;
}

bool op_blame(const struct eng_graph *graph, const struct eng_node *node,
              const struct error *cause, struct error *err)
{
    return fail(err, cause->code, "node '%.70s' (%.40s): %.110s",
                eng_node_label(graph, node), node->op, cause->msg);
}
