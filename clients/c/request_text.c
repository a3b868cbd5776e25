/*
 * Request text: see request_text.h.
 */
#include "request_text.h"

#include <string.h>

#include "http_client.h"
#include "msg.h"
#include "num.h"

/* An integer of any width as text; false: it is of another kind. */
static bool print_integer(enum msg_kind kind, const void *slot,
                          char text[NUM_TEXT_MAX + 1])
{
    size_t size = 0;

    if (kind == MSG_I32)
        size = num_print_i64(*(const int32_t *)slot, text);
    else if (kind == MSG_U32)
        size = num_print_u64(*(const uint32_t *)slot, text);
    else if (kind == MSG_I64)
        size = num_print_i64(*(const int64_t *)slot, text);
    else if (kind == MSG_U64)
        size = num_print_u64(*(const uint64_t *)slot, text);
    text[size] = '\0';
    return size > 0;
}

/* Appends the value of a field that is set. */
static bool put_value(const struct msg_field *field, const void *message,
                      struct buf *out, struct error *err)
{
    const void *slot = msg_member_const(field, message);
    char text[NUM_TEXT_MAX + 1];

    if (field->kind == MSG_STR)
        http_client_escape(out, *(const char *const *)slot);
    else if (field->kind == MSG_BOOL)
        buf_string(out, *(const int *)slot ? "true" : "false");
    else if (print_integer(field->kind, slot, text))
        buf_string(out, text);
    else
        return fail(err, ERR_INTERNAL, "%s: has no form in a URL", field->json);
    return true;
}

/* The bind whose name are these bytes of the path. */
static const struct op_bind *find_bind(const struct client_op *op,
                                       const char *name, size_t size)
{
    for (size_t i = 0; i < op->bind_count; i++)
        if (strlen(op->binds[i].name) == size &&
            memcmp(op->binds[i].name, name, size) == 0)
            return &op->binds[i];
    return NULL;
}

static bool put_segment(const struct client_op *op, const char *name,
                        size_t size, const void *message, struct buf *out,
                        struct error *err)
{
    const struct op_bind *bind = find_bind(op, name, size);
    const struct msg_field *field;
    size_t before = out->size;

    if (!bind)
        return fail(err, ERR_INTERNAL, "%s: the path is wrong", op->id);
    field = &op->request->fields[bind->field];
    if (msg_is_set(field, message) && !put_value(field, message, out, err))
        return false;
    return out->size > before || out->failed ||
           fail(err, ERR_USAGE, "%s: %s must not be empty", op->id, bind->name);
}

static bool put_query(const struct client_op *op, const void *message,
                      struct buf *out, struct error *err)
{
    char between = '?';

    for (size_t i = 0; i < op->bind_count; i++) {
        const struct op_bind *bind = &op->binds[i];
        const struct msg_field *field = &op->request->fields[bind->field];

        if (bind->source != OP_FROM_QUERY || !msg_is_set(field, message))
            continue;
        buf_char(out, between);
        buf_string(out, bind->name);
        buf_char(out, '=');
        if (!put_value(field, message, out, err))
            return false;
        between = '&';
    }
    return true;
}

bool request_target(const struct client_op *op, const void *message,
                    struct buf *out, struct error *err)
{
    const char *at = op->path;

    while (*at) {
        size_t plain = strcspn(at, "{");
        size_t size;

        buf_append(out, at, plain);
        at += plain;
        if (!*at)
            break;
        size = strcspn(++at, "}");
        if (!put_segment(op, at, size, message, out, err))
            return false;
        at += size + (at[size] == '}');
    }
    return put_query(op, message, out, err) &&
           (buf_ok(out) || fail(err, ERR_OUT_OF_MEMORY, "no memory for a URL"));
}
