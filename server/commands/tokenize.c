/*
 * specserve tokenize TOKENIZER: shows what a tokenizer makes of texts.
 *
 * One JSON object per line in, {"text": ".."} or {"text": "..", "pair": ".."};
 * one per line out, {"ids": [..], "offsets": [[start, end], ..]}. Offsets count
 * code points. With --decode, {"ids": [..]} in and {"text": ".."} out. A line
 * that cannot be answered gives {"error": ".."} in its place. Exit: 0 all lines
 * were answered, 1 some were not, 2 usage or no tokenizer.
 *
 * The texts are the user's own here, so special tokens written in them are
 * tokens, as in Hugging Face's library; a server is told otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "buf.h"
#include "commands.h"
#include "json_put.h"
#include "tokenizer.h"

static const char usage[] =
    "usage: specserve tokenize TOKENIZER [--no-special] [--plain] [--all] "
    "[--json]\n"
    "       specserve tokenize TOKENIZER --decode [--no-special] [--json]\n"
    "\n"
    "TOKENIZER is a tokenizer.json, a vocab.txt or a folder that holds one.\n"
    "Reads lines {\"text\": \"..\"} or {\"text\": \"..\", \"pair\": \"..\"} "
    "and answers each\nwith {\"ids\": [..], \"offsets\": [[0, 1], ..]}; with "
    "--decode, reads lines\n{\"ids\": [..]} and answers {\"text\": \"..\"}.\n"
    "\n"
    "  --no-special  without the special tokens of the template; decoded, "
    "without any\n"
    "  --plain       special tokens written in the text are text, as in a "
    "server\n"
    "  --all         tokens, type_ids and special_mask, too\n"
    "  --json        one JSON array instead of one object per line\n"
    "\n"
    "Exit code: 0 all lines answered, 1 some were not, 2 usage or no "
    "tokenizer.\n";

struct options {
    const char *path;
    unsigned flags; /* of tok_encode() */
    bool decode, all, json, help;
};

/* What lives from the first line to the last. */
struct session {
    const struct options *options;
    struct tok_tokenizer *tok;
    struct arena arena, scratch; /* of one line */
    struct buf out;
    bool all_answered;
};

static bool parse_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.flags = TOK_SPECIALS | TOK_TRUNCATE |
                                         TOK_PARSE_SPECIALS | TOK_OFFSETS};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (strcmp(argv[i], "--no-special") == 0)
            options->flags &= ~(unsigned)TOK_SPECIALS;
        else if (strcmp(argv[i], "--plain") == 0)
            options->flags &= ~(unsigned)TOK_PARSE_SPECIALS;
        else if (strcmp(argv[i], "--all") == 0)
            options->all = true;
        else if (strcmp(argv[i], "--decode") == 0)
            options->decode = true;
        else if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (argv[i][0] == '-' || options->path)
            return false;
        else
            options->path = argv[i];
    }
    return options->help || options->path;
}

/* ---- reading a line ---- */

static bool is_key(const char *key, bool decode)
{
    return decode ? strcmp(key, "ids") == 0
                  : strcmp(key, "text") == 0 || strcmp(key, "pair") == 0;
}

/* The line as an object of the keys that its answer needs; json_decref() it.
 * Texts may hold NUL, as any other character. */
static json_t *read_line(const struct session *session, const char *line,
                         size_t size, struct error *err)
{
    bool decode = session->options->decode;
    json_error_t at;
    json_t *object =
        json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    json_t *value;
    const char *key;
    bool ok = json_is_object(object) &&
              json_object_get(object, decode ? "ids" : "text");

    if (!object) {
        (void)fail(err, ERR_MALFORMED_JSON, "%s at byte %d", at.text,
                   at.position);
        return NULL;
    }
    json_object_foreach(object, key, value) ok =
        ok && is_key(key, decode) &&
        (decode ? json_is_array(value) : json_is_string(value));
    if (ok)
        return object;
    json_decref(object);
    (void)fail(err, ERR_INVALID_INPUT, "expected an object with %s",
               decode ? "ids, an array" : "text and perhaps pair, strings");
    return NULL;
}

/* ---- answering it ---- */

static void write_numbers(struct buf *out, const char *name,
                          const int64_t *numbers, size_t count)
{
    buf_printf(out, "\"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%lld", i > 0 ? ", " : "", (long long)numbers[i]);
    buf_char(out, ']');
}

static void write_all(struct session *session,
                      const struct tok_encoding *tokens)
{
    struct buf *out = &session->out;

    buf_string(out, ", \"tokens\": [");
    for (size_t i = 0; i < tokens->count; i++) {
        size_t size;
        const char *text = tok_token_text(session->tok, tokens->ids[i], &size);
        const char *copy = arena_copy(&session->arena, text, size);

        buf_string(out, i > 0 ? ", " : "");
        json_put_text(out, copy ? copy : "");
    }
    buf_string(out, "], ");
    write_numbers(out, "type_ids", tokens->type_ids, tokens->count);
    buf_string(out, ", \"special_mask\": [");
    for (size_t i = 0; i < tokens->count; i++)
        buf_printf(out, "%s%d", i > 0 ? ", " : "", tokens->special_mask[i]);
    buf_char(out, ']');
}

