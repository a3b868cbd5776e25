/*
 * Typed: see typed.h.
 */
#include "typed.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "num.h"
#include "values.h"

struct specserve_typed {
    const struct specserve_model_info *info;
    struct specserve_service *service;
    atomic_bool compared;
};

struct specserve_typed *
specserve_typed_new(struct specserve_client *client,
                    const struct specserve_model_info *info,
                    struct specserve_error *err)
{
    struct specserve_typed *typed = calloc(1, sizeof *typed);

    failure_clear(err);
    if (!typed) {
        (void)failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                          "no memory for a model");
        return NULL;
    }
    typed->info = info;
    typed->service = specserve_client_model(client, info->name, err);
    if (typed->service)
        return typed;
    free(typed);
    return NULL;
}

void specserve_typed_free(struct specserve_typed *typed)
{
    free(typed);
}

/* ---- the input ---- */

/* A value that is given, whatever its type; what does not apply is 0. */
struct given {
    double number;
    const char *text;
    struct specserve_floats floats;
    struct specserve_texts texts;
    struct specserve_bytes bytes;
    bool flag;
};

/* Numbers stand in the struct, or where it points to if they are optional. */
static bool take_number(const struct specserve_member *member, const void *slot,
                        struct given *given)
{
    if (member->optional)
        slot = *(const void *const *)slot;
    if (!slot)
        return false;
    if (member->type == SPECSERVE_FLOAT)
        given->number = *(const double *)slot;
    else if (member->type == SPECSERVE_INTEGER)
        given->number = (double)*(const int64_t *)slot;
    else
        given->flag = *(const bool *)slot;
    return true;
}

/* Reads the member; false: it is not given. */
static bool take(const struct specserve_member *member, const void *input,
                 struct given *given)
{
    const void *slot = (const char *)input + member->offset;

    *given = (struct given){0};
    switch (member->type) {
    case SPECSERVE_FLOAT:
    case SPECSERVE_INTEGER:
    case SPECSERVE_BOOLEAN:
        return take_number(member, slot, given);
    case SPECSERVE_TEXT:
    case SPECSERVE_OBJECT:
        given->text = *(const char *const *)slot;
        return given->text != NULL;
    case SPECSERVE_FLOATS:
        given->floats = *(const struct specserve_floats *)slot;
        return given->floats.values != NULL;
    case SPECSERVE_TEXTS:
        given->texts = *(const struct specserve_texts *)slot;
        return given->texts.values != NULL;
    case SPECSERVE_BYTES:
        break;
    }
    given->bytes = *(const struct specserve_bytes *)slot;
    return given->bytes.data != NULL;
}

/* The values are those of the contract's text: a comma of the program's locale
 * must not come between. */
static double number_of(const char *text)
{
    double number = (double)NAN;

    (void)num_scan_double(text, text + strlen(text), &number);
    return number;
}

static bool is_listed(const struct specserve_member *member,
                      const struct given *given)
{
    for (const char *const *value = member->values; *value; value++)
        if (given->text ? strcmp(*value, given->text) == 0
                        : fabs(number_of(*value) - given->number) <= 0)
            return true;
    return false;
}

static bool all_finite(const struct specserve_member *member,
                       const struct given *given)
{
    for (size_t i = 0; i < given->floats.count; i++)
        if (!isfinite(given->floats.values[i]))
            return false;
    return member->type != SPECSERVE_FLOAT || isfinite(given->number);
}

/* The model would take the value; or SPECSERVE_ARGUMENT. */
static bool check(const struct specserve_member *member,
                  const struct given *given, struct specserve_error *err)
{
    size_t count = given->floats.count + given->texts.count;
    size_t size = given->text ? strlen(given->text) : given->bytes.size;

    if (!all_finite(member, given))
        return failure_say(err, SPECSERVE_ARGUMENT,
                           "%s: holds a number that is not finite",
                           member->name);
    if (member->length && count != member->length)
        return failure_say(err, SPECSERVE_ARGUMENT,
                           "%s: has %zu elements, not %zu", member->name, count,
                           member->length);
    if (member->max_bytes && size > member->max_bytes)
        return failure_say(err, SPECSERVE_ARGUMENT,
                           "%s: has %zu bytes, at most %zu", member->name, size,
                           member->max_bytes);
    if (member->values && !is_listed(member, given))
        return failure_say(err, SPECSERVE_ARGUMENT,
                           "%s: is none of the values that it may have",
                           member->name);
    if (member->least && given->number < *member->least)
        return failure_say(err, SPECSERVE_ARGUMENT, "%s: is below %.15g",
                           member->name, *member->least);
    if (member->most && given->number > *member->most)
        return failure_say(err, SPECSERVE_ARGUMENT, "%s: is above %.15g",
                           member->name, *member->most);
    return true;
}

