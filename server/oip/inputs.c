/*
 * Inputs: from the tensors of a request to those of the model.
 *
 * Each input is found by name, its shape and bytes are checked against each
 * other before anything is allocated for it. Whether the shape is one that the
 * model takes, the engine says.
 */
#include "oip.h"

#include <string.h>

#include "ports.h"
#include "utf8.h"

/* One input while it is looked at. */
struct input {
    const char *name;
    const struct oip_model_infer_request_infer_input_tensor *from;
    struct eng_tensor *to; /* its dtype, rank and dims are set first */
    size_t count;          /* elements */
    struct arena *arena;
};

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
}

static bool wrong(const struct input *input, struct error *err,
                  const char *what)
{
    return fail(err, ERR_VALIDATION_ERROR, "input '%.80s' %s", input->name,
                what);
}

/* ---- shape ---- */

static bool take_shape(struct input *input, struct error *err)
{
    struct eng_tensor *to = input->to;
    int64_t count;

    if (input->from->n_shape > ENG_RANK_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has %zu dimensions, at most %d are taken",
                    input->name, input->from->n_shape, (int)ENG_RANK_MAX);
    to->rank = (int)input->from->n_shape;
    for (int i = 0; i < to->rank; i++) {
        to->dims[i] = input->from->shape[i];
        if (to->dims[i] < 0)
            return wrong(input, err, "has a negative dimension");
    }
    count = eng_tensor_count(to);
    if (count < 0 || eng_tensor_size(to) == SIZE_MAX)
        return wrong(input, err, "has a shape whose product overflows");
    input->count = (size_t)count;
    return true;
}

/* ---- raw contents ---- */

/* The strings of length-prefixed elements; they stay where they are. */
static bool take_raw_strings(struct input *input, const struct oip_bytes *raw,
                             struct error *err)
{
    struct eng_string *strings;
    size_t at = 0;

    if (input->count > raw->size / 4)
        return wrong(input, err, "has fewer elements than its shape says");
    strings = arena_zalloc(input->arena, input->count, sizeof *strings);
    if (!strings)
        return no_memory(err);
    for (size_t i = 0; i < input->count; i++) {
        uint32_t size;

        if (raw->size - at < sizeof size)
            return wrong(input, err, "has fewer elements than its shape says");
        memcpy(&size, raw->data + at, sizeof size);
        at += sizeof size;
        if (size > raw->size - at)
            return wrong(input, err, "has an element that ends past its data");
        strings[i].text = (const char *)raw->data + at;
        strings[i].size = size;
        if (!utf8_valid(strings[i].text, size))
            return wrong(input, err, "has an element that is not UTF-8");
        at += size;
    }
    if (at != raw->size)
        return wrong(input, err, "has more elements than its shape says");
    input->to->data = strings;
    return true;
}

static bool check_bools(const struct input *input, const uint8_t *bytes,
                        struct error *err)
{
    for (size_t i = 0; i < input->count; i++)
        if (bytes[i] > 1)
            return wrong(input, err, "has a BOOL that is neither 0 nor 1");
    return true;
}

static bool take_raw(struct input *input, const struct oip_bytes *raw,
                     struct error *err)
{
    size_t each = eng_dtype_size(input->to->dtype);
    size_t size = each * input->count;

    if (input->to->dtype == ENG_STRING)
        return take_raw_strings(input, raw, err);
    if (raw->size != size)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has %zu bytes, its shape and datatype make "
                    "%zu",
                    input->name, raw->size, size);
    if (input->to->dtype == ENG_BOOL && !check_bools(input, raw->data, err))
        return false;
    /* The engine only reads its inputs. */
    memcpy(&input->to->data, &raw->data, sizeof input->to->data);
    if ((uintptr_t)raw->data % each == 0 && raw->data)
        return true;
    input->to->data = arena_copy(input->arena, raw->data, size);
    return input->to->data != NULL || no_memory(err);
}

/* ---- typed contents ---- */

/* What a typed list holds, whichever it is. */
struct list {
    const void *items;
    size_t count;
};

/* The list that belongs to the datatype; NULL items if it has none. */
static struct list list_of(const struct oip_infer_tensor_contents *from,
                           enum eng_dtype dtype)
{
    switch (dtype) {
    case ENG_BOOL:
        return (struct list){from->bool_contents, from->n_bool_contents};
    case ENG_I8:
    case ENG_I16:
    case ENG_I32:
        return (struct list){from->int_contents, from->n_int_contents};
    case ENG_I64:
        return (struct list){from->int64_contents, from->n_int64_contents};
    case ENG_U8:
    case ENG_U16:
    case ENG_U32:
        return (struct list){from->uint_contents, from->n_uint_contents};
    case ENG_U64:
        return (struct list){from->uint64_contents, from->n_uint64_contents};
    case ENG_F32:
        return (struct list){from->fp32_contents, from->n_fp32_contents};
    case ENG_F64:
        return (struct list){from->fp64_contents, from->n_fp64_contents};
    case ENG_STRING:
        return (struct list){from->bytes_contents, from->n_bytes_contents};
    case ENG_F16:
    case ENG_BF16:
    case ENG_NONE:
    default:
        return (struct list){0};
    }
}

/* Elements in all lists, to find those that stand in a wrong one. */
static size_t all_elements(const struct oip_infer_tensor_contents *from)
{
    return from->n_bool_contents + from->n_int_contents +
           from->n_int64_contents + from->n_uint_contents +
           from->n_uint64_contents + from->n_fp32_contents +
           from->n_fp64_contents + from->n_bytes_contents;
}

