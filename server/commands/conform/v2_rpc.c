/*
 * Calls of the Open Inference Protocol over gRPC, and tensors in its messages.
 */
#include "conform/v2.h"

#include <string.h>

#include "codec_proto.h"

enum { ANSWER_MAX = 64 * 1024 * 1024, TIMEOUT_MS = 30000 };

/* ---- calls ---- */

static bool call_bytes(struct v2_case *it, const char *method,
                       const struct buf *bytes, struct rpc_answer *answer,
                       struct error *err)
{
    return rpc_client_call(it->rpc,
                           &(struct rpc_request){.method = method,
                                                 .bytes = bytes->data,
                                                 .size = bytes->size,
                                                 .timeout_ms = TIMEOUT_MS},
                           answer, err);
}

bool v2_rpc_open(struct v2_case *it)
{
    const struct conform_subject *subject = it->test->subject;
    struct rpc_answer answer = {0};
    struct error err = {0};

    it->rpc = rpc_client_open(subject->grpc ? subject->grpc : subject->url,
                              ANSWER_MAX, NULL, &err);
    if (!it->rpc ||
        !call_bytes(it, "/inference.GRPCInferenceService/ServerLive",
                    &(struct buf){0}, &answer, &err))
        conform_skip(it->test, "the port does not speak gRPC");
    else if (strcmp(it->test->check->id, "W1") == 0)
        return conform_expect(it->test, answer.status == 0,
                              "ServerLive of inference.GRPCInferenceService "
                              "ends with status %d",
                              answer.status);
    else if (answer.status != 0)
        conform_skip(it->test, "the service is not there: see W1");
    return it->test->outcome == CONFORM_PASSED;
}

bool v2_rpc_call(struct v2_case *it, const struct v2_method *method,
                 const void *request, void **reply, struct rpc_answer *answer)
{
    const char *name = arena_printf(
        &it->arena, "/inference.GRPCInferenceService/%s", method->name);
    struct buf bytes = {0};
    struct error err = {0};
    bool ok;

    *reply = NULL;
    ok = conform_expect(
        it->test,
        name && proto_encode(method->request, request, &bytes, &err) &&
            call_bytes(it, name, &bytes, answer, &err),
        "%s: %s", method->name, err.msg);
    buf_release(&bytes);
    if (!ok || answer->status != 0)
        return ok;
    return conform_expect(it->test,
                          proto_decode(method->reply, answer->bytes,
                                       answer->size, &it->arena, reply, &err),
                          "%s: the answer is no message of this method: %s",
                          method->name, err.msg);
}

/* ---- typed contents ---- */

/* The list of a datatype, with the width of its elements in memory. */
struct slot {
    void **items;
    size_t *count;
    size_t width;
};

static struct slot slot_of(struct oip_infer_tensor_contents *in,
                           enum eng_dtype dtype)
{
    switch (dtype) {
    case ENG_BOOL:
        return (struct slot){(void **)&in->bool_contents, &in->n_bool_contents,
                             sizeof *in->bool_contents};
    case ENG_I8:
    case ENG_I16:
    case ENG_I32:
        return (struct slot){(void **)&in->int_contents, &in->n_int_contents,
                             sizeof *in->int_contents};
    case ENG_I64:
        return (struct slot){(void **)&in->int64_contents,
                             &in->n_int64_contents, sizeof *in->int64_contents};
    case ENG_U8:
    case ENG_U16:
    case ENG_U32:
        return (struct slot){(void **)&in->uint_contents, &in->n_uint_contents,
                             sizeof *in->uint_contents};
    case ENG_U64:
        return (struct slot){(void **)&in->uint64_contents,
                             &in->n_uint64_contents,
                             sizeof *in->uint64_contents};
    case ENG_F32:
        return (struct slot){(void **)&in->fp32_contents, &in->n_fp32_contents,
                             sizeof *in->fp32_contents};
    case ENG_F64:
        return (struct slot){(void **)&in->fp64_contents, &in->n_fp64_contents,
                             sizeof *in->fp64_contents};
    case ENG_STRING:
        return (struct slot){(void **)&in->bytes_contents,
                             &in->n_bytes_contents, sizeof *in->bytes_contents};
    case ENG_F16:
    case ENG_BF16:
    case ENG_NONE:
    default:
        return (struct slot){0};
    }
}

/* A wider copy of a little-endian integer, with its sign. */
static void widen(enum eng_dtype dtype, const uint8_t *from, size_t width,
                  uint8_t *to)
{
    size_t each = eng_dtype_size(dtype);
    bool negative =
        (dtype == ENG_I8 || dtype == ENG_I16) && (from[each - 1] & 0x80) != 0;

    memset(to, negative ? 0xff : 0, width);
    memcpy(to, from, each);
}

/* Raw BYTES as a list of them; they stay where they are. */
static void list_strings(const struct v2_tensor *tensor,
                         struct ProtobufCBinaryData *list)
{
    size_t at = 0;

    for (int64_t i = 0; i < tensor->count; i++) {
        uint32_t size;

        memcpy(&size, tensor->raw.data + at, sizeof size);
        at += sizeof size;
        list[i] = (struct ProtobufCBinaryData){
            size, (uint8_t *)(uintptr_t)(tensor->raw.data + at)};
        at += size;
    }
}

