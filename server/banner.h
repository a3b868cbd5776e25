/*
 * Banner: what the server prints when it starts.
 *
 * The Runtime API 1.2 asks for the specification's attribution, the notice
 * that registration is required, the model's citation, and two lines that
 * tools look for: REGISTRATION_SUCCESS and Starting.
 *
 * Threads: main thread.
 */
#ifndef SERVER_BANNER_H
#define SERVER_BANNER_H

#include <stdbool.h>
#include <stdio.h>

struct banner {
    const char *app;         /* "Solubility_API" */
    const char *model;       /* "Solubility" */
    const char *description; /* one sentence */
    const char *citation;    /* of the model; several lines are indented */
    int port;
    bool registered;   /* the registry assigned the port */
    bool acknowledged; /* the legal registration is on record */
};

/* Everything up to "Starting <app> server on port <port>". */
void banner_print(const struct banner *banner, FILE *out);

/* How to call the service, as commands that work when pasted. `text` is an
 * input that the model takes. */
void banner_print_examples(const struct banner *banner, const char *text,
                           FILE *out);

#endif
