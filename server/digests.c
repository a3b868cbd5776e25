/*
 * Digests: see digests.h.
 */
#include "digests.h"

#include <string.h>

bool digests_open(struct srv_digests *digests, const char *folder,
                  struct error *err)
{
    *digests = (struct srv_digests){.folder = folder};
    return identity_documents(folder, &digests->is, err);
}

static void *work(void *context)
{
    struct srv_digests *digests = context;

    digests->ok = identity_read(digests->folder, &digests->stop,
                                &digests->found, &digests->err);
    return NULL;
}

bool digests_start(struct srv_digests *digests, struct error *err)
{
    int number = pthread_create(&digests->thread, NULL, work, digests);

    digests->running = number == 0;
    return digests->running ||
           fail(err, ERR_INTERNAL, "no thread for the digests: %s",
                strerror(number));
}

bool digests_wait(struct srv_digests *digests, struct error *err)
{
    struct identity *is = &digests->is;

    (void)pthread_join(digests->thread, NULL);
    digests->running = false;
    if (!digests->ok) {
        *err = digests->err;
        return false;
    }
    if (strcmp(is->documents, digests->found.documents) != 0)
        return fail(err, ERR_DOCUMENT_INVALID,
                    "the documents changed while the model was loaded");
    (void)memcpy(is->model, digests->found.model, sizeof is->model);
    (void)memcpy(is->bundle, digests->found.bundle, sizeof is->bundle);
    digests->told[0] = (struct srv_header){"x-model-digest", is->model};
    digests->told[1] = (struct srv_header){"x-documents-digest", is->documents};
    digests->known = true;
    return true;
}

void digests_close(struct srv_digests *digests)
{
    if (!digests->running)
        return;
    digests->stop = true;
    (void)pthread_join(digests->thread, NULL);
    digests->running = false;
}
