/*
 * Typed: the gRPC service of one model, with its inputs and results as named,
 * typed fields, besides the one of the Runtime API that takes any model's.
 *
 *   package specserve.model.<name>;
 *   service Model { rpc Predict(PredictRequest) returns (PredictResponse); }
 *
 * It is described when the bundle is opened: as tables that the door serves like
 * those of specgen, as a file for reflection, as text of a .proto file and of an
 * OpenAPI document.
 *
 * A field's number is made of its name and type. Whoever compiled against a
 * signature of which a field was renamed or has another type does not find it;
 * it is never taken for another one.
 *
 * Threads: immutable once opened.
 */
#ifndef SERVER_TYPED_H
#define SERVER_TYPED_H

#include "bundle.h"

struct typed_field {
    const char *name;
    const char *doc; /* one line; "" = none */
    uint32_t number;
    enum msg_kind kind;
    enum msg_card card;
};

struct typed_fields {
    const struct typed_field *items;
    size_t count;
};

/* Beyond those of the documents: what the pipeline had to say. */
#define TYPED_WARNINGS "warnings"

struct typed_model {
    const char *package; /* "specserve.model.solubility" */
    struct typed_fields request, reply;
    struct op_def op;
    struct op_table table;
    struct proto_file file;
    const char *proto, *openapi; /* texts */
};

/*
 * Describes the bundle's model, in the bundle's arena. false: ERR_OUT_OF_MEMORY,
 * or ERR_DOCUMENT_INVALID when two fields would have one number.
 */
bool typed_open(struct typed_model *typed, struct srv_bundle *bundle,
                struct error *err);

/* The endpoint, an op_handler: runs the model on the fields of the request. */
bool handle_typed_predict(struct srv_call *call, const void *request,
                          void *reply, struct error *err);

/* ---- the parts of it ---- */

/* "double", "string" ... of a .proto file. */
const char *typed_proto_type(enum msg_kind kind);

/* Sets `proto` and `file`; false when memory is out. */
bool typed_write_proto(struct typed_model *typed, struct srv_bundle *bundle);

/* Sets `openapi`: POST /predict as this model takes and answers it. */
bool typed_write_openapi(struct typed_model *typed, struct srv_bundle *bundle);

/* The buffer's text in the arena, and the end of the buffer; NULL when memory
 * is out. */
char *typed_keep(struct buf *text, struct arena *arena, size_t *size);

#endif
