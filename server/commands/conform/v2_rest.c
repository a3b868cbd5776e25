/*
 * Open Inference Protocol v2 over REST: health, metadata, inference in JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "conform/v2.h"

static const struct conform_member error_members[] = {{"error", "string"},
                                                      {NULL, NULL}};

/* ---- the server ---- */

static void answers_200(struct conform_case *test, const char *path)
{
    struct conform_answer answer;

    if (conform_ask(test,
                    &(struct conform_request){.verb = "GET", .path = path},
                    &answer))
        (void)conform_expect(test, answer.status == 200,
                             "GET %s answers %d, not 200", path, answer.status);
    conform_answer_free(&answer);
}

void conform_v2_live(struct conform_case *test)
{
    answers_200(test, "/v2/health/live");
}

void conform_v2_ready(struct conform_case *test)
{
    answers_200(test, "/v2/health/ready");
}

void conform_v2_health_body(struct conform_case *test)
{
    static const char *const words[] = {"live", "ready"};

    for (size_t i = 0; i < 2; i++) {
        char path[32];
        struct conform_answer answer;

        (void)snprintf(path, sizeof path, "/v2/health/%s", words[i]);
        if (conform_ask(test,
                        &(struct conform_request){.verb = "GET", .path = path},
                        &answer) &&
            answer.status == 200 && answer.body.size)
            (void)conform_expect(
                test, json_is_true(json_object_get(answer.json, words[i])),
                "the body of %s is neither empty nor {\"%s\": true}", path,
                words[i]);
        conform_answer_free(&answer);
    }
}

void conform_v2_server(struct conform_case *test)
{
    static const struct conform_member members[] = {{"name", "string"},
                                                    {"version", "string"},
                                                    {"extensions", "array"},
                                                    {"extensions.[]", "string"},
                                                    {NULL, NULL}};
    struct conform_answer answer;

    if (conform_get(test, "/v2", &answer))
        (void)conform_shape(test, answer.json, members);
    conform_answer_free(&answer);
}

void conform_v2_slash(struct conform_case *test)
{
    struct conform_answer answers[2];
    static const char *const paths[] = {"/v2", "/v2/"};

    for (size_t i = 0; i < 2; i++)
        if (conform_ask(
                test,
                &(struct conform_request){.verb = "GET", .path = paths[i]},
                &answers[i]) &&
            answers[i].status == 404)
            conform_skip(test, i ? "there is only /v2" : "there is only /v2/");
    (void)conform_expect(test, json_equal(answers[0].json, answers[1].json),
                         "GET /v2/ answers otherwise than GET /v2");
    conform_answer_free(&answers[0]);
    conform_answer_free(&answers[1]);
}

/* ---- the model ---- */

