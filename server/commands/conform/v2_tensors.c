/*
 * Tensors of requests and answers as raw contents, and whether they are the
 * same; see v2.h.
 */
#include "conform/v2.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors in JSON ---- */

static bool read_dims(struct v2_case *it, const json_t *shape,
                      struct v2_tensor *to, struct error *err)
{
    int64_t *dims;
    json_t *dim;
    size_t index;

    to->rank = json_array_size(shape);
    to->dims = dims = arena_zalloc(&it->arena, to->rank + 1, sizeof *dims);
    to->count = 1;
    if (!dims)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory");
    json_array_foreach(shape, index, dim)
    {
        dims[index] = json_integer_value(dim);
        if (dims[index] < 0 || dims[index] > V2_ELEMENTS_MAX ||
            (to->count *= dims[index]) > V2_ELEMENTS_MAX)
            return fail(err, ERR_VALIDATION_ERROR,
                        "'%.80s' has a dimension that is negative or too large",
                        to->name);
    }
    return true;
}

/* A member that is a text, in memory of the case; or NULL. */
static const char *text_of(struct v2_case *it, const json_t *from,
                           const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));

    return text ? arena_strdup(&it->arena, text) : NULL;
}

/* A tensor of a request or an answer, with its data in JSON. */
static bool read_tensor(struct v2_case *it, const json_t *from,
                        struct v2_tensor *to, struct error *err)
{
    char *text = json_dumps(json_object_get(from, "data"), JSON_COMPACT);
    bool ok = false;

    *to = (struct v2_tensor){.name = text_of(it, from, "name"),
                             .dtype = oip_dtype_by_name(json_string_value(
                                 json_object_get(from, "datatype")))};
    if (!to->name || to->dtype == ENG_NONE || !text)
        (void)fail(err, ERR_VALIDATION_ERROR,
                   "a tensor has no name, no datatype or no data");
    else if (read_dims(it, json_object_get(from, "shape"), to, err))
        ok = oip_data_read(&(struct oip_data){.name = to->name,
                                              .dtype = to->dtype,
                                              .dims = to->dims,
                                              .rank = to->rank,
                                              .count = to->count,
                                              .text = text,
                                              .size = strlen(text)},
                           &it->arena, &to->raw, err);
    free(text);
    return ok;
}

bool v2_read_tensors(struct v2_case *it, const json_t *from,
                     struct v2_tensors *to, struct error *err)
{
    json_t *tensor;
    size_t index;

    to->count = 0;
    if (json_array_size(from) > V2_TENSORS_MAX)
        return fail(err, ERR_VALIDATION_ERROR, "there are too many tensors");
    json_array_foreach(from, index, tensor)
    {
        if (!read_tensor(it, tensor, &to->list[to->count++], err))
            return false;
    }
    return true;
}

bool v2_add_raw(struct v2_case *it, const json_t *from,
                const struct oip_bytes *raw, struct v2_tensors *to)
{
    struct v2_tensor *tensor = &to->list[to->count];
    struct error err = {0};
    bool ok;

    if (!conform_expect(it->test, to->count < V2_TENSORS_MAX,
                        "there are too many tensors"))
        return false;
    *tensor = (struct v2_tensor){.name = text_of(it, from, "name"),
                                 .dtype = oip_dtype_by_name(json_string_value(
                                     json_object_get(from, "datatype"))),
                                 .raw = *raw};
    ok = conform_expect(it->test, tensor->name && tensor->dtype != ENG_NONE,
                        "an output has no name or no datatype") &&
         conform_expect(
             it->test,
             read_dims(it, json_object_get(from, "shape"), tensor, &err), "%s",
             err.msg) &&
         conform_expect(it->test,
                        tensor->dtype == ENG_STRING ||
                            raw->size == (size_t)tensor->count *
                                             eng_dtype_size(tensor->dtype),
                        "output '%s' has %zu bytes, which its shape does not "
                        "make",
                        tensor->name, raw->size);
    to->count += ok ? 1 : 0;
    return ok;
}

/* ---- comparing ---- */

/* Numbers may come in another precision, not as other numbers. */
static bool same_floats(const struct v2_tensor *a, const struct v2_tensor *b)
{
    size_t each = eng_dtype_size(a->dtype);

    for (size_t i = 0; i < a->raw.size / each; i++) {
        float narrow[2];
        double wide[2];

        if (a->dtype == ENG_F32) {
            memcpy(&narrow[0], a->raw.data + i * each, each);
            memcpy(&narrow[1], b->raw.data + i * each, each);
            wide[0] = (double)narrow[0];
            wide[1] = (double)narrow[1];
        } else {
            memcpy(&wide[0], a->raw.data + i * each, each);
            memcpy(&wide[1], b->raw.data + i * each, each);
        }
        if (fabs(wide[0] - wide[1]) > 1e-4 * (1 + fabs(wide[1])))
            return false;
    }
    return true;
}

static bool same_tensor(const struct v2_tensor *a, const struct v2_tensor *b)
{
    if (strcmp(a->name, b->name) != 0 || a->dtype != b->dtype ||
        a->rank != b->rank || a->raw.size != b->raw.size ||
        memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) != 0)
        return false;
    if (a->dtype == ENG_F32 || a->dtype == ENG_F64)
        return same_floats(a, b);
    return a->raw.size == 0 ||
           memcmp(a->raw.data, b->raw.data, a->raw.size) == 0;
}

bool v2_same(struct v2_case *it, const char *what, const struct v2_tensors *got)
{
    if (!conform_expect(it->test, got->count == it->outputs.count,
                        "%s: %zu outputs, not %zu", what, got->count,
                        it->outputs.count))
        return false;
    for (size_t i = 0; i < got->count; i++)
        if (!conform_expect(it->test,
                            same_tensor(&got->list[i], &it->outputs.list[i]),
                            "%s: output '%s' is another than in JSON", what,
                            it->outputs.list[i].name))
            return false;
    return true;
}
