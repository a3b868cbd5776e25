/*
 * specserve: calls models, and the registry that knows them, with types.
 *
 *   struct specserve_config config = {.registry = "http://127.0.0.1:5000"};
 *   struct specserve_client *client = specserve_client_new(&config, &err);
 *   struct specserve_service *model =
 *       specserve_client_model(client, "Solubility", &err);
 *
 * The calls are in <specserve/runtime_api.h>, registry_api.h, text_api.h,
 * oip_api.h and health_api.h, which specgen writes from the contract. Each
 * takes a service, a request and options (NULL: none), gives the reply and the
 * answer that it lives in, and returns false with `err` filled otherwise.
 *
 * What the library does by itself: it finds instances by the model's name,
 * takes the less busy of two that are well, sends a deadline with every call,
 * repeats what the contract lets be repeated (at most `attempts` times, with
 * full jitter or when the server says, out of a budget that all calls share),
 * and never sends a token in the clear to another machine.
 *
 * Threads: a client, its services and all calls may be used by any number of
 * threads at once, unless a function says otherwise. A process that forks must
 * not use a client of its parent. Nothing is global.
 */
#ifndef SPECSERVE_H
#define SPECSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- errors ---- */

/* The codes of the catalogue, and those that no server says. A code that this
 * version does not know is SPECSERVE_OTHER; its name is in the error. */
enum specserve_code {
    SPECSERVE_OK = 0,
#define ERR(name, http, grpc, retry, doc) SPECSERVE_##name,
#include "errors.def"
#undef ERR
    SPECSERVE_UNAVAILABLE,     /* nobody answered, or only a proxy */
    SPECSERVE_UNAUTHENTICATED, /* somebody wants to know who calls */
    SPECSERVE_BAD_ANSWER,      /* the answer breaks the contract */
    SPECSERVE_MODEL_CHANGED,   /* not the model of this typed client */
    SPECSERVE_ARGUMENT,        /* the call itself is wrong; nothing was sent */
    SPECSERVE_OTHER
};

enum specserve_retry {
    SPECSERVE_NEVER,
    SPECSERVE_LATER,    /* after `retry_after_s`, or some time */
    SPECSERVE_ELSEWHERE /* now, at another instance */
};

struct specserve_error {
    enum specserve_code code;
    char name[64]; /* "OVERLOADED": of every code, known or not */
    char message[240];
    enum specserve_retry retry; /* may the same request go again? */
    int http, grpc;       /* the status that came; http 0, grpc -1: none */
    double retry_after_s; /* what the server asks for; negative: nothing */
    unsigned attempts;    /* that were made */
    char request_id[72];  /* as the server calls it, or as it was sent */
};

/* ---- a client ---- */

/* One attempt, for an observer. Texts live during the call of it. */
struct specserve_event {
    const char *operation; /* "runtime.predict" */
    const char *endpoint;  /* "http://127.0.0.1:5100" */
    const char *request_id;
    const char *code; /* "" = success */
    unsigned attempt; /* from 1 */
    double seconds;
};

/* What a client is given; 0 and NULL are the defaults. Texts are copied. */
struct specserve_config {
    /* One of the two. URLs are http, https, grpc or grpcs://host:port. */
    const char *const *endpoints; /* NULL-ended, as good as each other */
    const char *registry;

    bool grpc;           /* call what the registry names over gRPC, not REST */
    bool tls;            /* ... and through TLS */
    const char *ca_file; /* PEM; NULL: what the system trusts */
    const char *certificate_file; /* PEM; our own, for mutual TLS */
    const char *key_file;

    uint32_t timeout_ms;   /* of a call whose contract names none; 30,000 */
    unsigned attempts;     /* at most; 3, and never more than 16 */
    unsigned retry_budget; /* retries that may be saved up; 10 */
    uint32_t refresh_ms;   /* age of the registry's list; 5,000 */
    size_t answer_max;     /* bytes; 64 MiB */

    const char *const *headers; /* "Name: value", NULL-ended; or metadata */
    const char *token;          /* goes out as "Authorization: Bearer" */
    bool plaintext_token;       /* even without TLS to another machine */

    /* Hooks, called with `context` by the thread of the call; NULL: none.
     * A token's text is copied before the hook is called again. */
    const char *(*get_token)(void *context);
    /* Writes a W3C traceparent; false: none for this call. */
    bool (*trace)(void *context, const char *operation, char traceparent[64]);
    void (*observe)(void *context, const struct specserve_event *event);
    void *context;
};

struct specserve_client;

/*
 * NULL and `err`: SPECSERVE_ARGUMENT (neither or both of endpoints and
 * registry, a URL that is none), SPECSERVE_OUT_OF_MEMORY. Connects to nobody.
 */
struct specserve_client *
specserve_client_new(const struct specserve_config *config,
                     struct specserve_error *err);

/* Accepts NULL. Threads: no call may be under way. */
void specserve_client_free(struct specserve_client *client);

/* The instances of one model, or a registry; belongs to its client. */
struct specserve_service;

/*
 * The model of this name; any API can be called there. With fixed endpoints it
 * is they, and the name may be NULL. NULL and `err`: SPECSERVE_ARGUMENT,
 * SPECSERVE_OUT_OF_MEMORY.
 */
struct specserve_service *
specserve_client_model(struct specserve_client *client, const char *name,
                       struct specserve_error *err);

/* The registry itself; with fixed endpoints it is they. */
struct specserve_service *
specserve_client_registry(struct specserve_client *client);

/* ---- one call ---- */

/* What one call may say besides its request; all may be 0 or NULL. */
struct specserve_options {
    uint32_t timeout_ms;        /* for all attempts together */
    unsigned attempts;          /* at most; 1 = never again */
    const char *request_id;     /* one is made otherwise; at most 71 bytes */
    const char *traceparent;    /* in place of the hook's */
    const char *const *headers; /* "Name: value", NULL-ended */
};

/*
 * An answer as it came, and the memory of the reply: the way to keys that the
 * structs do not have. Read it only.
 */
struct specserve_answer {
    bool grpc;         /* else REST */
    int status;        /* of HTTP or gRPC */
    const void *bytes; /* JSON or protobuf, followed by a NUL */
    size_t size;
    const char *endpoint, *request_id;
    unsigned attempts;
};

/* Frees the answer with its reply. Accepts NULL. */
void specserve_answer_free(struct specserve_answer *answer);

/* A header, or metadata or trailer of gRPC; NULL: there is none. Names in any
 * case. */
const char *specserve_answer_header(const struct specserve_answer *answer,
                                    const char *name);

struct specserve_raw {
    const char *verb, *target; /* the target escaped */
    const void *body;
    size_t size;
};

/*
 * Any REST request, with this service's endpoints and the client's retries.
 * Only GET, HEAD and OPTIONS are repeated. `*answer` is set whenever somebody
 * answered, NULL otherwise; an answer that is an error is false, too.
 */
bool specserve_call_raw(struct specserve_service *service,
                        const struct specserve_raw *raw,
                        const struct specserve_options *options,
                        struct specserve_answer **answer,
                        struct specserve_error *err);

/* ---- streams ---- */

/* Messages from a server, over gRPC; opened and read by generated calls.
 * Threads: one reader; specserve_stream_cancel() by any. */
struct specserve_stream;

/* Tells the server that nobody listens any more: the reader's call returns. */
void specserve_stream_cancel(struct specserve_stream *stream);

/* Cancels and frees; accepts NULL. Not while another thread reads or cancels. */
void specserve_stream_free(struct specserve_stream *stream);

#endif
