/*
 * Folder: files that base/beneath.h opens, in the words of models; pread.
 */
#include "folder.h"

#include <errno.h>
#include <unistd.h>

#include "beneath.h"

/* What is said of a file that is not opened. */
static const char *const ends[] = {
    [BENEATH_ABSENT] = "is not in the model's folder",
    [BENEATH_OUTSIDE] = "is outside the model's folder",
    [BENEATH_LINK] = "is a link, which is not followed",
    [BENEATH_CLOSED] = "is no file that can be opened",
    [BENEATH_KIND] = "is no regular file",
    [BENEATH_SHARED] = "is a file with several names"};

int folder_file_open(int folder, const char *name, uint64_t *size,
                     struct error *err)
{
    struct beneath_file file = beneath_find(folder, name);

    if (file.end == BENEATH_OPEN)
        *size = file.size;
    else
        (void)fail(err,
                   file.end == BENEATH_ABSENT ? ERR_FILE_MISSING
                                              : ERR_MODEL_INVALID,
                   "%s", ends[file.end]);
    return file.fd;
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
