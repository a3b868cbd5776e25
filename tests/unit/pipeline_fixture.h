/*
 * A bundle with one text of its documents altered, and a pipeline made from it
 * around a model of the test's.
 *
 * Threads: one test, one thread.
 */
#ifndef TESTS_PIPELINE_FIXTURE_H
#define TESTS_PIPELINE_FIXTURE_H

#include "pipeline.h"

struct fixture {
    struct arena arena; /* of the report and the answers */
    struct srv_bundle *bundle;
    struct pipeline *pipeline;
    struct pipeline_worker *worker;
    struct pipeline_output out;
    struct error err;
};

/*
 * Opens a copy of `bundle` ("models/solubility") in which the first `from` of
 * each document is `to`, and its pipeline. False and f->err if the pipeline
 * cannot be opened; documents that are wrong by themselves end the test.
 */
bool fixture_open(struct fixture *f, const char *bundle,
                  struct eng_model *model, const char *from, const char *to);

/* The same with several edits, each made in the first place of each document. */
struct fixture_edit {
    const char *from, *to;
};

bool fixture_open_edited(struct fixture *f, const char *bundle,
                         struct eng_model *model,
                         const struct fixture_edit *edits, size_t count);
void fixture_close(struct fixture *f);

/* Runs a request; the answer is f->out. */
bool fixture_run(struct fixture *f, const struct pipeline_value *values,
                 size_t count);

/* The same with the input `text` alone: one text, or a batch. */
bool fixture_run_text(struct fixture *f, const char *text);
bool fixture_run_texts(struct fixture *f, char *const *texts, size_t count);

/* The result of this name; ends the test if there is none. */
const struct pipeline_value *fixture_result(const struct fixture *f,
                                            const char *name);

/* Ends the test unless `ok` is false, with this code and text. */
void fixture_declined(struct fixture *f, bool ok, enum err_code code,
                      const char *says);

bool fixture_warned(const struct fixture *f, const char *says);

#endif
