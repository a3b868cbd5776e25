/*
 * Reflection: one question, one answer; errors are answers too.
 *
 * A file is sent with everything it imports, directly or not, so that a client
 * needs one question per service. protobuf-c gives both packages structs of the
 * same layout; the v1alpha handler uses the v1 code through a cast, and the
 * codec writes the right descriptors by the endpoint's own tables.
 */
#include "reflection.h"

#include <string.h>

#include "call.h"
#include "reflection_v1_server.h"
#include "reflection_v1alpha_server.h"

/* The cases of the two oneofs are the numbers of their fields. */
enum {
    REQUEST_FILE = 3,
    REQUEST_SYMBOL = 4,
    REQUEST_EXTENSION = 5,
    REQUEST_EXTENSIONS = 6,
    REQUEST_SERVICES = 7,
    RESPONSE_FILES = 4,
    RESPONSE_EXTENSIONS = 5,
    RESPONSE_SERVICES = 6,
    RESPONSE_ERROR = 7
};

/* ---- the table ---- */

static const struct proto_file *file_named(const struct reflection *reflection,
                                           const char *name)
{
    for (size_t i = 0; reflection->protos && reflection->protos[i]; i++)
        if (strcmp(reflection->protos[i]->name, name) == 0)
            return reflection->protos[i];
    return NULL;
}

static bool declares(const struct proto_file *file, const char *symbol)
{
    for (const char *const *name = file->symbols; *name; name++)
        if (strcmp(*name, symbol) == 0)
            return true;
    return false;
}

static const struct proto_file *file_with(const struct reflection *reflection,
                                          const char *symbol)
{
    for (size_t i = 0; reflection->protos && reflection->protos[i]; i++)
        if (declares(reflection->protos[i], symbol))
            return reflection->protos[i];
    return NULL;
}

static size_t count_files(const struct reflection *reflection)
{
    size_t count = 0;

    while (reflection->protos && reflection->protos[count])
        count++;
    return count;
}

/* ---- answers ---- */

/* What one question is answered with, and from where the memory comes. */
struct answer {
    const struct reflection *reflection;
    struct arena *arena;
    struct reflection_v1_server_reflection_response *reply;
};

static bool answered(const struct answer *answer, int which)
{
    answer->reply->message_response_case = which;
    return true;
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this answer");
}

static bool answer_error(const struct answer *answer, enum err_code code,
                         const char *text, struct error *err)
{
    struct reflection_v1_error_response *error =
        arena_zalloc(answer->arena, 1, sizeof *error);

    if (!error)
        return no_memory(err);
    /* error_code is a gRPC status */
    error->error_code = err_info(code)->grpc;
    error->error_message = arena_strdup(answer->arena, text);
    answer->reply->error_response = error;
    return answered(answer, RESPONSE_ERROR);
}

static bool answer_services(const struct answer *answer, struct error *err)
{
    const struct reflection *reflection = answer->reflection;
    size_t count = reflection->service_count;
    struct reflection_v1_list_service_response *list =
        arena_zalloc(answer->arena, 1, sizeof *list);
    struct reflection_v1_service_response *services =
        arena_zalloc(answer->arena, count, sizeof *services);

    if (list)
        list->service =
            arena_zalloc(answer->arena, count, sizeof *list->service);
    if (!list || !services || !list->service)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        services[i].name = arena_strdup(answer->arena, reflection->services[i]);
        list->service[i] = &services[i];
    }
    list->n_service = count;
    answer->reply->list_services_response = list;
    return answered(answer, RESPONSE_SERVICES);
}

/*
 * Appends `file` and then, breadth first, what the files in the list import;
 * a file that is there already is not repeated. The list has room for all.
 */
static size_t close_over_imports(const struct reflection *reflection,
                                 const struct proto_file *file,
                                 const struct proto_file **list)
{
    size_t count = 0;

    list[count++] = file;
    for (size_t i = 0; i < count; i++) {
        for (const char *const *name = list[i]->imports; *name; name++) {
            const struct proto_file *import = file_named(reflection, *name);
            size_t at = 0;

            while (import && at < count && list[at] != import)
                at++;
            if (import && at == count)
                list[count++] = import;
        }
    }
    return count;
}

