/*
 * Open Inference Protocol v2 over gRPC: the messages as published, the answers
 * of REST.
 */
#include <string.h>

#include "conform/v2.h"

enum { UNIMPLEMENTED = 12 };

#define METHOD(method, message)                                                \
    {                                                                          \
        method, &oip_##message##_request_def, &oip_##message##_response_def    \
    }

static const struct v2_method server_ready =
    METHOD("ServerReady", server_ready);
static const struct v2_method model_ready = METHOD("ModelReady", model_ready);
static const struct v2_method server_metadata =
    METHOD("ServerMetadata", server_metadata);
static const struct v2_method model_metadata =
    METHOD("ModelMetadata", model_metadata);
static const struct v2_method model_infer = METHOD("ModelInfer", model_infer);
static const struct v2_method model_config =
    METHOD("ModelConfig", model_config);
static const struct v2_method model_statistics =
    METHOD("ModelStatistics", model_statistics);
static const struct v2_method stream_infer = {
    "ModelStreamInfer", &oip_model_infer_request_def,
    &oip_model_stream_infer_response_def};

static bool open(struct v2_case *it, struct conform_case *test)
{
    return v2_open(it, test) && v2_rpc_open(it);
}

/* As v2_rpc_call(), and the status must be OK. */
static void *must_answer(struct v2_case *it, const struct v2_method *method,
                         const void *request, struct rpc_answer *answer)
{
    void *reply = NULL;

    if (conform_expect(it->test, request != NULL, "no memory") &&
        v2_rpc_call(it, method, request, &reply, answer))
        (void)conform_expect(it->test, answer->status == 0,
                             "%s ends with status %d: %s", method->name,
                             answer->status, answer->text);
    return reply;
}

static void *must_call(struct v2_case *it, const struct v2_method *method,
                       const void *request)
{
    struct rpc_answer answer = {0};

    return must_answer(it, method, request, &answer);
}

/* ---- server and model ---- */

void conform_v2_service(struct conform_case *test)
{
    struct v2_case it;

    (void)open(&it, test);
    v2_close(&it);
}

void conform_v2_rpc_ready(struct conform_case *test)
{
    struct v2_case it;

    if (open(&it, test)) {
        const struct oip_server_ready_response *server = must_call(
            &it, &server_ready, oip_server_ready_request_new(&it.arena));
        struct oip_model_ready_request *request =
            oip_model_ready_request_new(&it.arena);
        const struct oip_model_ready_response *model;

        if (request)
            request->name = arena_strdup(&it.arena, it.model);
        model = must_call(&it, &model_ready, request);
        (void)conform_expect(test, server && server->ready,
                             "ServerReady says that the server is not ready");
        (void)conform_expect(test, model && model->ready,
                             "ModelReady says that '%s' is not ready",
                             it.model);
    }
    v2_close(&it);
}

/* REST's member, where it has one, is this text. */
static void same_text(struct v2_case *it, const json_t *rest, const char *key,
                      const char *grpc)
{
    const char *text = json_string_value(json_object_get(rest, key));

    (void)conform_expect(it->test, !text || strcmp(text, grpc ? grpc : "") == 0,
                         "%s is '%s' over gRPC and '%s' over REST", key,
                         grpc ? grpc : "", text);
}

