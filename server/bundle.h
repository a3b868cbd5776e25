/*
 * Bundle: a model's documents, loaded, checked and compared with each other.
 *
 * A bundle is a folder with one *.modelspec.yaml (what the model is), one
 * *.modelservice.yaml (what it offers), at most one *.behavior.yaml (how it
 * must behave) and the files they name. Everything the Runtime endpoints answer
 * comes from here plus live counters. .yml and .json do as well.
 *
 * All findings go to the caller's report; nothing stops at the first one. The
 * files a document names are opened with openat2 beneath the folder: no links,
 * no devices, no pipes, one link each, nothing outside.
 *
 * Threads: immutable once opened; any thread reads.
 */
#ifndef SERVER_BUNDLE_H
#define SERVER_BUNDLE_H

#include "bundle_parts.h"
#include "engine.h"
#include "identity.h"

/* How a text begins that a person has to write; checking warns of it. */
#define BUNDLE_GAP "FILL IN: "

struct bundle_document {
    const char *file;            /* "models/x/x.modelspec.yaml"; NULL = none */
    const char *name;            /* the same without the folder */
    const char *text;            /* as it stands there; borrowed */
    size_t size;                 /* of text, bytes */
    const struct doc_node *root; /* NULL = none */
    enum bundle_kind kind;
};

struct srv_bundle {
    struct arena arena; /* holds everything below */
    const char *dir;    /* as given */
    struct bundle_document documents[BUNDLE_KIND_COUNT];

    /* ModelService: metadata, info, citation */
    const char *name, *version, *description;
    const char *license, *maintainer, *citation_url;
    const char *paper, *doi;
    const char *bibtex; /* the text of the BibTeX file */
    struct bundle_signature signature;
    const struct bundle_capability *capabilities;
    const struct bundle_example *examples;
    size_t capability_count, example_count;
    struct bundle_strings elements, notes, disclaimers;
    struct bundle_ranges ranges;
    struct bundle_use use;
    struct bundle_training training;
    struct bundle_confidence confidence;
    struct bundle_api api;

    /* ModelSpec */
    const char *model_id, *family, *task, *framework, *precision;
    const char *model_path;     /* "models/x/model.onnx" */
    const char *tokenizer_path; /* "" = none */
    struct bundle_serving serving;
    struct bundle_steps preprocess, postprocess;
};

/*
 * Opens the folder `dir` and reports everything that is wrong with it. Returns
 * the bundle, which has no faults (warnings it may have), or NULL after adding
 * at least one fault to `report`.
 */
struct srv_bundle *bundle_open(const char *dir, struct doc_report *report);

/* NULL is fine. */
void bundle_close(struct srv_bundle *bundle);

/* Checks one document on its own, whatever its kind. */
void bundle_check_file(const char *path, struct doc_report *report);

/*
 * Compares signature.tensors with what the loaded model says of itself (rule
 * MS190): names, element types, ranks and fixed dimensions. Nothing is compared
 * when the signature declares no tensors. False after adding a fault. Call it
 * before other threads see the bundle: messages use its arena.
 */
bool bundle_check_model(struct srv_bundle *bundle,
                        const struct eng_model *model,
                        struct doc_report *report);

/* The same for one side of the model; `ports` are its `count` ports. */
bool bundle_check_ports(struct srv_bundle *bundle, bool inputs,
                        const struct eng_port *const *ports, size_t count,
                        struct doc_report *report);

/*
 * Writes what the documents declare and this server does not act on, as
 * "ModelSpec spec.operations.scaling, ..."; nothing when there is nothing.
 */
void bundle_list_unused(const struct srv_bundle *bundle, struct buf *out);

/* The parameters of the pipeline step `name`: a map, or NULL for none. */
const struct doc_node *bundle_step_parameters(const struct srv_bundle *bundle,
                                              const char *name);

/* Has the value the parameter's type, bounds and one of its choices? */
bool bundle_parameter_takes(const struct bundle_parameter *parameter,
                            const struct doc_node *value);

/* By key; NULL if there is none. */
const struct bundle_input *bundle_find_input(const struct srv_bundle *bundle,
                                             const char *name);
const struct bundle_parameter *
bundle_find_parameter(const struct srv_bundle *bundle, const char *name);
const struct bundle_output *bundle_find_output(const struct srv_bundle *bundle,
                                               const char *name);
const struct bundle_capability *
bundle_find_capability(const struct srv_bundle *bundle, const char *name);
const struct bundle_range *bundle_find_range(const struct srv_bundle *bundle,
                                             const char *key);

#endif
