/*
 * Folder: openat2, then fstat, then pread.
 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool check_file(int file, uint64_t *size, struct error *err)
{
    struct stat info;

    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        return fail(err, ERR_MODEL_INVALID, "is no regular file");
    if (info.st_nlink != 1)
        return fail(err, ERR_MODEL_INVALID, "is a file with several names");
    *size = (uint64_t)info.st_size;
    return true;
}

int folder_file_open(int folder, const char *name, uint64_t *size,
                     struct error *err)
{
    /* O_NONBLOCK: opening a pipe returns at once */
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int file = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);

    if (file < 0 && errno == ENOENT) {
        (void)fail(err, ERR_FILE_MISSING, "is not in the model's folder");
        return -1;
    }
    if (file < 0) {
        (void)fail(err, ERR_MODEL_INVALID, "is %s",
                   errno == ELOOP   ? "a link, which is not followed"
                   : errno == EXDEV ? "outside the model's folder"
                                    : "no file that can be opened");
        return -1;
    }
    if (check_file(file, size, err))
        return file;
    (void)close(file);
    return -1;
}

bool folder_file_read(int file, uint64_t offset, void *bytes, size_t size)
{
    unsigned char *to = bytes;

    while (size) {
        ssize_t got = pread(file, to, size, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static char *read_open(int file, uint64_t size, size_t max, struct arena *arena,
                       struct error *err)
{
    char *text;

    if (size > max) {
        (void)fail(err, ERR_MODEL_INVALID, "has %llu bytes, limit %zu",
                   (unsigned long long)size, max);
        return NULL;
    }
    text = arena_alloc(arena, (size_t)size + 1);
    if (!text) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "needs %zu bytes", (size_t)size);
        return NULL;
    }
    text[size] = '\0';
    if (folder_file_read(file, 0, text, (size_t)size))
        return text;
    (void)fail(err, ERR_MODEL_INVALID, "cannot be read");
    return NULL;
}

char *folder_text_read(int folder, const char *name, size_t max,
                       struct arena *arena, size_t *size, struct error *err)
{
    struct error cause = {0};
    uint64_t bytes = 0;
    int file = folder_file_open(folder, name, &bytes, &cause);
    char *text = NULL;

    if (file >= 0) {
        text = read_open(file, bytes, max, arena, &cause);
        (void)close(file);
    }
    if (!text)
        (void)fail(err, cause.code, "'%.80s' %s", name, cause.msg);
    *size = (size_t)bytes;
    return text;
}