void conform_v2_rpc_server(struct conform_case *test)
{
    struct v2_case it;

    if (open(&it, test)) {
        const struct oip_server_metadata_response *reply = must_call(
            &it, &server_metadata, oip_server_metadata_request_new(&it.arena));
        struct conform_answer answer = {0};

        if (reply && conform_get(test, "/v2", &answer)) {
            const json_t *list = json_object_get(answer.json, "extensions");

            same_text(&it, answer.json, "name", reply->name);
            same_text(&it, answer.json, "version", reply->version);
            (void)conform_expect(
                test, !list || json_array_size(list) == reply->n_extensions,
                "there are %zu extensions over gRPC and %zu "
                "over REST",
                reply->n_extensions, json_array_size(list));
        }
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

static void *ask_metadata(struct v2_case *it, struct rpc_answer *answer)
{
    struct oip_model_metadata_request *request =
        oip_model_metadata_request_new(&it->arena);

    if (request)
        request->name = arena_strdup(&it->arena, it->model);
    return must_answer(it, &model_metadata, request, answer);
}

static void
same_ports(struct v2_case *it, const char *what,
           struct oip_model_metadata_response_tensor_metadata *const *ports,
           size_t count)
{
    const json_t *list = json_object_get(it->metadata, what);

    (void)conform_expect(it->test, json_array_size(list) == count,
                         "there are %zu %s over gRPC and %zu over REST", count,
                         what, json_array_size(list));
    for (size_t i = 0; i < count && it->test->outcome == CONFORM_PASSED; i++) {
        const json_t *port = json_array_get(list, i);
        const json_t *shape = json_object_get(port, "shape");

        same_text(it, port, "name", ports[i]->name);
        same_text(it, port, "datatype", ports[i]->datatype);
        (void)conform_expect(it->test,
                             json_array_size(shape) == ports[i]->n_shape,
                             "'%s' has another rank over gRPC",
                             ports[i]->name ? ports[i]->name : "");
        for (size_t d = 0; d < ports[i]->n_shape; d++)
            (void)conform_expect(it->test,
                                 json_integer_value(json_array_get(shape, d)) ==
                                     ports[i]->shape[d],
                                 "'%s' has another shape over gRPC",
                                 ports[i]->name ? ports[i]->name : "");
    }
}

void conform_v2_rpc_metadata(struct conform_case *test)
{
    struct v2_case it;

    if (open(&it, test) && v2_needs_metadata(&it)) {
        struct rpc_answer answer = {0};
        const struct oip_model_metadata_response *reply =
            ask_metadata(&it, &answer);

        if (reply) {
            same_text(&it, it.metadata, "name", reply->name);
            same_text(&it, it.metadata, "platform", reply->platform);
            same_ports(&it, "inputs", reply->inputs, reply->n_inputs);
            same_ports(&it, "outputs", reply->outputs, reply->n_outputs);
        }
    }
    v2_close(&it);
}

/* ---- properties ---- */

/* One field of a message on the wire, of wire type 2; its content is left in
 * `at` and `size`. False: the end, or bytes that are no message. */
struct wire {
    const uint8_t *at, *end;
};

static bool read_varint(struct wire *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; in->at < in->end && shift < 64; shift += 7) {
        *value |= (uint64_t)(*in->at & 0x7f) << shift;
        if (!(*in->at++ & 0x80))
            return true;
    }
    return false;
}

/* The number of the next field, its content in `content` (empty for numbers);
 * 0: the end. */
static uint64_t next_field(struct wire *in, struct wire *content)
{
    static const unsigned char fixed[] = {[1] = 8, [5] = 4};
    uint64_t tag, size = 0;

    if (!read_varint(in, &tag))
        return 0;
    *content = (struct wire){in->at, in->at};
    if ((tag & 7) == 0)
        return read_varint(in, &size) ? tag >> 3 : 0;
    if ((tag & 7) == 2 ? !read_varint(in, &size)
                       : (tag & 7) != 1 && (tag & 7) != 5)
        return 0;
    if ((tag & 7) != 2)
        size = fixed[tag & 7];
    if (size > (uint64_t)(in->end - in->at))
        return 0;
    *content = (struct wire){in->at, in->at + size};
    in->at += size;
    return tag >> 3;
}

/* An entry of map<string, string> whose value is printable. */
static bool is_property(struct wire entry)
{
    struct wire value;
    uint64_t field;

    while ((field = next_field(&entry, &value)) != 0)
        for (; field == 2 && value.at < value.end; value.at++)
            if (*value.at < ' ' && *value.at != '\n' && *value.at != '\t')
                return false;
    return entry.at == entry.end;
}

/* Looks at the properties among the fields of a message; false if there are
 * none. */
static bool check_properties(struct conform_case *test,
                             const struct rpc_answer *answer)
{
    enum { PROPERTIES = 6 };
    struct wire in = {answer->bytes,
                      (const uint8_t *)answer->bytes + answer->size};
    struct wire content;
    bool found = false;
    uint64_t field;

    while ((field = next_field(&in, &content)) != 0) {
        found = found || field == PROPERTIES;
        (void)conform_expect(test, field != PROPERTIES || is_property(content),
                             "field 6 of ModelMetadataResponse is no map of "
                             "strings");
    }
    return found;
}

void conform_v2_properties(struct conform_case *test)
{
    struct v2_case it;

    if (open(&it, test)) {
        struct rpc_answer answer = {0};

        (void)ask_metadata(&it, &answer);
        if (test->outcome == CONFORM_PASSED && !check_properties(test, &answer))
            conform_skip(test, "the model has no properties");
    }
    v2_close(&it);
}

/* ---- inference ---- */

static bool open_infer(struct v2_case *it, struct conform_case *test)
{
    return open(it, test) && v2_needs_answer(it);
}

static void infer_alike(struct conform_case *test, bool typed, const char *what)
{
    struct v2_case it;

    if (open_infer(&it, test)) {
        const struct oip_model_infer_response *reply =
            must_call(&it, &model_infer, v2_rpc_request(&it, typed));
        struct v2_tensors outputs;

        if (reply && v2_rpc_outputs(&it, reply, &outputs))
            (void)v2_same(&it, what, &outputs);
    }
    v2_close(&it);
}

void conform_v2_rpc_typed(struct conform_case *test)
{
    infer_alike(test, true, "typed contents over gRPC");
}

void conform_v2_rpc_raw(struct conform_case *test)
{
    infer_alike(test, false, "raw contents over gRPC");
}

void conform_v2_rpc_id(struct conform_case *test)
{
    struct v2_case it;

    if (open_infer(&it, test)) {
        struct oip_model_infer_request *request = v2_rpc_request(&it, true);
        const struct oip_model_infer_response *reply;

        if (request)
            request->id = arena_strdup(&it.arena, "conform-42");
        reply = must_call(&it, &model_infer, request);
        if (reply)
            (void)conform_expect(
                test, reply->id && strcmp(reply->id, "conform-42") == 0,
                "the answer to id 'conform-42' has id '%s'",
                reply->id ? reply->id : "");
    }
    v2_close(&it);
}

/* ---- parameters ---- */

static bool add_parameter(struct v2_case *it,
                          struct oip_model_infer_request *request,
                          const char *key, struct oip_infer_parameter *value)
{
    struct oip_model_infer_request_parameters_entry *entry =
        arena_alloc(&it->arena, sizeof *entry);

    if (!entry || !value)
        return false;
    oip_model_infer_request_parameters_entry_init(entry);
    entry->key = arena_strdup(&it->arena, key);
    entry->value = value;
    request->parameters[request->n_parameters++] = entry;
    return entry->key != NULL;
}

void conform_v2_parameters(struct conform_case *test)
{
    enum { MOST = 2 };
    struct v2_case it;

    if (open_infer(&it, test)) {
        struct oip_model_infer_request *request = v2_rpc_request(&it, true);
        struct oip_infer_parameter *priority =
            oip_infer_parameter_new(&it.arena);
        struct oip_infer_parameter *weight = oip_infer_parameter_new(&it.arena);
        bool ok = request && priority && weight;

        if (ok) {
            oip_infer_parameter_set_uint64_param(priority, 1);
            oip_infer_parameter_set_double_param(weight, 0.5);
            request->parameters =
                arena_zalloc(&it.arena, MOST, sizeof *request->parameters);
            ok = request->parameters &&
                 add_parameter(&it, request, "priority", priority) &&
                 add_parameter(&it, request, "conform_weight", weight);
        }
        if (conform_expect(test, ok, "no memory"))
            (void)must_call(&it, &model_infer, request);
    }
    v2_close(&it);
}

static bool holds(const struct rpc_answer *in, const char *what, size_t size)
{
    const char *bytes = in->bytes;

    for (size_t i = 0; i + size <= in->size; i++)
        if (memcmp(bytes + i, what, size) == 0)
            return true;
    return false;
}

/* The descriptor of the protocol's file as the server's reflection has it;
 * skips the check if there is none. */
static bool ask_reflection(struct v2_case *it, struct rpc_answer *answer)
{
    static const char *const methods[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    /* file_containing_symbol = 4 */
    static const char request[] = "\x22\x18inference.InferParameter";

    for (size_t i = 0; i < 2; i++) {
        struct error err = {0};

        if (rpc_client_call(it->rpc,
                            &(struct rpc_request){.method = methods[i],
                                                  .bytes = request,
                                                  .size = sizeof request - 1,
                                                  .timeout_ms = 10000},
                            answer, &err) &&
            answer->status == 0 && holds(answer, "parameter_choice", 16))
            return true;
    }
    conform_skip(it->test, "the server does not describe the protocol's file");
    return false;
}

void conform_v2_parameter_fields(struct conform_case *test)
{
    struct v2_case it;
    struct rpc_answer answer = {0};

    if (open(&it, test) && ask_reflection(&it, &answer)) {
        (void)conform_expect(test, holds(&answer, "double_param\x18\x04", 14),
                             "InferParameter has no double_param = 4");
        (void)conform_expect(test, holds(&answer, "uint64_param\x18\x05", 14),
                             "InferParameter has no uint64_param = 5");
    }
    v2_close(&it);
}

/* ---- streams ---- */

static void check_stream(struct v2_case *it,
                         const struct oip_model_stream_infer_response *reply)
{
    const char *message = reply->error_message ? reply->error_message : "";
    struct v2_tensors outputs;

    if (conform_expect(it->test, !*message, "error_message is '%s'", message) &&
        conform_expect(it->test, reply->infer_response != NULL,
                       "infer_response is missing") &&
        v2_rpc_outputs(it, reply->infer_response, &outputs))
        (void)v2_same(it, "a stream", &outputs);
}

void conform_v2_stream(struct conform_case *test)
{
    struct v2_case it;

    if (open_infer(&it, test)) {
        struct oip_model_infer_request *request = v2_rpc_request(&it, false);
        struct rpc_answer answer = {0};
        void *reply = NULL;

        if (request &&
            v2_rpc_call(&it, &stream_infer, request, &reply, &answer)) {
            if (answer.status == UNIMPLEMENTED)
                conform_skip(test, "the server has no ModelStreamInfer");
            if (reply)
                check_stream(&it, reply);
            else
                (void)conform_expect(test, false,
                                     "ModelStreamInfer ends with status %d: %s",
                                     answer.status, answer.text);
        }
    }
    v2_close(&it);
}

/* ---- refusals ---- */

static void refused(struct v2_case *it, const char *what,
                    const struct oip_model_infer_request *request)
{
    struct rpc_answer answer = {0};
    void *reply = NULL;

    if (request && v2_rpc_call(it, &model_infer, request, &reply, &answer))
        (void)conform_expect(it->test, answer.status != 0,
                             "%s is answered with OK", what);
}

void conform_v2_rpc_unknown(struct conform_case *test)
{
    struct v2_case it;

    if (open_infer(&it, test)) {
        struct oip_model_infer_request *request = v2_rpc_request(&it, true);

        if (request)
            request->model_name = arena_strdup(&it.arena, "conform-nobody");
        refused(&it, "a model that is not there", request);
    }
    v2_close(&it);
}

void conform_v2_rpc_contents(struct conform_case *test)
{
    struct v2_case it;

    if (open_infer(&it, test)) {
        struct oip_model_infer_request *both = v2_rpc_request(&it, true);
        struct oip_model_infer_request *raw = v2_rpc_request(&it, false);

        if (both && raw && raw->n_raw_input_contents > 0) {
            struct ProtobufCBinaryData *first = &raw->raw_input_contents[0];

            both->raw_input_contents = raw->raw_input_contents;
            both->n_raw_input_contents = raw->n_raw_input_contents;
            refused(&it, "an input both typed and raw", both);
            raw->n_raw_input_contents--;
            if (raw->n_raw_input_contents > 0)
                refused(&it, "fewer raw contents than inputs", raw);
            raw->n_raw_input_contents++;
            first->len -= first->len > 0 ? 1 : 0;
            refused(&it, "raw contents that are too short", raw);
        }
    }
    v2_close(&it);
}

/* ---- what tools read ---- */

void conform_v2_rpc_config(struct conform_case *test)
{
    struct v2_case it;

    if (open(&it, test) && v2_extension(&it, "model_configuration")) {
        struct oip_model_config_request *request =
            oip_model_config_request_new(&it.arena);
        const struct oip_model_config_response *reply;

        if (request)
            request->name = arena_strdup(&it.arena, it.model);
        reply = must_call(&it, &model_config, request);
        if (reply)
            (void)conform_expect(test,
                                 reply->config && reply->config->name &&
                                     strcmp(reply->config->name, it.model) == 0,
                                 "the configuration of '%s' has another name",
                                 it.model);
    }
    v2_close(&it);
}

void conform_v2_rpc_statistics(struct conform_case *test)
{
    struct v2_case it;

    if (open(&it, test) && v2_extension(&it, "statistics")) {
        struct oip_model_statistics_request *request =
            oip_model_statistics_request_new(&it.arena);
        const struct oip_model_statistics_response *reply;

        if (request)
            request->name = arena_strdup(&it.arena, it.model);
        reply = must_call(&it, &model_statistics, request);
        if (reply)
            (void)conform_expect(
                test,
                reply->n_model_stats > 0 && reply->model_stats[0]->name &&
                    strcmp(reply->model_stats[0]->name, it.model) == 0,
                "there are no statistics of '%s'", it.model);
    }
    v2_close(&it);
}
