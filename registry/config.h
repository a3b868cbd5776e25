/*
 * Config: the command line of specserve-registry.
 *
 * Threads: main thread.
 */
#ifndef REGISTRY_CONFIG_H
#define REGISTRY_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "log.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_USAGE = 2,    /* usage or I/O */
    EXIT_SECURITY = 78 /* refused by a security default */
};

struct reg_config {
    const char *host;          /* numeric address */
    int port;                  /* 0 = any free one */
    char store[PATH_MAX + 64]; /* "sqlite:PATH" or "memory" */
    int first_port, last_port; /* to assign */
    uint32_t ttl_s;
    bool any_user;      /* processes of other users may register */
    bool insecure_bind; /* any host may be given */
    bool help;          /* --help: nothing else counts */
    enum log_level log_level;
};

/*
 * Reads the arguments over the defaults.
 *   ERR_USAGE              an argument is wrong; the sentence says which
 *   ERR_PERMISSION_DENIED  other machines reach the host, and --insecure-bind
 *                          was not given
 */
bool reg_config_load(struct reg_config *config, int argc, char **argv,
                     struct error *err);

void reg_config_help(FILE *out);

#endif
