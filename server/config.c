/*
 * Config: walks the table of settings once per source, weakest source first.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_STRING, KIND_NUMBER, KIND_FLAG };

struct setting {
    enum kind kind;
    const char *flag;
    size_t offset; /* in struct srv_config */
    const char *text;
    long number, min, max;
    const char *help;
};

static const struct setting settings[] = {
#define CONFIG_STRING(field, name, otherwise, words)                           \
    {.kind = KIND_STRING,                                                      \
     .flag = (name),                                                           \
     .offset = offsetof(struct srv_config, field),                             \
     .text = (otherwise),                                                      \
     .help = (words)},
#define CONFIG_NUMBER(field, name, low, high, otherwise, words)                \
    {.kind = KIND_NUMBER,                                                      \
     .flag = (name),                                                           \
     .offset = offsetof(struct srv_config, field),                             \
     .min = (low),                                                             \
     .max = (high),                                                            \
     .number = (otherwise),                                                    \
     .help = (words)},
#define CONFIG_FLAG(field, name, words)                                        \
    {.kind = KIND_FLAG,                                                        \
     .flag = (name),                                                           \
     .offset = offsetof(struct srv_config, field),                             \
     .help = (words)},
#include "config.def"
#undef CONFIG_STRING
#undef CONFIG_NUMBER
#undef CONFIG_FLAG
};

enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };
enum { FILE_LINES_MAX = 1000, LINE_SIZE = 1024 };

static void *member(struct srv_config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static void set_defaults(struct srv_config *config)
{
    *config = (struct srv_config){0};
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings[i];

        if (setting->kind == KIND_STRING)
            *(const char **)member(config, setting) = setting->text;
        else if (setting->kind == KIND_NUMBER)
            *(long *)member(config, setting) = setting->number;
    }
}

static const struct setting *find_setting(const char *flag, size_t length)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strlen(settings[i].flag) == length &&
            memcmp(settings[i].flag, flag, length) == 0)
            return &settings[i];
    return NULL;
}

static bool set_number(long *target, const struct setting *setting,
                       const char *value, struct error *err)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < setting->min ||
        number > setting->max)
        return fail(err, ERR_USAGE, "--%s takes a whole number %ld..%ld",
                    setting->flag, setting->min, setting->max);
    *target = number;
    return true;
}

static bool set_flag(bool *target, const struct setting *setting,
                     const char *value, struct error *err)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *target = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *target = false;
    else
        return fail(err, ERR_USAGE, "%s takes true or false", setting->flag);
    return true;
}

/* `value` outlives the configuration. */
static bool set(struct srv_config *config, const struct setting *setting,
                const char *value, struct error *err)
{
    void *target = member(config, setting);

    if (setting->kind == KIND_NUMBER)
        return set_number(target, setting, value, err);
    if (setting->kind == KIND_FLAG)
        return set_flag(target, setting, value, err);
    *(const char **)target = value;
    return true;
}

enum { NAME_SIZE = 64 };

/* "log-level" -> "SPECSERVE_LOG_LEVEL" */
static void environment_name(const char *flag, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "SPECSERVE_%s", flag);
    for (char *at = name; *at; at++) {
        if (*at == '-')
            *at = '_';
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    }
}

static bool from_environment(struct srv_config *config, struct error *err)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char name[NAME_SIZE];
        const char *value;

        environment_name(settings[i].flag, name);
        value = getenv(name);
        if (value && !set(config, &settings[i], value, err))
            return false;
    }
    return true;
}

