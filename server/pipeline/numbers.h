/*
 * Numbers of a request as elements of a tensor, whatever its type.
 *
 * Threads: any.
 */
#ifndef PIPELINE_NUMBERS_H
#define PIPELINE_NUMBERS_H

#include "engine.h"

/*
 * Stores `number` at `to` as one element of the type. False: the type has no
 * such number: it is no whole one, too large, or the type is of texts.
 */
bool numbers_put(enum eng_dtype dtype, double number, void *to);

#endif
