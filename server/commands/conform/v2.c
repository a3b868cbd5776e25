/*
 * The model that is asked, its metadata, a request and its answer; see v2.h.
 */
#include "conform/v2.h"

#include <stdlib.h>
#include <string.h>

#include "http_client.h"

/* ---- which model ---- */

static json_t *ask_json(struct conform_case *test, const char *verb,
                        const char *path, const char *body)
{
    struct conform_case probe = {.subject = test->subject};
    struct conform_answer answer;
    json_t *json = NULL;

    if (conform_ask(
            &probe,
            &(struct conform_request){.verb = verb, .path = path, .body = body},
            &answer) &&
        answer.status == 200)
        json = json_incref(answer.json);
    conform_answer_free(&answer);
    return json;
}

/* Named by the caller, the first that the index has, or the one of /info. */
static const char *find_model(struct conform_case *test, struct arena *arena)
{
    const char *name = test->subject->model;
    json_t *index = NULL, *info = NULL;

    if (!name) {
        index = ask_json(test, "POST", "/v2/repository/index", "{}");
        name = json_string_value(
            json_object_get(json_array_get(index, 0), "name"));
    }
    if (!name) {
        info = ask_json(test, "GET", "/info", NULL);
        name = json_string_value(json_object_get(info, "name"));
    }
    if (name)
        name = arena_strdup(arena, name);
    json_decref(index);
    json_decref(info);
    return name;
}

bool v2_open(struct v2_case *it, struct conform_case *test)
{
    struct buf path = {0};

    *it = (struct v2_case){.test = test};
    arena_init(&it->arena, 0);
    it->model = find_model(test, &it->arena);
    if (it->model) {
        buf_string(&path, "/v2/models/");
        http_client_escape(&path, it->model);
        it->path = buf_ok(&path) ? arena_strdup(&it->arena, path.data) : NULL;
        buf_release(&path);
    }
    if (!it->path)
        conform_skip(test, "no model was named, and the server lists none");
    return it->path != NULL;
}

void v2_close(struct v2_case *it)
{
    json_decref(it->server);
    json_decref(it->metadata);
    json_decref(it->request);
    rpc_client_close(it->rpc);
    arena_release(&it->arena);
}

bool v2_get(struct v2_case *it, const char *rest, struct conform_answer *answer)
{
    const char *path = arena_printf(&it->arena, "%s%s", it->path, rest);

    *answer = (struct conform_answer){0};
    return conform_expect(it->test, path != NULL, "no memory") &&
           conform_get(it->test, path, answer);
}

bool v2_infer(struct v2_case *it, const json_t *body,
              struct conform_answer *answer)
{
    const char *path = arena_printf(&it->arena, "%s/infer", it->path);
    char *text = json_dumps(body, JSON_COMPACT);
    bool ok;

    *answer = (struct conform_answer){0};
    ok = conform_expect(it->test, path && text, "no memory") &&
         conform_ask(it->test,
                     &(struct conform_request){
                         .verb = "POST", .path = path, .body = text},
                     answer);
    free(text);
    return ok;
}

bool v2_extension(struct v2_case *it, const char *name)
{
    json_t *extension;
    size_t index;

    if (!it->server)
        it->server = ask_json(it->test, "GET", "/v2", NULL);
    json_array_foreach(json_object_get(it->server, "extensions"), index,
                       extension)
    {
        if (json_is_string(extension) &&
            strcmp(json_string_value(extension), name) == 0)
            return true;
    }
    conform_skip(
        it->test,
        arena_printf(&it->arena, "the server does not announce %s", name));
    return false;
}

bool v2_refused(struct conform_case *test, const char *what,
                const struct conform_answer *answer)
{
    return conform_expect(test, answer->status >= 400 && answer->status < 500,
                          "%s is answered with %d", what, answer->status);
}

/* ---- metadata ---- */

static bool check_ports(struct conform_case *test, const json_t *ports,
                        const char *what)
{
    json_t *port, *dim;
    size_t index, axis;

    json_array_foreach(ports, index, port)
    {
        const char *type = json_string_value(json_object_get(port, "datatype"));

        if (!conform_expect(test, oip_dtype_by_name(type) != ENG_NONE,
                            "%s has datatype '%s', which does not exist", what,
                            type))
            return false;
        json_array_foreach(json_object_get(port, "shape"), axis, dim)
        {
            if (!conform_expect(test, json_integer_value(dim) >= -1,
                                "%s has a dimension of %" JSON_INTEGER_FORMAT,
                                what, json_integer_value(dim)))
                return false;
        }
    }
    return true;
}

