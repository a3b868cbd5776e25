/*
 * specserve.model.<name>.Model/Predict: runs the model on one input whose
 * values are fields of their own.
 *
 *   fields of the message -> pipeline -> fields of the message
 *
 * What the model declines is an error here: the message has results only.
 */
#include <string.h>

#include "msg.h"
#include "reply.h"
#include "work.h"

/* ---- request ---- */

static struct pipeline_value list_value(const struct msg_field *field,
                                        const void *message)
{
    const void *member = msg_member_const(field, message);
    struct pipeline_value to = {.name = field->json};

    if (field->kind == MSG_F32) {
        to.kind = PIPELINE_FLOATS;
        to.floats.items = *(const float *const *)member;
        to.floats.count = msg_count(field, message);
    } else {
        to.kind = PIPELINE_STRINGS;
        to.strings.items = *(char *const *const *)member;
        to.strings.count = msg_count(field, message);
    }
    return to;
}

static struct pipeline_value single_value(const struct msg_field *field,
                                          const void *message)
{
    const void *member = msg_member_const(field, message);
    struct pipeline_value to = {.name = field->json};

    if (field->kind == MSG_F64) {
        to.kind = PIPELINE_NUMBER;
        to.number = *(const double *)member;
    } else if (field->kind == MSG_I64) {
        to.kind = PIPELINE_NUMBER;
        to.number = (double)*(const int64_t *)member;
    } else if (field->kind == MSG_BOOL) {
        to.kind = PIPELINE_BOOL;
        to.boolean = *(const int *)member != 0;
    } else if (field->kind == MSG_BYTES) {
        to.kind = PIPELINE_BYTES;
        to.bytes.data = ((const struct msg_bytes *)member)->data;
        to.bytes.size = ((const struct msg_bytes *)member)->len;
    } else if (field->kind == MSG_JSON) {
        to.kind = PIPELINE_JSON;
        to.json = *(char *const *)member;
    } else {
        to.kind = PIPELINE_STRING;
        to.string = *(char *const *)member;
    }
    return to;
}

/* Those that are set; an empty list is none. Returns how many. */
static size_t take_values(const struct msg_def *def, const void *message,
                          struct pipeline_value *values)
{
    size_t count = 0;

    for (size_t i = 0; i < def->field_count; i++) {
        const struct msg_field *field = &def->fields[i];

        if (field->card == MSG_LIST && msg_count(field, message))
            values[count++] = list_value(field, message);
        else if (field->card == MSG_ONE && msg_is_set(field, message))
            values[count++] = single_value(field, message);
    }
    return count;
}

/* ---- reply ---- */

static void set_list(const struct msg_field *field, void *message,
                     const void *items, size_t count)
{
    /* messages only read; the array lives in the call's arena */
    memcpy(msg_member(field, message), &items, sizeof items);
    memcpy((char *)message + field->quantifier, &count, sizeof count);
}

/* An array of the message; false: the result is none of its type. */
static bool set_items(const struct msg_field *field, void *message,
                      const struct pipeline_value *value)
{
    if (value->kind == PIPELINE_FLOATS && field->kind == MSG_F32)
        set_list(field, message, value->floats.items, value->floats.count);
    else if (value->kind == PIPELINE_STRINGS && field->kind == MSG_STR)
        set_list(field, message, value->strings.items, value->strings.count);
    else
        return false;
    return true;
}

/* false: the result is not what the field was made for. */
static bool set_value(const struct msg_field *field, void *message,
                      const struct pipeline_value *value)
{
    void *member = msg_member(field, message);

    if (field->card == MSG_LIST)
        return set_items(field, message, value);
    if (value->kind == PIPELINE_NUMBER && field->kind == MSG_F64)
        *(double *)member = value->number;
    else if (value->kind == PIPELINE_BOOL && field->kind == MSG_BOOL)
        *(int *)member = value->boolean;
    else if (value->kind == PIPELINE_STRING && field->kind == MSG_STR)
        memcpy(member, &value->string, sizeof value->string);
    else if (value->kind == PIPELINE_JSON && field->kind == MSG_JSON)
        memcpy(member, &value->json, sizeof value->json);
    else
        return false;
    msg_mark(field, message);
    return true;
}

static const struct msg_field *find_field(const struct msg_def *def,
                                          const char *name)
{
    for (size_t i = 0; i < def->field_count; i++)
        if (strcmp(def->fields[i].json, name) == 0)
            return &def->fields[i];
    return NULL;
}

static bool answer(struct srv_call *call, void *context,
                   const struct pipeline_output *out, void *message,
                   struct error *err)
{
    const struct srv_app *app = call->app;
    const struct msg_def *def = call->op->reply;
    const struct msg_field *warnings = find_field(def, TYPED_WARNINGS);

    (void)context;
    for (size_t i = 0; i < out->result_count; i++) {
        const struct pipeline_value *value = &out->results[i];
        const struct msg_field *field = find_field(def, value->name);

        if (value->kind == PIPELINE_NONE)
            continue;
        if (!field || !set_value(field, message, value))
            return fail(err, ERR_OUTPUT_INVALID,
                        "result '%.64s' is not of its declared type",
                        value->name);
    }
    if (warnings && !bundle_find_output(app->bundle, TYPED_WARNINGS))
        set_list(warnings, message, out->warnings, out->warning_count);
    return true;
}

bool handle_typed_predict(struct srv_call *call, const void *request,
                          void *reply, struct error *err)
{
    const struct msg_def *def = call->op->request;
    struct pipeline_value *values;

    (void)reply; /* made when the model has run */
    if (!work_taken(call, err))
        return false;
    values = arena_zalloc(&call->arena, def->field_count + 1, sizeof *values);
    if (!values)
        return reply_no_memory(err);
    if (!work_prepare(call, values, take_values(def, request, values), 0, err))
        return false;
    work_leave(call, answer, NULL);
    return true;
}
