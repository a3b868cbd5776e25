/*
 * Fetch: what a running server tells of its model.
 *
 * Threads: one.
 */
#ifndef CODEGEN_MODEL_FETCH_H
#define CODEGEN_MODEL_FETCH_H

#include "buf.h"
#include "error.h"

/*
 * GET `url`; `body` receives the answer, at most 1 MiB, and `*is_json` whether
 * it says that it is JSON. false, with a sentence: no answer within 10 s, or
 * one of another status than 200; redirects are not followed.
 */
bool cg_fetch(const char *url, struct buf *body, bool *is_json,
              struct error *err);

#endif