bool v2_check_tensors(struct conform_case *test, json_t *metadata)
{
    static const struct conform_member members[] = {
        {"?versions", "array"},
        {"?versions.[]", "string"},
        {"inputs", "array"},
        {"inputs.[].name", "string"},
        {"inputs.[].datatype", "string"},
        {"inputs.[].shape", "array"},
        {"inputs.[].shape.[]", "integer"},
        {"outputs", "array"},
        {"outputs.[].name", "string"},
        {"outputs.[].datatype", "string"},
        {"outputs.[].shape", "array"},
        {"outputs.[].shape.[]", "integer"},
        {NULL, NULL}};

    return conform_shape(test, metadata, members) &&
           check_ports(test, json_object_get(metadata, "inputs"), "an input") &&
           check_ports(test, json_object_get(metadata, "outputs"), "an output");
}

bool v2_needs_metadata(struct v2_case *it)
{
    struct conform_case probe = {.subject = it->test->subject};

    if (it->metadata)
        return true;
    it->metadata = ask_json(it->test, "GET", it->path, NULL);
    if (it->metadata && v2_check_tensors(&probe, it->metadata))
        return true;
    conform_skip(it->test, "the model's metadata are not right: see V6, V7");
    return false;
}

/* ---- a request ---- */

/* One of them: 1, true or "1". */
static json_t *one_of(enum eng_dtype dtype)
{
    if (dtype == ENG_BOOL)
        return json_true();
    return dtype == ENG_STRING ? json_string("1") : json_integer(1);
}

/* An input of ones, each free dimension 1; NULL if it is too large. */
static json_t *make_input(const json_t *port)
{
    json_t *shape = json_array(), *data = json_array();
    const char *type = json_string_value(json_object_get(port, "datatype"));
    int64_t count = 1;
    json_t *dim;
    size_t axis;

    json_array_foreach(json_object_get(port, "shape"), axis, dim)
    {
        int64_t size =
            json_integer_value(dim) < 0 ? 1 : json_integer_value(dim);

        count = size > V2_ELEMENTS_MAX ? size : count * size;
        (void)json_array_append_new(shape, json_integer(size));
        if (count > V2_ELEMENTS_MAX)
            break;
    }
    for (int64_t i = 0; i < count && count <= V2_ELEMENTS_MAX; i++)
        (void)json_array_append_new(data, one_of(oip_dtype_by_name(type)));
    return json_pack("{s:O, s:s, s:o, s:o}", "name",
                     json_object_get(port, "name"), "datatype", type, "shape",
                     shape, "data", data);
}

static json_t *make_request(const json_t *metadata)
{
    json_t *inputs = json_array();
    json_t *port;
    size_t index;

    json_array_foreach(json_object_get(metadata, "inputs"), index, port)
    {
        (void)json_array_append_new(inputs, make_input(port));
    }
    return json_pack("{s:o}", "inputs", inputs);
}

/* Halves are not in the protocol's JSON. */
static bool is_in_json(const json_t *ports)
{
    json_t *port;
    size_t index;

    json_array_foreach(ports, index, port)
    {
        enum eng_dtype dtype = oip_dtype_by_name(
            json_string_value(json_object_get(port, "datatype")));

        if (dtype == ENG_F16 || dtype == ENG_BF16)
            return false;
    }
    return true;
}

/* Numbers of the request in one flat list per input. */
static bool flatten(struct v2_case *it, struct error *err)
{
    json_t *input;
    size_t index;

    json_array_foreach(json_object_get(it->request, "inputs"), index, input)
    {
        const struct v2_tensor *tensor = &it->inputs.list[index];
        struct buf text = {0};
        bool ok = oip_data_write(tensor->name, tensor->dtype, &tensor->raw,
                                 &text, err);

        if (ok)
            (void)json_object_set_new(
                input, "data", json_loadb(text.data, text.size, 0, NULL));
        buf_release(&text);
        if (!ok)
            return false;
    }
    return true;
}

