/*
 * Doc YAML: the events of libyaml -> tree, for a strict subset of YAML.
 *
 * The byte checks libyaml does not make (size, byte order marks, UTF-8, NUL,
 * tabs in indentation) come first. After that libyaml judges the structure and
 * this file the meaning: anchors, aliases, tags, directives, merge keys and
 * second documents are faults; plain scalars are typed by doc_scalar.
 */
#include "doc_build.h"
#include "doc_scalar.h"
#include "utf8.h"

#include <math.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct doc_build build;
    struct doc_patterns *patterns;
    enum doc_dialect dialect;
    const char *text;
    size_t size;
    size_t documents;
    bool broken; /* a fault after which the rest has no place in the tree */
    bool done;
};

/* ---- before libyaml ---- */

/* Line and column, in characters, of the byte at `offset`. */
static struct doc_place place_of(const char *text, size_t offset)
{
    struct doc_place place = {1, 1};

    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n')
            place = (struct doc_place){place.line + 1, 1};
        else if (((unsigned char)text[i] & 0xc0U) != 0x80U)
            place.col++;
    }
    return place;
}

/* The first byte that is no part of a UTF-8 sequence, or `size`. */
static size_t invalid_utf8(const char *text, size_t size)
{
    size_t at = 0, length;

    while (at < size && (length = utf8_length(text + at, size - at)) > 0)
        at += length;
    return at;
}

/* The first tab before the first other character of its line, or `size`. */
static size_t tab_in_indentation(const char *text, size_t size)
{
    bool indentation = true;

    for (size_t i = 0; i < size; i++) {
        if (indentation && text[i] == '\t')
            return i;
        indentation = text[i] == '\n' || (indentation && text[i] == ' ');
    }
    return size;
}

static bool refuse_at(struct reader *reader, size_t offset, const char *what)
{
    doc_build_fault(&reader->build, place_of(reader->text, offset), NULL, "%s",
                    what);
    return false;
}