static bool answer_file(const struct answer *answer,
                        const struct proto_file *file, const char *missing,
                        struct error *err)
{
    size_t room = count_files(answer->reflection);
    struct reflection_v1_file_descriptor_response *files;
    const struct proto_file **list;

    if (!file)
        return answer_error(answer, ERR_NOT_FOUND, missing, err);
    files = arena_zalloc(answer->arena, 1, sizeof *files);
    list = arena_zalloc(answer->arena, room, sizeof *list);
    if (files)
        files->file_descriptor_proto = arena_zalloc(
            answer->arena, room, sizeof *files->file_descriptor_proto);
    if (!files || !list || !files->file_descriptor_proto)
        return no_memory(err);
    files->n_file_descriptor_proto =
        close_over_imports(answer->reflection, file, list);
    for (size_t i = 0; i < files->n_file_descriptor_proto; i++) {
        files->file_descriptor_proto[i].len = list[i]->size;
        /* only read: the codec copies it into the answer */
        files->file_descriptor_proto[i].data =
            (uint8_t *)(uintptr_t)list[i]->bytes;
    }
    answer->reply->file_descriptor_response = files;
    return answered(answer, RESPONSE_FILES);
}

/* No message of ours has extensions; a known type has an empty list of them. */
static bool answer_extensions(const struct answer *answer, char *type,
                              struct error *err)
{
    struct reflection_v1_extension_number_response *numbers;

    if (!file_with(answer->reflection, type))
        return answer_error(answer, ERR_NOT_FOUND, "no such type", err);
    numbers = arena_zalloc(answer->arena, 1, sizeof *numbers);
    if (!numbers)
        return no_memory(err);
    numbers->base_type_name = type;
    answer->reply->all_extension_numbers_response = numbers;
    return answered(answer, RESPONSE_EXTENSIONS);
}

bool handle_reflection_v1_info(
    struct srv_call *call,
    const struct reflection_v1_server_reflection_request *request,
    struct reflection_v1_server_reflection_response *reply, struct error *err)
{
    struct answer answer = {call->app, &call->arena, reply};
    const struct reflection *reflection = call->app;

    reply->valid_host = request->host;
    /* echoed, not changed: the decoder has written its descriptors */
    reply->original_request =
        (struct reflection_v1_server_reflection_request *)(uintptr_t)request;
    switch ((int)request->message_request_case) {
    case REQUEST_FILE:
        return answer_file(&answer,
                           file_named(reflection, request->file_by_filename),
                           "no such file", err);
    case REQUEST_SYMBOL:
        return answer_file(
            &answer, file_with(reflection, request->file_containing_symbol),
            "no such symbol", err);
    case REQUEST_EXTENSION:
        return answer_error(&answer, ERR_NOT_FOUND, "no such extension", err);
    case REQUEST_EXTENSIONS:
        return answer_extensions(&answer,
                                 request->all_extension_numbers_of_type, err);
    case REQUEST_SERVICES:
        return answer_services(&answer, err);
    default:
        return answer_error(&answer, ERR_BAD_REQUEST,
                            "the request asks for nothing", err);
    }
}

_Static_assert(
    sizeof(struct reflection_v1_server_reflection_request) ==
            sizeof(struct reflection_v1alpha_server_reflection_request) &&
        sizeof(struct reflection_v1_server_reflection_response) ==
            sizeof(struct reflection_v1alpha_server_reflection_response),
    "the two packages have the same messages");

bool handle_reflection_v1alpha_info(
    struct srv_call *call,
    const struct reflection_v1alpha_server_reflection_request *request,
    struct reflection_v1alpha_server_reflection_response *reply,
    struct error *err)
{
    return handle_reflection_v1_info(call, (const void *)request, (void *)reply,
                                     err);
}
