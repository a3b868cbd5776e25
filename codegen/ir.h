/*
 * IR: the contract of api/ in memory.
 *
 * Loaders fill it, check.c and lock.c complete it, emitters only read it. The
 * vocabulary of base/contract.h (kinds, cardinalities, flags) is used as it
 * is, because the tables that specgen writes are made of it.
 *
 * Everything lives in ir->arena until cg_ir_release(). A generator that runs
 * out of memory has nothing to save: allocation failure ends the program.
 *
 * Threads: one.
 */
#ifndef CODEGEN_IR_H
#define CODEGEN_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "contract.h"
#include "doc.h"

/* Where something was written; line 0 = the whole file. */
struct cg_loc {
    const char *file;
    int line, col;
};

/* Limits of one value; NaN and 0 mean "none". */
struct cg_limits {
    double min, max;
    uint32_t min_size, max_size; /* strings: length; lists, maps: elements */
    const char *pattern;
    const char *constant; /* the only string allowed */
};

struct cg_decl;

struct cg_field {
    const char *json;   /* the key, verbatim */
    const char *name;   /* in .proto files */
    const char *c_name; /* in structs of protoc-c */
    const char *doc;    /* NULL = none */
    uint32_t number;    /* 0 until lock.c has run */
    enum msg_kind kind; /* of the value, the element, the map's value */
    enum msg_card card;
    unsigned flags;       /* enum msg_flag */
    bool implicit;        /* proto3: nothing says whether a scalar is set */
    const char *oneof;    /* its name; NULL = "kind", that of our own unions */
    struct cg_decl *decl; /* MSG and ENUM */
    struct cg_limits limits;       /* of the value or element */
    struct cg_limits keys;         /* of a map's keys */
    uint32_t min_count, max_count; /* of a list or map */
    struct cg_loc at;
};

struct cg_value {
    const char *json; /* "put" */
    const char *name; /* "WATCH_KIND_PUT" */
    uint32_t number;  /* from 1; 0 until lock.c has run */
    struct cg_loc at;
};

/* A line of the lock file: a number and who holds, or held, it. */
struct cg_lock_row {
    uint32_t number;
    const char *name;
    bool removed;
};

/* What the lock file says of a message or enum. */
struct cg_lock_entry {
    const char *name;   /* full */
    const char *tag;    /* "message" or "enum" */
    uint32_t next;      /* the next number to give */
    uint32_t watermark; /* numbers up to this one were released; 0 = none */
    struct cg_lock_row *rows;
    size_t count, capacity;
};

/* A number that a removed field or enum value held. */
struct cg_reserved {
    uint32_t number;
    const char *name;
};

enum cg_tag { CG_MESSAGE, CG_ENUM };

struct cg_decl {
    enum cg_tag tag;
    const char *name; /* "HealthResponse" */
    const char *doc;  /* NULL = none */
    const struct cg_api *api;
    enum msg_shape shape;
    bool open;      /* keys outside the schema are skipped, not refused */
    bool foreign;   /* from a foreign .proto */
    bool uses_time; /* some field is a Timestamp */
    struct cg_field *fields;
    size_t field_count;
    struct cg_value *values;
    size_t value_count;
    struct cg_reserved *reserved;
    size_t reserved_count;
    const char *full;   /* "specserve.runtime.v1.HealthResponse" */
    const char *c_type; /* "Runtime__HealthResponse" */
    const char *c_base; /* "runtime__health_response": of its functions */
    const char *alias;  /* "runtime_health_response" */
    const struct doc_node *schema;
    struct cg_loc at;
};

struct cg_error {
    const char *name;
    int http;
    const char *grpc; /* "NOT_FOUND" */
    int grpc_number;
    const char *retry; /* "NEVER", "LATER", "ELSEWHERE" */
    const char *doc;
    struct cg_loc at;
};

struct cg_bind {
    const char *name;
    enum op_source source;
    uint32_t field; /* index into the request's fields */
};

struct cg_op {
    const char *id;   /* "runtime.predict" */
    const char *name; /* "predict" */
    const char *doc;
    const char *verb, *path; /* NULL = no REST form */
    struct cg_op *also;      /* its other REST forms; these have no `rpc` */
    size_t also_count;
    const char *rpc; /* "Predict"; NULL = no gRPC form */
    const struct cg_decl *request;
    const struct cg_decl *reply; /* NULL: raw bytes of type `media` */
    const char *media;
    const char *binary; /* bodies may be of this type, too; NULL = JSON only */
    struct cg_bind *binds;
    size_t bind_count;
    bool has_body;
    enum op_run run;
    enum op_stream stream;
    enum op_safety safety;
    bool own_failure;
    bool refuses;      /* a declined request is refused, not answered */
    const char *codec; /* "oip_plain_codec", of the REST form; NULL = JSON */
    uint32_t deadline_ms;
    size_t max_body;
    const struct cg_error **errors; /* without doubles, catalogue order */
    size_t error_count;
    const char *handler; /* "handle_predict" */
    const char *failer;  /* "fail_predict"; NULL unless own_failure */
    struct cg_loc at;
};

