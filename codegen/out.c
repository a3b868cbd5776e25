/*
 * Out: buffers that become files, text as comments and literals want it, and
 * running other programs.
 */
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const manifest_path = "MANIFEST";

void cg_out_init(struct cg_out *out, struct cg_ir *ir, const char *scratch)
{
    *out = (struct cg_out){.ir = ir, .scratch = scratch};
    out->end = &out->first;
}

void cg_out_release(struct cg_out *out)
{
    for (struct cg_file *file = out->first; file; file = file->next)
        buf_release(&file->text);
    out->first = NULL;
    out->end = &out->first;
}

const struct cg_file *cg_out_find(const struct cg_out *out, const char *path)
{
    for (const struct cg_file *file = out->first; file; file = file->next)
        if (strcmp(file->path, path) == 0)
            return file;
    return NULL;
}

struct buf *cg_out_open(struct cg_out *out, const char *path)
{
    struct cg_file *file;

    if (cg_out_find(out, path)) {
        (void)fprintf(stderr, "specgen: '%s' is written twice\n", path);
        abort();
    }
    file = cg_zalloc(out->ir, 1, sizeof *file);
    file->path = path;
    file->emitter = out->emitter;
    *out->end = file;
    out->end = &file->next;
    return &file->text;
}

bool cg_file_read(const char *path, struct buf *text, struct error *err)
{
    FILE *file = fopen(path, "rb");
    char chunk[4096];
    size_t got;

    if (!file)
        return fail(err, ERR_FILE_MISSING, "cannot open '%s'", path);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_append(text, chunk, got);
    bool ok = !ferror(file) && buf_ok(text);
    (void)fclose(file);
    return ok || fail(err, ERR_FILE_MISSING, "cannot read '%s'", path);
}

/* Every folder above `path`; those that exist are fine. */
static bool make_folders(const char *path, struct error *err)
{
    char folder[1024];

    if (strlen(path) >= sizeof folder)
        return fail(err, ERR_FILE_INVALID, "'%s' is too long a name", path);
    for (size_t i = 0; path[i]; i++) {
        folder[i] = path[i];
        if (i == 0 || path[i] != '/')
            continue;
        folder[i] = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            return fail(err, ERR_FILE_INVALID, "cannot make folder '%s'",
                        folder);
        folder[i] = '/';
    }
    return true;
}

static bool holds(const char *path, const void *bytes, size_t size)
{
    struct buf old = {0};
    struct error ignored;
    bool same = cg_file_read(path, &old, &ignored) && old.size == size &&
                (size == 0 || memcmp(old.data, bytes, size) == 0);

    buf_release(&old);
    return same;
}

bool cg_file_write(const char *path, const void *bytes, size_t size,
                   struct error *err)
{
    FILE *file;
    bool ok;

    if (holds(path, bytes, size))
        return true;
    if (!make_folders(path, err))
        return false;
    file = fopen(path, "wb");
    if (!file)
        return fail(err, ERR_FILE_INVALID, "cannot write '%s'", path);
    ok = size == 0 || fwrite(bytes, 1, size, file) == size;
    ok = fclose(file) == 0 && ok;
    return ok || fail(err, ERR_FILE_INVALID, "cannot write '%s'", path);
}

/*
 * Calls `each` for every path of the manifest on disk that this run did not
 * make. A manifest line is "<path> <emitter>".
 */
static void for_orphans(const struct cg_out *out, const char *dir,
                        void (*each)(const struct cg_out *out,
                                     const char *path))
{
    const char *name = cg_text(out->ir, "%s/%s", dir, manifest_path);
    struct buf text = {0};
    struct error ignored;

    if (cg_file_read(name, &text, &ignored) && text.size)
        for (char *line = strtok(text.data, "\n"); line;
             line = strtok(NULL, "\n")) {
            char *space = strchr(line, ' ');

            if (line[0] == '#' || !space)
                continue;
            *space = '\0';
            const char *path = cg_text(out->ir, "%s/%s", dir, line);
            if (!cg_out_find(out, line) && access(path, F_OK) == 0)
                each(out, path);
        }
    buf_release(&text);
}

static void remove_orphan(const struct cg_out *out, const char *path)
{
    (void)out;
    (void)unlink(path);
}

