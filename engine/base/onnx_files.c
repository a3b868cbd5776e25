/*
 * ONNX files: protobuf's wire, read through a window, with a stack of the
 * messages that lie around.
 *
 *   ModelProto > GraphProto > NodeProto > AttributeProto > TensorProto, ...
 *     TensorProto.external_data { key: "location", value: the name }
 */
#include "onnx_files.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 16384, DEPTH = 64, NAME_MAX_BYTES = 4096 };

enum message {
    MODEL,
    GRAPH,
    NODE,
    ATTRIBUTE,
    SPARSE,
    FUNCTION,
    TENSOR,
    ENTRY, /* of external_data */
    OTHER
};

/* Fields whose messages can hold tensors. */
static const struct {
    enum message in;
    unsigned field;
    enum message is;
} steps[] = {
    {MODEL, 7, GRAPH},       {MODEL, 25, FUNCTION},  {GRAPH, 1, NODE},
    {GRAPH, 5, TENSOR},      {GRAPH, 15, SPARSE},    {FUNCTION, 7, NODE},
    {NODE, 5, ATTRIBUTE},    {ATTRIBUTE, 5, TENSOR}, {ATTRIBUTE, 6, GRAPH},
    {ATTRIBUTE, 10, TENSOR}, {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 22, SPARSE},
    {ATTRIBUTE, 23, SPARSE}, {SPARSE, 1, TENSOR},    {SPARSE, 2, TENSOR},
    {TENSOR, 13, ENTRY},
};

enum {
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2,
    TENSOR_DATA_LOCATION = 14,
    EXTERNAL = 1
};

struct walk {
    int file;
    uint64_t at;
    unsigned char window[WINDOW];
    uint64_t window_start;
    size_t window_size;
    struct {
        uint64_t end;
        enum message is;
    } around[DEPTH];
    size_t depth;
    /* of the tensor and its entry that the walk is in */
    bool is_external, key_is_location;
    char value[NAME_MAX_BYTES], location[NAME_MAX_BYTES];
};

/* ---- bytes ---- */

static bool fill(struct walk *walk)
{
    ssize_t got;

    do
        got = pread(walk->file, walk->window, WINDOW, (off_t)walk->at);
    while (got < 0 && errno == EINTR);
    walk->window_start = walk->at;
    walk->window_size = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool take_byte(struct walk *walk, unsigned char *byte)
{
    if ((walk->at < walk->window_start ||
         walk->at - walk->window_start >= walk->window_size) &&
        !fill(walk))
        return false;
    *byte = walk->window[walk->at++ - walk->window_start];
    return true;
}

static bool take_varint(struct walk *walk, uint64_t *value)
{
    unsigned char byte = 0x80;

    *value = 0;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 63 || !take_byte(walk, &byte))
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return true;
}

/* Reads `size` bytes as a string; one that is too long becomes "". */
static bool take_text(struct walk *walk, uint64_t size, char *text, size_t room)
{
    unsigned char byte;
    bool fits = size < room;

    text[0] = '\0';
    for (uint64_t i = 0; fits && i < size; i++) {
        if (!take_byte(walk, &byte))
            return false;
        text[i] = (char)byte;
    }
    if (fits)
        text[size] = '\0';
    else
        walk->at += size;
    return true;
}

/* ---- messages ---- */

static enum message inside(enum message in, uint64_t field)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i].in == in && steps[i].field == field)
            return steps[i].is;
    return OTHER;
}

static bool enter(struct walk *walk, enum message is, uint64_t size)
{
    if (walk->depth == DEPTH)
        return false;
    walk->around[walk->depth].end = walk->at + size;
    walk->around[walk->depth++].is = is;
    if (is == TENSOR) {
        walk->is_external = false;
        walk->location[0] = '\0';
    } else if (is == ENTRY) {
        walk->key_is_location = false;
        walk->value[0] = '\0';
    }
    return true;
}

static bool take_entry_text(struct walk *walk, uint64_t field, uint64_t size)
{
    char key[16];

    if (field == ENTRY_VALUE)
        return take_text(walk, size, walk->value, sizeof walk->value);
    if (!take_text(walk, size, key, sizeof key))
        return false;
    walk->key_is_location = strcmp(key, "location") == 0;
    return true;
}

/* A length and what it is the length of. */
static bool take_content(struct walk *walk, uint64_t field)
{
    enum message in = walk->around[walk->depth - 1].is;
    enum message is = inside(in, field);
    uint64_t end = walk->around[walk->depth - 1].end, size;

    if (!take_varint(walk, &size) || walk->at > end || size > end - walk->at)
        return false;
    if (in == ENTRY && (field == ENTRY_KEY || field == ENTRY_VALUE))
        return take_entry_text(walk, field, size);
    if (is != OTHER)
        return enter(walk, is, size);
    walk->at += size;
    return true;
}

static bool take_number(struct walk *walk, uint64_t field)
{
    uint64_t value;

    if (!take_varint(walk, &value))
        return false;
    if (walk->around[walk->depth - 1].is == TENSOR &&
        field == TENSOR_DATA_LOCATION)
        walk->is_external =
            (uint32_t)value == EXTERNAL; /* as an int32 is read */
    return true;
}

static bool take_field(struct walk *walk)
{
    uint64_t tag;

    if (!take_varint(walk, &tag))
        return false;
    switch (tag & 7) {
    case 0:
        return take_number(walk, tag >> 3);
    case 1:
        walk->at += 8;
        return true;
    case 2:
        return take_content(walk, tag >> 3);
    case 5:
        walk->at += 4;
        return true;
    default:
        return false;
    }
}

/* The innermost message is over; false: found() said so. */
static bool leave(struct walk *walk,
                  bool (*found)(void *context, const char *name), void *context)
{
    enum message was = walk->around[--walk->depth].is;

    if (was == ENTRY && walk->key_is_location)
        (void)memcpy(walk->location, walk->value, sizeof walk->location);
    return was != TENSOR || !walk->is_external || !walk->location[0] ||
           found(context, walk->location);
}

bool onnx_files_each(int file, bool (*found)(void *context, const char *name),
                     void *context)
{
    struct walk walk = {.file = file};
    struct stat info;

    if (fstat(file, &info) != 0 || info.st_size <= 0)
        return true;
    (void)enter(&walk, MODEL, (uint64_t)info.st_size);
    while (walk.depth) {
        uint64_t end = walk.around[walk.depth - 1].end;

        if (walk.at == end) {
            if (!leave(&walk, found, context))
                return false;
        } else if (walk.at > end || !take_field(&walk)) {
            return true;
        }
    }
    return true;
}
