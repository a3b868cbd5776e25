/*
 * A fake of the bundled model: it notes what it was fed and answers what a test
 * asks for.
 *
 * Threads: one test, one thread.
 */
#ifndef TESTS_FAKE_SOLUBILITY_H
#define TESTS_FAKE_SOLUBILITY_H

#include "fake_engine.h"

extern struct eng_model fake_model;

/* Of the last run; a run fails with `fails_with`, if the test sets that. */
struct fake_fed {
    size_t rows, columns;
    int64_t ids[64 * 512], mask[64 * 512];
    enum err_code fails_with;
};
extern struct fake_fed fake_fed;

/* What a run answers, three numbers for each row; the same for all rows. */
extern float fake_answers[64 * 3];
void fake_answer_with(float low, float mid, float high);

#endif
