/*
 * Typed: what clients of one model are made of; `specgen model-client --lang c`
 * writes them, as a header each.
 *
 * Before the first call the bundle's digest is compared with that of /info; a
 * server that tells none is compared by name, version and outputs. Inputs are
 * checked before anything is sent, and what comes back is taken by name and
 * type: a model that changed is SPECSERVE_MODEL_CHANGED, never a wrong number.
 *
 * Threads: any; tables are immutable.
 */
#ifndef SPECSERVE_TYPED_H
#define SPECSERVE_TYPED_H

#include "runtime_api.h"

/* Arrays of an input or output. A NULL pointer: it is not given. */
struct specserve_floats {
    const float *values;
    size_t count;
};

struct specserve_texts {
    const char *const *values;
    size_t count;
};

struct specserve_bytes {
    const void *data;
    size_t size;
};

/* A member of an input or output, and its C type. An optional float, integer
 * or boolean is a pointer to it; NULL: it is not given. */
enum specserve_type {
    SPECSERVE_TEXT,    /* const char * */
    SPECSERVE_FLOAT,   /* double */
    SPECSERVE_INTEGER, /* int64_t */
    SPECSERVE_BOOLEAN, /* bool */
    SPECSERVE_FLOATS,  /* struct specserve_floats */
    SPECSERVE_TEXTS,   /* struct specserve_texts */
    SPECSERVE_BYTES,   /* struct specserve_bytes */
    SPECSERVE_OBJECT   /* const char *, JSON */
};

struct specserve_member {
    const char *name;
    const char *word; /* its type in the bundle: "array<float>" */
    enum specserve_type type;
    size_t offset;
    bool optional;
    size_t length, max_bytes;   /* 0 = no limit */
    const double *least, *most; /* NULL = no limit */
    const char *const *values;  /* NULL-ended; texts, or numbers as text */
};

struct specserve_model_info {
    const char *name, *version;
    const char *bundle_digest, *model_digest; /* "" = not known */
    const char *input_type;
    const struct specserve_member *inputs, *outputs;
    size_t input_count, output_count;
};

struct specserve_typed;

/* Asks nobody yet. The client and `info` must outlive it. NULL and `err`:
 * SPECSERVE_ARGUMENT, SPECSERVE_OUT_OF_MEMORY. */
struct specserve_typed *
specserve_typed_new(struct specserve_client *client,
                    const struct specserve_model_info *info,
                    struct specserve_error *err);

/* Accepts NULL. */
void specserve_typed_free(struct specserve_typed *typed);

/*
 * Runs the model on one input. Fills `output`, whose texts and arrays live in
 * `*answer`; specserve_answer_free() in any case. SPECSERVE_ARGUMENT: the input
 * is not one that the model takes, nothing was sent; SPECSERVE_MODEL_CHANGED;
 * the code that a model declines an input with, INVALID_INPUT for one.
 */
bool specserve_typed_predict(struct specserve_typed *typed, const void *input,
                             const struct specserve_options *options,
                             void *output, struct specserve_answer **answer,
                             struct specserve_error *err);

#endif
