/*
 * Conform: does a server keep a published contract? Seen from outside only, so
 * any server can be asked.
 *
 *   checks.def (id, suite, what it rests on) -> one function per check
 *   -> passed, failed with the first thing that was wrong, or skipped with why
 *
 * A check sends requests with conform_ask() and says what must hold with
 * conform_expect(); after the first thing that does not, the rest of it is not
 * looked at. Nothing is remembered between checks, so each can be run alone.
 *
 * Threads: one, but for the checks that need several clients at once.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "error.h"

enum conform_suite { CONFORM_RUNTIME, CONFORM_REGISTRY, CONFORM_OIP };

enum conform_outcome { CONFORM_PASSED, CONFORM_FAILED, CONFORM_SKIPPED };

struct conform_case;

struct conform_check {
    const char *id; /* "H1"; see checks.def */
    enum conform_suite suite;
    const char *text; /* the requirement */
    void (*run)(struct conform_case *test);
};

/* What is being looked at. */
struct conform_subject {
    const char *url;      /* authority of the model server; NULL = none */
    const char *registry; /* authority of the registry; NULL = none */
    const char *grpc;     /* authority that speaks gRPC; NULL = that of url */
    const char *model;    /* for the Open Inference Protocol; NULL = any */
    const json_t *infer;  /* what it takes; NULL = made of its metadata */
    bool whole;           /* no suite was asked for by name */
    bool may_stop;        /* the server may be told to shut down */
};

/* One check being run, and what came of it. */
struct conform_case {
    const struct conform_subject *subject;
    const struct conform_check *check;
    enum conform_outcome outcome;
    char detail[256]; /* why it failed or was skipped */
    double seconds;
};

/* An answer; conform_answer_free() it. */
struct conform_answer {
    int status;
    json_t *json;       /* NULL: the body is no JSON */
    char type[96];      /* Content-Type without parameters, or "" */
    char allow[96];     /* Allow, or "" */
    char json_size[24]; /* Inference-Header-Content-Length, or "" */
    struct buf body;
};

/* A request; what is not set is left out. */
struct conform_request {
    const char *verb, *path;
    const char *body;
    size_t body_size;   /* 0 = that of the text */
    const char *type;   /* Content-Type; NULL = application/json, "" = none */
    const char *header; /* "Name: value", one more */
    bool to_registry;   /* instead of the model server */
};

extern const struct conform_check conform_checks[];
extern const size_t conform_check_count;

/* Sends the request; no HTTP answer at all fails the check. */
bool conform_ask(struct conform_case *test,
                 const struct conform_request *request,
                 struct conform_answer *answer);

/* GET `path` of the model server, answered with 200 and a JSON object. */
bool conform_get(struct conform_case *test, const char *path,
                 struct conform_answer *answer);

void conform_answer_free(struct conform_answer *answer);

/* Fails the check unless it holds; returns whether the check still stands. */
bool conform_expect(struct conform_case *test, bool holds, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

/* The check cannot be made here. */
void conform_skip(struct conform_case *test, const char *why);

/*
 * Members and their types, a list that ends with {NULL, NULL}. Paths are keys
 * with dots between them; "[]" is every item of a list, "*" every member of an
 * object; a '?' in front: only where it is there. Types: string, number,
 * integer, boolean, object, array; with "|null" behind, null may stand for it;
 * "=text" is this very string.
 */
struct conform_member {
    const char *path, *type;
};

bool conform_shape(struct conform_case *test, json_t *root,
                   const struct conform_member *members);

/*
 * What /test_examples says to send: a list of {"name", "body" (a PredictRequest),
 * "success", "results" (or null)}; NULL after failing the check. json_decref()
 * it.
 */
json_t *conform_requests(struct conform_case *test);

/* The input of an example of /test_examples, under whatever key it has beside
 * `data`; NULL if it has none. */
json_t *conform_input_of(json_t *example);

/* The first of them that is to succeed (or to be declined); borrowed, NULL
 * after failing the check. */
const json_t *conform_request_of(struct conform_case *test, const json_t *list,
                                 bool success);

/* Sends a PredictRequest. */
bool conform_predict(struct conform_case *test, const json_t *body,
                     struct conform_answer *answer);

/* Runs the checks of `suites` (a bit per conform_suite) whose id is `only` or
 * all, into `cases`, room for conform_check_count; returns how many ran. */
size_t conform_run(const struct conform_subject *subject, unsigned suites,
                   const char *only, struct conform_case *cases);

/* The report as lines for people, JSON and JUnit XML. */
void conform_text(const struct conform_case *cases, size_t count,
                  struct buf *to);
void conform_json(const struct conform_case *cases, size_t count,
                  struct buf *to);
void conform_junit(const struct conform_case *cases, size_t count,
                   struct buf *to);

#define CHECK(id, suite, function, text)                                       \
    void conform_##function(struct conform_case *test);
#include "checks.def"
#undef CHECK

#endif
