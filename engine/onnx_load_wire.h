/*
 * Wire: bounds on protobuf bytes before protobuf-c sees them.
 *
 * protobuf-c recurses without a depth limit and takes up to 70 times the
 * bytes in memory, so the loader first walks the bytes with its own stack:
 * nesting, field numbers, wire types, lengths, varints, counts and an estimate
 * of the memory that parsing will take.
 *
 * Threads: no state.
 */
#ifndef ENGINE_ONNX_LOAD_WIRE_H
#define ENGINE_ONNX_LOAD_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "error.h"

struct wire_span {
    const uint8_t *bytes;
    size_t size;
};

struct wire_limits {
    unsigned depth; /* nested messages, the outermost counted */
    size_t fields;  /* in all messages together */
    size_t memory;  /* estimate of what protobuf-c will allocate, bytes */
};

/*
 * Walks `span` as a message of this kind and all messages inside.
 * ERR_MODEL_INVALID naming the offset and what is wrong there.
 */
bool wire_check(struct wire_span span, const ProtobufCMessageDescriptor *kind,
                const struct wire_limits *limits, struct error *err);

/*
 * Takes every length-delimited field `number` out of a checked message: their
 * contents are appended to `cut` as struct wire_span, all other fields to
 * `rest` as they are. The caller releases both, whatever comes out.
 * ERR_OUT_OF_MEMORY.
 */
bool wire_cut(struct wire_span span, uint32_t number, struct buf *rest,
              struct buf *cut, struct error *err);

#endif
