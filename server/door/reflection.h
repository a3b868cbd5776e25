/*
 * Reflection: the grpc.reflection services of a door.
 *
 * Answers from the generated table of FileDescriptorProtos, so that clients
 * without our .proto files can list and call everything. v1 and v1alpha are the
 * same messages under two packages and share one implementation. The handlers
 * are rows of the generated tables and find their struct reflection in
 * call->app.
 *
 * Threads: immutable; any.
 */
#ifndef DOOR_REFLECTION_H
#define DOOR_REFLECTION_H

#include <stddef.h>

#include "contract.h"

struct reflection {
    const char *const *services; /* full names of what the door serves */
    size_t service_count;
    const struct proto_file *const *protos; /* NULL-ended; NULL = none */
};

#endif
