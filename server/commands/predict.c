/*
 * specserve predict TARGET: sends one input to a served model.
 *
 * The request is a PredictRequest whatever it is made of, and the answer is
 * the same JSON over REST and gRPC. It goes to standard output, laid out when
 * that is a terminal; why there is no prediction goes to standard error.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec_json.h"
#include "commands.h"
#include "json_show.h"
#include "request.h"
#include "runtime_server.h"
#include "target.h"

static const char usage[] =
    "usage: specserve predict TARGET [--text S | --data JSON | --example "
    "NAME]\n"
    "                                [--grpc] [--registry URL] [--timeout-s "
    "N] [--json]\n"
    "\n"
    "TARGET is http://host:port, host:port, or the name of a model, which the\n"
    "registry is asked for.\n"
    "\n"
    "  --text S        the text to predict for\n"
    "  --data JSON     the data of the request, {\"text\": \"CCO\"}, sent as "
    "input_type\n"
    "                  text if it has a text, else tabular; or a whole "
    "request with\n"
    "                  input_type and data\n"
    "  --example NAME  an example of /test_examples; the first one without "
    "any input\n"
    "  --grpc          over gRPC instead of REST\n"
    "  --registry URL  http://host:port or grpc://host:port "
    "(http://127.0.0.1:5000)\n"
    "  --timeout-s N   seconds to wait, 1 to 3600 (30)\n"
    "  --json          as one line of JSON, also on a terminal\n"
    "\n"
    "Exit code: 0 predicted, 1 the model declined or the server failed, 2 "
    "usage or\n"
    "nobody answered.\n";

enum { TIMEOUT_S = 30, TIMEOUT_MAX_S = 3600 };

struct options {
    struct target_options target;
    struct request_source source;
    const char *timeout;
    bool json, help;
};

/* ---- arguments ---- */

/* The option that takes a value and is called `flag`, or NULL. */
static const char **value_of(struct options *options, const char *flag)
{
    const struct {
        const char *flag;
        const char **value;
    } known[] = {{"--text", &options->source.text},
                 {"--data", &options->source.data},
                 {"--example", &options->source.example},
                 {"--registry", &options->target.registry},
                 {"--timeout-s", &options->timeout}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].flag, flag) == 0)
            return known[i].value;
    return NULL;
}

static bool take_argument(struct options *options, const char *argument)
{
    if (strcmp(argument, "--help") == 0)
        options->help = true;
    else if (strcmp(argument, "--grpc") == 0)
        options->target.door = MODEL_GRPC;
    else if (strcmp(argument, "--json") == 0)
        options->json = true;
    else if (argument[0] == '-' || options->target.name)
        return false;
    else
        options->target.name = argument;
    return true;
}

static bool take_timeout(struct options *options)
{
    char *end;
    long seconds = TIMEOUT_S;

    if (options->timeout) {
        errno = 0;
        seconds = strtol(options->timeout, &end, 10);
        if (errno || end == options->timeout || *end || seconds < 1 ||
            seconds > TIMEOUT_MAX_S)
            return false;
    }
    options->target.timeout_ms = (uint32_t)seconds * 1000;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){
        .target = {.registry = "http://127.0.0.1:5000", .door = MODEL_REST}};
    for (int i = 0; i < argc; i++) {
        const char **value = value_of(options, argv[i]);

        if (value && i + 1 == argc)
            return false;
        if (value)
            *value = argv[++i];
        else if (!take_argument(options, argv[i]))
            return false;
    }
    if (options->help)
        return true;
    if ((options->source.text != NULL) + (options->source.data != NULL) +
            (options->source.example != NULL) >
        1)
        return false;
    return options->target.name && take_timeout(options);
}

/* ---- the answer ---- */

static void print_answer(const struct buf *answer, bool for_people)
{
    struct buf text = {0};

    if (for_people)
        json_show(answer->data, answer->size, &text);
    if (for_people && buf_ok(&text))
        (void)fwrite(text.data, 1, text.size, stdout);
    else
        (void)fwrite(answer->data, 1, answer->size, stdout);
    (void)fputc('\n', stdout);
    buf_release(&text);
}

/* "CODE: sentence", as far as the answer has them. */
static void print_failure(json_t *answer)
{
    const char *code = json_string_value(json_object_get(answer, "error_code"));
    const char *text = json_string_value(json_object_get(answer, "error"));

    if (!text)
        text = json_string_value(json_object_get(answer, "error_message"));
    (void)fprintf(stderr, "specserve predict: %s%s%s\n", code ? code : "",
                  code ? ": " : "", text ? text : "no prediction");
}

static int show(const struct buf *answer, const struct options *options)
{
    struct error err = {0};
    json_t *root = request_parse(answer->data, answer->size, &err);
    bool success = json_is_true(json_object_get(root, "success"));

    print_answer(answer, !options->json && isatty(STDOUT_FILENO));
    if (!success)
        print_failure(root);
    json_decref(root);
    return success ? EXIT_OK : EXIT_WRONG;
}

/* The fault of a target names it; one of the arguments needs no address. */
static int complain(const struct target *target, const struct error *err)
{
    bool answered = err->code == ERR_BAD_REQUEST;
    bool is_its =
        answered || err->code == ERR_NOT_READY || err->code == ERR_TIMEOUT;

    (void)fprintf(stderr, "specserve predict: %s%s%s\n",
                  target && is_its ? target_address(target) : "",
                  target && is_its ? ": " : "", err->msg);
    return answered ? EXIT_WRONG : EXIT_USAGE;
}

static int predict(struct target *target, const struct options *options)
{
    struct buf answer = {0};
    struct arena arena;
    struct error err = {0};
    void *message = NULL;
    int code;

    arena_init(&arena, 0);
    if (request_make(target, &options->source, &arena, &message, &err) &&
        target_call(target, request_op(&runtime_predict_response_def), message,
                    &answer, &err))
        code = show(&answer, options);
    else
        code = complain(target, &err);
    buf_release(&answer);
    arena_release(&arena);
    return code;
}

int command_predict(int argc, char **argv)
{
    struct options options;
    struct target *target;
    struct error err = {0};
    int code;

    if (!parse_options(argc, argv, &options))
        return command_usage(usage, false);
    if (options.help)
        return command_usage(usage, true);
    target = target_open(&options.target, &err);
    if (!target)
        return complain(NULL, &err);
    code = predict(target, &options);
    target_close(target);
    return code;
}
