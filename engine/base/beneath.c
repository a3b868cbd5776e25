/*
 * Beneath: openat2, then fstat.
 */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
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

static enum beneath_end end_of(int number)
{
    switch (number) {
    case EXDEV:
        return BENEATH_OUTSIDE;
    case ELOOP:
        return BENEATH_LINK;
    case ENOENT:
        return BENEATH_ABSENT;
    default:
        return BENEATH_CLOSED;
    }
}

/* A regular file; behind a link of its own, another user could change it. */
static void look_at(struct beneath_file *file, bool one_link)
{
    struct stat info;

    if (fstat(file->fd, &info) != 0) {
        file->end = BENEATH_CLOSED;
        file->number = errno;
    } else if (!S_ISREG(info.st_mode)) {
        file->end = BENEATH_KIND;
    } else {
        file->size = (uint64_t)info.st_size;
        file->links = info.st_nlink;
        if (one_link && info.st_nlink != 1)
            file->end = BENEATH_SHARED;
    }
    if (file->end == BENEATH_OPEN)
        return;
    (void)close(file->fd);
    file->fd = -1;
}

struct beneath_file beneath_find(int dir, const char *name)
{
    /* O_NONBLOCK: opening a pipe returns at once */
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    struct beneath_file file = {
        .fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how)};

    if (file.fd < 0) {
        file.number = errno;
        file.end = end_of(file.number);
    } else {
        look_at(&file, true);
    }
    return file;
}

/* ---- in the words of bundles ---- */

/* The descriptor, or -1 with what went wrong. */
static int opened(const struct beneath_file *file, const char *name,
                  struct error *err)
{
    switch (file->end) {
    case BENEATH_OPEN:
        break;
    case BENEATH_OUTSIDE:
        (void)fail(err, ERR_FILE_INVALID, "'%s' leads out of the bundle", name);
        break;
    case BENEATH_LINK:
        (void)fail(err, ERR_FILE_INVALID, "'%s' is, or passes, a link", name);
        break;
    case BENEATH_ABSENT:
        (void)fail(err, ERR_FILE_MISSING, "'%s' is not in the bundle", name);
        break;
    case BENEATH_KIND:
        (void)fail(err, ERR_FILE_INVALID, "'%s' is no regular file", name);
        break;
    case BENEATH_SHARED:
        (void)fail(err, ERR_FILE_INVALID,
                   "'%s' has %ju hard links, only one is allowed", name,
                   (uintmax_t)file->links);
        break;
    case BENEATH_CLOSED:
    default:
        (void)fail(err, ERR_FILE_MISSING, "'%s' cannot be opened: %s", name,
                   strerror(file->number));
        break;
    }
    return file->fd;
}

int beneath_open(int dir, const char *name, struct error *err)
{
    struct beneath_file file = beneath_find(dir, name);

    return opened(&file, name, err);
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
    struct beneath_file file = {
        .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    char *bytes = NULL;

    if (file.fd < 0) {
        (void)fail(err, ERR_FILE_MISSING, "cannot be opened: %s",
                   strerror(errno));
        return NULL;
    }
    look_at(&file, false);
    if (opened(&file, path, err) < 0)
        return NULL;
    bytes = read_open(file.fd, path, max, arena, size, err);
    (void)close(file.fd);
    return bytes;
}
