/*
 * Model: clients of one model, from the documents of its bundle.
 *
 *   specgen model-client --bundle DIR|--url URL --lang LANGUAGE [--out DIR]
 *
 * The ModelService of a bundle names inputs, parameters and outputs; a language
 * (a row of languages.def) turns them into a file whose class has them as
 * arguments and attributes. A server tells the same as its bundle. What can be
 * wrong with a bundle in general is told by `specserve validate`; here only what
 * a client is made of has to be there.
 *
 * Threads: one.
 */
#ifndef CODEGEN_MODEL_H
#define CODEGEN_MODEL_H

#include "identity.h"
#include "ir.h"

struct cg_model {
    const char *name, *version; /* "Solubility", "1.0.0" */
    struct identity is;         /* what /info of a server of the bundle says */
    const char *doc;
    const char *input_type;      /* of requests: "text" */
    const struct doc_node *spec; /* the ModelService's */
    const struct doc_node *inputs, *parameters, *outputs; /* lists or NULL */
};

/* Writes the client of the model to `to`; one per row of languages.def. */
typedef void cg_model_writer(struct cg_ir *ir, const struct cg_model *model,
                             struct buf *to);

#define LANGUAGE(name, ending) cg_model_writer cg_model_##name;
#include "languages.def"
#undef LANGUAGE

/* Reads the ModelService in `dir` and takes the digests of the bundle. false
 * after faults. */
bool cg_model_load(struct cg_ir *ir, const char *dir, struct cg_model *model);

/* The same from the server at `url`, "http://HOST:PORT". */
bool cg_model_fetch(struct cg_ir *ir, const char *url, struct cg_model *model);

struct cg_model_source {
    const char *dir; /* of the bundle, or ... */
    const char *url; /* ... of a server of it; NULL = the folder */
    const char *language;
};

/* The command: loads, writes and puts the file into `out`. Faults of the
 * bundle are in ir->faults; false with err for everything else. */
bool cg_model_client(struct cg_ir *ir, const struct cg_model_source *source,
                     const char *out, struct error *err);

/* ---- for writers ---- */

/* Of an input, parameter or output: "LogS", "array<float>". */
const char *cg_model_name(const struct doc_node *item);
const char *cg_model_type(const struct doc_node *item);

/* The model's name as that of a class: "MiniLm". One that begins with a digit,
 * or that is `taken` (NULL-ended), gets "Model" in front. */
const char *cg_model_class(struct cg_ir *ir, const struct cg_model *model,
                           const char *const *taken);

/* The type of an output's value: "string" for a number that is written as text
 * (`encoding: string`), else what is declared. */
const char *cg_model_given(const struct doc_node *output);
bool cg_model_encoded(const struct doc_node *output);

/* Elements of an output; 0 when it may have any number, as an embedding that
 * can be cut. */
long long cg_model_length(const struct doc_node *output);

/* "LogS_low: ..." in words: its sentence, unit, limits, and the ranges of its
 * property; "" when nothing is known. */
const char *cg_model_doc(struct cg_ir *ir, const struct cg_model *model,
                         const struct doc_node *item);

/* 'Ethanol: {"text":"CCO"} gives {"LogS":1.0}': example `index` in words; ""
 * behind the last one and behind the third. */
const char *cg_model_example(struct cg_ir *ir, const struct cg_model *model,
                             size_t index);

/* Inputs must be there unless they say otherwise, parameters only if so. */
bool cg_model_required(const struct doc_node *item, bool parameter);

#endif
