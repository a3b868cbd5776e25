/*
 * Json show: JSON text laid out for people.
 *
 * Only white space changes; numbers and strings stay as they are written.
 *
 * Threads: any; no state.
 */
#ifndef COMMANDS_JSON_SHOW_H
#define COMMANDS_JSON_SHOW_H

#include "buf.h"

/*
 * Appends the value in `text`, which json_check() has passed: one member per
 * line, two spaces per level; lists of plain values stay on one line.
 */
void json_show(const char *text, size_t size, struct buf *out);

#endif