/* NULL when there is no memory. */
static struct oip_infer_tensor_contents *
typed_of(struct arena *arena, const struct v2_tensor *tensor)
{
    struct oip_infer_tensor_contents *to = oip_infer_tensor_contents_new(arena);
    struct slot slot;
    uint8_t *items;

    if (!to)
        return NULL;
    slot = slot_of(to, tensor->dtype);
    items = arena_zalloc(arena, (size_t)tensor->count + 1, slot.width);
    if (!items)
        return NULL;
    *slot.items = items;
    *slot.count = (size_t)tensor->count;
    if (tensor->dtype == ENG_STRING)
        list_strings(tensor, (void *)items);
    for (size_t i = 0; tensor->dtype != ENG_STRING && i < *slot.count; i++)
        widen(tensor->dtype,
              tensor->raw.data + i * eng_dtype_size(tensor->dtype), slot.width,
              items + i * slot.width);
    return to;
}

/* Raw contents of typed ones; `out` collects them. */
static void raw_of(const struct oip_infer_tensor_contents *from,
                   enum eng_dtype dtype, struct buf *out)
{
    struct oip_infer_tensor_contents copy = *from;
    struct slot slot = slot_of(&copy, dtype);

    for (size_t i = 0; slot.count && i < *slot.count; i++) {
        const uint8_t *item = (const uint8_t *)*slot.items + i * slot.width;
        struct ProtobufCBinaryData bytes;
        uint32_t size;

        if (dtype != ENG_STRING) {
            buf_append(out, item, eng_dtype_size(dtype));
            continue;
        }
        memcpy(&bytes, item, sizeof bytes);
        size = (uint32_t)bytes.len;
        buf_append(out, &size, sizeof size);
        buf_append(out, bytes.data, bytes.len);
    }
}

/* ---- a request ---- */

static bool fill_input(struct v2_case *it, const struct v2_tensor *from,
                       bool typed, struct oip_model_infer_request *to)
{
    struct oip_model_infer_request_infer_input_tensor *input =
        oip_model_infer_request_infer_input_tensor_new(&it->arena);
    size_t at = to->n_inputs;

    if (!input)
        return false;
    input->name = arena_strdup(&it->arena, from->name);
    input->datatype = arena_strdup(&it->arena, oip_dtype_name(from->dtype));
    input->n_shape = from->rank;
    input->shape =
        arena_zalloc(&it->arena, from->rank + 1, sizeof *input->shape);
    if (!input->name || !input->datatype || !input->shape)
        return false;
    memcpy(input->shape, from->dims, from->rank * sizeof *input->shape);
    to->inputs[to->n_inputs++] = input;
    if (typed) {
        input->contents = typed_of(&it->arena, from);
        return input->contents != NULL;
    }
    to->raw_input_contents[at] = (struct ProtobufCBinaryData){
        from->raw.size, (uint8_t *)(uintptr_t)from->raw.data};
    to->n_raw_input_contents++;
    return true;
}

struct oip_model_infer_request *v2_rpc_request(struct v2_case *it, bool typed)
{
    struct oip_model_infer_request *to =
        oip_model_infer_request_new(&it->arena);
    bool ok;

    if (to) {
        to->model_name = arena_strdup(&it->arena, it->model);
        to->inputs =
            arena_zalloc(&it->arena, V2_TENSORS_MAX, sizeof *to->inputs);
        to->raw_input_contents = arena_zalloc(&it->arena, V2_TENSORS_MAX,
                                              sizeof *to->raw_input_contents);
    }
    ok = to && to->model_name && to->inputs && to->raw_input_contents;
    for (size_t i = 0; ok && i < it->inputs.count; i++)
        ok = fill_input(it, &it->inputs.list[i], typed, to);
    return conform_expect(it->test, ok, "no memory") ? to : NULL;
}

/* ---- an answer ---- */

/* The output's fields as a tensor of JSON, which carries no data. */
static json_t *
describe(const struct oip_model_infer_response_infer_output_tensor *output)
{
    json_t *shape = json_array();

    for (size_t i = 0; i < output->n_shape; i++)
        (void)json_array_append_new(shape, json_integer(output->shape[i]));
    return json_pack("{s:s, s:s, s:o}", "name",
                     output->name ? output->name : "", "datatype",
                     output->datatype ? output->datatype : "", "shape", shape);
}

static bool take_output(struct v2_case *it,
                        const struct oip_model_infer_response *reply,
                        size_t index, struct v2_tensors *outputs)
{
    const struct oip_model_infer_response_infer_output_tensor *output =
        reply->outputs[index];
    json_t *port = describe(output);
    struct buf bytes = {0};
    struct oip_bytes raw;
    bool ok;

    if (reply->n_raw_output_contents)
        raw = (struct oip_bytes){reply->raw_output_contents[index].data,
                                 reply->raw_output_contents[index].len};
    else {
        if (output->contents)
            raw_of(output->contents,
                   oip_dtype_by_name(output->datatype ? output->datatype : ""),
                   &bytes);
        raw = (struct oip_bytes){
            (const uint8_t *)arena_copy(
                &it->arena, bytes.data ? bytes.data : "", bytes.size),
            bytes.size};
    }
    ok = v2_add_raw(it, port, &raw, outputs);
    buf_release(&bytes);
    json_decref(port);
    return ok;
}

bool v2_rpc_outputs(struct v2_case *it,
                    const struct oip_model_infer_response *reply,
                    struct v2_tensors *outputs)
{
    outputs->count = 0;
    if (!conform_expect(it->test,
                        reply->model_name &&
                            strcmp(reply->model_name, it->model) == 0,
                        "model_name is another over gRPC") ||
        !conform_expect(it->test,
                        reply->n_raw_output_contents == 0 ||
                            reply->n_raw_output_contents == reply->n_outputs,
                        "there are %zu raw_output_contents for %zu outputs",
                        reply->n_raw_output_contents, reply->n_outputs))
        return false;
    for (size_t i = 0; i < reply->n_outputs; i++)
        if (!take_output(it, reply, i, outputs))
            return false;
    return true;
}
