/*
 * Contract: the shape of the tables that specgen writes into gen/c.
 *
 * Data is generated, logic is written once and walks it. Three kinds:
 *
 *   struct msg_def     a message: which member of which C struct is which
 *                      JSON key, and within which limits
 *   struct op_def      an endpoint: REST verb and path, gRPC method, messages,
 *                      handler
 *   struct doc_schema  a document's schema, for YAML and JSON files
 *
 * The messages themselves are protobuf-c structs; everything but the wire
 * codec reaches them through offsets and never sees protobuf-c.
 *
 * Threads: immutable, any thread.
 */
#ifndef BASE_CONTRACT_H
#define BASE_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct srv_call;

/* ---- messages ---- */

/*
 * What one value is, with the C type of its member:
 *   BOOL    protobuf_c_boolean (int)     ENUM   int, see msg_field.values
 *   I32 U32 I64 U64 F32 F64              the number of that width
 *   STR     char *, NUL-terminated UTF-8
 *   BYTES   ProtobufCBinaryData (struct msg_bytes); base64 in JSON
 *   JSON    char *, the text of one JSON value; any value in JSON
 *   TIME    struct of google.protobuf.Timestamp; RFC 3339 in JSON
 *   MSG     pointer to the struct of msg_field.sub
 */
enum msg_kind {
    MSG_BOOL,
    MSG_I32,
    MSG_U32,
    MSG_I64,
    MSG_U64,
    MSG_F32,
    MSG_F64,
    MSG_STR,
    MSG_BYTES,
    MSG_JSON,
    MSG_TIME,
    MSG_ENUM,
    MSG_MSG
};

/*
 * ONE   one value; `quantifier` is the offset of has_x (protobuf_c_boolean)
 *       for numbers, booleans, enums and bytes; pointers are NULL when unset
 * LIST  member is T *, `quantifier` the offset of size_t n_x
 * MAP   member is Entry **, `quantifier` the offset of size_t n_x; `sub` is
 *       the entry message with the fields key (0, STR) and value (1)
 */
enum msg_card { MSG_ONE, MSG_LIST, MSG_MAP };

enum msg_flag {
    MSG_REQUIRED = 1,    /* must be set; checked by the validator */
    MSG_NULLABLE = 2,    /* JSON null is allowed and means unset */
    MSG_EMIT_ALWAYS = 4, /* unset is written as null, not left out */
    MSG_SECRET = 8,      /* never logged */
    MSG_IN_ONEOF = 16    /* `quantifier` is the offset of the case (int) */
};

/* The layout of ProtobufCBinaryData. */
struct msg_bytes {
    size_t len;
    uint8_t *data;
};

struct msg_enum {
    const char *json; /* NULL ends the list */
    int number;
};

/* Limits of a value; NaN bounds and 0 lengths mean "no limit". */
struct msg_rule {
    double min, max;           /* numbers, inclusive */
    uint32_t min_size;         /* strings: bytes; lists and maps: elements */
    uint32_t max_size;         /* same */
    const char *pattern;       /* PCRE2, anchored by itself; NULL = none */
    const char *const *values; /* strings: NULL-ended closed list; or NULL */
};

struct msg_def;

struct msg_field {
    const char *json; /* the key, verbatim from the schema */
    uint32_t number;  /* on the wire; also the oneof case */
    enum msg_kind kind;
    enum msg_card card;
    unsigned flags;            /* enum msg_flag */
    uint32_t offset;           /* of the member */
    uint32_t quantifier;       /* see enum msg_card; 0 = the message has none */
    const struct msg_def *sub; /* MSG and MAP */
    const struct msg_enum *values; /* ENUM */
    const struct msg_rule *rule;   /* NULL = no limits */
};

enum msg_shape {
    MSG_OBJECT,  /* a JSON object */
    MSG_UNTAGGED /* one oneof; in JSON the bare value, told by its type:
                    F64, BOOL, STR by JSON type; MSG whose sub has a single
                    LIST field takes an array of that type; JSON takes
                    whatever is left. First match in field order wins. */
};

struct msg_def {
    const char *name;       /* "specserve.runtime.v1.HealthResponse" */
    const void *descriptor; /* ProtobufCMessageDescriptor of the struct */
    size_t size;            /* of the struct */
    enum msg_shape shape;
    const struct msg_field *fields; /* in declaration order */
    size_t field_count;
    bool open; /* unknown JSON keys are skipped, not refused: the schema has
                  properties and no `additionalProperties: false` */
};

/* ---- endpoints ---- */

/* Where the handler runs. */
enum op_run {
    OP_INLINE, /* at once, on the door's thread: answers from memory only */
    OP_QUEUE   /* on a worker, through the bounded queue */
};

