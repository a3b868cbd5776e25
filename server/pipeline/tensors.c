/*
 * Tensors of the model in the form that results have: any type of numbers as
 * floats, strings as texts.
 */
#include <string.h>

#include "half.h"
#include "step.h"

static float number_at(const struct eng_tensor *tensor, size_t i)
{
    const void *data = tensor->data;

    switch (tensor->dtype) {
    case ENG_F32:
        return ((const float *)data)[i];
    case ENG_F64:
        return (float)((const double *)data)[i];
    case ENG_F16:
        return half_f16_to_float(((const uint16_t *)data)[i]);
    case ENG_BF16:
        return half_bf16_to_float(((const uint16_t *)data)[i]);
    case ENG_I64:
        return (float)((const int64_t *)data)[i];
    case ENG_U64:
        return (float)((const uint64_t *)data)[i];
    case ENG_I32:
        return (float)((const int32_t *)data)[i];
    case ENG_U32:
        return (float)((const uint32_t *)data)[i];
    case ENG_I16:
        return ((const int16_t *)data)[i];
    case ENG_U16:
        return ((const uint16_t *)data)[i];
    case ENG_I8:
        return ((const int8_t *)data)[i];
    case ENG_U8:
    case ENG_BOOL:
        return ((const uint8_t *)data)[i];
    case ENG_NONE:
    case ENG_STRING:
        break;
    }
    return 0;
}

const float *call_numbers(struct pipeline_call *call,
                          const struct eng_tensor *tensor, struct error *err)
{
    size_t count = (size_t)eng_tensor_count(tensor);
    float *floats;

    if (tensor->dtype == ENG_F32)
        return tensor->data;
    floats = arena_zalloc(call->arena, count + 1, sizeof(*floats));
    if (!floats) {
        (void)call_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        floats[i] = number_at(tensor, i);
    return floats;
}

char **call_strings(struct pipeline_call *call, const struct eng_tensor *tensor,
                    struct error *err)
{
    size_t count = (size_t)eng_tensor_count(tensor);
    const struct eng_string *strings = tensor->data;
    char **texts = arena_zalloc(call->arena, count + 1, sizeof(*texts));

    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = arena_copy(call->arena, strings[i].text, strings[i].size);
        if (!texts[i])
            texts = NULL;
    }
    if (!texts)
        (void)call_no_memory(err);
    return texts;
}
