/*
 * Config: the settings of a server, from flags, environment, file, defaults.
 *
 * The list is config.def; nothing else in the program reads the environment.
 *
 * Threads: written once by config_load(), immutable afterwards.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "arena.h"
#include "error.h"

struct srv_config {
#define CONFIG_STRING(field, flag, otherwise, help)           const char *field;
#define CONFIG_NUMBER(field, flag, min, max, otherwise, help) long field;
#define CONFIG_FLAG(field, flag, help)                        bool field;
#include "config.def"
#undef CONFIG_STRING
#undef CONFIG_NUMBER
#undef CONFIG_FLAG
    char **operands; /* what is left of the command line: the bundles */
    int operand_count;
};

/*
 * Reads the settings. `arena` holds their texts and must live as long as the
 * configuration. ERR_USAGE: unknown flag, missing or illegal value (names the
 * flag and the allowed range); ERR_FILE_MISSING, ERR_FILE_INVALID: --config.
 */
bool config_load(struct srv_config *config, int argc, char **argv,
                 struct arena *arena, struct error *err);

/* One line per setting: flag, help, default. */
void config_help(FILE *out);

#endif
