/*
 * Engine: loads a model and runs it.
 *
 *   struct eng_model *model = eng_model_open("model.onnx", NULL, &err);
 *   struct eng_run *run = eng_run_new(model, &err);
 *   ok = eng_run_execute(run, inputs, outputs, &limits, &err);
 *   ... eng_run_free(run); eng_model_put(model);
 *
 * load -> graph -> passes -> plan -> exec. A model that cannot run is refused
 * by eng_model_open() with the operator, node and reason; no operator is ever
 * skipped, guessed or replaced. The engine knows nothing of networks,
 * documents or messages and is usable alone.
 *
 * Threads: a model is immutable after load and shared; an eng_run belongs to
 * one thread at a time, several runs of one model go side by side.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct arena;

enum { ENG_RANK_MAX = 12 };

/* Element types, numbered as in ONNX TensorProto.DataType. */
enum eng_dtype {
    ENG_NONE = 0,
    ENG_F32 = 1,
    ENG_U8 = 2,
    ENG_I8 = 3,
    ENG_U16 = 4,
    ENG_I16 = 5,
    ENG_I32 = 6,
    ENG_I64 = 7,
    ENG_STRING = 8, /* elements are struct eng_string */
    ENG_BOOL = 9,   /* one byte, 0 or 1 */
    ENG_F16 = 10,
    ENG_F64 = 11,
    ENG_U32 = 12,
    ENG_U64 = 13,
    ENG_BF16 = 16
};

/* Bytes of one element; 0 for ENG_NONE and unknown numbers. */
size_t eng_dtype_size(enum eng_dtype dtype);

/* "float32", "int64", ... as the Open Inference Protocol and ModelService
 * write them; "?" for unknown numbers. */
const char *eng_dtype_name(enum eng_dtype dtype);

/* The type of this name, or ENG_NONE. */
enum eng_dtype eng_dtype_by_name(const char *name);

struct eng_string {
    const char *text; /* not NUL-terminated */
    size_t size;
};

/* A view on elements in row-major order; owns nothing. */
struct eng_tensor {
    enum eng_dtype dtype;
    int rank;                   /* 0 = scalar, at most ENG_RANK_MAX */
    int64_t dims[ENG_RANK_MAX]; /* each >= 0 */
    void *data;                 /* eng_tensor_size() bytes; may be NULL if 0 */
    /*
     * ONNX ZipMap gives sequence(map(key, float)). It is a float tensor
     * [rows, keys] here; these are the keys of its columns, NULL otherwise.
     */
    const struct eng_tensor *map_keys; /* int64 or string, [keys] */
};

/* Elements, or -1 if a dimension is negative or the product overflows. */
int64_t eng_tensor_count(const struct eng_tensor *tensor);

/* Bytes, or SIZE_MAX as above. */
size_t eng_tensor_size(const struct eng_tensor *tensor);

/*
 * Reads a serialised ONNX TensorProto, as the test data beside a model has
 * them; the elements lie in `arena`.
 *   ERR_FILE_MISSING   cannot be opened, or is no regular file
 *   ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED, ERR_OUT_OF_MEMORY
 */
bool eng_tensor_read(const char *path, struct arena *arena,
                     struct eng_tensor *tensor, struct error *err);

/* What the model says of one of its inputs or outputs. */
struct eng_port {
    const char *name;
    enum eng_dtype dtype;
    int rank;                         /* -1 = the model does not say */
    int64_t dims[ENG_RANK_MAX];       /* -1 = any */
    const char *symbol[ENG_RANK_MAX]; /* "batch"; NULL = none */
    bool is_map;                      /* the output of a ZipMap */
};

/*
 * The threads of a process that run models, shared by all of its models. A run
 * that is alone may use all of them; runs side by side use one each.
 * eng_team_new() starts threads - 1 helpers (clamped to 1..64 threads). NULL:
 * ERR_OUT_OF_MEMORY. Free it after the models that use it; NULL is fine.
 */
