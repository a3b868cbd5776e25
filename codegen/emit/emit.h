/*
 * Emit: one emitter per kind of output, each in its file, each with a row in
 * emitters.def. An emitter reads the IR and writes text, nothing else.
 *
 * Threads: one.
 */
#ifndef CODEGEN_EMIT_H
#define CODEGEN_EMIT_H

#include "ir.h"
#include "names.h"
#include "out.h"

#define EMITTER(name)                                                          \
    void cg_emit_##name(const struct cg_ir *ir, struct cg_out *out);
#include "emitters.def"
#undef EMITTER

/* "api/<the API's ops file>", for the first line of generated files. */
const char *cg_source(const struct cg_api *api, struct cg_out *out);

/* The proto type of a field, without "repeated" or "map<>". */
const char *cg_proto_type(const struct cg_field *field);

/* How the two renderings of a .proto file differ. */
struct cg_dialect {
    const char *syntax;  /* "proto3" */
    const char *package; /* of the file */
    bool is_public;      /* comments, json_name, services; else C profile */
};

/* Messages and enums of the API in that rendering; in emit/proto.c. */
void cg_emit_decls(const struct cg_api *api, const struct cg_dialect *dialect,
                   struct cg_out *out, struct buf *to);

/* A .proto file, compiled. */
struct cg_proto_file {
    const char *name;
    struct cg_descriptor descriptor;
};

/* Every public .proto file of the APIs that `wanted` says yes to (NULL: all),
 * with what they import, last; in emit/protos.c. */
const struct cg_proto_file *
cg_proto_files(const struct cg_ir *ir, struct cg_out *out,
               bool (*wanted)(const struct cg_api *api), size_t *count);

/* The C type of a value, as in a setter's parameter; in emit/cmsg.c. */
const char *cg_value_type(const struct cg_field *field, struct cg_out *out);

#endif
