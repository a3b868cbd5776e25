/*
 * Accuracy: what a reduced precision costs, measured before it is served.
 *
 * A ModelSpec asks for a precision (spec.identity.model.precision). Where the
 * engine computes in less than the file's floats, the bundle's test examples
 * are run both ways at start: the largest difference is logged, and an example
 * whose `expect` holds in float32 but no more in the reduced precision ends the
 * load. The bound is therefore the tolerance that the examples declare.
 *
 * Threads: at load only.
 */
#ifndef SERVER_ACCURACY_H
#define SERVER_ACCURACY_H

#include "pipeline.h"

/* What the ModelSpec asks for; float32 where it says nothing or what this
 * engine does not have. */
enum eng_precision accuracy_precision(const struct srv_bundle *bundle);

/*
 * Logs what `model` computes in, and why. When that is less than float32, runs
 * the examples on `worker` (a worker of `model`) and on the model in float32,
 * which is loaded for that time.
 *   ERR_DOCUMENT_INVALID  an example's expectation holds in float32 only; names
 *                         example and result
 *   others                those of eng_model_open() and pipeline_open()
 */
bool accuracy_check(const struct srv_bundle *bundle,
                    const struct eng_model *model,
                    struct pipeline_worker *worker, struct error *err);

#endif
