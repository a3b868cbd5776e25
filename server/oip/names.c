/*
 * Datatypes: the protocol's names and Triton's numbers for the engine's types.
 */
#include "oip.h"

#include <string.h>

static const struct {
    enum eng_dtype dtype;
    const char *name;
    enum oip_data_type triton;
} rows[] = {
    {ENG_BOOL, "BOOL", INFERENCE__DATA_TYPE__TYPE_BOOL},
    {ENG_U8, "UINT8", INFERENCE__DATA_TYPE__TYPE_UINT8},
    {ENG_U16, "UINT16", INFERENCE__DATA_TYPE__TYPE_UINT16},
    {ENG_U32, "UINT32", INFERENCE__DATA_TYPE__TYPE_UINT32},
    {ENG_U64, "UINT64", INFERENCE__DATA_TYPE__TYPE_UINT64},
    {ENG_I8, "INT8", INFERENCE__DATA_TYPE__TYPE_INT8},
    {ENG_I16, "INT16", INFERENCE__DATA_TYPE__TYPE_INT16},
    {ENG_I32, "INT32", INFERENCE__DATA_TYPE__TYPE_INT32},
    {ENG_I64, "INT64", INFERENCE__DATA_TYPE__TYPE_INT64},
    {ENG_F16, "FP16", INFERENCE__DATA_TYPE__TYPE_FP16},
    {ENG_F32, "FP32", INFERENCE__DATA_TYPE__TYPE_FP32},
    {ENG_F64, "FP64", INFERENCE__DATA_TYPE__TYPE_FP64},
    {ENG_BF16, "BF16", INFERENCE__DATA_TYPE__TYPE_BF16},
    {ENG_STRING, "BYTES", INFERENCE__DATA_TYPE__TYPE_STRING},
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
