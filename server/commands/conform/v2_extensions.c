/*
 * Open Inference Protocol v2 over REST: the extensions of Triton, each where
 * the server announces it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/v2.h"

/* ---- binary tensors ---- */

/* Opens a case of a server that has binary tensors. */
static bool open_binary(struct v2_case *it, struct conform_case *test)
{
    return v2_open(it, test) && v2_extension(it, "binary_tensor_data") &&
           v2_needs_answer(it);
}

/* The request with its inputs raw behind the JSON. */
struct packed {
    struct buf body;
    size_t json_size;
};

/* `extra` bytes are said to be there beyond what is. */
static void pack(const struct v2_case *it, size_t extra, struct packed *out)
{
    json_t *inputs = json_array();
    json_t *root;
    char *text;

    *out = (struct packed){0};
    for (size_t i = 0; i < it->inputs.count; i++) {
        json_t *input = json_copy(
            json_array_get(json_object_get(it->request, "inputs"), i));
        size_t size = it->inputs.list[i].raw.size + extra;

        (void)json_object_del(input, "data");
        (void)json_object_set_new(
            input, "parameters",
            json_pack("{s:I}", "binary_data_size", (json_int_t)size));
        (void)json_array_append_new(inputs, input);
    }
    root = json_pack("{s:o}", "inputs", inputs);
    text = json_dumps(root, JSON_COMPACT);
    buf_string(&out->body, text ? text : "");
    out->json_size = out->body.size;
    for (size_t i = 0; i < it->inputs.count; i++)
        buf_append(&out->body, it->inputs.list[i].raw.data,
                   it->inputs.list[i].raw.size);
    free(text);
    json_decref(root);
}

/* `json_size`: what the header says. */
static bool send(struct v2_case *it, const struct packed *packed,
                 size_t json_size, struct conform_answer *answer)
{
    char header[64];

    (void)snprintf(header, sizeof header,
                   "Inference-Header-Content-Length: %zu", json_size);
    return conform_ask(
        it->test,
        &(struct conform_request){
            .verb = "POST",
            .path = arena_printf(&it->arena, "%s/infer", it->path),
            .body = packed->body.data,
            .body_size = packed->body.size,
            .type = "application/octet-stream",
            .header = header},
        answer);
}

/* The outputs that lie raw behind the JSON of the answer. */
static bool unpack(struct v2_case *it, const struct conform_answer *answer,
                   const json_t *head, size_t at, struct v2_tensors *outputs)
{
    json_t *output;
    size_t index;

    outputs->count = 0;
    json_array_foreach(json_object_get(head, "outputs"), index, output)
    {
        json_int_t size = json_integer_value(json_object_get(
            json_object_get(output, "parameters"), "binary_data_size"));
        struct oip_bytes raw;

        if (!conform_expect(it->test,
                            size >= 0 &&
                                (size_t)size <= answer->body.size - at &&
                                !json_object_get(output, "data"),
                            "an output is not raw, or longer than the body"))
            return false;
        raw = (struct oip_bytes){(const uint8_t *)answer->body.data + at,
                                 (size_t)size};
        if (!v2_add_raw(it, output, &raw, outputs))
            return false;
        at += (size_t)size;
    }
    return conform_expect(it->test, at == answer->body.size,
                          "%zu bytes belong to no output",
                          answer->body.size - at);
}

void conform_v2_binary_output(struct conform_case *test)
{
    struct v2_case it;

    if (open_binary(&it, test)) {
        json_t *body = v2_request_with(
            &it, "parameters", json_pack("{s:b}", "binary_data_output", 1));
        struct conform_answer answer;
        struct v2_tensors outputs;

        if (v2_infer(&it, body, &answer) &&
            conform_expect(test, answer.status == 200 && *answer.json_size,
                           "binary_data_output is answered with %d and "
                           "Inference-Header-Content-Length '%s'",
                           answer.status, answer.json_size)) {
            size_t size = strtoul(answer.json_size, NULL, 10);
            json_t *head = size <= answer.body.size
                               ? json_loadb(answer.body.data, size,
                                            JSON_REJECT_DUPLICATES, NULL)
                               : NULL;

            if (conform_expect(test, head != NULL,
                               "the first %zu bytes are no JSON", size) &&
                unpack(&it, &answer, head, size, &outputs))
                (void)v2_same(&it, "binary outputs", &outputs);
            json_decref(head);
        }
        conform_answer_free(&answer);
        json_decref(body);
    }
    v2_close(&it);
}

void conform_v2_binary_input(struct conform_case *test)
{
    struct v2_case it;
    struct conform_answer answer;
    struct v2_tensors outputs;

    if (open_binary(&it, test)) {
        struct packed packed;

        pack(&it, 0, &packed);
        if (send(&it, &packed, packed.json_size, &answer) &&
            v2_check_answer(&it, test, &answer, &outputs))
            (void)v2_same(&it, "binary inputs", &outputs);
        conform_answer_free(&answer);
        buf_release(&packed.body);
    }
    v2_close(&it);
}

