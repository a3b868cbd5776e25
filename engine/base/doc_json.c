/*
 * Doc JSON: RFC 8259 text -> tree, one pass over the token scanner.
 *
 * A fault of the grammar ends the reading; duplicate keys do not.
 */
#include "doc_build.h"
#include "json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `counted` is how far line and column have been followed. */
struct reader {
    struct json_scan scan;
    struct doc_build build;
    const char *counted;
    struct doc_place place;
};

/* Columns count characters: the tail bytes of UTF-8 do not add. */
static struct doc_place follow(struct reader *reader)
{
    for (; reader->counted < reader->scan.at; reader->counted++) {
        unsigned char byte = (unsigned char)*reader->counted;

        if (byte == '\n') {
            reader->place.line++;
            reader->place.col = 1;
        } else if ((byte & 0xc0U) != 0x80U) {
            reader->place.col++;
        }
    }
    return reader->place;
}

/* The place of the next token. */
static struct doc_place next_place(struct reader *reader)
{
    (void)json_scan_peek(&reader->scan);
    return follow(reader);
}

/* The scanner's sentence, without the byte offset that line and column give. */
static void report_error(struct reader *reader, const struct error *err)
{
    const char *offset = strstr(err->msg, " at byte ");
    int length = (int)(offset ? (size_t)(offset - err->msg) : strlen(err->msg));

    doc_build_fault(&reader->build, follow(reader), NULL, "%.*s", length,
                    err->msg);
}

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the document");
}

static bool read_text(struct reader *reader, const char **copy, size_t *size,
                      struct error *err)
{
    const char *text;

    if (!json_scan_string(&reader->scan, &text, size, err))
        return false;
    *copy = arena_copy(reader->build.arena, text, *size);
    return *copy || no_memory(err);
}

static bool read_key(struct reader *reader, struct error *err)
{
    struct doc_place place = next_place(reader);
    const char *key;
    size_t size;

    if (!read_text(reader, &key, &size, err) ||
        !json_scan_expect(&reader->scan, ':', err))
        return false;
    if (memchr(key, '\0', size))
        return fail(err, ERR_MALFORMED_JSON, "NUL in a key");
    doc_build_key(&reader->build, key, place);
    return true;
}

static bool parse_number(struct doc_node *node, struct error *err)
{
    char *end;

    node->number = strtod(node->text, NULL);
    if (!isfinite(node->number))
        return fail(err, ERR_MALFORMED_JSON, "the number is out of range");
    if (strpbrk(node->text, ".eE")) {
        node->type = DOC_NUMBER;
        return true;
    }
    errno = 0;
    node->integer = strtoll(node->text, &end, 10);
    node->type = errno == ERANGE ? DOC_NUMBER : DOC_INT;
    return true;
}

static bool read_number(struct reader *reader, struct doc_node *node,
                        struct error *err)
{
    const char *text;
    size_t size;

    if (!json_scan_number(&reader->scan, &text, &size, err))
        return false;
    node->text = arena_copy(reader->build.arena, text, size);
    node->size = size;
    return node->text ? parse_number(node, err) : no_memory(err);
}

static bool read_literal(struct reader *reader, struct doc_node *node,
                         struct error *err)
{
    char letter;

    if (!json_scan_literal(&reader->scan, &letter, err))
        return false;
    node->type = letter == 'n' ? DOC_NULL : DOC_BOOL;
    node->boolean = letter == 't';
    node->text = letter == 'n' ? "null" : letter == 't' ? "true" : "false";
    node->size = strlen(node->text);
    return true;
}

static bool read_scalar(struct reader *reader, struct doc_node *node,
                        struct error *err)
{
    switch (json_scan_peek(&reader->scan)) {
    case '"':
        return read_text(reader, &node->text, &node->size, err);
    case 't':
    case 'f':
    case 'n':
        return read_literal(reader, node, err);
    default:
        return read_number(reader, node, err);
    }
}

/* Takes an opening bracket; `*open` says that a value must follow. */
static bool read_opening(struct reader *reader, bool map, bool *open,
                         struct error *err)
{
    struct doc_place place = next_place(reader);

    if (!doc_build_open(&reader->build, map ? DOC_MAP : DOC_LIST, place))
        return false;
    reader->scan.at++;
    *open = !json_scan_accept(&reader->scan, map ? '}' : ']');
    if (*open)
        return !map || read_key(reader, err);
    doc_build_leave(&reader->build);
    return true;
}

static bool read_value(struct reader *reader, bool *open, struct error *err)
{
    struct doc_place place = next_place(reader);
    char first = json_scan_peek(&reader->scan);
    struct doc_node *node;

    if (first == '{' || first == '[')
        return read_opening(reader, first == '{', open, err);
    *open = false;
    node = doc_build_node(&reader->build, DOC_STRING, place);
    return node && read_scalar(reader, node, err);
}

/* Behind a value: closes containers until a comma asks for another value. */
static bool read_closings(struct reader *reader, struct error *err)
{
    struct doc_build *build = &reader->build;

    while (build->depth) {
        bool map = build->frames[build->depth - 1].node->type == DOC_MAP;

        if (json_scan_accept(&reader->scan, ','))
            return !map || read_key(reader, err);
        if (!json_scan_expect(&reader->scan, map ? '}' : ']', err))
            return false;
        doc_build_leave(build);
    }
    return true;
}

static bool read_all(struct reader *reader, struct error *err)
{
    bool open;

    do
        if (!read_value(reader, &open, err) ||
            (!open && !read_closings(reader, err)))
            return false;
    while (reader->build.depth);
    return json_scan_end(&reader->scan, err);
}

static struct doc_node *parse(const char *file, const char *text, size_t size,
                              bool nul, struct arena *arena,
                              struct doc_report *report)
{
    struct reader reader = {
        .build = {.file = file,
                  .rule = "JSON",
                  .arena = arena,
                  .report = report,
                  .depth_max = DOC_JSON_DEPTH_MAX},
        .counted = text,
        .place = {1, 1},
    };
    struct error err = {0};

    json_scan_init(&reader.scan, text, size, arena);
    reader.scan.nul = nul;
    if (size > DOC_JSON_SIZE_MAX) {
        doc_fault(report, "JSON", file, NULL, "",
                  "%zu bytes, at most %d are allowed", size, DOC_JSON_SIZE_MAX);
        return NULL;
    }
    if (read_all(&reader, &err))
        return reader.build.root;
    if (err.code != ERR_NONE) /* else the builder has reported it */
        report_error(&reader, &err);
    return NULL;
}

struct doc_node *doc_parse_json(const char *file, const char *text, size_t size,
                                struct arena *arena, struct doc_report *report)
{
    return parse(file, text, size, false, arena, report);
}

struct doc_node *doc_parse_json_nul(const char *file, const char *text,
                                    size_t size, struct arena *arena,
                                    struct doc_report *report)
{
    return parse(file, text, size, true, arena, report);
}
