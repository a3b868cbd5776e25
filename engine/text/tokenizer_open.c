/*
 * Opens a tokenizer.json: the file, and the limits before its JSON is parsed.
 *
 * The bytes meet our own scanner first (size, depth, number of values, strict
 * grammar), because jansson has no such limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

/* What jansson is not asked to survive: size, depth and number of values. */
static bool check_limits(const char *json, size_t size, struct error *err)
{
    struct arena arena;
    struct json_scan scan;
    const char *text;
    size_t text_size, values = 1;
    bool ok;

    if (size > TOK_FILE_SIZE_MAX)
        return too_large(err);
    /* Each value but the first of its container follows a comma, and the first
     * follows a bracket; those inside strings make the bound a little loose. */
    for (size_t i = 0; i < size; i++)
        values += json[i] == ',' || json[i] == '[' || json[i] == '{';
    if (values > TOK_JSON_VALUES_MAX)
        return fail(err, ERR_FILE_INVALID,
                    "tokenizer: the file has more than %d values",
                    TOK_JSON_VALUES_MAX);
    arena_init(&arena, 0);
    json_scan_init(&scan, json, size, &arena);
    ok = json_scan_skip(&scan, TOK_JSON_DEPTH_MAX, &text, &text_size, err) &&
         json_scan_end(&scan, err);
    arena_release(&arena);
    if (!ok && err->code == ERR_MALFORMED_JSON)
        err->code = ERR_FILE_INVALID;
    return ok;
}

struct tok_tokenizer *tok_open_bytes(const char *json, size_t size,
                                     struct error *err)
{
    return check_limits(json, size, err) ? tok_load(json, size, err) : NULL;
}

void tok_close(struct tok_tokenizer *tok)
{
    if (!tok)
        return;
    arena_release(&tok->arena);
    free(tok);
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

struct tok_tokenizer *tok_open(const char *path, struct error *err)
{
    struct tok_tokenizer *tok = NULL;
    struct buf bytes = {0};
    struct stat status;
    int fd = open_regular(path, &status);

    if (fd < 0) {
        (void)fail(err, ERR_FILE_MISSING,
                   "cannot open tokenizer '%s': no regular file that can be "
                   "read",
                   path);
        return NULL;
    }
    if (status.st_size > TOK_FILE_SIZE_MAX)
        (void)too_large(err);
    else if (read_all(fd, &bytes, (size_t)status.st_size, err))
        tok = tok_open_bytes(bytes.data, bytes.size, err);
    (void)close(fd);
    buf_release(&bytes);
    return tok;
}
