/*
 * Validate: the limits of the contract, for messages of either door.
 *
 * Runs on a decoded message, so REST and gRPC requests meet the same rules
 * with the same codes and the same words: required fields, bounds of numbers,
 * sizes of strings, lists and maps, patterns, closed lists of strings, and
 * that free JSON is JSON. Enums must have a known number. Depth is bounded by
 * the decoders; validate_message() refuses more than 64.
 *
 * Threads: any. Compiled patterns are kept for the life of the process.
 */
#ifndef WIRE_VALIDATE_H
#define WIRE_VALIDATE_H

#include <stdbool.h>

#include "arena.h"
#include "contract.h"
#include "error.h"

/*
 * Checks the message. ERR_VALIDATION_ERROR names the field by JSON pointer and
 * the limit; ERR_OUT_OF_MEMORY; ERR_INTERNAL for a pattern that is not one.
 */
bool validate_message(const struct msg_def *def, const void *message,
                      struct arena *arena, struct error *err);

/*
 * Compiles every pattern that requests of these services (NULL-ended) can
 * meet, so that a broken one stops the start and not a request. Call it once
 * before the first request; patterns that were not prepared are compiled when
 * they are first met.
 */
bool validate_prepare(const struct op_table *const *tables, struct error *err);

#endif
