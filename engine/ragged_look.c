/*
 * Ragged look: see ragged_look.h.
 */
#include "ragged_look.h"

#include <string.h>

enum ragged_place look_decline(struct look *look, const char *text)
{
    return survey_decline(look->survey, look->node, text);
}

enum ragged_place look_failed(struct look *look)
{
    look->failed = true;
    return PLACE_MIXED;
}

uint32_t look_input(const struct look *look, size_t i)
{
    return i < look->node->input_count ? look->node->inputs[i] : ENG_NO_VALUE;
}

enum ragged_place look_place(struct look *look, size_t i)
{
    if (look_input(look, i) == ENG_NO_VALUE)
        return PLACE_CONSTANT;
    if (!ragged_resolve(look->survey, look_input(look, i), look->err))
        look->failed = true;
    return look->survey->places[look_input(look, i)];
}

enum ragged_place look_out(const struct look *look)
{
    return survey_by_shape(look->survey, look->node->outputs[0]);
}

int look_lead(const struct look *look, uint32_t value, enum ragged_place place)
{
    return place == PLACE_TOKENS ? survey_token_axis(look->survey, value) : 0;
}

/* --- numbers --- */

int look_constants(struct look *look, size_t i, int64_t *list)
{
    const struct eng_tensor *tensor;
    int64_t count;

    if (look_input(look, i) == ENG_NO_VALUE ||
        look_place(look, i) != PLACE_CONSTANT)
        return -1;
    tensor = survey_tensor(look->survey, look_input(look, i), 0);
    count = eng_tensor_count(tensor);
    if (!tensor->data || count > NUMBERS_MAX)
        return -1;
    for (int64_t k = 0; k < count; k++) {
        if (tensor->dtype == ENG_I64)
            list[k] = ((const int64_t *)tensor->data)[k];
        else if (tensor->dtype == ENG_I32)
            list[k] = ((const int32_t *)tensor->data)[k];
        else
            return -1;
    }
    return (int)count;
}

int look_ints(struct look *look, const char *name, size_t i, int64_t *list)
{
    const struct eng_attr *attr = rewrite_attr(look->node, name);

    if (!attr)
        return look_constants(look, i, list);
    if (attr->type != ENG_ATTR_INTS || attr->count > NUMBERS_MAX)
        return -1;
    memcpy(list, attr->ints, attr->count * sizeof *list);
    return (int)attr->count;
}

int64_t look_axis(const struct look *look, int64_t fallback, int rank)
{
    int64_t axis = rewrite_int(look->node, "axis", fallback);

    return axis < 0 ? axis + rank : axis;
}
