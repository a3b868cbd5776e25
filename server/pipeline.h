/*
 * Pipeline: from the values of a request to the results of a model.
 *
 *   check inputs -> preprocess steps -> eng_run_execute -> collect outputs
 *                -> postprocess steps -> results, warnings
 *
 * The steps are those the bundle's ModelSpec lists (spec.pipeline), with the
 * parameters its ModelService gives them (spec.steps.<name>); which types there
 * are is server/pipeline.def. Everything is resolved once, in pipeline_open():
 * a step type, parameter, tensor or output that does not exist is an error at
 * load. The pipeline knows neither messages nor doors: values come in and go
 * out as struct pipeline_value, which mirrors the wire's Value.
 *
 * Threads: a pipeline is immutable after pipeline_open() and shared; each
 * worker belongs to one thread at a time.
 */
#ifndef SERVER_PIPELINE_H
#define SERVER_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "bundle.h"
#include "engine.h"
#include "error.h"

enum pipeline_kind {
    PIPELINE_NONE, /* not set */
    PIPELINE_NUMBER,
    PIPELINE_BOOL,
    PIPELINE_STRING,
    PIPELINE_FLOATS,
    PIPELINE_STRINGS,
    PIPELINE_VECTORS,
    PIPELINE_IDS, /* token ids in place of texts; inputs only */
    PIPELINE_BYTES,
    PIPELINE_JSON
};

/* The token ids of one text. */
struct pipeline_ids {
    const int32_t *items;
    size_t count;
};

/* A named value of a request or a result; owns nothing. */
struct pipeline_value {
    const char *name;
    enum pipeline_kind kind;
    union {
        double number;
        bool boolean;
        const char *string; /* NUL-terminated UTF-8 */
        const char *json;   /* text of one JSON value */
        struct {
            const float *items;
            size_t count;
        } floats;
        struct {
            char *const *items; /* each NUL-terminated UTF-8 */
            size_t count;
        } strings;
        struct {
            const float *items; /* [count, width] */
            size_t count, width;
        } vectors;
        struct {
            const struct pipeline_ids *rows;
            size_t count;
        } ids;
        struct {
            const uint8_t *data;
            size_t size;
        } bytes;
    };
};

struct pipeline;
struct pipeline_worker;

/*
 * Builds the pipeline of a bundle whose weights are `model`; both must outlive
 * it. NULL:
 *   ERR_DOCUMENT_INVALID   a step, parameter, input, output or tensor that the
 *                          documents name does not exist or does not fit the
 *                          model; names it
 *   ERR_FILE_MISSING, ERR_FILE_INVALID, ERR_MODEL_UNSUPPORTED
 *                          from the tokenizer, see tok_open()
 *   ERR_OUT_OF_MEMORY
 */
struct pipeline *pipeline_open(const struct srv_bundle *bundle,
                               struct eng_model *model, struct error *err);

/* Frees it; all its workers must be gone. NULL is fine. */
void pipeline_close(struct pipeline *pipeline);

/* Rows that one request may have; 1 = no batches. */
size_t pipeline_rows_max(const struct pipeline *pipeline);

/* A place to run requests: an engine run and scratch memory of its own.
 * NULL: ERR_OUT_OF_MEMORY. */
struct pipeline_worker *pipeline_worker_new(const struct pipeline *pipeline,
                                            struct error *err);
void pipeline_worker_free(struct pipeline_worker *worker);

/* Its engine run, for who has the model's tensors and needs no steps; the
 * worker's holder uses it. */
struct eng_run *pipeline_worker_run(struct pipeline_worker *worker);

struct pipeline_request {
    const struct pipeline_value *values; /* the request's `data` */
    size_t count;
    size_t first_row;    /* number of the first row, for messages */
    struct arena *arena; /* takes everything the answer needs */
    const struct eng_limits *limits;
};

struct pipeline_output {
    const struct pipeline_value *results; /* declared order; in the arena */
    size_t result_count;
    const char *const *warnings; /* in the arena */
    size_t warning_count;
    size_t tokens;       /* of all rows; 0 = nothing was tokenized */
    bool truncated;      /* a text had more tokens than the model was given */
    uint64_t compute_ns; /* in the engine, with all that ran along */
};

