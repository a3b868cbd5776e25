/*
 * Failure: what an answer, or none, means in codes.
 *
 * Threads: any; no state.
 */
#ifndef CLIENTS_C_FAILURE_H
#define CLIENTS_C_FAILURE_H

#include "client_impl.h"
#include "specserve.h"

void failure_clear(struct specserve_error *err);

/* Fills code, name, sentence and whether to retry. Returns false. */
bool failure_say(struct specserve_error *err, enum specserve_code code,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a code by name, known or not. */
bool failure_named(struct specserve_error *err, const char *name,
                   const char *message);

/* An error of our own: ERR_USAGE and ERR_VALIDATION_ERROR are the caller's
 * mistakes, others keep their code. */
bool failure_of_error(struct specserve_error *err, const struct error *why);

/* An attempt that got no answer. */
bool failure_of_loss(struct specserve_error *err, enum loss loss,
                     const char *endpoint, const struct error *why);

/* An answer that is an error; `answer` keeps what is read of it. */
bool failure_of_answer(struct specserve_error *err, struct answer *answer);

bool answer_is_good(const struct answer *answer);

#endif
