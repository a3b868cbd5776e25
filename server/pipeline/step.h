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

/* Where a slot is filled from. */
enum source_kind { FROM_NOWHERE, FROM_STEP, FROM_TENSOR, FROM_INPUT };

enum { WIDTH_UNKNOWN = -1 };

/*
 * A value between the model and the answer: a declared output, or one that a
 * postprocess step leaves for another. Slots [0, output_count) are the declared
 * outputs in their order.
 */
struct pipeline_slot {
    const char *name;
    enum bundle_type type; /* FLOAT, FLOATS, STRING or STRINGS */
    enum source_kind kind;
    size_t from;    /* FROM_TENSOR: model output; FROM_INPUT: declared input */
    int64_t index;  /* FLOAT from a tensor: its column */
    int64_t width;  /* elements of a row, if it is known at load */
    int64_t length; /* elements that a row must have; 0 = any */
};

struct step_type;

struct pipeline_step {
    const struct step_type *type;
    void *state;
};

/* What the tokenizer puts into an input of the model. */
enum padding_role { PADDING_NONE, PADDING_IDS, PADDING_MASK, PADDING_TYPES };

/* Whether texts may be padded to the length of others: pipeline_try_batches() */
enum padding_state { PADDING_UNTRIED, PADDING_TAKEN, PADDING_REFUSED };

struct pipeline_padding {
    enum padding_state state;
    char reason[240];         /* why not */
    enum padding_role *roles; /* per model input */
    int64_t *pads;            /* per model input: what padding is */
    const int64_t *tokens;    /* some that are text, to try it with */
    size_t token_count;
    size_t length_max; /* tokens that the model takes */
    /* Per model output: rows per token or per text; NULL = unknown. */
    enum eng_ragged_kind *outputs;
};

struct pipeline {
    struct arena arena; /* holds everything below */
    const struct srv_bundle *bundle;
    struct eng_model *model;
    size_t rows_max;             /* of one request; 1 = no batches */
    int *feeds;                  /* per declared input: the model input of
                                        its name, or -1: a step reads it */
    struct pipeline_slot *slots; /* declared outputs, then working values */
    size_t slot_count;
    struct pipeline_step *steps; /* preprocess, then postprocess */
    size_t step_count, pre_count;
    bool counts_tokens; /* a step counts the tokens of each row */
    bool reads_texts;   /* something but the tokenizer needs texts as texts */
    struct eng_ragged ragged; /* whether rows run without padding */
    struct pipeline_padding padding;
    /* What the engine runs at once, of all requests together; not 0. */
    size_t batch_rows, batch_tokens;
};

struct pipeline_worker {
    const struct pipeline *pipeline;
    struct eng_run *run;
    struct eng_tensor *outputs;   /* per model output */
    struct pipeline_call **calls; /* batch_rows each: the rows of one run */
    size_t *rows;
    struct arena scratch;
};

/* ---- while the pipeline is built ---- */

struct step_build {
    struct pipeline *pipeline;
    const struct bundle_step *step;
    bool *feed_taken; /* per model input */
    bool *tokenized;  /* per declared input: a tokenize step reads it */
};

/* Fails if the step has a parameter that is not in the NULL-ended list. */
bool step_params_known(const struct step_build *build, const char *const *known,
                       struct error *err);

/* The text parameter `key`, or NULL (err filled) if it is missing. */
const char *step_param(const struct step_build *build, const char *key,
                       struct error *err);

/* The declared text input that parameter `key` names, or NULL. Steps other than
 * the tokenizer then see texts only: token ids are refused. */
const struct bundle_input *step_text_input(const struct step_build *build,
                                           const char *key, struct error *err);

/* Claims the model input that parameter `key` names for the step; fails if there
 * is none or another step fills it. */
bool step_claim_port(const struct step_build *build, const char *key,
                     size_t *index, struct error *err);

/* The same for an input of int64. */
bool step_claim_feed(const struct step_build *build, const char *key,
                     size_t *index, struct error *err);

/* Claims the declared output that parameter `key` names, which has this type
 * and nothing that fills it. */
bool step_claim_result(const struct step_build *build, const char *key,
                       enum bundle_type type, size_t *slot, struct error *err);

/* Finds the declared number that parameter `key` names. */
bool step_number(const struct step_build *build, const char *key, size_t *slot,
                 struct error *err);

/* The slot of numbers that parameter `value` names: a declared output that is
 * filled by now, what an earlier step left, or a float tensor of the model. */
bool step_reads(const struct step_build *build, size_t *slot,
                struct error *err);

/*
 * Where a step puts `width` numbers per row: the declared output or a new
 * working value that parameter `output` names. Without the parameter that is
 * `*slot` itself, changed in place; WIDTH_UNKNOWN is taken.
 */
bool step_writes(const struct step_build *build, int64_t width, size_t *slot,
                 struct error *err);

/* The model's float output that parameter `key` names, of `rank` dimensions
 * (or of unknown rank). */
bool step_tensor(const struct step_build *build, const char *key, int rank,
                 size_t *index, struct error *err);

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

/* The content of a slot: floats or texts, [rows, width]; width is 1 unless a
 * row is an array. */
struct call_result {
    float *floats;
    char **texts;
    size_t width;
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
    struct call_result *results; /* per slot */
    char *warnings[CALL_WARNINGS_MAX];
    size_t warning_count;
    struct error failure; /* of the engine; ERR_NONE = it ran */
    uint64_t compute_ns;  /* in the engine */
};

/* Row `row` of a text input, which is no row of token ids. */
const char *call_text(const struct pipeline_call *call,
                      const struct bundle_input *input, size_t row);

/* Row `row` of a text input that came as token ids; NULL = it is text. */
const struct pipeline_ids *call_ids(const struct pipeline_call *call,
                                    const struct bundle_input *input,
                                    size_t row);

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

/* Room for `width` floats per row in slot `slot`, which may be in use: what it
 * held stays valid. NULL: ERR_OUT_OF_MEMORY, or ERR_OUTPUT_INVALID when a row
 * of the slot has another width. */
float *call_floats(struct pipeline_call *call, size_t slot, size_t width,
                   struct error *err);

/* The elements of a tensor of numbers as floats; of a tensor of strings as
 * texts. In the arena, or where the tensor has them. NULL: ERR_OUT_OF_MEMORY, or
 * an empty tensor without elements. */
const float *call_numbers(struct pipeline_call *call,
                          const struct eng_tensor *tensor, struct error *err);
char **call_strings(struct pipeline_call *call, const struct eng_tensor *tensor,
                    struct error *err);

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

/* slots.c: makes the slots of the declared outputs, resolves their `from`, and
 * leaves room for what `step_count` steps add. */
bool slots_bind(struct pipeline *pipeline, size_t step_count,
                struct error *err);

/* slots.c: fails if nothing fills a declared output. */
bool slots_check(const struct pipeline *pipeline, struct error *err);

/* collect.c: fills results that come from tensors and inputs. */
bool collect_results(struct pipeline_call *call, struct error *err);

/* collect.c: turns results into values. */
bool collect_values(const struct pipeline_call *call,
                    struct pipeline_output *out, struct error *err);

#endif