/*
 * Runs one request: a text input may be one text or, where the bundle says
 * `batch: true`, an array of them; results are then arrays of the same length.
 * Token ids do in place of texts where only the tokenizer reads the text.
 * `out` is left untouched on failure.
 *   ERR_VALIDATION_ERROR  a required input is missing, a value has the wrong
 *                         type, too many rows; with `strict`, an undeclared key
 *   ERR_INVALID_INPUT     a step declines the text; says why and where
 *   ERR_INPUT_TOO_LONG    more bytes or tokens than declared
 *   ERR_OUT_OF_DOMAIN     an element or property the model does not cover
 *   ERR_OUTPUT_INVALID    the model's answer is not finite or out of order
 *   ERR_TIMEOUT, ERR_CANCELLED, ERR_OUT_OF_MEMORY
 */
bool pipeline_run(struct pipeline_worker *worker,
                  const struct pipeline_request *request,
                  struct pipeline_output *out, struct error *err);

/* ---- many requests in one run of the engine ---- */

/* A request under way; lives in its arena. */
struct pipeline_call;

/*
 * The first third of pipeline_run(): checks the request and makes what the model
 * is fed with. The request's values, arena and limits must stay until it is
 * finished; nothing is to be freed if it never is. NULL: errors of
 * pipeline_run() that are about the request.
 */
struct pipeline_call *pipeline_prepare(struct pipeline_worker *worker,
                                       const struct pipeline_request *request,
                                       struct error *err);

/* Tokens of all rows; 0 = nothing was tokenized. */
size_t pipeline_call_tokens(const struct pipeline_call *call);

/* How much of the largest batch that the engine runs at once the call is; more
 * than 1 if it needs several runs. */
double pipeline_call_share(const struct pipeline_call *call);

/*
 * Tries on the model whether texts of different length can be padded and run
 * together, unless they need no padding: alone and padded they must come out
 * alike. Until it was tried, only the rows of one request run together; if the
 * model does not take it, texts run one by one. Once, before the first request.
 * ERR_OUT_OF_MEMORY.
 */
bool pipeline_try_batches(struct pipeline *pipeline, struct error *err);

/* How texts of many requests run: "packed" (without padding), "padded" or
 * "none", and why it is nothing better; "" = no reason. */
const char *pipeline_batching(const struct pipeline *pipeline,
                              const char **reason);

/* Requests run faster together than one after the other. */
bool pipeline_batches(const struct pipeline *pipeline);

/* One run of the engine. */
struct pipeline_ran {
    size_t requests, rows;
    size_t tokens; /* 0 = nothing was tokenized */
    uint64_t compute_ns;
};

struct pipeline_observer {
    void (*ran)(void *context, const struct pipeline_ran *ran);
    void *context;
};

/*
 * Runs the model over all calls, in as few runs of the engine as its limits
 * allow; `observer` is told of each, NULL = nobody. What fails is kept with the
 * calls that it is about and told by pipeline_finish().
 */
void pipeline_execute(struct pipeline_worker *worker,
                      struct pipeline_call *const *calls, size_t count,
                      const struct pipeline_observer *observer);

/*
 * The last third, for each call after pipeline_execute(), by any worker. `out` as with pipeline_run(). Errors of the engine, and
 * those of pipeline_run() that are about the answer.
 */
bool pipeline_finish(struct pipeline_worker *worker, struct pipeline_call *call,
                     struct pipeline_output *out, struct error *err);

/* ---- test examples ---- */

/*
 * Runs an example of the bundle as a request; the answer lies in `arena`.
 * Errors of pipeline_run().
 */
bool pipeline_example_run(struct pipeline_worker *worker,
                          const struct bundle_example *example,
                          const struct eng_limits *limits, struct arena *arena,
                          struct pipeline_output *out, struct error *err);

/*
 * Runs an example of the bundle and compares the answer with its `expect`:
 * success, error_code, values within tolerance, finite, length, norm. An
 * example without `expect` must succeed. Relations between two examples
 * (cosineTo) are not checked here.
 *   ERR_OUTPUT_INVALID   the answer is another one; names example and result
 *   others               as pipeline_run(), when success was expected
 */
bool pipeline_example_check(struct pipeline_worker *worker,
                            const struct bundle_example *example,
                            const struct eng_limits *limits, struct error *err);

#endif