static bool take_strings(struct input *input, const struct list *list,
                         struct error *err)
{
    const struct ProtobufCBinaryData *items = list->items;
    struct eng_string *strings =
        arena_zalloc(input->arena, list->count, sizeof *strings);

    if (!strings)
        return no_memory(err);
    for (size_t i = 0; i < list->count; i++) {
        strings[i].text = (const char *)items[i].data;
        strings[i].size = items[i].len;
        if (!utf8_valid(strings[i].text, strings[i].size))
            return wrong(input, err, "has an element that is not UTF-8");
    }
    input->to->data = strings;
    return true;
}

/* Writes one element of a wider list into its place; false if it does not fit.
 * The low bytes of a number are the number of the smaller type. */
static bool narrow(enum eng_dtype dtype, const struct list *list, size_t i,
                   uint8_t *out)
{
    size_t size = eng_dtype_size(dtype);
    int32_t top = (int32_t)1 << (8 * size - 1);
    const int32_t *ints = list->items;

    if (dtype == ENG_BOOL) { /* protobuf-c's bool is an int */
        out[i] = ints[i] != 0;
        return true;
    }
    memcpy(out + i * size, &ints[i], size);
    if (dtype == ENG_I8 || dtype == ENG_I16)
        return ints[i] >= -top && ints[i] < top;
    return (uint32_t)ints[i] < 2 * (uint32_t)top;
}

static bool take_narrow(struct input *input, const struct list *list,
                        struct error *err)
{
    uint8_t *out = arena_zalloc(input->arena, list->count,
                                eng_dtype_size(input->to->dtype));

    if (!out)
        return no_memory(err);
    for (size_t i = 0; i < list->count; i++)
        if (!narrow(input->to->dtype, list, i, out))
            return wrong(input, err, "has a value outside its datatype");
    input->to->data = out;
    return true;
}

static bool take_contents(struct input *input, struct error *err)
{
    const struct oip_infer_tensor_contents *from = input->from->contents;
    enum eng_dtype dtype = input->to->dtype;
    struct list list = {0};

    if (from)
        list = list_of(from, dtype);
    if (from && (dtype == ENG_F16 || dtype == ENG_BF16))
        return wrong(input, err,
                     "has a datatype that exists as raw bytes only");
    if (from && all_elements(from) != list.count)
        return wrong(input, err, "has contents of another datatype");
    if (list.count != input->count)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has %zu elements, its shape says %zu",
                    input->name, list.count, input->count);
    if (dtype == ENG_STRING)
        return take_strings(input, &list, err);
    if (dtype == ENG_BOOL || eng_dtype_size(dtype) < 4)
        return take_narrow(input, &list, err);
    memcpy(&input->to->data, &list.items, sizeof input->to->data);
    return true;
}

/* ---- the request ---- */

static bool take_one(struct input *input, const struct eng_port *port,
                     const struct oip_bytes *raw, struct error *err)
{
    enum eng_dtype dtype = oip_dtype_by_name(input->from->datatype);

    if (oip_parameter(&oip_model_infer_request_infer_input_tensor_def,
                      input->from, "shared_memory_region"))
        return fail(err, ERR_NOT_IMPLEMENTED,
                    "input '%.80s': shared memory is not offered", input->name);
    if (dtype == ENG_NONE)
        return wrong(input, err, "has a datatype that does not exist");
    if (dtype != port->dtype)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has datatype %s, the model takes %s",
                    input->name, oip_dtype_name(dtype),
                    oip_dtype_name(port->dtype));
    input->to->dtype = dtype;
    if (!take_shape(input, err))
        return false;
    if (!raw)
        return take_contents(input, err);
    if (input->from->contents)
        return wrong(input, err, "has both contents and raw contents");
    return take_raw(input, raw, err);
}

static bool check_raw_count(const struct oip_model_infer_request *request,
                            struct error *err)
{
    if (request->n_raw_input_contents == 0 ||
        request->n_raw_input_contents == request->n_inputs)
        return true;
    return fail(err, ERR_VALIDATION_ERROR,
                "there are %zu raw_input_contents for %zu inputs",
                request->n_raw_input_contents, request->n_inputs);
}

static bool check_all_there(const struct eng_model *model,
                            const struct eng_tensor *inputs, struct error *err)
{
    for (size_t i = 0; i < eng_model_input_count(model); i++)
        if (inputs[i].dtype == ENG_NONE)
            return fail(err, ERR_VALIDATION_ERROR, "input '%.80s' is missing",
                        eng_model_input(model, i)->name);
    return true;
}

bool oip_inputs(struct srv_call *call, const struct eng_model *model,
                const struct oip_model_infer_request *request,
                struct eng_tensor *inputs, struct error *err)
{
    if (!check_raw_count(request, err))
        return false;
    for (size_t i = 0; i < request->n_inputs; i++) {
        const struct oip_model_infer_request_infer_input_tensor *from =
            request->inputs[i];
        struct input input = {.name = from->name ? from->name : "",
                              .from = from,
                              .arena = &call->arena};
        struct oip_bytes raw = {0};
        size_t index;

        if (!ports_input(model, input.name, &index))
            return wrong(&input, err, "is not an input of the model");
        input.to = &inputs[index];
        if (input.to->dtype != ENG_NONE)
            return wrong(&input, err, "is there twice");
        if (request->n_raw_input_contents)
            raw = (struct oip_bytes){request->raw_input_contents[i].data,
                                     request->raw_input_contents[i].len};
        if (!take_one(&input, eng_model_input(model, index),
                      request->n_raw_input_contents ? &raw : NULL, err))
            return false;
    }
    return check_all_there(model, inputs, err);
}
