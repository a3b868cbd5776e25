/*
 * Banner: see banner.h.
 */
#include "banner.h"

#include "buf.h"
#include "json_put.h"

static const char rule[] =
    "===================================================="
    "============================\n";

static void print_indented(const char *text, FILE *out)
{
    (void)fputs("  ", out);
    for (; *text; text++) {
        (void)fputc(*text, out);
        if (*text == '\n' && text[1])
            (void)fputs("  ", out);
    }
    (void)fputc('\n', out);
}

static void print_specification(FILE *out)
{
    (void)fputs(
        "\nAPI SPECIFICATION:\n"
        "  Using the Lightweight AI Model API Runtime Specification 1.2 "
        "from:\n"
        "  © 2025 Paramus Transform LLC\n"
        "  2020 N ACADEMY BLVD, STE 261 #3770\n"
        "  COLORADO SPRINGS, CO 80909, U.S.\n"
        "\nNOTICE: Registration is required to use this service.\n",
        out);
}

void banner_print(const struct banner *banner, FILE *out)
{
    (void)fputs(rule, out);
    (void)fprintf(out, "%s API - %s\n", banner->model, banner->description);
    (void)fputs(rule, out);
    (void)fputs("\nCITATION:\n", out);
    print_indented(banner->citation, out);
    print_specification(out);
    if (!banner->acknowledged)
        (void)fputs("        It is not acknowledged for this model yet; see "
                    "docs/registration.md.\n",
                    out);
    (void)fputs(rule, out);
    (void)fputc('\n', out);
    if (banner->registered)
        (void)fprintf(out, "REGISTRATION_SUCCESS: %s registered on port %d\n",
                      banner->app, banner->port);
    (void)fprintf(out, "Starting %s server on port %d\n", banner->app,
                  banner->port);
    (void)fflush(out);
}

/* One word of a shell: in single quotes, those of the text outside them. */
static void print_word(const char *text, FILE *out)
{
    (void)fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", out);
        else
            (void)fputc(*text, out);
    }
    (void)fputc('\'', out);
}

static void print_body(const char *text, FILE *out)
{
    struct buf body = {0};

    buf_string(&body, "{\"input_type\":\"text\",\"data\":{\"text\":");
    json_put_text(&body, text);
    buf_string(&body, "}}");
    if (buf_ok(&body))
        print_word(body.data, out);
    buf_release(&body);
}

void banner_print_examples(const struct banner *banner, const char *text,
                           FILE *out)
{
    (void)fprintf(out,
                  "\n%s is ready. Over REST:\n\n"
                  "  curl http://127.0.0.1:%d/predict -H 'Content-Type: "
                  "application/json' \\\n"
                  "    -d ",
                  banner->model, banner->port);
    print_body(text, out);
    (void)fprintf(out,
                  "\n\nOver gRPC, on the same port:\n\n"
                  "  python3 docs/examples/predict.py 127.0.0.1:%d ",
                  banner->port);
    print_word(text, out);
    (void)fputs("\n\nCtrl-C ends the service.\n", out);
    (void)fflush(out);
}
