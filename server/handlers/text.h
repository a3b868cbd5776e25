/*
 * Text: what embeddings and rerank share - the model's name, rows of texts that
 * are more than one run takes, and failures in the words of their clients.
 *
 * Threads: as the call.
 */
#ifndef HANDLERS_TEXT_H
#define HANDLERS_TEXT_H

#include "reply.h"
#include "text_server.h"
#include "work.h"

struct text_work;

/* Fills the reply message. */
typedef bool text_reply(struct srv_call *call, struct text_work *work,
                        void *message, struct error *err);

/* Is the model there, and is it the one that is asked for (NULL or "": any)?
 * ERR_NOT_READY, ERR_NOT_FOUND. */
bool text_begin(struct srv_call *call, const char *model, struct error *err);

/*
 * Rows of texts. Each of `inputs` has a name and one value per row,
 * PIPELINE_STRINGS or PIPELINE_IDS. When the model has run, `results` says, per
 * row, where the floats of the result `output` lie; `width` how many there are
 * in each. It lives as long as the call.
 */
struct text_work {
    const struct pipeline_value *inputs;
    size_t input_count, rows;
    const char *output;
    const void *request; /* the handler's message */
    text_reply *reply;
    const float **results; /* filled, as what follows */
    size_t width;
    size_t tokens;
};

/* Prepares the rows, as many at a time as the model takes, and leaves them to
 * the batch; `reply` makes the message. Errors of work_prepare(). */
bool text_leave(struct srv_call *call, struct text_work *work,
                struct error *err);

/* Usage of so many tokens; NULL without memory. */
struct text_usage *text_usage_of(struct arena *arena, size_t tokens);

/* The failure as those clients read it; NULL without memory. */
struct text_failure *text_failure_of(struct srv_call *call,
                                     const struct error *err);

#endif
