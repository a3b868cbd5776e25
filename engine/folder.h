/*
 * Folder: files beneath a model's folder.
 *
 * What a model names is opened beneath its folder (base/beneath.h): no
 * way out, no links of any kind, and the open file is regular with one name.
 * It is read, not mapped, so a file that shrinks meanwhile is an error and
 * nothing worse.
 *
 * Threads: no state.
 */
#ifndef ENGINE_FOLDER_H
#define ENGINE_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

/*
 * Opens `name` beneath the open folder; *size receives its bytes. -1:
 *   ERR_FILE_MISSING   there is none
 *   ERR_MODEL_INVALID  it leads outside, is or passes a link, has several
 *                      names, or is no regular file
 * The sentence begins with "is": the caller says what is.
 */
int folder_file_open(int folder, const char *name, uint64_t *size,
                     struct error *err);

/* Reads exactly `size` bytes from `offset` on; false: the file is shorter, or
 * cannot be read. */
bool folder_file_read(int file, uint64_t offset, void *bytes, size_t size);

/*
 * The whole file, NUL-terminated, in `arena`; at most `max` bytes. NULL:
 * errors of folder_file_open(), ERR_MODEL_INVALID for more bytes or a read
 * that fails, ERR_OUT_OF_MEMORY. Sentences begin with the name.
 */
char *folder_text_read(int folder, const char *name, size_t max,
                       struct arena *arena, size_t *size, struct error *err);

#endif
