/*
 * Caller: what the head of a request says of the call itself.
 *
 *   x-request-timeout   seconds that the caller waits, "2" or "0.25" (REST; gRPC
 *                       has its own header)
 *   x-request-id        the caller's name for the call: comes back with the
 *                       answer and stands in the log line
 *
 * Threads: any; no state.
 */
#ifndef DOOR_CALLER_H
#define DOOR_CALLER_H

#include "call.h"

/* Makes call->deadline_ns earlier if the caller waits less long. BAD_REQUEST:
 * the header is not a number of seconds up to 10^9, or is zero. */
bool caller_limit_time(struct srv_call *call, struct error *err);

/*
 * The caller's id of the call, or NULL: there is none, or it is not 1 to 128 of
 * letters, digits and "-_.:/+=@", which can be repeated anywhere unharmed.
 */
const char *caller_request_id(const struct srv_call *call);

#endif
