/*
 * Typed, OpenAPI: POST /predict as one model takes and answers it. The whole
 * API, for any model, is /openapi.json.
 */
#include <math.h>

#include "json_put.h"
#include "num.h"
#include "typed.h"

static void put_key(struct buf *to, const char *key)
{
    json_put_text(to, key);
    buf_char(to, ':');
}

static void put_string(struct buf *to, const char *key, const char *text)
{
    put_key(to, key);
    json_put_text(to, text);
}

/* "type": what values of the type are in JSON. */
static void put_type(struct buf *to, enum bundle_type type)
{
    switch (type) {
    case BUNDLE_FLOAT:
        buf_string(to, "\"type\":\"number\"");
        break;
    case BUNDLE_INTEGER:
        buf_string(to, "\"type\":\"integer\"");
        break;
    case BUNDLE_BOOLEAN:
        buf_string(to, "\"type\":\"boolean\"");
        break;
    case BUNDLE_FLOATS:
        buf_string(to, "\"type\":\"array\",\"items\":{\"type\":\"number\"}");
        break;
    case BUNDLE_STRINGS:
        buf_string(to, "\"type\":\"array\",\"items\":{\"type\":\"string\"}");
        break;
    case BUNDLE_OBJECT:
        buf_string(to, "\"type\":\"object\"");
        break;
    case BUNDLE_IMAGE:
    case BUNDLE_AUDIO:
        buf_string(to, "\"type\":\"string\",\"contentEncoding\":\"base64\"");
        break;
    case BUNDLE_TEXT:
    case BUNDLE_STRING:
    default:
        buf_string(to, "\"type\":\"string\"");
        break;
    }
}

static void put_doc(struct buf *to, const char *doc)
{
    if (!*doc)
        return;
    buf_char(to, ',');
    put_string(to, "description", doc);
}

static void put_length(struct buf *to, int64_t length)
{
    if (length)
        buf_printf(to, ",\"minItems\":%lld,\"maxItems\":%lld",
                   (long long)length, (long long)length);
}

/* ---- request ---- */

static bool takes_batches(const struct srv_bundle *bundle)
{
    for (size_t i = 0; i < bundle->capability_count; i++)
        if (bundle->capabilities[i].batch)
            return true;
    return false;
}

/* A text may be many, where the model takes several inputs at once; limits in
 * bytes have no keyword. */
static void put_input(struct buf *to, const struct bundle_input *input,
                      const char *doc, bool batch)
{
    put_key(to, input->name);
    buf_char(to, '{');
    if (input->type == BUNDLE_TEXT && batch)
        buf_string(to, "\"type\":[\"string\",\"array\"],\"items\":{\"type\":"
                       "\"string\"}");
    else
        put_type(to, input->type);
    put_length(to, input->length);
    put_doc(to, doc);
    buf_char(to, '}');
}

static void put_bound(struct buf *to, const char *key, double bound)
{
    if (!isfinite(bound))
        return;
    buf_char(to, ',');
    put_key(to, key);
    buf_printf(to, "%.17g", bound);
}

static void put_parameter(struct buf *to,
                          const struct bundle_parameter *parameter)
{
    put_key(to, parameter->name);
    buf_char(to, '{');
    put_type(to, parameter->type);
    if (parameter->values) {
        buf_string(to, ",\"enum\":");
        doc_write_json(parameter->values, to);
    }
    if (parameter->otherwise) {
        buf_string(to, ",\"default\":");
        doc_write_json(parameter->otherwise, to);
    }
    put_bound(to, "minimum", parameter->min);
    put_bound(to, "maximum", parameter->max);
    put_doc(to, parameter->description);
    buf_char(to, '}');
}

static void put_required(struct buf *to, const struct bundle_signature *from)
{
    const char *comma = "";

    buf_string(to, ",\"required\":[");
    for (size_t i = 0; i < from->input_count; i++)
        if (from->inputs[i].required) {
            buf_string(to, comma);
            json_put_text(to, from->inputs[i].name);
            comma = ",";
        }
    for (size_t i = 0; i < from->parameter_count; i++)
        if (from->parameters[i].required) {
            buf_string(to, comma);
            json_put_text(to, from->parameters[i].name);
            comma = ",";
        }
    buf_char(to, ']');
}

