/*
 * Beneath: openat2, then fstat.
 */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int beneath_folder(const char *dir, struct error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        (void)fail(err, ERR_FILE_MISSING, "cannot open the folder: %s",
                   strerror(errno));
    return fd;
}

/* What openat2 refuses, in words. */
static bool refuse_open(const char *name, int number, struct error *err)
{
    if (number == EXDEV)
        return fail(err, ERR_FILE_INVALID, "'%s' leads out of the bundle",
                    name);
    if (number == ELOOP)
        return fail(err, ERR_FILE_INVALID, "'%s' is, or passes, a link", name);
    if (number == ENOENT)
        return fail(err, ERR_FILE_MISSING, "'%s' is not in the bundle", name);
    return fail(err, ERR_FILE_MISSING, "'%s' cannot be opened: %s", name,
                strerror(number));
}

/* A regular file; behind a link of its own, another user could change it. */
static bool check_kind(int fd, const char *name, bool one_link,
                       struct error *err)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return fail(err, ERR_FILE_MISSING, "'%s' cannot be looked at: %s", name,
                    strerror(errno));
    if (!S_ISREG(info.st_mode))
        return fail(err, ERR_FILE_INVALID, "'%s' is no regular file", name);
    if (one_link && info.st_nlink != 1)
        return fail(err, ERR_FILE_INVALID,
                    "'%s' has %ju hard links, only one is allowed", name,
                    (uintmax_t)info.st_nlink);
    return true;
}

int beneath_open(int dir, const char *name, struct error *err)
{
    /* O_NONBLOCK: opening a pipe returns at once */
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);

    if (fd < 0) {
        (void)refuse_open(name, errno, err);
        return -1;
    }
    if (check_kind(fd, name, true, err))
        return fd;
    (void)close(fd);
    return -1;
}

/* Reads until the end or `capacity` bytes; -1 with errno. */
static ssize_t read_all(int fd, char *bytes, size_t capacity)
{
    size_t used = 0;

    while (used < capacity) {
        ssize_t got = read(fd, bytes + used, capacity - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static char *read_open(int fd, const char *name, size_t max,
                       struct arena *arena, size_t *size, struct error *err)
{
    char *bytes = arena_alloc(arena, max + 1);
    ssize_t got;

    if (!bytes) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for '%s'", name);
        return NULL;
    }
    got = read_all(fd, bytes, max + 1);
    if (got < 0) {
        (void)fail(err, ERR_FILE_MISSING, "'%s' cannot be read: %s", name,
                   strerror(errno));
        return NULL;
    }
    if ((size_t)got > max) {
        (void)fail(err, ERR_FILE_INVALID,
                   "'%s' has more than the %zu bytes that are allowed", name,
                   max);
        return NULL;
    }
    bytes[got] = '\0';
    *size = (size_t)got;
    return bytes;
}

char *beneath_read(int dir, const char *name, size_t max, struct arena *arena,
                   size_t *size, struct error *err)
{
    int fd = beneath_open(dir, name, err);
    char *bytes;

    if (fd < 0)
        return NULL;
    bytes = read_open(fd, name, max, arena, size, err);
    (void)close(fd);
    return bytes;
}

char *beneath_read_path(const char *path, size_t max, struct arena *arena,
                        size_t *size, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *bytes = NULL;

    if (fd < 0) {
        (void)fail(err, ERR_FILE_MISSING, "cannot be opened: %s",
                   strerror(errno));
        return NULL;
    }
    if (check_kind(fd, path, false, err))
        bytes = read_open(fd, path, max, arena, size, err);
    (void)close(fd);
    return bytes;
}
