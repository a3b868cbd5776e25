/*
 * The body of POST .../infer: JSON, perhaps followed by raw tensors.
 *
 *   Inference-Header-Content-Length: 97      the JSON is that long,
 *   {"inputs":[{.. "binary_data_size":16}]}  raw tensors follow in order
 *   <16 bytes>
 *
 * Every input ends as raw contents of the message: raw bytes where they lie in
 * the body, numbers of JSON converted. A length of 0 is a body without JSON,
 * the raw tensor of a model that has one input.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec.h"
#include "json_scan.h"
#include "msg.h"
#include "num.h"

enum {
    JSON_MAX = 8 << 20, /* bytes; larger tensors come as binary data */
    DEPTH_MAX = 16,     /* of values that nobody reads, and of data */
    PARAMETERS_MAX = 64,
    TENSORS_MAX = 256
};

/* What one request is read with. */
struct reader {
    struct srv_call *call;
    struct arena *arena;
    struct json_scan scan;
    struct oip_model_infer_request *to;
    const uint8_t *binary; /* the raw bytes that no tensor has taken yet */
    size_t binary_left;
};

/* A JSON member and who reads its value. */
struct member {
    const char *key;
    bool (*read)(struct reader *in, void *to, struct error *err);
};

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
}

/* ---- JSON in general ---- */

static bool expected(struct reader *in, const char *what, char first,
                     struct error *err)
{
    if (json_scan_peek(&in->scan) == first)
        return true;
    (void)json_scan_fail(&in->scan, err, what);
    err->code = ERR_VALIDATION_ERROR;
    return false;
}

/* One member of an object: those that are not in the list are skipped. */
static bool read_member(struct reader *in, const struct member *members,
                        void *to, unsigned *seen, struct error *err)
{
    const char *key, *skipped;
    size_t size;

    if (!json_scan_string(&in->scan, &key, &size, err) ||
        !json_scan_expect(&in->scan, ':', err))
        return false;
    for (unsigned i = 0; members[i].key; i++) {
        if (strlen(members[i].key) != size ||
            memcmp(members[i].key, key, size) != 0)
            continue;
        if (*seen & 1U << i)
            return fail(err, ERR_MALFORMED_JSON, "'%s' is there twice",
                        members[i].key);
        *seen |= 1U << i;
        return members[i].read(in, to, err);
    }
    return json_scan_skip(&in->scan, DEPTH_MAX, &skipped, &size, err);
}

static bool read_object(struct reader *in, const struct member *members,
                        void *to, struct error *err)
{
    unsigned seen = 0;

    if (!json_scan_expect(&in->scan, '{', err))
        return false;
    if (json_scan_accept(&in->scan, '}'))
        return true;
    do {
        if (!read_member(in, members, to, &seen, err))
            return false;
    } while (json_scan_accept(&in->scan, ','));
    return json_scan_expect(&in->scan, '}', err);
}

static char *read_text(struct reader *in, const char *what, struct error *err)
{
    const char *text;
    char *copy;
    size_t size;

    if (!expected(in, what, '"', err) ||
        !json_scan_string(&in->scan, &text, &size, err))
        return NULL;
    copy = arena_copy(in->arena, text, size);
    if (!copy)
        (void)no_memory(err);
    return copy;
}

/* ---- parameters ---- */

/* A number: signed if it fits, then unsigned, else a double. */
static bool read_number(struct reader *in, struct oip_infer_parameter *to,
                        struct error *err)
{
    struct num_integer whole;
    const char *text;
    size_t size;
    double value = 0;

    if (!json_scan_number(&in->scan, &text, &size, err))
        return false;
    (void)num_scan_double(text, text + size, &value);
    if (!num_scan_integer(text, text + size, &whole) ||
        whole.fit != NUM_INTEGER ||
        (whole.negative && whole.magnitude > (uint64_t)INT64_MAX))
        oip_infer_parameter_set_double_param(to, value);
    else if (whole.magnitude > (uint64_t)INT64_MAX)
        oip_infer_parameter_set_uint64_param(to, whole.magnitude);
    else
        oip_infer_parameter_set_int64_param(to, whole.negative
                                                    ? -(int64_t)whole.magnitude
                                                    : (int64_t)whole.magnitude);
    return true;
}