/* Bytes of one FileDescriptorProto. */
struct cg_descriptor {
    const unsigned char *bytes; /* NULL = it could not be compiled */
    size_t size;
};

/* A .proto file that others defined. */
struct cg_foreign {
    const char *file;      /* "grpc_health.proto" */
    const char *path;      /* on disk */
    const char *canonical; /* "grpc/health/v1/health.proto" */
    struct cg_descriptor descriptor;
};

/* One ops file: a service with its messages. */
struct cg_api {
    const char *version;  /* "1.2.0"; NULL = that of the package */
    const char *file;     /* "ops/runtime.yaml", relative to api/ */
    const char *package;  /* "specserve.runtime.v1" */
    const char *prefix;   /* "runtime" */
    const char *service;  /* "ModelRuntime" */
    const char *handlers; /* "handle" */
    const char *doc;
    const char *document; /* prefix of the API whose OpenAPI has this one */
    const char
        *failure; /* $defs entry of failed calls; NULL = the common one */
    const struct cg_foreign *foreign; /* NULL: own messages */
    struct cg_decl **decls;
    size_t decl_count, decl_capacity;
    struct cg_op *ops;
    size_t op_count;
    /* `$defs` of each schema file; of a foreign API: the JSON of its messages,
     * by their names */
    const struct doc_node **defs;
    size_t defs_count;
    const char *proto;     /* "specserve/runtime/v1/runtime.proto" */
    const char *c_package; /* package of the C profile: prefix, or package */
    bool uses_time;        /* some field is a Timestamp */
    bool broken; /* its messages could not be read: a fault says why */
    struct cg_loc at;
};

/* A schema for documents: becomes doc_schema tables, not messages. */
struct cg_document {
    const char *name; /* "modelspec" */
    const char *file; /* "schema/modelspec.json" */
    const struct doc_node *root;
};

/* A file that was read; root is NULL if it was broken. */
struct cg_tree {
    const char *file; /* below api/ */
    const struct doc_node *root;
};

struct cg_ir {
    struct arena arena;
    const char *dir; /* the api folder, as given */
    struct cg_api **apis;
    size_t api_count, api_capacity;
    struct cg_error *errors;
    size_t error_count;
    struct cg_document *documents;
    size_t document_count, document_capacity;
    struct cg_foreign **foreigns;
    size_t foreign_count, foreign_capacity;
    struct cg_tree *trees;
    size_t tree_count, tree_capacity;
    struct buf faults; /* "file:line:col: rule: message" lines */
    size_t fault_count;
    const char *released; /* version of the last release; NULL = none */
    struct cg_lock_entry *entries; /* of the lock file, after numbering */
    size_t entry_count, entry_capacity;
    char *lock; /* text of the lock file after numbering */
    size_t lock_size;
};

void cg_ir_init(struct cg_ir *ir, const char *dir);
void cg_ir_release(struct cg_ir *ir);

/* Notes a violation; generation goes on so that all are reported. */
void cg_fault(struct cg_ir *ir, struct cg_loc at, const char *rule,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Where `node` of `file` stood; NULL = the whole file. */
struct cg_loc cg_at(const char *file, const struct doc_node *node);

/* Zeroed memory, copies and formatted strings in ir->arena; never NULL. */
void *cg_zalloc(struct cg_ir *ir, size_t count, size_t size);
char *cg_text(struct cg_ir *ir, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for one more pointer or struct of `size` bytes behind `items`. */
void *cg_grow(struct cg_ir *ir, void *items, size_t count, size_t *capacity,
              size_t size);

/* The message or enum of this name, or NULL. */
struct cg_decl *cg_api_decl(const struct cg_api *api, const char *name);

/* The `$defs` entry of this name in any of the API's schemas, or NULL. */
const struct doc_node *cg_api_def(const struct cg_api *api, const char *name);

/* The field of this JSON key, or NULL. */
struct cg_field *cg_decl_field(const struct cg_decl *decl, const char *json);

/* The name of the oneof that holds the field. */
const char *cg_field_oneof(const struct cg_field *field);

/* Row of the catalogue, or NULL. */
const struct cg_error *cg_ir_error(const struct cg_ir *ir, const char *name);

#endif
