/*
 * Opens a tokenizer: finds the file, and checks limits before its JSON is
 * parsed.
 *
 * The bytes meet our own scanner first (size, depth, number of values, strict
 * grammar), because jansson has no such limits. A vocab.txt becomes the
 * tokenizer.json that Hugging Face's library would write for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "json_scan.h"
#include "tokenizer_impl.h"

static bool too_large(struct error *err)
{
    return fail(err, ERR_FILE_INVALID,
                "tokenizer: the file is larger than %d bytes",
                TOK_FILE_SIZE_MAX);
}

/* What jansson is not asked to survive: size, depth and number of values of
 * file `what`. */
static bool check_limits(const char *what, const char *json, size_t size,
                         struct error *err)
{
    struct arena arena;
    struct json_scan scan;
    const char *text;
    size_t text_size, values = 1;
    struct error cause;
    bool ok;

    if (size > TOK_FILE_SIZE_MAX)
        return too_large(err);
    /* Each value but the first of its container follows a comma, and the first
     * follows a bracket; those inside strings make the bound a little loose. */
    for (size_t i = 0; i < size; i++)
        values += json[i] == ',' || json[i] == '[' || json[i] == '{';
    if (values > TOK_JSON_VALUES_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "%s: the file has more than %d values", what,
                    TOK_JSON_VALUES_MAX);
    arena_init(&arena, 0);
    json_scan_init(&scan, json, size, &arena);
    ok = json_scan_skip(&scan, TOK_JSON_DEPTH_MAX, &text, &text_size, &cause) &&
         json_scan_end(&scan, &cause);
    arena_release(&arena);
    return ok || fail(err,
                      cause.code == ERR_MALFORMED_JSON ? ERR_FILE_INVALID
                                                       : cause.code,
                      "%s: %s", what, cause.msg);
}

struct tok_tokenizer *tok_open_bytes(const char *json, size_t size,
                                     struct error *err)
{
    return check_limits("tokenizer", json, size, err)
               ? tok_load(json, size, err)
               : NULL;
}

/* Opens a regular file; O_NONBLOCK so that a FIFO does not hold us up. */
static int open_regular(const char *path, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        return fd;
    (void)close(fd);
    return -1;
}

static bool read_all(int fd, struct buf *out, size_t size, struct error *err)
{
    if (!buf_reserve(out, size))
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to read the tokenizer");
    while (out->size < size) {
        ssize_t got = read(fd, out->data + out->size, size - out->size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(err, ERR_FILE_INVALID,
                        "tokenizer: the file got shorter while it was read");
        out->size += (size_t)got;
    }
    return true;
}

/* Reads a regular file within the size limit. */
static bool read_file(const char *path, struct buf *out, struct error *err)
{
    struct stat status;
    int fd = open_regular(path, &status);
    bool ok;

    if (fd < 0)
        return fail(err, ERR_FILE_MISSING,
                    "cannot open tokenizer '%s': no regular file that can be "
                    "read",
                    path);
    if (status.st_size > TOK_FILE_SIZE_MAX)
        ok = too_large(err);
    else
        ok = read_all(fd, out, (size_t)status.st_size, err);
    (void)close(fd);
    return ok;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

/* `name` in folder `path`, or beside file `path`. */
static bool path_of(const char *path, const char *name, struct buf *out)
{
    const char *slash = strrchr(path, '/');

    buf_clear(out);
    if (is_folder(path)) {
        buf_string(out, path);
        buf_char(out, '/');
    } else if (slash) {
        buf_append(out, path, (size_t)(slash - path) + 1);
    }
    buf_string(out, name);
    return buf_ok(out);
}

/* A vocab.txt, and the tokenizer_config.json beside it if there is one. */
static struct tok_tokenizer *open_vocab(const char *path, struct error *err)
{
    struct buf lines = {0}, name = {0}, config = {0};
    struct tok_tokenizer *tok = NULL;
    bool ok = read_file(path, &lines, err);

    if (ok && !path_of(path, "tokenizer_config.json", &name))
        ok = fail(err, ERR_OUT_OF_MEMORY, "no memory to open the tokenizer");
    if (ok && exists(name.data))
        ok = read_file(name.data, &config, err) &&
             check_limits("tokenizer_config.json", config.data, config.size,
                          err);
    if (ok)
        tok = tok_load_vocab((struct tok_text){lines.data, lines.size},
                             (struct tok_text){config.data, config.size}, err);
    buf_release(&lines);
    buf_release(&name);
    buf_release(&config);
    return tok;
}

static struct tok_tokenizer *open_json(const char *path, struct error *err)
{
    struct tok_tokenizer *tok = NULL;
    struct buf bytes = {0};

    if (read_file(path, &bytes, err))
        tok = tok_open_bytes(bytes.data, bytes.size, err);
    buf_release(&bytes);
    return tok;
}

struct tok_tokenizer *tok_open(const char *path, struct error *err)
{
    struct tok_tokenizer *tok = NULL;
    struct buf json = {0}, lines = {0};

    if (!is_folder(path))
        return ends_with(path, ".txt") ? open_vocab(path, err)
                                       : open_json(path, err);
    if (!path_of(path, "tokenizer.json", &json) ||
        !path_of(path, "vocab.txt", &lines))
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory to open the tokenizer");
    else if (exists(lines.data) && !exists(json.data))
        tok = open_vocab(lines.data, err);
    else
        tok = open_json(json.data, err);
    buf_release(&json);
    buf_release(&lines);
    return tok;
}
