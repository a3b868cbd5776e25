/*
 * Values: see values.h.
 */
#include "values.h"

#include <string.h>

/* protobuf-c's members are not const, but nothing writes through them. */
static void *borrowed(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

/* A new entry of `data`, whose value is to be set; NULL: memory is out. The
 * list doubles whenever its size is a power of two. */
static struct runtime_value *put(struct runtime_predict_request *request,
                                 struct arena *arena, const char *key)
{
    struct runtime_predict_request_data_entry *entry =
        arena_alloc(arena, sizeof *entry);
    struct runtime_value *value = runtime_value_new(arena);
    size_t count = request->n_data;

    if (!entry || !value)
        return NULL;
    if ((count & (count - 1)) == 0) {
        struct runtime_predict_request_data_entry **list =
            arena_zalloc(arena, count ? count * 2 : 1, sizeof *list);

        if (!list)
            return NULL;
        if (count)
            memcpy(list, request->data, count * sizeof *list);
        request->data = list;
    }
    runtime_predict_request_data_entry_init(entry);
    entry->key = borrowed(key);
    entry->value = value;
    request->data[request->n_data++] = entry;
    return value;
}

bool specserve_put_text(struct runtime_predict_request *request,
                        struct arena *arena, const char *key, const char *text)
{
    struct runtime_value *value = put(request, arena, key);

    if (value)
        runtime_value_set_text(value, borrowed(text));
    return value != NULL;
}

bool specserve_put_number(struct runtime_predict_request *request,
                          struct arena *arena, const char *key, double number)
{
    struct runtime_value *value = put(request, arena, key);

    if (value)
        runtime_value_set_number(value, number);
    return value != NULL;
}

bool specserve_put_flag(struct runtime_predict_request *request,
                        struct arena *arena, const char *key, bool flag)
{
    struct runtime_value *value = put(request, arena, key);

    if (value)
        runtime_value_set_flag(value, flag);
    return value != NULL;
}

bool specserve_put_floats(struct runtime_predict_request *request,
                          struct arena *arena, const char *key,
                          const float *values, size_t count)
{
    struct runtime_float_list *list = runtime_float_list_new(arena);
    struct runtime_value *value = list ? put(request, arena, key) : NULL;

    if (!value)
        return false;
    list->values = borrowed(values);
    list->n_values = count;
    runtime_value_set_floats(value, list);
    return true;
}

bool specserve_put_texts(struct runtime_predict_request *request,
                         struct arena *arena, const char *key,
                         const char *const *values, size_t count)
{
    struct runtime_string_list *list = runtime_string_list_new(arena);
    struct runtime_value *value = list ? put(request, arena, key) : NULL;

    if (!value)
        return false;
    list->values = borrowed(values);
    list->n_values = count;
    runtime_value_set_strings(value, list);
    return true;
}

bool specserve_put_bytes(struct runtime_predict_request *request,
                         struct arena *arena, const char *key,
                         const void *bytes, size_t size)
{
    struct runtime_value *value = put(request, arena, key);

    if (value)
        runtime_value_set_blob(
            value, (struct msg_bytes){.len = size, .data = borrowed(bytes)});
    return value != NULL;
}

bool specserve_put_json(struct runtime_predict_request *request,
                        struct arena *arena, const char *key, const char *json)
{
    struct runtime_value *value = put(request, arena, key);

    if (value)
        runtime_value_set_json(value, borrowed(json));
    return value != NULL;
}

const struct runtime_value *
specserve_result(const struct runtime_predict_response *reply, const char *key)
{
    for (size_t i = 0; i < reply->n_results; i++)
        if (reply->results[i]->key && strcmp(reply->results[i]->key, key) == 0)
            return reply->results[i]->value;
    return NULL;
}

bool specserve_result_number(const struct runtime_predict_response *reply,
                             const char *key, double *number)
{
    const struct runtime_value *value = specserve_result(reply, key);

    if (!value || value->kind_case != RUNTIME__VALUE__KIND_NUMBER)
        return false;
    *number = value->number;
    return true;
}

const char *specserve_result_text(const struct runtime_predict_response *reply,
                                  const char *key)
{
    const struct runtime_value *value = specserve_result(reply, key);

    return value && value->kind_case == RUNTIME__VALUE__KIND_TEXT ? value->text
                                                                  : NULL;
}