static struct tok_text text_of(const json_t *request, const char *key)
{
    const json_t *value = json_object_get(request, key);

    return (struct tok_text){json_string_value(value),
                             json_string_length(value)};
}

static bool encode(struct session *session, const json_t *request,
                   struct error *err)
{
    struct tok_text text = text_of(request, "text");
    struct tok_encoding tokens = {.scratch = &session->scratch,
                                  .arena = &session->arena};
    unsigned flags = session->options->flags;
    struct buf *out = &session->out;
    bool ok;

    if (json_object_get(request, "pair"))
        ok = tok_encode_pair(session->tok, text, text_of(request, "pair"),
                             flags, &tokens, err);
    else
        ok = tok_encode(session->tok, text.bytes, text.size, flags, &tokens,
                        err);
    if (!ok)
        return false;
    buf_char(out, '{');
    write_numbers(out, "ids", tokens.ids, tokens.count);
    buf_string(out, ", \"offsets\": [");
    for (size_t i = 0; i < tokens.count; i++)
        buf_printf(out, "%s[%u, %u]", i > 0 ? ", " : "", tokens.starts[i],
                   tokens.ends[i]);
    buf_char(out, ']');
    if (session->options->all)
        write_all(session, &tokens);
    buf_char(out, '}');
    return true;
}

static bool decode(struct session *session, const json_t *request,
                   struct error *err)
{
    const json_t *list = json_object_get(request, "ids");
    size_t count = json_array_size(list);
    int64_t *ids = arena_alloc(&session->arena, count * sizeof(*ids));
    struct tok_decoding out = {
        .arena = &session->scratch,
        .skip_specials = (session->options->flags & TOK_SPECIALS) == 0};

    if (!ids)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu ids", count);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);

        if (!json_is_integer(id))
            return fail(err, ERR_INVALID_INPUT, "id %zu is no whole number", i);
        ids[i] = json_integer_value(id);
    }
    if (!tok_decode(session->tok, ids, count, &out, err))
        return false;
    buf_string(&session->out, "{\"text\": ");
    json_put_string(&session->out, out.text, out.size);
    buf_char(&session->out, '}');
    return true;
}

static void write_error(struct buf *out, const struct error *err)
{
    buf_string(out, "{\"error\": ");
    json_put_text(out, err->msg);
    buf_char(out, '}');
}

static void answer_line(struct session *session, const char *line, size_t size)
{
    struct error err = {0};
    json_t *request = read_line(session, line, size, &err);
    bool ok = request != NULL;

    arena_reset(&session->arena);
    arena_reset(&session->scratch);
    buf_clear(&session->out);
    if (ok)
        ok = session->options->decode ? decode(session, request, &err)
                                      : encode(session, request, &err);
    json_decref(request);
    if (!ok) {
        buf_clear(&session->out);
        write_error(&session->out, &err);
        session->all_answered = false;
    }
    (void)fwrite(session->out.data, 1, session->out.size, stdout);
}

/* Empty lines have no answer. */
static void answer_lines(struct session *session, FILE *in)
{
    bool json = session->options->json;
    char *line = NULL;
    size_t capacity = 0, answered = 0;
    ssize_t size;

    if (json)
        (void)fputs("[", stdout);
    while ((size = getline(&line, &capacity, in)) >= 0) {
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            size--;
        if (size == 0)
            continue;
        if (json && answered > 0)
            (void)fputs(",\n", stdout);
        answer_line(session, line, (size_t)size);
        if (!json)
            (void)fputs("\n", stdout);
        answered++;
    }
    if (json)
        (void)fputs("]\n", stdout);
    free(line);
}

int command_tokenize(int argc, char **argv)
{
    struct options options;
    struct session session = {.options = &options, .all_answered = true};
    struct error err = {0};

    if (!parse_options(argc, argv, &options))
        return command_usage(usage, false);
    if (options.help)
        return command_usage(usage, true);
    session.tok = tok_open(options.path, &err);
    if (!session.tok) {
        (void)fprintf(stderr, "specserve tokenize: %s\n", err.msg);
        return EXIT_USAGE;
    }
    arena_init(&session.arena, 0);
    arena_init(&session.scratch, 0);
    answer_lines(&session, stdin);
    arena_release(&session.arena);
    arena_release(&session.scratch);
    buf_release(&session.out);
    tok_close(session.tok);
    return session.all_answered ? EXIT_OK : EXIT_WRONG;
}