enum op_stream {
    OP_UNARY,
    OP_SERVER, /* one request, many replies; gRPC only */
    OP_EACH    /* many requests, each with one reply, on one call; gRPC only */
};

/* How the client may repeat it. */
enum op_safety { OP_READ, OP_IDEMPOTENT, OP_ONCE };

enum op_source { OP_FROM_PATH, OP_FROM_QUERY };

/* A field of the request that REST takes from the URL, not from the body. */
struct op_bind {
    const char *name; /* in the path template or query, = the field's key */
    enum op_source source;
    uint32_t field; /* index into request->fields */
};

/* Fills `reply` (zeroed) from `request`, or `err` and returns false. */
typedef bool op_handler(struct srv_call *call, const void *request, void *reply,
                        struct error *err);

/*
 * The answer of a failed call when the endpoint answers failures in its own
 * message: fills `reply` (zeroed) from `err`. REST uses it for every failure;
 * gRPC only for codes whose status is OK (the model declines), because its
 * other statuses carry no message.
 */
typedef void op_failure(struct srv_call *call, const struct error *err,
                        void *reply);

/*
 * How the REST form of an endpoint differs from plain JSON in and out; what is
 * NULL is as everywhere. Functions find op, body and headers in the call.
 */
struct op_codec {
    /* Is a body of this Content-Type (never NULL) taken? */
    bool (*takes)(const char *content_type);
    /* Reads the body into `message` (zeroed); the URL is bound afterwards. */
    bool (*decode)(struct srv_call *call, void *message, struct error *err);
    /* Appends the answer to call->out; may set call->http_status,
     * call->content_type and headers. */
    bool (*encode)(struct srv_call *call, const void *message,
                   struct error *err);
    /* Appends the body of a failure, call->err, to call->out (JSON). */
    void (*failure)(struct srv_call *call);
    bool encodings; /* bodies may come with a Content-Encoding, which decode()
                       undoes */
};

struct op_def {
    const char *id;                /* "runtime.predict" */
    const char *verb;              /* "POST"; NULL = no REST form */
    const char *path;              /* "/heartbeat/{port}" */
    const char *method;            /* "/pkg.Service/Method"; NULL = no gRPC */
    const struct msg_def *request; /* never NULL */
    const struct msg_def *reply;   /* NULL: the handler answers raw bytes */
    const struct op_bind *binds;
    size_t bind_count;
    bool has_body; /* REST: the other fields come from a JSON body */
    enum op_run run;
    enum op_stream stream;
    enum op_safety safety;
    uint32_t deadline_ms; /* 0 = the server's default */
    size_t max_body;      /* bytes; 0 = the server's default */
    op_handler *handle;
    op_failure *failure; /* NULL: the common error body */
    bool refuses;        /* what the model declines ends with the statuses of
                            ERR_VALIDATION_ERROR, not with those of success */
    const struct op_codec *codec; /* REST; NULL: plain JSON */
};

/* All endpoints of one service; a program serves a list of these. */
struct op_table {
    const char *service; /* "specserve.runtime.v1.ModelRuntime" */
    const struct op_def *ops;
    size_t count;
};

/* One .proto file as bytes of a FileDescriptorProto, for reflection. */
struct proto_file {
    const char *name; /* "specserve/runtime/v1/runtime.proto" */
    const uint8_t *bytes;
    size_t size;
    const char *const *imports; /* NULL-ended names of other files */
    const char *const *symbols; /* NULL-ended: messages, enums, services,
                                   and methods "pkg.Service.Method" */
};

/* ---- documents ---- */

enum doc_type {
    DOC_NULL = 1,
    DOC_BOOL = 2,
    DOC_INT = 4, /* 1.0 counts, as JSON Schema says */
    DOC_NUMBER = 8,
    DOC_STRING = 16,
    DOC_LIST = 32,
    DOC_MAP = 64
};

struct doc_schema;

struct doc_property {
    const char *name;
    const struct doc_schema *schema;
    bool required;
};

/* One schema node; the keywords of JSON Schema 2020-12 that documents use. */
struct doc_schema {
    unsigned types;            /* enum doc_type, or'ed; 0 = any */
    const char *constant;      /* string const; NULL = none */
    const char *const *values; /* NULL-ended string enum; NULL = none */
    bool has_min, has_max;
    double min, max; /* inclusive; numbers */
    uint32_t min_size,
        max_size;        /* strings (code points), lists, maps; 0 = no */
    const char *pattern; /* PCRE2; NULL = none */
    const struct doc_property *properties;
    size_t property_count;
    bool closed;                   /* unknown keys are refused */
    const struct doc_schema *rest; /* schema of the other keys; NULL = any */
    const struct doc_schema *items;
    const char *doc; /* one sentence; used as the hint */
};

#endif