void conform_v2_metadata(struct conform_case *test)
{
    static const struct conform_member members[] = {{"name", "string"},
                                                    {"platform", "string"},
                                                    {"inputs", "array"},
                                                    {"outputs", "array"},
                                                    {NULL, NULL}};
    struct v2_case it;
    struct conform_answer answer;

    if (v2_open(&it, test)) {
        if (v2_get(&it, "", &answer) &&
            conform_shape(test, answer.json, members))
            (void)conform_expect(
                test,
                strcmp(json_string_value(json_object_get(answer.json, "name")),
                       it.model) == 0,
                "the metadata of '%s' have another name", it.model);
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

void conform_v2_tensors(struct conform_case *test)
{
    struct v2_case it;
    struct conform_answer answer;

    if (v2_open(&it, test)) {
        if (v2_get(&it, "", &answer))
            (void)v2_check_tensors(test, answer.json);
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

void conform_v2_model_ready(struct conform_case *test)
{
    struct v2_case it;

    if (v2_open(&it, test))
        answers_200(test, arena_printf(&it.arena, "%s/ready", it.path));
    v2_close(&it);
}

static void check_version(struct v2_case *it, const char *version)
{
    static const struct conform_member members[] = {{"name", "string"},
                                                    {NULL, NULL}};
    const char *path = arena_printf(&it->arena, "/versions/%s", version);
    struct conform_answer answer;

    if (v2_get(it, path, &answer) &&
        conform_shape(it->test, answer.json, members))
        (void)conform_expect(
            it->test,
            strcmp(json_string_value(json_object_get(answer.json, "name")),
                   it->model) == 0,
            "version '%s' has another name", version);
    conform_answer_free(&answer);
    answers_200(it->test,
                arena_printf(&it->arena, "%s%s/ready", it->path, path));
}

void conform_v2_versions(struct conform_case *test)
{
    struct v2_case it;
    json_t *version;
    size_t index;

    if (v2_open(&it, test) && v2_needs_metadata(&it)) {
        if (json_array_size(json_object_get(it.metadata, "versions")) == 0)
            conform_skip(test, "the model has no versions");
        json_array_foreach(json_object_get(it.metadata, "versions"), index,
                           version)
        {
            check_version(&it, json_string_value(version));
        }
    }
    v2_close(&it);
}

/* ---- inference ---- */

void conform_v2_infer(struct conform_case *test)
{
    struct v2_case it;

    if (v2_open(&it, test))
        (void)v2_judge_answer(&it);
    v2_close(&it);
}

void conform_v2_id(struct conform_case *test)
{
    struct v2_case it;
    struct conform_answer answer;

    if (v2_open(&it, test) && v2_needs_answer(&it)) {
        json_t *body = v2_request_with(&it, "id", json_string("conform-42"));
        const char *id;

        if (v2_infer(&it, body, &answer)) {
            id = json_string_value(json_object_get(answer.json, "id"));
            (void)conform_expect(test, id && strcmp(id, "conform-42") == 0,
                                 "the answer to id 'conform-42' has id '%s'",
                                 id ? id : "");
        }
        conform_answer_free(&answer);
        json_decref(body);
    }
    v2_close(&it);
}

/* Asks for one output alone. */
static void ask_for(struct v2_case *it, const char *name)
{
    struct conform_answer answer;
    json_t *body =
        v2_request_with(it, "outputs", json_pack("[{s:s}]", "name", name));
    const json_t *outputs;

    if (v2_infer(it, body, &answer)) {
        const char *first;

        outputs = json_object_get(answer.json, "outputs");
        first = json_string_value(
            json_object_get(json_array_get(outputs, 0), "name"));
        (void)conform_expect(
            it->test,
            answer.status == 200 && json_array_size(outputs) == 1 && first &&
                strcmp(first, name) == 0,
            "asked for output '%s', the answer (%d) has %zu "
            "outputs, first '%s'",
            name, answer.status, json_array_size(outputs), first ? first : "");
    }
    conform_answer_free(&answer);
    json_decref(body);
}

void conform_v2_outputs(struct conform_case *test)
{
    struct v2_case it;

    if (v2_open(&it, test) && v2_needs_answer(&it))
        for (size_t i = 0; i < it.outputs.count; i++)
            ask_for(&it, it.outputs.list[i].name);
    v2_close(&it);
}

/* The flat list from `*at` on as nested lists of these dimensions. */
static json_t *nest(const json_t *flat, size_t *at, const int64_t *dims,
                    size_t rank)
{
    json_t *list = json_array();

    for (int64_t i = 0; i < dims[0]; i++)
        (void)(rank > 1
                   ? json_array_append_new(list,
                                           nest(flat, at, dims + 1, rank - 1))
                   : json_array_append(list, json_array_get(flat, (*at)++)));
    return list;
}

void conform_v2_nested(struct conform_case *test)
{
    struct v2_case it;
    struct conform_answer answer;
    struct v2_tensors outputs;
    json_t *input;
    size_t index;

    if (v2_open(&it, test) && v2_needs_answer(&it)) {
        json_array_foreach(json_object_get(it.request, "inputs"), index, input)
        {
            const struct v2_tensor *tensor = &it.inputs.list[index];
            size_t at = 0;

            if (tensor->rank > 1)
                (void)json_object_set_new(input, "data",
                                          nest(json_object_get(input, "data"),
                                               &at, tensor->dims,
                                               tensor->rank));
        }
        if (v2_infer(&it, it.request, &answer) &&
            v2_check_answer(&it, test, &answer, &outputs))
            (void)v2_same(&it, "nested data", &outputs);
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

/* ---- refusals ---- */

void conform_v2_unknown_model(struct conform_case *test)
{
    static const char *const rests[] = {"", "/ready", "/infer"};

    for (size_t i = 0; i < 3; i++) {
        char path[64];
        struct conform_answer answer;

        (void)snprintf(path, sizeof path, "/v2/models/conform-nobody%s",
                       rests[i]);
        if (conform_ask(test,
                        &(struct conform_request){
                            .verb = i < 2 ? "GET" : "POST",
                            .path = path,
                            .body = i < 2 ? NULL : "{\"inputs\":[]}"},
                        &answer))
            (void)v2_refused(test, path, &answer);
        conform_answer_free(&answer);
    }
}

void conform_v2_error_body(struct conform_case *test)
{
    static const struct {
        const char *verb, *path, *body;
    } wrong[] = {
        {"GET", "/v2/models/conform-nobody", NULL},
        {"POST", "/v2/models/conform-nobody/infer", "{\"inputs\":[]}"},
        {"POST", "/v2/models/conform-nobody/infer", "{\"inputs\":"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct conform_answer answer;

        if (conform_ask(test,
                        &(struct conform_request){.verb = wrong[i].verb,
                                                  .path = wrong[i].path,
                                                  .body = wrong[i].body},
                        &answer) &&
            answer.status >= 400 &&
            conform_expect(test, json_is_object(answer.json),
                           "%s %s: the body of status %d is no JSON object",
                           wrong[i].verb, wrong[i].path, answer.status))
            (void)conform_shape(test, answer.json, error_members);
        conform_answer_free(&answer);
    }
}

void conform_v2_malformed(struct conform_case *test)
{
    struct v2_case it;
    struct conform_answer answer;

    if (v2_open(&it, test)) {
        if (conform_ask(
                test,
                &(struct conform_request){
                    .verb = "POST",
                    .path = arena_printf(&it.arena, "%s/infer", it.path),
                    .body = "{\"inputs\":["},
                &answer))
            (void)v2_refused(test, "a body that is no JSON", &answer);
        conform_answer_free(&answer);
    }
    v2_close(&it);
}

/* The first input with another value at `key` is refused. */
static void refuses(struct v2_case *it, const char *what, const char *key,
                    json_t *value)
{
    json_t *body = json_deep_copy(it->request);
    struct conform_answer answer;

    (void)json_object_set_new(
        json_array_get(json_object_get(body, "inputs"), 0), key, value);
    if (v2_infer(it, body, &answer))
        (void)v2_refused(it->test, what, &answer);
    conform_answer_free(&answer);
    json_decref(body);
}

void conform_v2_wrong_input(struct conform_case *test)
{
    struct v2_case it;
    struct conform_answer answer;
    json_t *body;

    if (v2_open(&it, test) && v2_needs_answer(&it)) {
        refuses(&it, "an input that the model does not have", "name",
                json_string("conform-nobody"));
        refuses(&it, "a datatype that does not exist", "datatype",
                json_string("FP31"));
        refuses(&it, "a shape that does not fit the data", "shape",
                json_pack("[i, i]", 7, 11));
        refuses(&it, "a negative dimension", "shape", json_pack("[i]", -1));
        body = json_pack("{s:[]}", "inputs");
        if (v2_infer(&it, body, &answer))
            (void)v2_refused(test, "a request without inputs", &answer);
        conform_answer_free(&answer);
        json_decref(body);
        body = v2_request_with(&it, "outputs",
                               json_pack("[{s:s}]", "name", "conform-nobody"));
        if (v2_infer(&it, body, &answer))
            (void)v2_refused(test, "an output that the model does not have",
                             &answer);
        conform_answer_free(&answer);
        json_decref(body);
    }
    v2_close(&it);
}
