/*
 * Meta: the published files of meta/ as text; the build writes the table.
 *
 * Threads: immutable, any thread.
 */
#ifndef JSONSCHEMA_META_H
#define JSONSCHEMA_META_H

#include <stddef.h>

struct js_meta_file {
    const char *name;
    const unsigned char *text;
    size_t size;
};

extern const struct js_meta_file js_meta_files[];
extern const size_t js_meta_count;

#endif