/* NULL after a failure. */
static struct oip_infer_parameter *read_value(struct reader *in,
                                              struct error *err)
{
    struct oip_infer_parameter *to = oip_infer_parameter_new(in->arena);
    char first = json_scan_peek(&in->scan), letter;
    bool ok = true;

    if (!to) {
        (void)no_memory(err);
        return NULL;
    }
    if (first == '"') {
        oip_infer_parameter_set_string_param(
            to, read_text(in, "expected a string", err));
        ok = to->string_param != NULL;
    } else if (first == 't' || first == 'f') {
        ok = json_scan_literal(&in->scan, &letter, err);
        oip_infer_parameter_set_bool_param(to, first == 't');
    } else if (first == '{' || first == '[' || first == 'n') {
        ok = fail(err, ERR_VALIDATION_ERROR,
                  "a parameter is a string, number or boolean");
    } else {
        ok = read_number(in, to, err);
    }
    return ok ? to : NULL;
}

/* One entry for the map of whichever message; its shape is in the tables. */
static void *read_parameter(struct reader *in, const struct msg_field *map,
                            struct error *err)
{
    void *entry = msg_new(map->sub, in->arena);
    struct oip_infer_parameter *value;
    char *key;

    if (!entry) {
        (void)no_memory(err);
        return NULL;
    }
    key = read_text(in, "expected the name of a parameter", err);
    if (!key || !json_scan_expect(&in->scan, ':', err))
        return NULL;
    value = read_value(in, err);
    memcpy(msg_member(&map->sub->fields[0], entry), &key, sizeof(char *));
    memcpy(msg_member(&map->sub->fields[1], entry), &value, sizeof value);
    return value ? entry : NULL;
}

/* {"name": value, ...} into the map `parameters` of a message. */
static bool read_parameters(struct reader *in, const struct msg_def *def,
                            void *message, struct error *err)
{
    const struct msg_field *map = oip_parameters_field(def);
    void **entries = arena_zalloc(in->arena, PARAMETERS_MAX, sizeof *entries);
    size_t count = 0;

    if (!entries)
        return no_memory(err);
    if (!expected(in, "'parameters' is no object", '{', err))
        return false;
    (void)json_scan_accept(&in->scan, '{');
    if (json_scan_accept(&in->scan, '}'))
        return true;
    do {
        if (count == PARAMETERS_MAX)
            return fail(err, ERR_VALIDATION_ERROR, "more than %d parameters",
                        (int)PARAMETERS_MAX);
        entries[count] = read_parameter(in, map, err);
        if (!entries[count++])
            return false;
    } while (json_scan_accept(&in->scan, ','));
    memcpy(msg_member(map, message), &entries, sizeof(void *));
    memcpy((char *)message + map->quantifier, &count, sizeof count);
    return json_scan_expect(&in->scan, '}', err);
}

/* ---- inputs ---- */

/* One input while its members come, in any order. */
struct input {
    struct oip_model_infer_request_infer_input_tensor *to;
    const char *data; /* text of its JSON data; NULL = none */
    size_t data_size;
};

static bool read_input_name(struct reader *in, void *to, struct error *err)
{
    struct input *input = to;

    input->to->name = read_text(in, "the 'name' of an input is no string", err);
    return input->to->name != NULL;
}

static bool read_datatype(struct reader *in, void *to, struct error *err)
{
    struct input *input = to;

    input->to->datatype =
        read_text(in, "the 'datatype' of an input is no string", err);
    return input->to->datatype != NULL;
}