static void put_input_types(struct buf *to, const struct srv_bundle *bundle)
{
    const char *comma = "";

    buf_string(to, "\"input_type\":{\"type\":\"string\",\"enum\":[");
    for (size_t i = 0; i < bundle->capability_count; i++)
        for (size_t k = 0; k < bundle->capabilities[i].input_types.count; k++) {
            buf_string(to, comma);
            json_put_text(to, bundle->capabilities[i].input_types.items[k]);
            comma = ",";
        }
    buf_string(to, "]}");
}

static void put_request(struct buf *to, const struct typed_model *typed,
                        const struct srv_bundle *bundle)
{
    const struct bundle_signature *from = &bundle->signature;

    buf_string(to, "\"PredictRequest\":{\"type\":\"object\",\"required\":["
                   "\"input_type\",\"data\"],\"properties\":{");
    put_input_types(to, bundle);
    buf_string(to, ",\"data\":{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < from->input_count; i++) {
        buf_string(to, i ? "," : "");
        put_input(to, &from->inputs[i], typed->request.items[i].doc,
                  takes_batches(bundle));
    }
    for (size_t i = 0; i < from->parameter_count; i++) {
        buf_string(to, i || from->input_count ? "," : "");
        put_parameter(to, &from->parameters[i]);
    }
    buf_char(to, '}');
    put_required(to, from);
    if (bundle->api.strict)
        buf_string(to, ",\"additionalProperties\":false");
    buf_string(to, "}}}");
}

/* ---- reply ---- */

/* A batch has an array of each. */
static void put_output(struct buf *to, const struct bundle_output *output,
                       const char *doc, bool batch)
{
    enum bundle_type type = output->as_string ? BUNDLE_STRING : output->type;

    put_key(to, output->name);
    buf_char(to, '{');
    if (batch)
        buf_string(to, "\"anyOf\":[{");
    put_type(to, type);
    if (!output->dimensions)
        put_length(to, output->length);
    if (batch) {
        buf_string(to, "},{\"type\":\"array\",\"items\":{");
        put_type(to, type);
        buf_string(to, "}}]");
    }
    put_doc(to, doc);
    buf_char(to, '}');
}

static void put_reply(struct buf *to, const struct typed_model *typed,
                      const struct srv_bundle *bundle)
{
    const struct bundle_signature *from = &bundle->signature;

    buf_string(to,
               "\"PredictResponse\":{\"type\":\"object\",\"required\":["
               "\"success\"],\"properties\":{\"success\":{\"type\":"
               "\"boolean\"},\"error_message\":{\"type\":[\"string\","
               "\"null\"]},\"error_code\":{\"type\":\"string\"},"
               "\"computation_time_ms\":{\"type\":\"number\"},\"warnings\":{"
               "\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
               "\"results\":{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < from->output_count; i++) {
        buf_string(to, i ? "," : "");
        put_output(to, &from->outputs[i], typed->reply.items[i].doc,
                   takes_batches(bundle));
    }
    buf_string(to, "}}}}");
}

bool typed_write_openapi(struct typed_model *typed, struct srv_bundle *bundle)
{
    static const char content[] =
        "{\"description\":\"%s\",\"content\":{\"application/json\":{\"schema\":"
        "{\"$ref\":\"#/components/schemas/PredictResponse\"}}}}";
    struct buf text = {0};
    size_t size;

    buf_string(&text, "{\"openapi\":\"3.1.0\",\"info\":{");
    put_string(&text, "title", bundle->name);
    buf_char(&text, ',');
    put_string(&text, "version", bundle->version);
    put_doc(&text, bundle->description);
    buf_string(&text, "},\"paths\":{\"/predict\":{\"post\":{\"operationId\":"
                      "\"predict\",\"requestBody\":{\"required\":true,"
                      "\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
                      "\"#/components/schemas/PredictRequest\"}}}},"
                      "\"responses\":{\"200\":");
    buf_printf(&text, content, "The results, or why there are none.");
    buf_string(&text, ",\"default\":");
    buf_printf(&text, content, "The request is wrong, or the service is.");
    buf_string(&text, "}}}},\"components\":{\"schemas\":{");
    put_request(&text, typed, bundle);
    buf_char(&text, ',');
    put_reply(&text, typed, bundle);
    buf_string(&text, "}}}");
    typed->openapi = typed_keep(&text, &bundle->arena, &size);
    return typed->openapi != NULL;
}
