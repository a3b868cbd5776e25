/*
 * Wire: see wire.h.
 */
#include "wire.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static bool varint(struct cg_wire *wire, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
        unsigned char byte = *wire->at++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool skip(struct cg_wire *wire, uint64_t size)
{
    if (size > (uint64_t)(wire->end - wire->at))
        return false;
    wire->at += size;
    return true;
}

bool cg_wire_next(struct cg_wire *wire, struct cg_wire_field *field)
{
    uint64_t tag;

    if (wire->at >= wire->end || !varint(wire, &tag))
        return false;
    *field = (struct cg_wire_field){.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case WIRE_VARINT:
        return varint(wire, &field->value);
    case WIRE_64:
        return skip(wire, 8);
    case WIRE_32:
        return skip(wire, 4);
    case WIRE_BYTES:
        if (!varint(wire, &field->value))
            return false;
        field->bytes = wire->at;
        field->size = (size_t)field->value;
        return skip(wire, field->value);
    default:
        return false;
    }
}

bool cg_wire_find(struct cg_wire *wire, uint32_t number,
                  struct cg_wire_field *field)
{
    while (cg_wire_next(wire, field))
        if (field->number == number && field->bytes)
            return true;
    return false;
}

struct cg_wire cg_wire_inside(const struct cg_wire_field *field)
{
    return (struct cg_wire){field->bytes, field->bytes + field->size};
}