static bool read_dimension(struct reader *in, int64_t *to, struct error *err)
{
    struct num_integer value;
    const char *text;
    size_t size;

    if (!json_scan_number(&in->scan, &text, &size, err))
        return false;
    if (!num_scan_integer(text, text + size, &value) ||
        value.fit != NUM_INTEGER || value.magnitude > (uint64_t)INT64_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "a 'shape' has a dimension that is no integer");
    *to = value.negative ? -(int64_t)value.magnitude : (int64_t)value.magnitude;
    return true;
}

static bool read_shape(struct reader *in, void *to, struct error *err)
{
    struct input *input = to;

    input->to->shape =
        arena_alloc(in->arena, ENG_RANK_MAX * sizeof *input->to->shape);
    if (!input->to->shape)
        return no_memory(err);
    if (!expected(in, "a 'shape' is no array", '[', err))
        return false;
    (void)json_scan_accept(&in->scan, '[');
    if (json_scan_accept(&in->scan, ']'))
        return true;
    do {
        if (input->to->n_shape == ENG_RANK_MAX)
            return fail(err, ERR_VALIDATION_ERROR,
                        "a 'shape' has more than %d dimensions",
                        (int)ENG_RANK_MAX);
        if (!read_dimension(in, &input->to->shape[input->to->n_shape++], err))
            return false;
    } while (json_scan_accept(&in->scan, ','));
    return json_scan_expect(&in->scan, ']', err);
}

static bool read_input_parameters(struct reader *in, void *to,
                                  struct error *err)
{
    struct input *input = to;

    return read_parameters(in, &oip_model_infer_request_infer_input_tensor_def,
                           input->to, err);
}

/* Only found here: what it means depends on members that may come later. */
static bool read_data(struct reader *in, void *to, struct error *err)
{
    struct input *input = to;

    return json_scan_skip(&in->scan, DEPTH_MAX, &input->data, &input->data_size,
                          err);
}

/* The next `binary_data_size` bytes behind the JSON. */
static bool take_binary(struct reader *in, const struct input *input,
                        const struct oip_infer_parameter *size,
                        struct oip_bytes *raw, struct error *err)
{
    uint64_t wanted;

    if (!oip_parameter_count(size, &wanted))
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s': binary_data_size is no size",
                    input->to->name);
    if (input->data)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has both data and binary_data_size",
                    input->to->name);
    if (wanted > in->binary_left)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s': binary_data_size is %llu, the body has "
                    "%zu bytes left",
                    input->to->name, (unsigned long long)wanted,
                    in->binary_left);
    *raw = (struct oip_bytes){in->binary, (size_t)wanted};
    in->binary += wanted;
    in->binary_left -= (size_t)wanted;
    return true;
}

static bool convert(struct reader *in, const struct input *input,
                    struct oip_bytes *raw, struct error *err)
{
    struct eng_tensor tensor = {.rank = (int)input->to->n_shape};
    struct oip_data data = {.name = input->to->name,
                            .dtype = oip_dtype_by_name(input->to->datatype),
                            .dims = input->to->shape,
                            .rank = input->to->n_shape,
                            .text = input->data,
                            .size = input->data_size};

    if (!input->data)
        return fail(err, ERR_VALIDATION_ERROR, "input '%.80s' has no data",
                    data.name);
    if (data.dtype == ENG_NONE)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has a datatype that does not exist",
                    data.name);
    tensor.dtype = data.dtype;
    if (data.rank)
        memcpy(tensor.dims, data.dims, data.rank * sizeof *data.dims);
    data.count = eng_tensor_count(&tensor);
    if (data.count < 0 || eng_tensor_size(&tensor) == SIZE_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "input '%.80s' has a negative dimension or a shape whose "
                    "product overflows",
                    data.name);
    return oip_data_read(&data, in->arena, raw, err);
}

static bool finish_input(struct reader *in, const struct input *input,
                         struct oip_bytes *raw, struct error *err)
{
    const struct oip_infer_parameter *size =
        oip_parameter(&oip_model_infer_request_infer_input_tensor_def,
                      input->to, "binary_data_size");

