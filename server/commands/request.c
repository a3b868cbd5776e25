/*
 * Request: see request.h.
 */
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "codec_json.h"
#include "runtime_server.h"

/* json_check() knows the limits that jansson does not. */
json_t *request_parse(const char *text, size_t size, struct error *err)
{
    struct arena arena;
    json_error_t why;
    json_t *root = NULL;

    arena_init(&arena, 0);
    if (json_check(text, size, &arena, err)) {
        root = json_loadb(text, size, JSON_DECODE_ANY, &why);
        if (!root)
            (void)fail(err, ERR_MALFORMED_JSON, "%s", why.text);
    }
    arena_release(&arena);
    return root;
}

/* The request around `data`, which it takes. */
static json_t *request_of(json_t *data)
{
    bool has_text = json_object_get(data, "text") != NULL;

    return json_pack("{s:s, s:o}", "input_type", has_text ? "text" : "tabular",
                     "data", data);
}

static json_t *request_of_data(const char *text, struct error *err)
{
    json_t *data = request_parse(text, strlen(text), err);

    if (!data)
        return NULL;
    if (json_object_get(data, "input_type"))
        return data;
    if (json_is_object(data))
        return request_of(data);
    json_decref(data);
    (void)fail(err, ERR_USAGE, "--data is not a JSON object");
    return NULL;
}

const struct op_def *request_op(const struct msg_def *reply)
{
    for (size_t i = 0; i < runtime_ops.count; i++)
        if (runtime_ops.ops[i].reply == reply)
            return &runtime_ops.ops[i];
    return NULL;
}

/* The example of this name, or the first one for NULL; borrowed. */
static json_t *find_example(json_t *examples, const char *name)
{
    json_t *example;
    size_t i;

    json_array_foreach(examples, i, example)
    {
        const char *is = json_string_value(json_object_get(example, "name"));

        if (!name || (is && strcmp(is, name) == 0))
            return example;
    }
    return NULL;
}

/* Other makes of server give an example's text only. */
static json_t *request_of_answer(json_t *answer, const char *name,
                                 struct error *err)
{
    json_t *how = json_object_get(answer, "usage_instructions");
    json_t *type =
        json_object_get(json_object_get(how, "body_format"), "input_type");
    json_t *example = find_example(json_object_get(answer, "examples"), name);
    json_t *data = json_object_get(example, "data");
    json_t *text = json_object_get(example, "text"), *request;

    if (!data && !text) {
        (void)fail(err, ERR_NOT_FOUND, "/test_examples has no example%s%.100s",
                   name ? " called " : "", name ? name : "");
        return NULL;
    }
    request =
        request_of(data ? json_incref(data) : json_pack("{s:O}", "text", text));
    if (json_is_string(type))
        (void)json_object_set(request, "input_type", type);
    return request;
}

static json_t *request_of_example(struct target *target, const char *name,
                                  struct error *err)
{
    struct runtime_test_examples_request ask;
    struct buf answer = {0};
    json_t *root = NULL, *request = NULL;

    runtime_test_examples_request_init(&ask);
    if (target_call(target, request_op(&runtime_test_examples_response_def),
                    &ask, &answer, err))
        root = request_parse(answer.data, answer.size, err);
    if (root)
        request = request_of_answer(root, name, err);
    json_decref(root);
    buf_release(&answer);
    return request;
}

static json_t *make_request(struct target *target,
                            const struct request_source *source,
                            struct error *err)
{
    json_t *data;

    if (source->data)
        return request_of_data(source->data, err);
    if (!source->text)
        return request_of_example(target, source->example, err);
    data = json_pack("{s:s}", "text", source->text);
    if (data)
        return request_of(data);
    (void)fail(err, ERR_USAGE, "--text is not UTF-8");
    return NULL;
}

bool request_make(struct target *target, const struct request_source *source,
                  struct arena *arena, void **message, struct error *err)
{
    json_t *request = make_request(target, source, err);
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    bool ok = false;

    if (text)
        ok = json_decode(&runtime_predict_request_def, text, strlen(text),
                         arena, message, err);
    else if (err->code == ERR_NONE)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the request");
    free(text);
    json_decref(request);
    return ok;
}
