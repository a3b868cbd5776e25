/*
 * Wire: reading the descriptors that protoc writes.
 *
 * Just enough of the protobuf wire format to walk a FileDescriptorProto:
 * fields in order, with their bytes. The input comes from protoc, so a broken
 * one only has to end the walk.
 *
 * Threads: any; no state.
 */
#ifndef CODEGEN_WIRE_H
#define CODEGEN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Field numbers of google/protobuf/descriptor.proto that are used here. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    MESSAGE_NAME = 1,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_OPTIONS = 7,
    MESSAGE_ONEOF = 8,
    OPTIONS_MAP_ENTRY = 7,
    FIELD_NAME = 1,
    FIELD_NUMBER = 3,
    FIELD_LABEL = 4,
    FIELD_TYPE = 5,
    FIELD_TYPE_NAME = 6,
    FIELD_ONEOF = 9,
    ONEOF_NAME = 1,
    ENUM_NAME = 1,
    ENUM_VALUE = 2,
    VALUE_NAME = 1,
    VALUE_NUMBER = 2,
    SERVICE_NAME = 1,
    SERVICE_METHOD = 2,
    METHOD_NAME = 1
};

struct cg_wire {
    const unsigned char *at, *end;
};

struct cg_wire_field {
    uint32_t number;
    uint64_t value;             /* of varints */
    const unsigned char *bytes; /* of length-delimited fields, else NULL */
    size_t size;
};

/* The next field; false at the end or when the bytes are broken. */
bool cg_wire_next(struct cg_wire *wire, struct cg_wire_field *field);

/* The next length-delimited field of this number. */
bool cg_wire_find(struct cg_wire *wire, uint32_t number,
                  struct cg_wire_field *field);

/* A walk over the bytes of a field. */
struct cg_wire cg_wire_inside(const struct cg_wire_field *field);

#endif