static bool put(const struct specserve_member *member,
                const struct given *given,
                struct runtime_predict_request *request, struct arena *arena)
{
    switch (member->type) {
    case SPECSERVE_FLOAT:
    case SPECSERVE_INTEGER:
        return specserve_put_number(request, arena, member->name,
                                    given->number);
    case SPECSERVE_BOOLEAN:
        return specserve_put_flag(request, arena, member->name, given->flag);
    case SPECSERVE_TEXT:
        return specserve_put_text(request, arena, member->name, given->text);
    case SPECSERVE_OBJECT:
        return specserve_put_json(request, arena, member->name, given->text);
    case SPECSERVE_FLOATS:
        return specserve_put_floats(request, arena, member->name,
                                    given->floats.values, given->floats.count);
    case SPECSERVE_TEXTS:
        return specserve_put_texts(request, arena, member->name,
                                   given->texts.values, given->texts.count);
    case SPECSERVE_BYTES:
        break;
    }
    return specserve_put_bytes(request, arena, member->name, given->bytes.data,
                               given->bytes.size);
}

static bool put_input(const struct specserve_model_info *info,
                      const void *input,
                      struct runtime_predict_request *request,
                      struct arena *arena, struct specserve_error *err)
{
    for (size_t i = 0; i < info->input_count; i++) {
        const struct specserve_member *member = &info->inputs[i];
        struct given given;

        if (!take(member, input, &given)) {
            if (!member->optional)
                return failure_say(err, SPECSERVE_ARGUMENT, "%s: is required",
                                   member->name);
            continue;
        }
        if (!check(member, &given, err))
            return false;
        if (!put(member, &given, request, arena))
            return failure_say(err, SPECSERVE_OUT_OF_MEMORY,
                               "no memory for a request");
    }
    return true;
}

/* ---- the model ---- */

static const char *text_or(const char *text, const char *other)
{
    return text ? text : other;
}

/* The outputs of the capability are those of this client, no more, no less. */
static bool gives_outputs(const struct specserve_model_info *info,
                          const struct runtime_capability *capability)
{
    size_t same = 0;

    for (size_t i = 0; i < capability->n_output_schema; i++)
        for (size_t k = 0; k < info->output_count; k++)
            if (strcmp(text_or(capability->output_schema[i]->key, ""),
                       info->outputs[k].name) == 0 &&
                strcmp(text_or(capability->output_schema[i]->value, ""),
                       info->outputs[k].word) == 0)
                same++;
    return same == info->output_count && same == capability->n_output_schema;
}

static bool takes_input(const struct specserve_model_info *info,
                        const struct runtime_capability *capability)
{
    for (size_t i = 0; i < capability->n_input_types; i++)
        if (strcmp(capability->input_types[i], info->input_type) == 0)
            return true;
    return false;
}

static bool is_described(const struct specserve_model_info *info,
                         const struct runtime_capabilities_response *described)
{
    for (size_t i = 0; i < described->n_capabilities; i++)
        if (takes_input(info, described->capabilities[i]) &&
            gives_outputs(info, described->capabilities[i]))
            return true;
    return false;
}

/* Of a server that tells no digest of its bundle. */
static bool compare_words(struct specserve_typed *typed, const char *version,
                          const struct specserve_options *options,
                          struct specserve_error *err)
{
    const struct specserve_model_info *info = typed->info;
    const struct runtime_capabilities_response *described = NULL;
    struct specserve_answer *answer = NULL;
    bool ok = specserve_runtime_capabilities(typed->service, NULL, options,
                                             &described, &answer, err);

    if (ok && (strcmp(text_or(described->model, ""), info->name) != 0 ||
               strcmp(version, info->version) != 0))
        ok = failure_say(
            err, SPECSERVE_MODEL_CHANGED,
            "the server has %.60s %.40s; this client was made for %.60s %.40s",
            text_or(described->model, ""), version, info->name, info->version);
    else if (ok && !is_described(info, described))
        ok = failure_say(err, SPECSERVE_MODEL_CHANGED,
                         "%.60s %.40s does not give what this client was made "
                         "for",
                         info->name, version);
    specserve_answer_free(answer);
    return ok;
}

/* Whether the server has the model of this client. */
static bool compare(struct specserve_typed *typed,
                    const struct specserve_options *options,
                    struct specserve_error *err)
{
    const struct specserve_model_info *info = typed->info;
    const struct runtime_info_response *said = NULL;
    struct specserve_answer *answer = NULL;
    const char *digest, *version;
    bool ok = specserve_runtime_info(typed->service, NULL, options, &said,
                                     &answer, err);

