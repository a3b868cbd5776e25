/*
 * Init: the documents of a model that has none yet.
 *
 *   look    what lies at a path: weights, tokenizer, config.json, what
 *           sentence-transformers says; the engine says inputs and outputs
 *   plan    what the bundle offers: inputs, steps, outputs, an example
 *   write   three documents as text
 *
 * Nothing is guessed silently. What a person must say is a text that begins
 * with BUNDLE_GAP, which `specserve validate` finds; where a choice was made for
 * want of better knowledge, a note with a gap says so. The same files give the
 * same documents.
 *
 * Threads: one.
 */
#ifndef SERVER_INIT_H
#define SERVER_INIT_H

#include "arena.h"
#include "buf.h"
#include "engine.h"
#include "error.h"

/* What a model's files say; texts live in the arena, "" = nothing. */
struct init_facts {
    struct arena arena;
    const char *dir;       /* the bundle's folder */
    const char *uri;       /* of the weights, from there: "model.onnx", "." */
    const char *framework; /* "onnx", "transformers" */
    const char *tokenizer; /* from there, one that we read: "tokenizer.json" */
    const char *name;      /* of the bundle: "all-minilm-l6-v2" */
    struct eng_model *model;

    /* config.json */
    const char *family;  /* model_type */
    const char *problem; /* problem_type */
    const char **labels; /* id2label, by id */
    size_t label_count;
    int64_t positions; /* that the model takes; 0 = not said */

    /* sentence-transformers */
    const char *pooling; /* "mean", "cls", "max" */
    bool normalizes;
    int64_t max_tokens; /* 0 = not said */

    const char *license; /* of README.md, as SPDX where it is known */
    size_t truncation;   /* of the tokenizer; 0 = none */
};

/*
 * Fills `facts`, zeroed, from an ONNX file or a folder; `name` NULL = from the
 * path. Release it in any case.
 *   ERR_FILE_MISSING       nothing there that is a model
 *   ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED
 *                          the engine cannot run it: see eng_model_open()
 *   ERR_FILE_INVALID       config.json and the like are no JSON
 *   ERR_OUT_OF_MEMORY
 */
bool init_look(struct init_facts *facts, const char *path, const char *name,
               struct error *err);
void init_release(struct init_facts *facts);

enum init_kind { INIT_EMBEDDING, INIT_CLASSES, INIT_NUMBERS };

/* What the bundle offers. Texts are lines of YAML, indented as they stand in
 * the documents. */
struct init_plan {
    const struct init_facts *facts;
    enum init_kind kind;
    const char *task;       /* ModelSpec */
    const char *capability; /* its name */
    const char *takes;      /* "text", "tabular" */
    bool batch;
    int64_t max_tokens;         /* of a text; 0 = not a text */
    struct buf inputs, outputs; /* signature */
    struct buf offered;         /* of the capability: {a: float, b: ...} */
    struct buf pre, post;       /* ModelSpec: steps */
    struct buf steps;           /* ModelService: their parameters */
    struct buf notes, examples;
};

/* Plans; release it in any case. ERR_MODEL_UNSUPPORTED: a tensor that no
 * request can fill or no answer can hold; ERR_OUT_OF_MEMORY. */
bool init_plan(struct init_plan *plan, const struct init_facts *facts,
               struct error *err);
void init_plan_release(struct init_plan *plan);

/* Parts of init_plan(): a text model; any other, tensor by tensor. */
bool init_plan_text(struct init_plan *plan, struct error *err);
bool init_plan_numbers(struct init_plan *plan, struct error *err);

/* Every tensor that the model gives as an output, as it is. */
bool init_plan_outputs(struct init_plan *plan, struct error *err);

/* Adds a line; the format gives YAML, that of a note gives its text. */
void init_note(struct init_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void init_step(struct init_plan *plan, bool before, const char *name,
               const char *type, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void init_offer(struct init_plan *plan, const char *name, const char *type,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Appends `text` in quotes, as YAML and JSON have it. */
void init_quote(struct buf *out, const char *text);

/* The model's output of this name, or NULL; its input likewise. */
const struct eng_port *init_output(const struct init_facts *facts,
                                   const char *name);
const struct eng_port *init_input(const struct init_facts *facts,
                                  const char *name);

/* The documents. */
void init_write_modelspec(const struct init_plan *plan, struct buf *out);
void init_write_modelservice(const struct init_plan *plan, struct buf *out);
void init_write_behavior(const struct init_plan *plan, struct buf *out);
void init_write_citation(const struct init_plan *plan, struct buf *out);

#endif
