/*
 * Step: what a pipeline step is, and what it may use.
 *
 * A step type is one file here and one row in server/pipeline.def. Its open()
 * reads parameters and claims what it will fill; its apply() works on one
 * request. A step keeps its state in the pipeline's arena and never changes it
 * after open(), so that many workers apply it at once.
 *
 * Threads: building: one thread; a pipeline_call belongs to one thread.
 */
#ifndef PIPELINE_STEP_H
#define PIPELINE_STEP_H

#include "pipeline.h"

/* How far an answer can be trusted; worse is larger. */
enum pipeline_band { BAND_TRAINED, BAND_EXTRAPOLATED, BAND_UNRELIABLE };

/* Where a declared output comes from. */
enum source_kind { FROM_STEP, FROM_TENSOR, FROM_INPUT };

struct pipeline_source {
    enum source_kind kind;
    size_t from; /* FROM_TENSOR: model output; FROM_INPUT: declared input */
};

struct step_type;

struct pipeline_step {
    const struct step_type *type;
    void *state;
};

struct pipeline {
    struct arena arena; /* holds everything below */
    const struct srv_bundle *bundle;
    struct eng_model *model;
    size_t rows_max;                 /* of one request; 1 = no batches */
    int *feeds;                      /* per declared input: the model input of
                                        its name, or -1: a step reads it */
    struct pipeline_source *sources; /* per declared output */
    struct pipeline_step *steps;     /* preprocess, then postprocess */
    size_t step_count, pre_count;
};

/* ---- while the pipeline is built ---- */

struct step_build {
    struct pipeline *pipeline;
    const struct bundle_step *step;
    bool *feed_taken;   /* per model input */
    bool *result_taken; /* per declared output */
};

/* Fails if the step has a parameter that is not in the NULL-ended list. */
bool step_params_known(const struct step_build *build, const char *const *known,
                       struct error *err);

/* The text parameter `key`, or NULL (err filled) if it is missing. */
const char *step_param(const struct step_build *build, const char *key,
                       struct error *err);

/* The declared text input that parameter `input` names, or NULL. */
const struct bundle_input *step_text_input(const struct step_build *build,
                                           struct error *err);

/* Claims the int64 model input that parameter `key` names for the step; fails
 * if there is none or another step fills it. */
bool step_claim_feed(const struct step_build *build, const char *key,
                     size_t *index, struct error *err);

/* Claims the declared output that parameter `key` names, which has no `from`
 * and this type. */
bool step_claim_result(const struct step_build *build, const char *key,
                       enum bundle_type type, size_t *index, struct error *err);

/* Finds the declared number that parameter `key` names. */
bool step_number(const struct step_build *build, const char *key, size_t *index,
                 struct error *err);

/* "pipeline step 'bands': <text>", ERR_DOCUMENT_INVALID; returns false. */
bool step_fail(const struct step_build *build, struct error *err,
               const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- while a request runs ---- */

enum { CALL_WARNINGS_MAX = 32 };

struct call_row {
    size_t tokens;           /* of the row, with special tokens; 0 = unknown */
    bool truncated;          /* the text has more, they were left out */
    enum pipeline_band band; /* worst mark so far */
};

struct call_input {
    const struct pipeline_value *value; /* NULL = absent */
};

/* One output: `rows` numbers or texts, or one array of floats. */
struct call_result {
    double *numbers;
    char **texts;
    const float *floats;
    size_t float_count;
};

struct pipeline_call {
    const struct pipeline *pipeline;
    struct pipeline_request request; /* its values are borrowed */
    struct arena *arena;             /* the request's */
    struct arena *scratch;     /* the worker's; a step resets it before use */
    struct call_input *inputs; /* per declared input */
    size_t rows;
    bool is_batch;          /* the text came as an array: results are arrays */
    struct call_row *marks; /* per row */
    struct eng_tensor *feeds;    /* per model input; rows first, and where they
                                    hold tokens padded to the longest row */
    struct eng_tensor *outputs;  /* per model output; of those with a vector
                                    per token see call_token_vectors() */
    struct call_result *results; /* per declared output */
    char *warnings[CALL_WARNINGS_MAX];
    size_t warning_count;
    struct error failure; /* of the engine; ERR_NONE = it ran */
    uint64_t compute_ns;  /* in the engine */
};

/* Row `row` of a text input. */
const char *call_text(const struct pipeline_call *call,
                      const struct bundle_input *input, size_t row);

/* How messages name it: "text", or "text[3]" in a batch; in the arena. */
const char *call_name(const struct pipeline_call *call,
                      const struct bundle_input *input, size_t row);

/*
 * The vectors of a row's tokens in the model output `output`, one for each of
 * marks[row].tokens, `*width` floats each. A step that reads an output per
 * token goes through here: whether padding stands between two rows is not
 * its business. NULL: ERR_OUTPUT_INVALID, the output has another shape.
 */
const float *call_token_vectors(const struct pipeline_call *call, size_t output,
                                size_t row, size_t *width, struct error *err);

/* Worsens the row's band and says why in a warning. */
void call_mark(struct pipeline_call *call, size_t row, enum pipeline_band band,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds a warning; the last one kept says that more were left out. */
void call_warn(struct pipeline_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails with ERR_OUT_OF_MEMORY. */
bool call_no_memory(struct error *err);

enum step_stage { STEP_PRE, STEP_POST };

struct step_type {
    const char *name;
    enum step_stage stage;
    /* Reads parameters, claims feeds and outputs, makes the state. */
    bool (*open)(struct step_build *build, void **state, struct error *err);
    bool (*apply)(const void *state, struct pipeline_call *call,
                  struct error *err);
    void (*close)(void *state); /* NULL = nothing outside the arena */
};

#define STEP(name) extern const struct step_type step_##name;
#include "pipeline.def"
#undef STEP

/* ---- between the files of the pipeline ---- */

/* inputs.c: sorts the request's values to the declared inputs and parameters
 * and checks them all; counts rows. */
bool inputs_check(struct pipeline_call *call, struct error *err);

/* feeds.c: binds model inputs that no step fills to declared inputs of their
 * name; fails if one stays without. */
bool feeds_bind(const struct step_build *build, struct error *err);

/* feeds.c: fills those model inputs for one request. */
bool feeds_fill(struct pipeline_call *call, struct error *err);

/* collect.c: resolves `from` of every declared output. */
bool collect_bind(const struct step_build *build, struct error *err);

/* collect.c: fills results that come from tensors and inputs. */
bool collect_results(struct pipeline_call *call, struct error *err);

/* collect.c: turns results into values. */
bool collect_values(const struct pipeline_call *call,
                    struct pipeline_output *out, struct error *err);

#endif
