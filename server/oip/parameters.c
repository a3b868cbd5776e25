/*
 * Parameters: requests, inputs and outputs each have a map of them, three types
 * of one shape; they are reached through the tables of messages.
 */
#include "oip.h"

#include <string.h>

#include "msg.h"

const struct msg_field *oip_parameters_field(const struct msg_def *def)
{
    for (size_t i = 0; i < def->field_count; i++)
        if (strcmp(def->fields[i].json, "parameters") == 0)
            return &def->fields[i];
    return NULL;
}

const struct oip_infer_parameter *
oip_parameter(const struct msg_def *def, const void *message, const char *key)
{
    const struct msg_field *map = oip_parameters_field(def);
    size_t count = map ? msg_count(map, message) : 0;

    for (size_t i = 0; i < count; i++) {
        const void *entry =
            (*(void *const *const *)msg_member_const(map, message))[i];
        const char *name =
            *(const char *const *)msg_member_const(&map->sub->fields[0], entry);

        if (name && strcmp(name, key) == 0)
            return *(const struct oip_infer_parameter *const *)msg_member_const(
                &map->sub->fields[1], entry);
    }
    return NULL;
}

bool oip_parameter_is_true(const struct msg_def *def, const void *message,
                           const char *key)
{
    const struct oip_infer_parameter *found = oip_parameter(def, message, key);

    return found &&
           found->parameter_choice_case ==
               INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM &&
           found->bool_param;
}

bool oip_parameter_count(const struct oip_infer_parameter *parameter,
                         uint64_t *value)
{
    if (parameter->parameter_choice_case ==
        INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM) {
        *value = parameter->uint64_param;
        return true;
    }
    if (parameter->parameter_choice_case !=
            INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM ||
        parameter->int64_param < 0)
        return false;
    *value = (uint64_t)parameter->int64_param;
    return true;
}
