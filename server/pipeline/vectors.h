/*
 * Vectors: what the steps share that make a row of numbers from a row of
 * numbers, and those that name the elements of a row.
 *
 *   value    what is read: an output, a value of an earlier step or a tensor
 *   output   what is written; changed in place if not given
 *
 * Threads: as step.h.
 */
#ifndef PIPELINE_VECTORS_H
#define PIPELINE_VECTORS_H

#include "step.h"

/* Makes `out` from `in`, both of `width` elements; they may be the same. */
typedef void vectors_row(const float *in, float *out, size_t width);

/* The open() of a step with the parameters above and no others. */
bool vectors_open(struct step_build *build, void **state, struct error *err);

/* Its apply(): `make` for each row. */
bool vectors_apply(const void *state, struct pipeline_call *call,
                   vectors_row *make, struct error *err);

/*
 * The names of the elements of slot `slot`, as parameter `labels` (a list) or
 * `labelsFile` (a file of the bundle, one per line) gives them. Fails if the
 * slot is known to have another number of elements.
 */
bool vectors_labels(const struct step_build *build, size_t slot,
                    struct bundle_strings *labels, struct error *err);

/* The row of a slot; fails with ERR_OUTPUT_INVALID if it does not have one
 * element for each label. */
const float *vectors_labelled(const struct pipeline_call *call, size_t slot,
                              size_t row, const struct bundle_strings *labels,
                              struct error *err);

#endif
