/*
 * Identity: which bundle this is, to the byte.
 *
 *   documents   the ModelSpec, ModelService and BehaviorSpec
 *   model       the weights and all other files that the model is made of:
 *               ONNX external data, a transformers folder's configuration and
 *               shards, the tokenizer, files with labels
 *   bundle      both
 *
 * A digest is SHA-256 of lines "<SHA-256 of the file>  <path>\n" in the order
 * of the paths' bytes, as coreutils print them:
 *
 *   sha256sum model.onnx tokenizer.json | sha256sum
 *
 * Other files of the folder (licences, citations, reports) do not count. The
 * server and specgen both take digests from here, so that a client made from a
 * folder knows the server of that folder.
 *
 * Threads: no state.
 */
#ifndef BASE_IDENTITY_H
#define BASE_IDENTITY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "error.h"

enum bundle_kind { BUNDLE_MODELSPEC, BUNDLE_MODELSERVICE, BUNDLE_BEHAVIORSPEC };

enum { BUNDLE_KIND_COUNT = 3 };

/* Does the name of a file say that it is a document of this kind?
 * x.modelspec.yaml, .yml or .json */
bool bundle_names_kind(const char *name, enum bundle_kind kind);

/* ".modelspec": how such a name ends, before its format. */
const char *bundle_kind_ending(enum bundle_kind kind);

enum { IDENTITY_TEXT = 7 + 64 + 1 };

/* Each "sha256:<64 digits>", or "" while it is not known. */
struct identity {
    char bundle[IDENTITY_TEXT];
    char model[IDENTITY_TEXT];
    char documents[IDENTITY_TEXT];
};

/*
 * Sets `documents` of the folder's bundle. false: ERR_FILE_MISSING,
 * ERR_FILE_INVALID (see beneath_open(); or several documents of one kind, or
 * more files than any model has), ERR_OUT_OF_MEMORY.
 */
bool identity_documents(const char *folder, struct identity *identity,
                        struct error *err);

/*
 * Sets all three; reads every byte of the model. Ends early with ERR_CANCELLED
 * once `stop` is true (NULL = never). Other errors as above, and
 * ERR_DOCUMENT_INVALID when the ModelSpec or ModelService cannot be read.
 */
bool identity_read(const char *folder, const atomic_bool *stop,
                   struct identity *identity, struct error *err);

#endif
