/*
 * Digests: those of the served bundle, taken while the engine loads.
 *
 *   digests_open()   the documents', at once
 *   digests_start()  the model's, on a thread of its own
 *   digests_wait()   until they are known
 *
 * Threads: open, start, wait and close by one thread; reading by any.
 */
#ifndef SERVER_DIGESTS_H
#define SERVER_DIGESTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "call.h"
#include "identity.h"

struct srv_digests {
    const char *folder;
    /* `documents` since digests_open(); the others once `known` */
    struct identity is;
    atomic_bool known, stop;
    struct srv_header told[CALL_FACTS_MAX]; /* for call_tell(), once known */

    pthread_t thread;
    bool running;
    struct identity found; /* of the thread, until it was waited for */
    struct error err;
    bool ok;
};

/* `folder` is borrowed. false: errors of identity_documents(). */
bool digests_open(struct srv_digests *digests, const char *folder,
                  struct error *err);

/* false: ERR_INTERNAL, there is no thread. */
bool digests_start(struct srv_digests *digests, struct error *err);

/* After digests_start(). false: errors of identity_read(), or
 * ERR_DOCUMENT_INVALID when the documents are others by now. */
bool digests_wait(struct srv_digests *digests, struct error *err);

/* Ends a thread that was not waited for; fine on a zeroed struct. */
void digests_close(struct srv_digests *digests);

#endif