static bool check_bytes(struct reader *reader)
{
    const char *text = reader->text;
    size_t size = reader->size, at;
    const char *nul;

    if (size > DOC_SIZE_MAX) {
        doc_build_fault(&reader->build, (struct doc_place){0, 0}, NULL,
                        "%zu bytes, at most %d are allowed", size,
                        DOC_SIZE_MAX);
        return false;
    }
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return refuse_at(reader, 0, "a byte order mark is not supported");
    if (size >= 2 &&
        (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return refuse_at(reader, 0, "UTF-16 is not supported, only UTF-8");
    nul = size ? memchr(text, '\0', size) : NULL;
    if (nul)
        return refuse_at(reader, (size_t)(nul - text), "a NUL byte");
    at = invalid_utf8(text, size);
    if (at < size)
        return refuse_at(reader, at, "not UTF-8");
    at = tab_in_indentation(text, size);
    if (at < size)
        return refuse_at(reader, at, "a tab in the indentation; use spaces");
    return true;
}

/* ---- events ---- */

static struct doc_place place(const yaml_mark_t *mark)
{
    return (struct doc_place){(int)mark->line + 1, (int)mark->column + 1};
}

static bool give_up(struct reader *reader)
{
    reader->broken = true;
    return false;
}

/* libyaml's own words; a reader error (a control byte) has only an offset. */
static bool syntax_fault(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *context = parser->context ? parser->context : "";
    struct doc_place at = place(&parser->problem_mark);

    if (parser->error == YAML_READER_ERROR)
        at = place_of(reader->text, parser->problem_offset < reader->size
                                        ? parser->problem_offset
                                        : reader->size);
    doc_build_fault(&reader->build, at, NULL, "%s%s%s",
                    parser->problem ? parser->problem : "cannot be parsed",
                    *context ? " " : "", context);
    return give_up(reader);
}

static void refuse_anchor_and_tag(struct reader *reader, struct doc_place at,
                                  const yaml_char_t *anchor,
                                  const yaml_char_t *tag)
{
    if (anchor)
        doc_build_fault(&reader->build, at, NULL,
                        "anchors are not supported: &%s", (const char *)anchor);
    if (tag)
        doc_build_fault(&reader->build, at, NULL, "tags are not supported: %s",
                        (const char *)tag);
}

static bool start_document(struct reader *reader, const yaml_event_t *event)
{
    struct doc_place at = place(&event->start_mark);

    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        doc_build_fault(&reader->build, at, NULL,
                        "directives are not supported");
    if (++reader->documents == 1)
        return true;
    doc_build_fault(&reader->build, at, "put it into a file of its own",
                    "a second document in one file");
    return give_up(reader);
}

/* A faulty scalar stays text, whatever it may have meant. */
static void refuse_scalar(struct reader *reader, struct doc_place at,
                          const char *text, const struct doc_scalar *old,
                          const struct doc_scalar *core)
{
    char in_old[DOC_SCALAR_TEXT], in_core[DOC_SCALAR_TEXT];

    doc_scalar_describe(old, in_old);
    doc_scalar_describe(core, in_core);
    if (doc_scalar_equal(old, core))
        doc_build_fault(&reader->build, at,
                        "write it in decimal, or quote it if it is text",
                        "'%s' is %s in another base", text, in_core);
    else
        doc_build_fault(&reader->build, at,
                        "quote it if it is text, else write it plainly",
                        "'%s' is ambiguous: %s in YAML 1.1, %s in YAML 1.2",
                        text, in_old, in_core);
}

/*
 * Types a plain scalar. False: it has no type that documents know (the fault
 * is reported), it stays text.
 */
static bool resolve(struct reader *reader, struct doc_place at,
                    const char *text, struct doc_scalar *scalar)
{
    struct doc_scalar old =
        doc_scalar_read(reader->patterns, DOC_YAML_1_1, text);
    struct doc_scalar core =
        doc_scalar_read(reader->patterns, DOC_YAML_CORE, text);
    bool equal = doc_scalar_equal(&old, &core);
    bool numeric = old.type == DOC_INT || old.type == DOC_NUMBER;

    *scalar = reader->dialect == DOC_YAML_1_1 ? old : core;
    if (numeric && equal && !isfinite(old.number)) {
        doc_build_fault(&reader->build, at, NULL, "'%s' is not a finite number",
                        text);
        return false;
    }
    if (reader->dialect == DOC_YAML_CORE &&
        (!equal || (numeric && !core.decimal))) {
        refuse_scalar(reader, at, text, &old, &core);
        return false;
    }
    if (scalar->other) {
        doc_build_fault(&reader->build, at, "quote this scalar",
                        "'%s' is %s, which no field takes", text,
                        scalar->other);
        return false;
    }
    if (!equal) {
        char in_old[DOC_SCALAR_TEXT], in_core[DOC_SCALAR_TEXT];

        doc_scalar_describe(&old, in_old);
        doc_scalar_describe(&core, in_core);
        doc_build_warn(&reader->build, at, "quote it if it is text",
                       "'%s' is read as %s; YAML 1.2 reads %s", text, in_old,
                       in_core);
    }
    return true;
}

/* A copy of the scalar's text in the arena; NULL after a fault. */
static const char *scalar_text(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    struct doc_place at = place(&event->start_mark);
    const char *copy;

    if (memchr(value, '\0', size)) {
        doc_build_fault(&reader->build, at, NULL, "a NUL byte in a string");
        size = strlen(value);
    }
    copy = arena_copy(reader->build.arena, value, size);
    if (!copy)
        doc_build_fault(&reader->build, at, NULL, "no memory for the document");
    return copy;
}

static void add_key(struct reader *reader, struct doc_place at,
                    const char *text, bool plain)
{
    struct doc_scalar scalar;
    char type[DOC_SCALAR_TEXT];

    doc_build_key(&reader->build, text, at);
    if (!plain)
        return;
    if (strcmp(text, "<<") == 0) {
        doc_build_fault(&reader->build, at, NULL,
                        "merge keys are not supported");
        return;
    }
    if (!resolve(reader, at, text, &scalar) || scalar.type == DOC_STRING)
        return;
    doc_scalar_describe(&scalar, type);
    doc_build_fault(&reader->build, at, "quote it",
                    "the key '%s' is %s; keys are text", text, type);
}

static bool add_scalar(struct reader *reader, struct doc_place at,
                       const char *text, bool plain)
{
    struct doc_scalar scalar = {.type = DOC_STRING};
    struct doc_node *node;

    if (plain && !resolve(reader, at, text, &scalar))
        scalar = (struct doc_scalar){.type = DOC_STRING};
    node = doc_build_node(&reader->build, scalar.type, at);
    if (!node)
        return give_up(reader);
    node->plain = plain;
    node->text = text;
    node->size = strlen(text);
    node->boolean = scalar.boolean;
    node->integer = scalar.integer;
    node->number = scalar.number;
    return true;
}

static bool on_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct doc_place at = place(&event->start_mark);
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const char *text = scalar_text(reader, event);

    refuse_anchor_and_tag(reader, at, event->data.scalar.anchor,
                          event->data.scalar.tag);
    if (!text)
        return give_up(reader);
    if (!doc_build_wants_key(&reader->build))
        return add_scalar(reader, at, text, plain);
    add_key(reader, at, text, plain);
    return true;
}

static bool on_container(struct reader *reader, struct doc_place at,
                         enum doc_type type)
{
    if (doc_build_wants_key(&reader->build)) {
        doc_build_fault(&reader->build, at, NULL,
                        "a list or map cannot be a key");
        return give_up(reader);
    }
    return doc_build_open(&reader->build, type, at) || give_up(reader);
}

static bool on_alias(struct reader *reader, const yaml_event_t *event)
{
    struct doc_place at = place(&event->start_mark);

    doc_build_fault(&reader->build, at, NULL, "aliases are not supported: *%s",
                    (const char *)event->data.alias.anchor);
    if (doc_build_wants_key(&reader->build))
        return give_up(reader);
    return add_scalar(reader, at, "", false);
}

static bool on_event(struct reader *reader, const yaml_event_t *event)
{
    struct doc_place at = place(&event->start_mark);

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return start_document(reader, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_anchor_and_tag(reader, at, event->data.sequence_start.anchor,
                              event->data.sequence_start.tag);
        return on_container(reader, at, DOC_LIST);
    case YAML_MAPPING_START_EVENT:
        refuse_anchor_and_tag(reader, at, event->data.mapping_start.anchor,
                              event->data.mapping_start.tag);
        return on_container(reader, at, DOC_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        doc_build_leave(&reader->build);
        return true;
    case YAML_ALIAS_EVENT:
        return on_alias(reader, event);
    case YAML_STREAM_END_EVENT:
        reader->done = true;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return true;
}

static void read_events(struct reader *reader)
{
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &reader->parser, (const unsigned char *)reader->text, reader->size);
    while (!reader->done && !reader->broken) {
        yaml_event_t event;

        if (!yaml_parser_parse(&reader->parser, &event)) {
            (void)syntax_fault(reader);
            break;
        }
        (void)on_event(reader, &event);
        yaml_event_delete(&event);
    }
}

struct doc_node *doc_parse_yaml(const char *file, const char *text, size_t size,
                                enum doc_dialect dialect, struct arena *arena,
                                struct doc_report *report)
{
    struct reader reader = {
        .build = {.file = file,
                  .rule = "YAML",
                  .arena = arena,
                  .report = report,
                  .depth_max = DOC_DEPTH_MAX},
        .dialect = dialect,
        .text = text,
        .size = size,
    };

    if (!check_bytes(&reader))
        return NULL;
    reader.patterns = doc_patterns_new();
    if (!reader.patterns || !yaml_parser_initialize(&reader.parser)) {
        doc_fault(report, "YAML", file, NULL, "", "no memory for the document");
        doc_patterns_free(reader.patterns);
        return NULL;
    }
    read_events(&reader);
    yaml_parser_delete(&reader.parser);
    doc_patterns_free(reader.patterns);
    if (reader.broken)
        return NULL;
    if (!reader.build.root)
        doc_fault(report, "YAML", file, NULL, "", "the document is empty");
    return reader.build.root;
}