static char *trim(char *text)
{
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* One line of a settings file: "flag = value", "# comment" or nothing. */
static bool set_line(struct srv_config *config, char *line, int number,
                     struct arena *arena, struct error *err)
{
    const struct setting *setting;
    char *equals, *key, *value;

    line = trim(line);
    if (*line == '\0' || *line == '#')
        return true;
    equals = strchr(line, '=');
    if (!equals)
        return fail(err, ERR_FILE_INVALID, "--config line %d has no '='",
                    number);
    *equals = '\0';
    key = trim(line);
    setting = find_setting(key, strlen(key));
    if (!setting)
        return fail(err, ERR_FILE_INVALID, "--config line %d: no setting '%s'",
                    number, key);
    value = arena_strdup(arena, trim(equals + 1));
    if (!value)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for --config");
    return set(config, setting, value, err);
}

static bool from_file(struct srv_config *config, const char *path,
                      struct arena *arena, struct error *err)
{
    FILE *file = fopen(path, "re");
    char line[LINE_SIZE];
    bool ok = true;

    if (!file)
        return fail(err, ERR_FILE_MISSING, "cannot open --config '%s'", path);
    for (int number = 1; ok && fgets(line, sizeof line, file); number++) {
        if (number > FILE_LINES_MAX)
            ok = fail(err, ERR_FILE_INVALID, "--config has over %d lines",
                      FILE_LINES_MAX);
        else if (!strchr(line, '\n') && !feof(file))
            ok = fail(err, ERR_FILE_INVALID,
                      "--config line %d has over %d bytes", number,
                      LINE_SIZE - 2);
        else
            ok = set_line(config, line, number, arena, err);
    }
    (void)fclose(file);
    return ok;
}

static bool is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-';
}

/*
 * One argument "--flag VALUE" or "--flag=VALUE" at argv[*at]; moves *at past
 * it. `config` NULL: only finds the value of --config.
 */
static bool take_flag(struct srv_config *config, int argc, char **argv, int *at,
                      const char **config_file, struct error *err)
{
    const char *flag = argv[*at] + 2;
    const char *equals = strchr(flag, '=');
    size_t length = equals ? (size_t)(equals - flag) : strlen(flag);
    const struct setting *setting = find_setting(flag, length);
    bool is_file = length == 6 && memcmp(flag, "config", 6) == 0;
    const char *value = equals ? equals + 1 : NULL;

    (*at)++;
    if (!setting && !is_file)
        return fail(err, ERR_USAGE, "unknown option --%.*s", (int)length, flag);
    if (!value && setting && setting->kind == KIND_FLAG)
        value = "true";
    if (!value && *at == argc)
        return fail(err, ERR_USAGE, "--%.*s wants a value", (int)length, flag);
    if (!value)
        value = argv[(*at)++];
    if (is_file) {
        *config_file = value;
        return true;
    }
    return !config || set(config, setting, value, err);
}

/* Operands are moved to the front of argv, in their order. */
static bool from_arguments(struct srv_config *config, int argc, char **argv,
                           const char **config_file, struct error *err)
{
    int operands = 0;

    for (int at = 0; at < argc;) {
        if (is_flag(argv[at])) {
            if (!take_flag(config, argc, argv, &at, config_file, err))
                return false;
            continue;
        }
        if (config)
            argv[operands] = argv[at];
        operands++;
        at++;
    }
    if (config) {
        config->operands = argv;
        config->operand_count = operands;
    }
    return true;
}

bool config_load(struct srv_config *config, int argc, char **argv,
                 struct arena *arena, struct error *err)
{
    const char *file = getenv("SPECSERVE_CONFIG");

    set_defaults(config);
    if (!from_arguments(NULL, argc, argv, &file, err))
        return false;
    if (file && !from_file(config, file, arena, err))
        return false;
    if (!from_environment(config, err))
        return false;
    return from_arguments(config, argc, argv, &file, err);
}

void config_help(FILE *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings[i];

        (void)fprintf(out, "  --%-16s %s", setting->flag, setting->help);
        if (setting->kind == KIND_STRING && *setting->text)
            (void)fprintf(out, " (%s)", setting->text);
        (void)fputc('\n', out);
    }
    (void)fprintf(out, "  --%-16s %s\n", "config",
                  "file of lines `flag = value`");
}
