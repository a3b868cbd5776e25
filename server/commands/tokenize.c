/*
 * specserve tokenize TOKENIZER: shows what a tokenizer makes of texts.
 *
 * One JSON object per line in, {"text": ".."}; one per line out, {"ids": [..],
 * "offsets": [[start, end], ..]}. Offsets count code points. A line that cannot
 * be encoded gives {"error": ".."} in its place. Exit: 0 all lines were
 * encoded, 1 some were not, 2 usage or no tokenizer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "commands.h"
#include "json_put.h"
#include "json_scan.h"
#include "tokenizer.h"

static const char usage[] =
    "usage: specserve tokenize TOKENIZER [--no-special] [--json]\n"
    "\n"
    "TOKENIZER is a tokenizer.json or a folder that holds one. Reads lines\n"
    "{\"text\": \"..\"} and answers each with {\"ids\": [..], \"offsets\": "
    "[[0, 1], ..]}.\n"
    "\n"
    "  --no-special  without the special tokens of the template\n"
    "  --json        one JSON array instead of one object per line\n"
    "\n"
    "Exit code: 0 all lines encoded, 1 some were not, 2 usage or no "
    "tokenizer.\n";

struct options {
    const char *path;
    unsigned flags; /* of tok_encode() */
    bool json, help;
};

/* What lives from the first line to the last; `room` grows with the longest
 * line. */
struct session {
    const struct options *options;
    struct tok_tokenizer *tok;
    struct arena arena; /* of one line */
    struct tok_encoding room;
    struct buf out;
    bool all_encoded;
};

static bool parse_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.flags = TOK_SPECIALS | TOK_TRUNCATE};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (strcmp(argv[i], "--no-special") == 0)
            options->flags = TOK_TRUNCATE;
        else if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (argv[i][0] == '-' || options->path)
            return false;
        else
            options->path = argv[i];
    }
    return options->help || options->path;
}

/* Takes the value of "text" out of an object; other keys are refused. */
static bool read_text(struct json_scan *scan, const char **text, size_t *size,
                      struct error *err)
{
    const char *key;
    size_t key_size;
    bool found = false;

    if (!json_scan_expect(scan, '{', err))
        return false;
    do {
        if (!json_scan_string(scan, &key, &key_size, err) ||
            !json_scan_expect(scan, ':', err))
            return false;
        if (key_size == 4 && memcmp(key, "pair", 4) == 0)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "pairs of texts are not supported");
        if (found || key_size != 4 || memcmp(key, "text", 4) != 0)
            return json_scan_fail(scan, err, "expected one key, text,");
        if (!json_scan_string(scan, text, size, err))
            return false;
        found = true;
    } while (json_scan_accept(scan, ','));
    return json_scan_expect(scan, '}', err) && json_scan_end(scan, err);
}

static bool grow(struct tok_encoding *room, size_t capacity, struct error *err)
{
    if (capacity <= room->capacity)
        return true;
    free(room->ids);
    free(room->starts);
    free(room->ends);
    room->capacity = 0;
    room->ids = calloc(capacity, sizeof(*room->ids));
    room->starts = calloc(capacity, sizeof(*room->starts));
    room->ends = calloc(capacity, sizeof(*room->ends));
    if (!room->ids || !room->starts || !room->ends)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu tokens",
                    capacity);
    room->capacity = capacity;
    return true;
}

static bool encode(struct session *session, const char *line, size_t line_size,
                   struct error *err)
{
    struct json_scan scan;
    const char *text = NULL;
    size_t size = 0;

    json_scan_init(&scan, line, line_size, &session->arena);
    return read_text(&scan, &text, &size, err) &&
           grow(&session->room, tok_count_max(session->tok, size), err) &&
           tok_encode(session->tok, text, size, session->options->flags,
                      &session->room, err);
}

static void write_tokens(struct buf *out, const struct tok_encoding *tokens)
{
    buf_string(out, "{\"ids\": [");
    for (size_t i = 0; i < tokens->count; i++)
        buf_printf(out, "%s%lld", i > 0 ? ", " : "", (long long)tokens->ids[i]);
    buf_string(out, "], \"offsets\": [");
    for (size_t i = 0; i < tokens->count; i++)
        buf_printf(out, "%s[%u, %u]", i > 0 ? ", " : "", tokens->starts[i],
                   tokens->ends[i]);
    buf_string(out, "]}");
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

    arena_reset(&session->arena);
    buf_clear(&session->out);
    if (encode(session, line, size, &err)) {
        write_tokens(&session->out, &session->room);
    } else {
        write_error(&session->out, &err);
        session->all_encoded = false;
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

/* A folder stands for the tokenizer.json in it. */
static struct tok_tokenizer *open_tokenizer(const char *path, struct error *err)
{
    struct tok_tokenizer *tok = NULL;
    struct buf file = {0};
    struct stat status;

    buf_string(&file, path);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        buf_string(&file, "/tokenizer.json");
    if (buf_ok(&file))
        tok = tok_open(file.data, err);
    else
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory to open the tokenizer");
    buf_release(&file);
    return tok;
}

int command_tokenize(int argc, char **argv)
{
    struct options options;
    struct session session = {.options = &options, .all_encoded = true};
    struct error err = {0};

    if (!parse_options(argc, argv, &options)) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (options.help) {
        (void)fputs(usage, stdout);
        return EXIT_OK;
    }
    session.room.scratch = &session.arena;
    session.tok = open_tokenizer(options.path, &err);
    if (!session.tok) {
        (void)fprintf(stderr, "specserve tokenize: %s\n", err.msg);
        return EXIT_USAGE;
    }
    arena_init(&session.arena, 0);
    answer_lines(&session, stdin);
    arena_release(&session.arena);
    buf_release(&session.out);
    free(session.room.ids);
    free(session.room.starts);
    free(session.room.ends);
    tok_close(session.tok);
    return session.all_encoded ? EXIT_OK : EXIT_WRONG;
}