    if (!input->to->name)
        return fail(err, ERR_VALIDATION_ERROR, "an input has no 'name'");
    if (!input->to->datatype || !input->to->shape)
        return fail(err, ERR_VALIDATION_ERROR, "input '%.80s' has no '%s'",
                    input->to->name,
                    input->to->datatype ? "shape" : "datatype");
    if (size)
        return take_binary(in, input, size, raw, err);
    return convert(in, input, raw, err);
}

static bool read_input(struct reader *in, struct error *err)
{
    static const struct member members[] = {
        {"name", read_input_name}, {"datatype", read_datatype},
        {"shape", read_shape},     {"parameters", read_input_parameters},
        {"data", read_data},       {NULL, NULL}};
    struct oip_model_infer_request *to = in->to;
    struct input input = {
        .to = oip_model_infer_request_infer_input_tensor_new(in->arena)};
    struct oip_bytes raw;

    if (!input.to)
        return no_memory(err);
    input.to->name = input.to->datatype = NULL;
    if (!expected(in, "an input is no object", '{', err) ||
        !read_object(in, members, &input, err) ||
        !finish_input(in, &input, &raw, err))
        return false;
    to->inputs[to->n_inputs++] = input.to;
    to->raw_input_contents[to->n_raw_input_contents].len = raw.size;
    memcpy(&to->raw_input_contents[to->n_raw_input_contents++].data, &raw.data,
           sizeof raw.data);
    return true;
}

/* ---- outputs ---- */

static bool read_output_name(struct reader *in, void *to, struct error *err)
{
    struct oip_model_infer_request_infer_requested_output_tensor *output = to;

    output->name = read_text(in, "the 'name' of an output is no string", err);
    return output->name != NULL;
}

static bool read_output_parameters(struct reader *in, void *to,
                                   struct error *err)
{
    return read_parameters(
        in, &oip_model_infer_request_infer_requested_output_tensor_def, to,
        err);
}

static bool read_output(struct reader *in, struct error *err)
{
    static const struct member members[] = {
        {"name", read_output_name},
        {"parameters", read_output_parameters},
        {NULL, NULL}};
    struct oip_model_infer_request_infer_requested_output_tensor *output =
        oip_model_infer_request_infer_requested_output_tensor_new(in->arena);

    if (!output)
        return no_memory(err);
    output->name = NULL;
    if (!expected(in, "an output is no object", '{', err) ||
        !read_object(in, members, output, err))
        return false;
    if (!output->name)
        return fail(err, ERR_VALIDATION_ERROR, "an output has no 'name'");
    in->to->outputs[in->to->n_outputs++] = output;
    return true;
}

/* ---- the request ---- */

/* [ {..}, {..} ] */
static bool read_list(struct reader *in, const char *what, const size_t *count,
                      bool (*read)(struct reader *in, struct error *err),
                      struct error *err)
{
    if (!expected(in, what, '[', err))
        return false;
    (void)json_scan_accept(&in->scan, '[');
    if (json_scan_accept(&in->scan, ']'))
        return true;
    do {
        if (*count == TENSORS_MAX)
            return fail(err, ERR_VALIDATION_ERROR, "more than %d tensors",
                        (int)TENSORS_MAX);
        if (!read(in, err))
            return false;
    } while (json_scan_accept(&in->scan, ','));
    return json_scan_expect(&in->scan, ']', err);
}

static bool read_inputs(struct reader *in, void *to, struct error *err)
{
    struct oip_model_infer_request *request = to;

    return read_list(in, "'inputs' is no array", &request->n_inputs, read_input,
                     err);
}

static bool read_outputs(struct reader *in, void *to, struct error *err)
{
    struct oip_model_infer_request *request = to;

    return read_list(in, "'outputs' is no array", &request->n_outputs,
                     read_output, err);
}

