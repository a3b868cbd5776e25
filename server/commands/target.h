/*
 * Target: a served model that a command calls, wherever it is.
 *
 * Named by URL, by host:port, or by model name, which the registry turns into
 * the instances that serve it. Both doors give and take the same: messages in,
 * JSON out.
 *
 * Threads: the caller serialises per target.
 */
#ifndef COMMANDS_TARGET_H
#define COMMANDS_TARGET_H

#include "model_client.h"

struct target;

struct target_options {
    const char *name;     /* "http://host:port", "host:port" or a model */
    const char *registry; /* URL; asked for models only */
    enum model_door door;
    uint32_t timeout_ms; /* of each call */
};

/*
 * Finds the target; connects with the first call. `options` is copied, its
 * texts are borrowed. ERR_USAGE: the name is none of the three; ERR_NOT_FOUND:
 * no instance of the model is live; others as registry_client_resolve().
 */
struct target *target_open(const struct target_options *options,
                           struct error *err);

/* Accepts NULL. */
void target_close(struct target *target);

/* The instance that was asked last: "127.0.0.1:5100". */
const char *target_address(const struct target *target);

/*
 * Calls `op` with the message `request`. True when the target answered with
 * JSON, whatever it said: the text is in `answer`, which is emptied first. A
 * failure over gRPC, which carries no message, becomes {"success", "error",
 * "error_code"}. An instance that cannot be reached is passed over for the
 * next one of its model.
 *   ERR_NOT_READY, ERR_TIMEOUT  no instance answered (in time)
 *   ERR_BAD_REQUEST             what came is no answer of this endpoint
 *   ERR_OUT_OF_MEMORY
 */
bool target_call(struct target *target, const struct op_def *op,
                 const void *request, struct buf *answer, struct error *err);

#endif