static bool needs_request(struct v2_case *it)
{
    struct error err = {0};

    if (!v2_needs_metadata(it))
        return false;
    if (!is_in_json(json_object_get(it->metadata, "inputs")) ||
        !is_in_json(json_object_get(it->metadata, "outputs"))) {
        conform_skip(it->test, "a tensor of the model is FP16 or BF16, which "
                               "JSON does not have");
        return false;
    }
    it->request = it->test->subject->infer
                      ? json_deep_copy(it->test->subject->infer)
                      : make_request(it->metadata);
    if (v2_read_tensors(it, json_object_get(it->request, "inputs"), &it->inputs,
                        &err) &&
        flatten(it, &err))
        return true;
    conform_skip(
        it->test,
        arena_printf(&it->arena, "the request is not right: %s", err.msg));
    return false;
}

json_t *v2_request_with(const struct v2_case *it, const char *key,
                        json_t *value)
{
    json_t *copy = json_copy(it->request);

    (void)json_object_set_new(copy, key, value);
    return copy;
}

/* ---- its answer ---- */

static bool check_outputs(struct conform_case *test, const json_t *metadata,
                          const struct v2_tensors *outputs)
{
    json_t *port;
    size_t index;

    for (size_t i = 0; i < outputs->count; i++) {
        const struct v2_tensor *output = &outputs->list[i];
        const char *type = "";

        json_array_foreach(json_object_get(metadata, "outputs"), index, port)
        {
            if (strcmp(json_string_value(json_object_get(port, "name")),
                       output->name) == 0)
                type = json_string_value(json_object_get(port, "datatype"));
        }
        if (!conform_expect(test,
                            strcmp(type, oip_dtype_name(output->dtype)) == 0,
                            "output '%s' is %s, its metadata say '%s'",
                            output->name, oip_dtype_name(output->dtype), type))
            return false;
    }
    return true;
}

bool v2_check_answer(struct v2_case *it, struct conform_case *test,
                     const struct conform_answer *answer,
                     struct v2_tensors *outputs)
{
    static const struct conform_member members[] = {
        {"model_name", "string"},
        {"?model_version", "string"},
        {"outputs", "array"},
        {"outputs.[].name", "string"},
        {"outputs.[].datatype", "string"},
        {"outputs.[].shape", "array"},
        {"outputs.[].shape.[]", "integer"},
        {"outputs.[].data", "array"},
        {NULL, NULL}};
    struct error err = {0};

    return conform_expect(test, answer->status == 200,
                          "a request that fits the metadata is answered with "
                          "%d",
                          answer->status) &&
           conform_shape(test, answer->json, members) &&
           conform_expect(test,
                          strcmp(json_string_value(json_object_get(
                                     answer->json, "model_name")),
                                 it->model) == 0,
                          "model_name is another") &&
           conform_expect(
               test,
               v2_read_tensors(it, json_object_get(answer->json, "outputs"),
                               outputs, &err),
               "the outputs are not right: %s", err.msg) &&
           check_outputs(test, it->metadata, outputs);
}

/* What was made up need not be what the model is for. */
static bool is_declined(const struct v2_case *it,
                        const struct conform_answer *answer)
{
    return !it->test->subject->infer && answer->status >= 400 &&
           answer->status < 500;
}

/* Asks, and has the answer looked at for `judge`. */
static bool take_answer(struct v2_case *it, struct conform_case *judge)
{
    struct conform_answer answer;
    bool ok;

    if (!needs_request(it))
        return false;
    ok = v2_infer(it, it->request, &answer);
    if (ok && is_declined(it, &answer)) {
        conform_skip(it->test, "the model declines a request made of its "
                               "metadata; give one with --infer");
        ok = false;
    }
    ok = ok && v2_check_answer(it, judge, &answer, &it->outputs);
    conform_answer_free(&answer);
    return ok;
}

bool v2_judge_answer(struct v2_case *it)
{
    return take_answer(it, it->test);
}

bool v2_needs_answer(struct v2_case *it)
{
    struct conform_case probe = {.subject = it->test->subject};

    if (take_answer(it, &probe))
        return true;
    conform_skip(it->test, "the model's answer is not right: see V12");
    return false;
}
