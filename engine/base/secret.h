/*
 * Secret: comparing what somebody shows with what only its owner knows.
 *
 * Threads: any.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>

/* Are the texts equal? Takes as long wherever they differ; their lengths are
 * no secret. */
bool secret_same(const char *given, const char *secret);

#endif