struct eng_team;
struct eng_team *eng_team_new(int threads, struct error *err);
void eng_team_free(struct eng_team *team);

/*
 * What products of floats with constant weights compute in.
 *
 *   FP32  as the file says
 *   INT8  weights in int8 with a scale for each column, made once; the
 *             other side in uint8 with scale and zero point for each row, in
 *             each run; sums are exact. Products with fewer than 4096 weights
 *             stay as they are. Costs accuracy: measure it
 *   BF16  as FP32 today: without AMX bfloat16 is slower than float
 */
enum eng_precision {
    ENG_PRECISION_FP32,
    ENG_PRECISION_INT8,
    ENG_PRECISION_BF16
};

/* "fp32", "int8", "bf16", as a ModelSpec writes them. */
const char *eng_precision_name(enum eng_precision precision);

/* The precision of this name; false for other names, and then *precision stays
 * as it is. */
bool eng_precision_by_name(const char *name, enum eng_precision *precision);

/* A node that keeps a model from running; borrowed for the call. */
struct eng_obstacle {
    const char *node; /* its name, or its first output's */
    const char *op;
    const char *reason; /* names both, too */
};
typedef void (*eng_obstacle_fn)(void *context,
                                const struct eng_obstacle *obstacle);

struct eng_options {
    /* Told of every node whose operator or form of it is missing, not only of
     * the first one; NULL = nobody. */
    eng_obstacle_fn obstacle;
    void *obstacle_context;
    struct eng_team *team; /* NULL = a run has its caller's thread only */
    unsigned passes_off;   /* bit set of passes to leave out; 0 = none */
    size_t file_size_max;  /* bytes; 0 = 2 GiB */
    size_t run_memory_max; /* bytes of one run's arena; 0 = 4 GiB */
    enum eng_precision precision;
};

struct eng_model;
struct eng_run;

/*
 * Loads, checks and plans the model at `path`; `options` NULL = defaults. It is
 * an ONNX file, or a Hugging Face folder: config.json and model.safetensors (or
 * model.safetensors.index.json and its files) of the BERT, RoBERTa/XLM-R or
 * DistilBERT family. Such a model has the inputs input_ids, attention_mask and,
 * with several token types, token_type_ids, all int64 [batch, sequence]; its
 * outputs are those of the architecture: last_hidden_state and pooler_output,
 * logits, or start_logits and end_logits. Links in the folder are not followed.
 * Returns a model with one reference, or NULL:
 *   ERR_FILE_MISSING       cannot be opened, or is no regular file
 *   ERR_MODEL_INVALID      the bytes break the format's rules or a limit; names
 *                          the tensor, node or field
 *   ERR_MODEL_UNSUPPORTED  operator, version, type, attribute, family or field
 *                          value that this engine does not have; names node,
 *                          operator and reason, or the field
 *   ERR_OUT_OF_MEMORY
 */
struct eng_model *eng_model_open(const char *path,
                                 const struct eng_options *options,
                                 struct error *err);
struct eng_model *eng_model_get(struct eng_model *model);
void eng_model_put(struct eng_model *model);

/* Inputs without initialisers, and outputs, in graph order; valid while the
 * model lives. */
size_t eng_model_input_count(const struct eng_model *model);
size_t eng_model_output_count(const struct eng_model *model);
const struct eng_port *eng_model_input(const struct eng_model *model, size_t i);
const struct eng_port *eng_model_output(const struct eng_model *model,
                                        size_t i);

/* What the model's file is made of, for `specserve check` and /info. */
struct eng_stats {
    size_t nodes, operators, initializers;
    size_t weight_bytes;
    const char *isa;      /* instruction set chosen at load: "avx512" ... */
    const char *producer; /* "" = the file does not say */
    int64_t opset;        /* of the default domain; 0 = none */
    enum eng_precision precision;   /* in use, perhaps not what was asked */
    const char *precision_reason;   /* why it is; for a log */
    size_t int8_products, products; /* in 8 bits, of all MatMul and Gemm */
};
void eng_model_stats(const struct eng_model *model, struct eng_stats *stats);

