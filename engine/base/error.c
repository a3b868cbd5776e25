/*
 * The error type and the catalogue's table, both from gen/c/errors.def.
 */
#include "error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static const struct err_info err_table[] = {
    {.name = "NONE", .http = 200, .grpc = 0, .retry = RETRY_NEVER, .doc = ""},
#define ERR(code_name, http_status, grpc_status, retry_class, text)            \
    {.name = #code_name,                                                       \
     .http = (http_status),                                                    \
     .grpc = (grpc_status),                                                    \
     .retry = RETRY_##retry_class,                                             \
     .doc = (text)},
#include "errors.def"
#undef ERR
};

bool fail(struct error *err, enum err_code code, const char *format, ...)
{
    va_list args;

    err->code = code;
    va_start(args, format);
    (void)vsnprintf(err->msg, sizeof err->msg, format, args);
    va_end(args);
    utf8_mend(err->msg);
    return false;
}

void error_clear(struct error *err)
{
    err->code = ERR_NONE;
    err->msg[0] = '\0';
}

const struct err_info *err_info(enum err_code code)
{
    if ((unsigned)code >= ERR_CODE_COUNT)
        return &err_table[ERR_INTERNAL];
    return &err_table[code];
}

enum err_code err_code_by_name(const char *name)
{
    for (size_t i = 1; i < ERR_CODE_COUNT; i++)
        if (strcmp(err_table[i].name, name) == 0)
            return (enum err_code)i;
    return ERR_NONE;
}
