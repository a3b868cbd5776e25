/*
 * Codecs of the small endpoints: plain JSON but for a word or two.
 *
 * Failures of all of them are {"error": "..."}, which clients of the protocol
 * read; readiness is also the status; a configuration and an index come without
 * the member that gRPC wraps them in.
 */
#include "codec.h"

#include "codec_json.h"
#include "json_put.h"

void oip_write_failure(struct srv_call *call)
{
    buf_string(&call->out, "{\"error\":");
    json_put_text(&call->out, call->err.msg);
    buf_char(&call->out, '}');
}

const struct op_codec oip_plain_codec = {.failure = oip_write_failure};

/* ---- readiness ---- */

/* Triton's status for "not ready", which clients take for a plain no. */
enum { HTTP_NOT_READY = 400 };

static bool write_server_ready(struct srv_call *call, const void *message,
                               struct error *err)
{
    const struct oip_server_ready_response *reply = message;

    if (!reply->ready)
        call->http_status = HTTP_NOT_READY;
    return json_encode(&oip_server_ready_response_def, reply, &call->out, err);
}

const struct op_codec oip_server_ready_codec = {.encode = write_server_ready,
                                                .failure = oip_write_failure};

static bool write_model_ready(struct srv_call *call, const void *message,
                              struct error *err)
{
    const struct oip_model_ready_response *reply = message;

    if (!reply->ready)
        call->http_status = HTTP_NOT_READY;
    return json_encode(&oip_model_ready_response_def, reply, &call->out, err);
}

const struct op_codec oip_model_ready_codec = {.encode = write_model_ready,
                                               .failure = oip_write_failure};

/* ---- without the wrapping ---- */

static bool write_config(struct srv_call *call, const void *message,
                         struct error *err)
{
    const struct oip_model_config_response *reply = message;

    return json_encode(&oip_model_config_def, reply->config, &call->out, err);
}

const struct op_codec oip_model_config_codec = {.encode = write_config,
                                                .failure = oip_write_failure};

static bool write_index(struct srv_call *call, const void *message,
                        struct error *err)
{
    const struct oip_repository_index_response *reply = message;

    buf_char(&call->out, '[');
    for (size_t i = 0; i < reply->n_models; i++) {
        if (i)
            buf_char(&call->out, ',');
        if (!json_encode(&oip_repository_index_response_model_index_def,
                         reply->models[i], &call->out, err))
            return false;
    }
    buf_char(&call->out, ']');
    return true;
}

/* Clients send this one without a Content-Type, or with any. */
static bool takes_any(const char *content_type)
{
    (void)content_type;
    return true;
}

const struct op_codec oip_repository_index_codec = {
    .takes = takes_any, .encode = write_index, .failure = oip_write_failure};
