/*
 * Names: every spelling rule of every output, and only here.
 *
 * The C spellings follow protoc-c 1.4.1 to the letter, oddities included
 * ("HTTPError" gives "httperror"); tests/unit/test_cg_names.c compares them
 * with what protoc-c really writes.
 *
 * Results live in the arena of `ir`. Threads: one.
 */
#ifndef CODEGEN_NAMES_H
#define CODEGEN_NAMES_H

#include "ir.h"

/* "HealthResponse" -> "health_response", as protoc-c lowers a name. */
char *cg_snake(struct cg_ir *ir, const char *name);

/* "health_response" -> "HEALTH_RESPONSE", "HealthResponse" likewise. */
char *cg_upper(struct cg_ir *ir, const char *name);

/* "health_response" -> "HealthResponse". */
char *cg_pascal(struct cg_ir *ir, const char *name);

/* "health_response" -> "healthResponse": protobuf's default JSON name. */
char *cg_camel(struct cg_ir *ir, const char *name);

/* "put on" -> "put_on": a word that may be part of an identifier. */
char *cg_word(struct cg_ir *ir, const char *text);

/* Full proto name -> C type, "runtime.HealthResponse" -> "Runtime__Health...";
 * -> stem of its functions, "runtime__health_response";
 * -> stem of its constants, "RUNTIME__HEALTH_RESPONSE". */
char *cg_c_type(struct cg_ir *ir, const char *full);
char *cg_c_base(struct cg_ir *ir, const char *full);
char *cg_c_upper(struct cg_ir *ir, const char *full);

/* Name of the struct member: lower case, keywords get a trailing "_". */
char *cg_c_member(struct cg_ir *ir, const char *name);

/* A name as it is, for a member of ours in C: keywords and what the standard
 * headers define get a trailing "_". */
char *cg_c_identifier(struct cg_ir *ir, const char *name);

/* Name of a Python attribute or argument: keywords, and what every message or
 * method has already, get a trailing "_". */
char *cg_py_member(struct cg_ir *ir, const char *name);

/* The class of an error in client libraries: "NOT_FOUND" -> "NotFoundError",
 * "VALIDATION_ERROR" -> "ValidationError". */
char *cg_error_class(struct cg_ir *ir, const char *code);

/* Name of a .proto file by its package: "a.b.v1" -> "a/b/v1/b.proto"; without
 * a version at the end, `file` itself. */
char *cg_proto_path(struct cg_ir *ir, const char *package, const char *file);

bool cg_is_snake(const char *name);
bool cg_is_pascal(const char *name);

/* Why a field may not be called so in C, Python, Go or TypeScript, or NULL. */
const char *cg_name_hazard(const char *name);

#endif