void conform_v2_binary_sizes(struct conform_case *test)
{
    struct v2_case it;

    if (open_binary(&it, test)) {
        struct conform_answer answer;
        struct packed packed;

        pack(&it, 4096, &packed);
        if (send(&it, &packed, packed.json_size, &answer))
            (void)v2_refused(test, "a binary_data_size beyond the body",
                             &answer);
        conform_answer_free(&answer);
        if (send(&it, &packed, packed.body.size + 1, &answer))
            (void)v2_refused(
                test, "an Inference-Header-Content-Length beyond the body",
                &answer);
        conform_answer_free(&answer);
        buf_release(&packed.body);
    }
    v2_close(&it);
}

/* ---- numbers that JSON does not have ---- */

/* Makes the first number of the first input of floats NaN; false if there is
 * none. */
static bool put_nan(struct v2_case *it)
{
    for (size_t i = 0; i < it->inputs.count; i++) {
        struct v2_tensor *input = &it->inputs.list[i];
        const float narrow = NAN;
        const double wide = (double)narrow;
        bool is_float = input->dtype == ENG_F32;
        char *bytes;

        if ((!is_float && input->dtype != ENG_F64) || input->raw.size == 0)
            continue;
        bytes = arena_copy(&it->arena, input->raw.data, input->raw.size);
        if (!bytes)
            return false;
        memcpy(bytes, is_float ? (const void *)&narrow : &wide,
               is_float ? sizeof narrow : sizeof wide);
        input->raw.data = (const uint8_t *)bytes;
        return true;
    }
    return false;
}

void conform_v2_nan(struct conform_case *test)
{
    struct v2_case it;

    if (open_binary(&it, test)) {
        struct conform_answer answer;
        struct packed packed;

        if (!put_nan(&it))
            conform_skip(test, "no input of the model is of floats");
        pack(&it, 0, &packed);
        if (test->outcome == CONFORM_PASSED &&
            send(&it, &packed, packed.json_size, &answer)) {
            (void)conform_expect(test, json_is_object(answer.json),
                                 "NaN is answered (%d) with a body that is no "
                                 "JSON",
                                 answer.status);
            conform_answer_free(&answer);
        }
        buf_release(&packed.body);
    }
    v2_close(&it);
}

/* ---- what tools read ---- */

void conform_v2_config(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"name", "string"},
        {"max_batch_size", "integer"},
        {"input", "array"},
        {"input.[].name", "string"},
        {"input.[].data_type", "string"},
        {"input.[].dims", "array"},
        {"output", "array"},
        {"output.[].name", "string"},
        {"output.[].data_type", "string"},
        {"output.[].dims", "array"},
        {NULL, NULL}};
    struct v2_case it;
    struct conform_answer answer;

    if (v2_open(&it, test) && v2_extension(&it, "model_configuration")) {
        if (v2_get(&it, "/config", &answer) &&
            conform_shape(test, answer.json, members))
            (void)conform_expect(
                test,
                strcmp(json_string_value(json_object_get(answer.json, "name")),
                       it.model) == 0,
                "the configuration of '%s' has another name", it.model);
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

void conform_v2_statistics(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"model_stats", "array"},
        {"model_stats.[].name", "string"},
        {"model_stats.[].version", "string"},
        {"model_stats.[].inference_count", "integer"},
        {"model_stats.[].execution_count", "integer"},
        {"model_stats.[].inference_stats", "object"},
        {NULL, NULL}};
    struct v2_case it;
    struct conform_answer answer;

    if (v2_open(&it, test) && v2_extension(&it, "statistics")) {
        if (v2_get(&it, "/stats", &answer) &&
            conform_shape(test, answer.json, members))
            (void)conform_expect(test,
                                 json_array_size(json_object_get(
                                     answer.json, "model_stats")) > 0,
                                 "there are no statistics of '%s'", it.model);
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

void conform_v2_index(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"[]", "object"}, {"[].name", "string"}, {NULL, NULL}};
    struct conform_answer answer;

    if (conform_ask(test,
                    &(struct conform_request){.verb = "POST",
                                              .path = "/v2/repository/index",
                                              .body = "{}"},
                    &answer)) {
        if (answer.status == 404 || answer.status == 501)
            conform_skip(test, "the server has no index");
        if (conform_expect(test,
                           answer.status == 200 && json_is_array(answer.json),
                           "POST /v2/repository/index answers %d, or no list",
                           answer.status))
            (void)conform_shape(test, answer.json, members);
    }
    conform_answer_free(&answer);
}
