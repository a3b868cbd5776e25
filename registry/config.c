/*
 * Config: options with getopt_long; see config.h.
 */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "lease.h"
#include "ports.h"

enum option_id {
    OPT_HOST = 1,
    OPT_PORT,
    OPT_STORE,
    OPT_PORTS,
    OPT_TTL,
    OPT_LOG_LEVEL,
    OPT_ANY_USER,
    OPT_INSECURE_BIND,
    OPT_HELP
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPT_HOST},
    {"port", required_argument, NULL, OPT_PORT},
    {"store", required_argument, NULL, OPT_STORE},
    {"ports", required_argument, NULL, OPT_PORTS},
    {"ttl", required_argument, NULL, OPT_TTL},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"any-user", no_argument, NULL, OPT_ANY_USER},
    {"insecure-bind", no_argument, NULL, OPT_INSECURE_BIND},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

void reg_config_help(FILE *out)
{
    (void)fputs(
        "usage: specserve-registry [OPTIONS]\n"
        "\n"
        "Assigns ports to model servers and knows which of them are alive.\n"
        "\n"
        "  --host ADDRESS     address to listen on (127.0.0.1)\n"
        "  --port N           port to listen on; 0 = any free one (5000)\n"
        "  --store STORE      sqlite:PATH or memory\n"
        "                     (sqlite:$XDG_STATE_HOME/specserve/registry.db)\n"
        "  --ports A-B        ports to assign (5100-5999)\n"
        "  --ttl SECONDS      life without a heartbeat, 3-300 (90)\n"
        "  --log-level LEVEL  error, warn, info or debug (info)\n"
        "  --any-user         let processes of other users register\n"
        "  --insecure-bind    allow an address that other machines reach\n"
        "  --help             print this\n",
        out);
}

static bool read_number(const char *name, const char *text, long min, long max,
                        long *value, struct error *err)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end || number < min || number > max)
        return fail(err, ERR_USAGE,
                    "--%s takes a number from %ld to %ld, not "
                    "'%s'",
                    name, min, max, text);
    *value = number;
    return true;
}

static bool read_port(struct reg_config *config, const char *text,
                      struct error *err)
{
    long port = 0;

    if (!read_number("port", text, 0, REG_PORT_HIGHEST, &port, err))
        return false;
    config->port = (int)port;
    return true;
}

static bool read_ttl(struct reg_config *config, const char *text,
                     struct error *err)
{
    long ttl_s = 0;

    if (!read_number("ttl", text, REG_TTL_MIN_S, REG_TTL_MAX_S, &ttl_s, err))
        return false;
    config->ttl_s = (uint32_t)ttl_s;
    return true;
}

/* "5100-5999" */
static bool read_ports(struct reg_config *config, const char *text,
                       struct error *err)
{
    char *end;
    long first = strtol(text, &end, 10), last = 0;
    bool ok = end != text && *end == '-';

    if (ok) {
        const char *second = end + 1;

        last = strtol(second, &end, 10);
        ok = end != second && !*end;
    }
    if (!ok || first < REG_PORT_LOWEST || last > REG_PORT_HIGHEST ||
        first > last)
        return fail(err, ERR_USAGE,
                    "--ports takes a range in %d-%d, as in 5100-5999",
                    REG_PORT_LOWEST, REG_PORT_HIGHEST);
    config->first_port = (int)first;
    config->last_port = (int)last;
    return true;
}

static bool read_host(struct reg_config *config, const char *text,
                      struct error *err)
{
    config->host = strcmp(text, "localhost") == 0 ? "127.0.0.1" : text;
    return address_is_numeric(config->host) ||
           fail(err, ERR_USAGE, "--host takes an address, not '%s'", text);
}

static bool read_store(struct reg_config *config, const char *text,
                       struct error *err)
{
    if (strlen(text) >= sizeof config->store)
        return fail(err, ERR_USAGE, "--store is too long");
    (void)snprintf(config->store, sizeof config->store, "%s", text);
    return true;
}

static bool read_option(struct reg_config *config, int option,
                        const char *value, struct error *err)
{
    switch (option) {
    case OPT_HOST:
        return read_host(config, value, err);
    case OPT_PORT:
        return read_port(config, value, err);
    case OPT_STORE:
        return read_store(config, value, err);
    case OPT_PORTS:
        return read_ports(config, value, err);
    case OPT_TTL:
        return read_ttl(config, value, err);
    case OPT_LOG_LEVEL:
        return log_level_by_name(value, &config->log_level) ||
               fail(err, ERR_USAGE,
                    "--log-level takes error, warn, info or debug");
    case OPT_ANY_USER:
        config->any_user = true;
        return true;
    case OPT_INSECURE_BIND:
        config->insecure_bind = true;
        return true;
    case OPT_HELP:
        config->help = true;
        return true;
    default:
        return fail(err, ERR_USAGE, "an option is unknown or lacks its value");
    }
}

/* The state folder of the user, as the XDG base directories say. */
static bool default_store(struct reg_config *config, struct error *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    bool has_state = state && *state == '/';

    if (!has_state && (!home || *home != '/'))
        return fail(err, ERR_USAGE,
                    "neither XDG_STATE_HOME nor HOME is set: give --store");
    (void)snprintf(config->store, sizeof config->store,
                   "sqlite:%s%s/specserve/registry.db",
                   has_state ? state : home, has_state ? "" : "/.local/state");
    return true;
}

bool reg_config_load(struct reg_config *config, int argc, char **argv,
                     struct error *err)
{
    int option;

    *config = (struct reg_config){.host = "127.0.0.1",
                                  .port = 5000,
                                  .first_port = REG_PORT_FIRST,
                                  .last_port = REG_PORT_LAST,
                                  .ttl_s = REG_TTL_DEFAULT_S,
                                  .log_level = LOG_INFO};
    opterr = 0; /* we say it ourselves */
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (!read_option(config, option, optarg, err))
            return false;
    if (optind < argc)
        return fail(err, ERR_USAGE, "'%s' is not an option", argv[optind]);
    if (config->help)
        return true;
    if (!address_is_loopback(config->host) && !config->insecure_bind)
        return fail(err, ERR_PERMISSION_DENIED,
                    "other machines reach '%s', and there is no encryption and "
                    "no token yet; --insecure-bind allows it",
                    config->host);
    return config->store[0] || default_store(config, err);
}
