/*
 * specserve conform: holds a server, of whatever make, against a contract.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "commands.h"
#include "conform/conform.h"

static const char usage[] =
    "usage: specserve conform [--url URL] [--registry-url URL] [--suite S]\n"
    "                         [--grpc-url URL] [--model NAME] [--infer FILE]\n"
    "                         [--only ID] [--json] [--junit FILE]\n"
    "\n"
    "  --url URL           the model server, http://host:port\n"
    "  --registry-url URL  the registry; conform registers and unregisters\n"
    "                      models called conform-... there\n"
    "  --suite S           runtime-1.2, registry, oip-v2 or all (all)\n"
    "  --grpc-url URL      oip-v2: where gRPC is, if not at --url\n"
    "  --model NAME        oip-v2: the model to ask (the first of the index)\n"
    "  --infer FILE        oip-v2: a request in JSON that this model takes\n"
    "                      (made of its metadata)\n"
    "  --only ID           one check, such as H1\n"
    "  --json              one JSON document on standard output\n"
    "  --junit FILE        a report for CI besides\n"
    "\n"
    "Exit code: 0 nothing failed, 1 a check failed, 2 usage or I/O.\n";

struct options {
    const char *url, *registry, *grpc, *suite, *only, *junit, *model, *infer;
    bool json, help;
};

static const char **value_of(struct options *options, const char *flag)
{
    const struct {
        const char *flag;
        const char **value;
    } known[] = {
        {"--url", &options->url},       {"--registry-url", &options->registry},
        {"--grpc-url", &options->grpc}, {"--model", &options->model},
        {"--infer", &options->infer},   {"--suite", &options->suite},
        {"--only", &options->only},     {"--junit", &options->junit}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].flag, flag) == 0)
            return known[i].value;
    return NULL;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.suite = "all"};
    for (int i = 0; i < argc; i++) {
        const char **value = value_of(options, argv[i]);

        if (value && i + 1 < argc)
            *value = argv[++i];
        else if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else
            return false;
    }
    return options->help || options->url || options->registry;
}

/* Bits of enum conform_suite; 0: there is no such suite. */
static unsigned suites_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned suites;
    } known[] = {{"runtime-1.2", 1U << CONFORM_RUNTIME},
                 {"registry", 1U << CONFORM_REGISTRY},
                 {"oip-v2", 1U << CONFORM_OIP},
                 {"all", 1U << CONFORM_RUNTIME | 1U << CONFORM_REGISTRY |
                             1U << CONFORM_OIP}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].suites;
    return 0;
}

/* The authority of a URL without path; false when it is none. */
static bool read_url(const char *url, char authority[AUTHORITY_SIZE])
{
    static const char scheme[] = "http://";
    struct error err;

    if (!url)
        return true;
    if (strncmp(url, scheme, strlen(scheme)) != 0 ||
        !authority_read(url + strlen(scheme), authority, &err)) {
        (void)fprintf(stderr,
                      "specserve conform: '%s' is not http://host:port\n", url);
        return false;
    }
    return true;
}

static bool write_junit(const char *path, const struct conform_case *cases,
                        size_t count)
{
    struct buf text = {0};
    FILE *file = fopen(path, "w");
    bool ok;

    conform_junit(cases, count, &text);
    ok = file && buf_ok(&text) &&
         fwrite(text.data, 1, text.size, file) == text.size;
    ok = file && fclose(file) == 0 && ok;
    if (!ok)
        (void)fprintf(stderr, "specserve conform: cannot write '%s'\n", path);
    buf_release(&text);
    return ok;
}

static int report(const struct options *options,
                  const struct conform_case *cases, size_t count)
{
    struct buf text = {0};
    int code = EXIT_OK;

    (options->json ? conform_json : conform_text)(cases, count, &text);
    if (buf_ok(&text))
        (void)fwrite(text.data, 1, text.size, stdout);
    buf_release(&text);
    for (size_t i = 0; i < count; i++)
        if (cases[i].outcome == CONFORM_FAILED)
            code = EXIT_WRONG;
    if (options->junit && !write_junit(options->junit, cases, count))
        return EXIT_USAGE;
    return code;
}

/* The request of --infer; false when it is no JSON object. */
static bool read_infer(const char *path, json_t **infer)
{
    json_error_t why;

    if (!path)
        return true;
    *infer = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(*infer))
        return true;
    (void)fprintf(stderr, "specserve conform: '%s' is no JSON object%s%s\n",
                  path, *infer ? "" : ": ", *infer ? "" : why.text);
    return false;
}

static int run_checks(const struct options *options,
                      const struct conform_subject *subject)
{
    struct conform_case *cases = calloc(conform_check_count, sizeof *cases);
    size_t count;
    int code = EXIT_USAGE;

    if (!cases) {
        (void)fputs("specserve conform: no memory\n", stderr);
        return EXIT_USAGE;
    }
    count =
        conform_run(subject, suites_of(options->suite), options->only, cases);
    if (count)
        code = report(options, cases, count);
    else
        (void)fprintf(stderr,
                      "specserve conform: there is no check '%s' in "
                      "suite '%s'\n",
                      options->only ? options->only : "", options->suite);
    free(cases);
    return code;
}

static int run(const struct options *options)
{
    char url[AUTHORITY_SIZE], registry[AUTHORITY_SIZE], grpc[AUTHORITY_SIZE];
    json_t *infer = NULL;
    struct conform_subject subject = {
        .url = options->url ? url : NULL,
        .registry = options->registry ? registry : NULL,
        .grpc = options->grpc ? grpc : NULL,
        .model = options->model,
        .whole = strcmp(options->suite, "all") == 0};
    int code = EXIT_USAGE;

    if (read_url(options->url, url) && read_url(options->registry, registry) &&
        read_url(options->grpc, grpc) && read_infer(options->infer, &infer)) {
        subject.infer = infer;
        code = run_checks(options, &subject);
    }
    json_decref(infer);
    return code;
}

int command_conform(int argc, char **argv)
{
    struct options options;

    if (!parse_options(argc, argv, &options))
        return command_usage(usage, false);
    if (options.help)
        return command_usage(usage, true);
    return run(&options);
}