/* A place to run: buffers of its own. NULL: ERR_OUT_OF_MEMORY. */
struct eng_run *eng_run_new(struct eng_model *model, struct error *err);
void eng_run_free(struct eng_run *run);

/* Bytes of the memory that the runs of `run` have needed so far. */
size_t eng_run_bytes(const struct eng_run *run);

/* When a run must give up; checked between operators. */
struct eng_limits {
    uint64_t deadline_ns;         /* clock_now_ns() scale; CLOCK_NEVER = none */
    const atomic_bool *cancelled; /* NULL = cannot be cancelled */
};

/*
 * Runs the model once. `inputs` holds eng_model_input_count() tensors in that
 * order, borrowed for the call. `outputs` receives eng_model_output_count()
 * views that stay valid until the next execute or free of this run.
 *   ERR_VALIDATION_ERROR  an input's type, rank or a fixed dimension differs
 *                         (names input, both shapes), or a value that an
 *                         operator cannot take (index outside, and the like)
 *   ERR_MODEL_UNSUPPORTED  these shapes lead to something that is not built
 *   ERR_TIMEOUT, ERR_CANCELLED, ERR_OUT_OF_MEMORY
 */
bool eng_run_execute(struct eng_run *run, const struct eng_tensor *inputs,
                     struct eng_tensor *outputs,
                     const struct eng_limits *limits, struct error *err);

/* ---- sequences of different length, without padding ---- */

/* What an output of eng_run_ragged() has a row for. */
enum eng_ragged_kind { ENG_RAGGED_TOKENS, ENG_RAGGED_SEQUENCES };

struct eng_ragged {
    bool possible;
    const char *reason;                  /* why it is not; names the node */
    int64_t length_max;                  /* tokens of one sequence */
    const enum eng_ragged_kind *outputs; /* by output */
};

/*
 * Whether the model can run sequences one after the other, without padding:
 * encoders of the BERT kind, whose inputs are integers [batch, length].
 * Valid while the model lives.
 */
void eng_model_ragged(const struct eng_model *model, struct eng_ragged *info);

/* Sequences, one after the other. */
struct eng_ragged_batch {
    const int64_t *lengths; /* tokens of each, at least 1 */
    size_t count;
    /*
     * By input of the model, its elements: as many as all lengths make
     * together. NULL for the attention mask, which has nothing to say here.
     */
    const void *const *inputs;
};

/*
 * As eng_run_execute() for sequences of different length. Outputs have the
 * tokens of all sequences in their first axis, in the place of batch and
 * length, or a row per sequence: eng_model_ragged() says which. The rows of a
 * sequence do not depend on its company.
 *   ERR_MODEL_UNSUPPORTED  the model is not possible
 *   ERR_VALIDATION_ERROR   a length, or an element that the model cannot take
 *   others as eng_run_execute()
 */
bool eng_run_ragged(struct eng_run *run, const struct eng_ragged_batch *batch,
                    struct eng_tensor *outputs, const struct eng_limits *limits,
                    struct error *err);

/* One operator of a run that was watched; borrowed for the call. */
struct eng_step {
    size_t index;     /* its place in the plan, from 0 */
    const char *node; /* the node's name, or its first output's */
    const char *op;   /* operator: "MatMul" */
    const char *impl; /* which implementation of it ran: "conv.onednn" */
    uint64_t start_ns, end_ns; /* clock_now_ns() scale */
    /* Types and shapes; an input that the node leaves out is NULL. */
    const struct eng_tensor *const *inputs, *const *outputs;
    size_t input_count, output_count;
};

typedef void (*eng_watch_fn)(void *context, const struct eng_step *step);

/*
 * Calls `watch` in the thread of the run after each operator of every later
 * execute of `run`, for profiles; NULL ends that. A run that is not watched
 * reads no clock.
 */
void eng_run_watch(struct eng_run *run, eng_watch_fn watch, void *context);

#endif
