/*
 * Datatypes: the protocol's names and Triton's numbers for the engine's types.
 */
#include "oip.h"

#include <string.h>

static const struct {
    const char *name;
    enum eng_dtype dtype;
    enum oip_data_type triton;
} rows[] = {
    {"BOOL", ENG_BOOL, INFERENCE__DATA_TYPE__TYPE_BOOL},
    {"UINT8", ENG_U8, INFERENCE__DATA_TYPE__TYPE_UINT8},
    {"UINT16", ENG_U16, INFERENCE__DATA_TYPE__TYPE_UINT16},
    {"UINT32", ENG_U32, INFERENCE__DATA_TYPE__TYPE_UINT32},
    {"UINT64", ENG_U64, INFERENCE__DATA_TYPE__TYPE_UINT64},
    {"INT8", ENG_I8, INFERENCE__DATA_TYPE__TYPE_INT8},
    {"INT16", ENG_I16, INFERENCE__DATA_TYPE__TYPE_INT16},
    {"INT32", ENG_I32, INFERENCE__DATA_TYPE__TYPE_INT32},
    {"INT64", ENG_I64, INFERENCE__DATA_TYPE__TYPE_INT64},
    {"FP16", ENG_F16, INFERENCE__DATA_TYPE__TYPE_FP16},
    {"FP32", ENG_F32, INFERENCE__DATA_TYPE__TYPE_FP32},
    {"FP64", ENG_F64, INFERENCE__DATA_TYPE__TYPE_FP64},
    {"BF16", ENG_BF16, INFERENCE__DATA_TYPE__TYPE_BF16},
    {"BYTES", ENG_STRING, INFERENCE__DATA_TYPE__TYPE_STRING},
};

enum { ROWS = sizeof rows / sizeof *rows };

const char *oip_dtype_name(enum eng_dtype dtype)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].dtype == dtype)
            return rows[i].name;
    return "?";
}

enum eng_dtype oip_dtype_by_name(const char *name)
{
    for (size_t i = 0; name && i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].dtype;
    return ENG_NONE;
}

enum oip_data_type oip_dtype_triton(enum eng_dtype dtype)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].dtype == dtype)
            return rows[i].triton;
    return INFERENCE__DATA_TYPE__TYPE_INVALID;
}