    digest = ok ? text_or(said->bundle_digest, "") : "";
    version = ok ? text_or(said->model_version, "") : "";
    if (*digest && *info->bundle_digest) {
        if (strcmp(digest, info->bundle_digest) != 0)
            ok = failure_say(err, SPECSERVE_MODEL_CHANGED,
                             "the server has %.40s %.20s with %.20s...; this "
                             "client was made for %.40s %.20s with %.20s...",
                             text_or(said->name, ""), version, digest,
                             info->name, info->version, info->bundle_digest);
    } else {
        ok = ok && compare_words(typed, version, options, err);
    }
    /* A server that starts tells the digest of its documents only: it has to
     * be asked again. */
    if (ok && (*digest || !said->documents_digest || !*said->documents_digest))
        atomic_store(&typed->compared, true);
    specserve_answer_free(answer);
    return ok;
}

/* ---- the output ---- */

/* Puts the value into its member; false: it is of another type. */
static bool give(const struct specserve_member *member,
                 const struct runtime_value *value, void *slot)
{
    switch (member->type) {
    case SPECSERVE_FLOAT:
        *(double *)slot = value->number;
        return value->kind_case == RUNTIME__VALUE__KIND_NUMBER;
    case SPECSERVE_INTEGER:
        if (value->kind_case != RUNTIME__VALUE__KIND_NUMBER ||
            !(fabs(value->number) < 9.2e18) ||
            fabs(trunc(value->number) - value->number) > 0)
            return false;
        *(int64_t *)slot = (int64_t)value->number;
        return true;
    case SPECSERVE_BOOLEAN:
        *(bool *)slot = value->flag != 0;
        return value->kind_case == RUNTIME__VALUE__KIND_FLAG;
    case SPECSERVE_TEXT:
    case SPECSERVE_BYTES:
        *(const char **)slot = value->text;
        return value->kind_case == RUNTIME__VALUE__KIND_TEXT;
    case SPECSERVE_OBJECT:
        *(const char **)slot = value->json;
        return value->kind_case == RUNTIME__VALUE__KIND_JSON;
    case SPECSERVE_FLOATS:
        if (value->kind_case != RUNTIME__VALUE__KIND_FLOATS)
            return false;
        *(struct specserve_floats *)slot = (struct specserve_floats){
            value->floats->values, value->floats->n_values};
        return !member->length || value->floats->n_values == member->length;
    case SPECSERVE_TEXTS:
        break;
    }
    if (value->kind_case != RUNTIME__VALUE__KIND_STRINGS)
        return false;
    *(struct specserve_texts *)slot = (struct specserve_texts){
        (const char *const *)value->strings->values, value->strings->n_values};
    return !member->length || value->strings->n_values == member->length;
}

static bool give_output(const struct specserve_model_info *info,
                        const struct runtime_predict_response *reply,
                        void *output, struct specserve_error *err)
{
    for (size_t i = 0; i < info->output_count; i++) {
        const struct specserve_member *member = &info->outputs[i];
        const struct runtime_value *value =
            specserve_result(reply, member->name);

        if (!value || !give(member, value, (char *)output + member->offset))
            return failure_say(err, SPECSERVE_MODEL_CHANGED,
                               "%.60s: the answer has no %.60s of type %.40s",
                               info->name, member->name, member->word);
    }
    return true;
}

static bool is_of_model(const struct specserve_model_info *info,
                        const struct specserve_answer *answer,
                        struct specserve_error *err)
{
    const char *told = specserve_answer_header(answer, "x-model-digest");

    return !told || !*told || !*info->model_digest ||
           strcmp(told, info->model_digest) == 0 ||
           failure_say(err, SPECSERVE_MODEL_CHANGED,
                       "%.60s: the answer is of the model %.20s...; this "
                       "client was made for %.20s...",
                       info->name, told, info->model_digest);
}

bool specserve_typed_predict(struct specserve_typed *typed, const void *input,
                             const struct specserve_options *options,
                             void *output, struct specserve_answer **answer,
                             struct specserve_error *err)
{
    const struct specserve_model_info *info = typed->info;
    const struct runtime_predict_response *reply = NULL;
    struct runtime_predict_request request;
    struct arena arena;
    bool ok;

    *answer = NULL;
    failure_clear(err);
    arena_init(&arena, 0);
    runtime_predict_request_init(&request);
    request.input_type = (char *)(uintptr_t)info->input_type;
    ok = put_input(info, input, &request, &arena, err) &&
         (atomic_load(&typed->compared) || compare(typed, options, err)) &&
         specserve_runtime_predict(typed->service, &request, options, &reply,
                                   answer, err);
    if (ok && !reply->success)
        ok = failure_named(err, text_or(reply->error_code, "UNKNOWN"),
                           text_or(reply->error_message, "declined"));
    ok = ok && is_of_model(info, *answer, err) &&
         give_output(info, reply, output, err);
    arena_release(&arena);
    return ok;
}