static bool read_id(struct reader *in, void *to, struct error *err)
{
    struct oip_model_infer_request *request = to;

    request->id = read_text(in, "the 'id' is no string", err);
    return request->id != NULL;
}

static bool read_request_parameters(struct reader *in, void *to,
                                    struct error *err)
{
    return read_parameters(in, &oip_model_infer_request_def, to, err);
}

static bool read_json(struct reader *in, size_t size, struct error *err)
{
    static const struct member members[] = {
        {"id", read_id},
        {"parameters", read_request_parameters},
        {"inputs", read_inputs},
        {"outputs", read_outputs},
        {NULL, NULL}};

    if (size > JSON_MAX)
        return fail(err, ERR_PAYLOAD_TOO_LARGE,
                    "the JSON is larger than %d bytes: send tensors as binary "
                    "data",
                    (int)JSON_MAX);
    if (!expected(in, "the request is no object", '{', err) ||
        !read_object(in, members, in->to, err) ||
        !json_scan_end(&in->scan, err))
        return false;
    if (in->to->n_inputs == 0)
        return fail(err, ERR_VALIDATION_ERROR, "the request has no inputs");
    if (in->binary_left > 0)
        return fail(err, ERR_VALIDATION_ERROR,
                    "%zu bytes behind the JSON belong to no input",
                    in->binary_left);
    return true;
}

/* ---- where the JSON ends ---- */

/* The value of Inference-Header-Content-Length; `size` without it. */
static bool json_size(const struct srv_call *call, size_t size, size_t *json,
                      struct error *err)
{
    const char *text = call_header(call, "inference-header-content-length");
    char *end = NULL;
    unsigned long long value;

    *json = size;
    if (!text)
        return true;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return fail(err, ERR_VALIDATION_ERROR,
                    "Inference-Header-Content-Length is no size");
    if (value > size)
        return fail(err, ERR_VALIDATION_ERROR,
                    "Inference-Header-Content-Length is %llu, the body has "
                    "%zu bytes",
                    value, size);
    *json = (size_t)value;
    return true;
}

static bool make_room(struct reader *in)
{
    struct oip_model_infer_request *to = in->to;

    to->inputs = arena_zalloc(in->arena, TENSORS_MAX, sizeof *to->inputs);
    to->outputs = arena_zalloc(in->arena, TENSORS_MAX, sizeof *to->outputs);
    to->raw_input_contents =
        arena_zalloc(in->arena, TENSORS_MAX, sizeof *to->raw_input_contents);
    return to->inputs && to->outputs && to->raw_input_contents;
}

bool oip_infer_read(struct srv_call *call, void *message, struct error *err)
{
    struct reader in = {.call = call, .arena = &call->arena, .to = message};
    const struct oip_bytes packed = {call->body, call->body_size};
    enum oip_encoding encoding;
    struct oip_bytes body;
    size_t size;

    if (!make_room(&in))
        return no_memory(err);
    if (!oip_encoding_of(call_header(call, "content-encoding"), &encoding,
                         err) ||
        !oip_unpack(encoding, &packed, call->body_max, in.arena, &body, err) ||
        !json_size(call, body.size, &size, err))
        return false;
    in.binary = body.data + size;
    in.binary_left = body.size - size;
    if (size == 0 && call_header(call, "inference-header-content-length"))
        return oip_raw_read(call, &body, in.to, err);
    json_scan_init(&in.scan, (const char *)body.data, size, in.arena);
    return read_json(&in, size, err);
}

static bool takes_binary(const char *content_type)
{
    static const char type[] = "application/octet-stream";

    return strncasecmp(content_type, type, sizeof type - 1) == 0;
}

const struct op_codec oip_model_infer_codec = {.takes = takes_binary,
                                               .decode = oip_infer_read,
                                               .encode = oip_infer_write,
                                               .failure = oip_write_failure,
                                               .encodings = true};
