/*
 * Watchers: the streams of Watch, and the thread that feeds them.
 *
 * A watcher is first brought up to date, then gets every event as it happens.
 * A watcher that would need more than its stream can hold at once gets one
 * RESYNC instead: it lists again and goes on from that revision.
 *
 * Threads: any, between _new and _free.
 */
#ifndef REGISTRY_WATCHERS_H
#define REGISTRY_WATCHERS_H

#include "call.h"
#include "registry.h"

struct reg_watchers;

/* Starts the thread. NULL: ERR_OUT_OF_MEMORY, ERR_INTERNAL. */
struct reg_watchers *reg_watchers_new(struct registry *registry, size_t limit,
                                      struct error *err);

/*
 * Makes the call a stream of events. `model` NULL or "" = all models. With
 * `has_after` the events after that revision come first, without it the live
 * instances as PUT events that all carry the revision they show.
 *   ERR_QUOTA_EXCEEDED  there are as many watchers as there may be
 */
bool reg_watchers_add(struct reg_watchers *watchers, struct srv_call *call,
                      const char *model, bool has_after, uint64_t after,
                      struct error *err);

/* Ends every stream with NOT_READY and stops the thread. */
void reg_watchers_stop(struct reg_watchers *watchers);

/* Call it after the door is closed. Accepts NULL. */
void reg_watchers_free(struct reg_watchers *watchers);

#endif
