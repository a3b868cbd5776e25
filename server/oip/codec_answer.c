/*
 * The answer of POST .../infer: JSON with the data in it, or behind it where
 * the request asked for binary data; packed if the caller takes that.
 */
#include <string.h>

#include "codec.h"
#include "json_put.h"
#include "num.h"

enum {
    PACK_MIN = 1024 /* smaller answers gain nothing */
};

/* Does the request want this output as binary data? What the output says
 * counts before what the request says for all. */
static bool wants_binary(const struct oip_model_infer_request *request,
                         const char *name)
{
    const struct msg_def *def =
        &oip_model_infer_request_infer_requested_output_tensor_def;

    for (size_t i = 0; i < request->n_outputs; i++)
        if (strcmp(request->outputs[i]->name, name) == 0 &&
            oip_parameter(def, request->outputs[i], "binary_data"))
            return oip_parameter_is_true(def, request->outputs[i],
                                         "binary_data");
    return oip_parameter_is_true(&oip_model_infer_request_def, request,
                                 "binary_data_output");
}

static void put_member(struct buf *out, const char *key, const char *value)
{
    json_put_text(out, key);
    buf_char(out, ':');
    json_put_text(out, value);
    buf_char(out, ',');
}

static void put_count(struct buf *out, uint64_t value)
{
    if (buf_reserve(out, NUM_TEXT_MAX))
        out->size += num_print_u64(value, out->data + out->size);
}

static bool
put_output(const struct oip_model_infer_response_infer_output_tensor *output,
           const struct oip_bytes *raw, bool binary, struct buf *out,
           struct error *err)
{
    buf_char(out, '{');
    put_member(out, "name", output->name);
    put_member(out, "datatype", output->datatype);
    buf_string(out, "\"shape\":[");
    for (size_t i = 0; i < output->n_shape; i++) {
        if (i)
            buf_char(out, ',');
        put_count(out, (uint64_t)output->shape[i]);
    }
    if (binary) {
        buf_string(out, "],\"parameters\":{\"binary_data_size\":");
        put_count(out, raw->size);
        buf_string(out, "}}");
        return true;
    }
    buf_string(out, "],\"data\":");
    if (!oip_data_write(output->name, oip_dtype_by_name(output->datatype), raw,
                        out, err))
        return false;
    buf_char(out, '}');
    return true;
}

static struct oip_bytes raw_of(const struct oip_model_infer_response *reply,
                               size_t i)
{
    return (struct oip_bytes){reply->raw_output_contents[i].data,
                              reply->raw_output_contents[i].len};
}

/* The JSON; `*binary` counts the outputs that follow it. */
static bool put_json(const struct oip_model_infer_request *request,
                     const struct oip_model_infer_response *reply,
                     struct buf *out, size_t *binary, struct error *err)
{
    buf_char(out, '{');
    put_member(out, "model_name", reply->model_name);
    put_member(out, "model_version", reply->model_version);
    if (*reply->id)
        put_member(out, "id", reply->id);
    buf_string(out, "\"outputs\":[");
    for (size_t i = 0; i < reply->n_outputs; i++) {
        const struct oip_bytes raw = raw_of(reply, i);
        bool behind = wants_binary(request, reply->outputs[i]->name);

        if (i)
            buf_char(out, ',');
        if (!put_output(reply->outputs[i], &raw, behind, out, err))
            return false;
        *binary += behind;
    }
    buf_string(out, "]}");
    return true;
}

static bool add_json_size(struct srv_call *call, size_t size)
{
    char *text = arena_printf(&call->arena, "%zu", size);

    if (text)
        call_add_header(call, "Inference-Header-Content-Length", text);
    return text != NULL;
}

static bool pack(struct srv_call *call, struct error *err)
{
    enum oip_encoding encoding =
        oip_encoding_accepted(call_header(call, "accept-encoding"));

    if (encoding == OIP_IDENTITY || call->out.size < PACK_MIN)
        return true;
    call_add_header(call, "Content-Encoding",
                    encoding == OIP_GZIP ? "gzip" : "deflate");
    return oip_pack(encoding, &call->out, err);
}

bool oip_infer_write(struct srv_call *call, const void *message,
                     struct error *err)
{
    const struct oip_model_infer_request *request = call->request;
    const struct oip_model_infer_response *reply = message;
    size_t binary = 0;

    if (!put_json(request, reply, &call->out, &binary, err))
        return false;
    if (binary) {
        call->content_type = "application/octet-stream";
        if (!add_json_size(call, call->out.size))
            return fail(err, ERR_OUT_OF_MEMORY,
                        "no memory left for the answer");
    }
    for (size_t i = 0; binary && i < reply->n_outputs; i++) {
        const struct oip_bytes raw = raw_of(reply, i);

        if (wants_binary(request, reply->outputs[i]->name))
            buf_append(&call->out, raw.data, raw.size);
    }
    return pack(call, err);
}