bool cg_out_write(const struct cg_out *out, const char *dir, struct error *err)
{
    for_orphans(out, dir, remove_orphan);
    for (const struct cg_file *file = out->first; file; file = file->next) {
        const char *path = cg_text(out->ir, "%s/%s", dir, file->path);

        if (!buf_ok(&file->text))
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for '%s'", path);
        if (!cg_file_write(path, file->text.data, file->text.size, err))
            return false;
    }
    return true;
}

static void fault_orphan(const struct cg_out *out, const char *path)
{
    cg_fault(out->ir, (struct cg_loc){.file = path}, "fresh",
             "nothing in api/ makes this file any more");
}

/* The first line in which two texts differ, from 1. */
static int first_difference(const struct buf *a, const struct buf *b)
{
    size_t shorter = a->size < b->size ? a->size : b->size;
    int line = 1;

    for (size_t i = 0; i < shorter && a->data[i] == b->data[i]; i++)
        line += a->data[i] == '\n';
    return line;
}

void cg_out_compare(const struct cg_out *out, const char *dir)
{
    for_orphans(out, dir, fault_orphan);
    for (const struct cg_file *file = out->first; file; file = file->next) {
        const char *path = cg_text(out->ir, "%s/%s", dir, file->path);
        struct cg_loc at = {.file = path};
        struct buf old = {0};
        struct error ignored;

        if (!cg_file_read(path, &old, &ignored)) {
            cg_fault(out->ir, at, "fresh", "is missing; run specgen generate");
        } else if (!holds(path, file->text.data, file->text.size)) {
            at.line = first_difference(&old, &file->text);
            cg_fault(out->ir, at, "fresh",
                     "is not what api/ makes; run specgen generate");
        }
        buf_release(&old);
    }
}

void cg_wrap(struct buf *to, const char *lead, const char *text, size_t width)
{
    size_t room = width > strlen(lead) ? width - strlen(lead) : 1;

    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length > room) {
            length = room;
            while (length && text[length] != ' ')
                length--;
            if (!length)
                length = strcspn(text, " \n");
        }
        buf_printf(to, "%s%.*s\n", lead, (int)length, text);
        text += length;
        text += strspn(text, " \n");
    }
}

void cg_comment(struct buf *to, const char *text)
{
    size_t start;

    if (strlen(text) <= 74 && !strchr(text, '\n')) {
        buf_printf(to, "/* %s */\n", text);
        return;
    }
    start = to->size;
    cg_wrap(to, " * ", text, 80);
    if (!buf_ok(to) || to->size <= start)
        return;
    to->data[start] = '/';
    to->data[start + 1] = '*';
    to->data[start + 2] = ' ';
    to->size--; /* the last line's end */
    buf_string(to, " */\n");
}

void cg_quote(struct buf *to, const char *text)
{
    buf_char(to, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buf_printf(to, "\\%c", c);
        else if (c == '\n')
            buf_string(to, "\\n");
        else if (c == '\t')
            buf_string(to, "\\t");
        else
            buf_char(to, (char)c);
    }
    buf_char(to, '"');
}

void cg_head(struct buf *to, const char *source)
{
    buf_printf(to, "/* Generated by specgen from %s. Do not edit. */\n",
               source);
}

/* Reads everything the child says on the pipe. */
static void drain(int fd, struct buf *said)
{
    char chunk[4096];
    ssize_t got;

    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        buf_append(said, chunk, (size_t)got);
}

bool cg_run(const char *const *argv, struct buf *said, struct error *err)
{
    posix_spawn_file_actions_t actions;
    int pipe_ends[2];
    int status = 0;
    pid_t child;

    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return fail(err, ERR_INTERNAL, "cannot make a pipe");
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 2);
    /* posix_spawn takes argv without const and leaves it alone. */
    int failed = posix_spawnp(&child, argv[0], &actions, NULL,
                              (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(pipe_ends[1]);
    if (!failed)
        drain(pipe_ends[0], said);
    (void)close(pipe_ends[0]);
    if (failed)
        return fail(err, ERR_FILE_MISSING, "cannot run '%s'", argv[0]);
    if (waitpid(child, &status, 0) != child || status != 0)
        return fail(err, ERR_INTERNAL, "'%s' failed", argv[0]);
    return true;
}
