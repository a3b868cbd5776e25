/*
 * Complete: is there in a message what its table says must be there?
 *
 * What a caller asks of its own request before it is sent and of an answer
 * before it is believed: required fields, a value in every union and map
 * entry, and JSON where JSON is kept. Limits are left to the server
 * (validate.h): an answer of a later version may have wider ones.
 *
 * Threads: any; the arena belongs to the caller.
 */
#ifndef WIRE_COMPLETE_H
#define WIRE_COMPLETE_H

#include <stdbool.h>

#include "arena.h"
#include "contract.h"
#include "error.h"

/*
 * ERR_VALIDATION_ERROR names what is missing by JSON pointer, or says that the
 * message nests deeper than 64; ERR_OUT_OF_MEMORY. A required field that may be
 * null may be unset.
 */
bool msg_complete(const struct msg_def *def, const void *message,
                  struct arena *arena, struct error *err);

#endif
