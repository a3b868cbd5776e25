/*
 * Bundle parts: what a ModelService and its ModelSpec say, as typed structs.
 *
 * Texts and arrays live as long as the bundle. An absent text is "", an absent
 * list has count 0; numbers say in their comment what absence is.
 *
 * Threads: immutable after load.
 */
#ifndef SERVER_BUNDLE_PARTS_H
#define SERVER_BUNDLE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doc.h"

struct bundle_strings {
    const char *const *items;
    size_t count;
};

/* ---- signature ---- */

/* Types of inputs, parameters and outputs, by their names in the document. */
enum bundle_type {
    BUNDLE_TEXT,    /* "text", input */
    BUNDLE_IMAGE,   /* "image", input */
    BUNDLE_AUDIO,   /* "audio", input */
    BUNDLE_STRING,  /* "string" */
    BUNDLE_FLOAT,   /* "float" */
    BUNDLE_INTEGER, /* "integer", parameter */
    BUNDLE_BOOLEAN, /* "boolean", parameter */
    BUNDLE_FLOATS,  /* "array<float>" */
    BUNDLE_STRINGS, /* "array<string>" */
    BUNDLE_OBJECT   /* "object" */
};

/* The name of the document: "array<float>". */
const char *bundle_type_name(enum bundle_type type);

/* What /capabilities calls an input of this type: text, image, audio or
 * tabular. */
const char *bundle_input_kind(enum bundle_type type);

struct bundle_input {
    const char *name; /* key in data */
    enum bundle_type type;
    const char *format, *description;
    bool required;
    bool truncate; /* longer than max_tokens is cut and said, not refused */
    bool parse_specials; /* special tokens written in a text are tokens */
    int64_t length;      /* elements of an array; 0 = any */
    int64_t max_bytes;   /* 0 = no limit of its own */
    int64_t max_tokens;  /* 0 = not counted */
};

struct bundle_parameter {
    const char *name; /* key in data */
    enum bundle_type type;
    const char *description;
    bool required;
    const struct doc_node *values;    /* list of what it may be; NULL = any */
    const struct doc_node *otherwise; /* its default; NULL = none */
    double min, max;                  /* infinite = no bound */
};

struct bundle_output {
    const char *name; /* key in results */
    enum bundle_type type;
    const char *unit, *description;
    const char *property;    /* key of ranges; "" = none */
    const char *from_tensor; /* output of the model file; "" = not said */
    int64_t from_index;      /* its column */
    const char *from_input;  /* input that is repeated; "" = none */
    int64_t length;          /* elements of an array; 0 = any */
    const struct doc_node *dimensions; /* list of shorter lengths it may be cut
                                          to; NULL = none */
    bool as_string; /* a number, no list, is written as text */
};

enum { BUNDLE_RANK_MAX = 8 };

struct bundle_tensor {
    const char *name, *dtype;
    size_t rank;
    int64_t dims[BUNDLE_RANK_MAX]; /* -1 = any */
};

struct bundle_signature {
    const struct bundle_input *inputs;
    const struct bundle_parameter *parameters;
    const struct bundle_output *outputs;
    const struct bundle_tensor *tensor_inputs, *tensor_outputs;
    size_t input_count, parameter_count, output_count;
    size_t tensor_input_count, tensor_output_count; /* 0 = not declared */
};

/* ---- what is told about the model ---- */

struct bundle_result {
    const char *name, *type; /* "array<float>" */
};

struct bundle_capability {
    const char *name, *description;
    struct bundle_strings input_types;
    const struct bundle_result *outputs;
    size_t output_count;
    bool batch;
};

struct bundle_range {
    const char *key, *name, *unit, *note;
    double min, max, mean;             /* of training */
    double reliable_min, reliable_max; /* no narrower than training, usually */
    int64_t samples;
    const struct doc_node *validation; /* map of numbers and texts */
    const struct doc_node *typical;    /* map of numbers, or NULL */
};

struct bundle_ranges {
    const char *description;
    const struct bundle_range *items;
    size_t count;
    struct bundle_strings features, limitations, elements, recommendations;
};

/* What an example must give; `declared` is false without an `expect`. */
struct bundle_expect {
    bool declared, success;
    const char *error_code;        /* of a decline; "" = any */
    struct bundle_strings finite;  /* results that are finite numbers */
    const struct doc_node *values; /* map of result to number or text */
    const struct doc_node *length; /* map of array result to elements */
    const struct doc_node *norm;   /* map of array result to its norm; its key
                                      `tolerance` is no result */
    double tolerance;              /* of numbers and norms */
    const char *cosine_to;         /* name of another example; "" = none */
    double cosine_min;
};

struct bundle_example {
    const char *name, *description, *category;
    const struct doc_node *data; /* the map `data` of a request */
    struct bundle_expect expect;
};

struct bundle_use {
    const char *primary;
    struct bundle_strings out_of_scope, users;
};

struct bundle_training {
    const char *data, *license, *cutoff, *procedure;
    int64_t samples; /* 0 = not said */
};

struct bundle_confidence {
    const char *method; /* "" = nothing is said */
    double level;       /* 0 = not said */
    bool calibrated;
};

/* ---- how it is served ---- */

enum bundle_shutdown { SHUTDOWN_OFF, SHUTDOWN_LOOPBACK, SHUTDOWN_TOKEN };

enum bundle_mode {
    REGISTRY_PREFERRED, /* the default */
    REGISTRY_REQUIRED,
    REGISTRY_OFF
};

struct bundle_api {
    bool strict; /* undeclared keys of data are refused */
    enum bundle_shutdown shutdown;
    size_t body_limit_bytes; /* 1 MiB unless said */
    enum bundle_mode registration_mode;
    const char *app_name; /* <model>_API unless said */
    const char *reason;
    bool acknowledged; /* the duty to register the deployment */
};

struct bundle_serving {
    int port;                    /* preferred; 0 = not said */
    int64_t max_concurrency;     /* 0 = not said */
    int64_t timeout_s;           /* 0 = no limit, -1 = not said */
    int64_t max_batch_size;      /* 0 = not said */
    int64_t max_sequence_tokens; /* 0 = not said */
    const char *readiness_path;  /* another path of /health; "" = none */
    const char *liveness_path;   /* same */
    const char *log_level;       /* of the process; "" = not said */
    int64_t cpu_cores;           /* predictions side by side; 0 = not said */
    int metrics_port;            /* 0 = not said */
    bool metrics_enabled;        /* as Prometheus text; true unless said */
};

/* A step of the ModelSpec's pipeline; disabled steps are left out. */
struct bundle_step {
    const char *name, *type;
    const struct doc_node *parameters; /* map of spec.steps, or NULL */
};

struct bundle_steps {
    const struct bundle_step *items;
    size_t count;
};

#endif
