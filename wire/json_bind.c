/*
 * JSON codec, from URLs: a path segment or query value as a field, by the same
 * code, limits and messages as a value in a body.
 */
#include <string.h>

#include "codec_json.h"
#include "json_put.h"
#include "json_read.h"

/* A URL's text has no quotes; everything but strings is read as JSON. */
static bool is_text(enum msg_kind kind)
{
    return kind == MSG_STR || kind == MSG_BYTES || kind == MSG_TIME ||
           kind == MSG_ENUM;
}

bool json_bind(const struct msg_field *field, const char *text,
               struct arena *arena, void *message, struct error *err)
{
    struct msg_place place = {.key = field->json,
                              .key_size = strlen(field->json)};
    struct buf quoted = {0};
    struct json_reader in;
    bool ok;

    if (field->card != MSG_ONE || field->kind == MSG_MSG ||
        field->kind == MSG_JSON)
        return fail(err, ERR_INTERNAL, "field '%s' cannot come from a URL",
                    field->json);
    if (msg_is_set(field, message))
        return fail(err, ERR_VALIDATION_ERROR,
                    "/%s: belongs in the URL, not in the body", field->json);
    if (*text == ' ' && !is_text(field->kind)) /* JSON would skip it */
        return fail(err, ERR_VALIDATION_ERROR, "/%s: begins with a space",
                    field->json);
    if (is_text(field->kind))
        json_put_text(&quoted, text);
    else
        buf_string(&quoted, text);
    if (!buf_ok(&quoted)) {
        buf_release(&quoted);
        return json_no_memory(err);
    }
    json_reader_init(&in, quoted.data ? quoted.data : "", quoted.size, arena);
    in.place = &place;
    ok = json_read_scalar(&in, field, msg_member(field, message), err);
    if (ok && in.scan.at != in.scan.end)
        ok = fail(err, ERR_VALIDATION_ERROR, "/%s: text after the value",
                  field->json);
    if (ok)
        msg_mark(field, message);
    else if (err->code == ERR_MALFORMED_JSON)
        (void)fail(err, ERR_VALIDATION_ERROR, "/%s: not a value of its type",
                   field->json);
    buf_release(&quoted);
    return ok;
}
