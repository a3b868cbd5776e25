/*
 * Beneath: opens what a bundle names, and nothing else.
 *
 * A name is resolved by the kernel beneath the bundle's folder (openat2 with
 * RESOLVE_BENEATH, no links of any kind), then the open file is looked at: a
 * regular file with one link. The name is never compared with patterns, since
 * such a check has always missed one form. '~', '$' and '%' mean themselves.
 *
 * Threads: any.
 */
#ifndef BASE_BENEATH_H
#define BASE_BENEATH_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

/* What became of an attempt to open a file. */
enum beneath_end {
    BENEATH_OPEN,
    BENEATH_ABSENT,
    BENEATH_OUTSIDE, /* the name leads out of the folder */
    BENEATH_LINK,    /* it is, or passes, a link */
    BENEATH_CLOSED,  /* the system says no: `number` */
    BENEATH_KIND,    /* it is no regular file */
    BENEATH_SHARED   /* it has several names */
};

struct beneath_file {
    enum beneath_end end;
    int fd;     /* -1 unless BENEATH_OPEN; close() it */
    int number; /* errno */
    uint64_t size, links;
};

/* Opens `name` beneath the folder for reading, for who has own words for what
 * goes wrong; never blocks on a pipe. */
struct beneath_file beneath_find(int dir, const char *name);

/* The folder, to open files beneath; -1: ERR_FILE_MISSING. */
int beneath_folder(const char *dir, struct error *err);

/*
 * Opens `name` beneath the folder for reading and returns its descriptor; -1:
 *   ERR_FILE_MISSING  not there, or not readable
 *   ERR_FILE_INVALID  leads outside, through a link, has another link, or is
 *                     no regular file; never blocks on a pipe
 * The sentence starts with the name.
 */
int beneath_open(int dir, const char *name, struct error *err);

/*
 * Reads the whole file into `arena`, NUL-terminated. NULL as above, and
 * ERR_FILE_INVALID when it has more than `max` bytes.
 */
char *beneath_read(int dir, const char *name, size_t max, struct arena *arena,
                   size_t *size, struct error *err);

/* The same for a file named by the caller: any path, but no pipe or device. */
char *beneath_read_path(const char *path, size_t max, struct arena *arena,
                        size_t *size, struct error *err);

#endif
