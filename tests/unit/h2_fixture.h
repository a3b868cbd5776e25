/*
 * One connection in front of the HTTP/2 guard, for tests of what it passes and
 * what it answers.
 */
#ifndef UNIT_H2_FIXTURE_H
#define UNIT_H2_FIXTURE_H

#include "buf.h"
#include "h2_answer.h"
#include "h2_frame.h"
#include "h2_guard.h"

/* Bytes of a message, and streams open at once. */
enum { LIMIT = 1000, STREAMS = 100 };

struct h2_fixture {
    struct h2_guard guard;
    struct h2_out out;
    struct buf client, core; /* what the client sends, what gRPC Core reads */
};

/* With the client's opening sent. */
void h2_fixture_init(struct h2_fixture *f);
void h2_fixture_release(struct h2_fixture *f);

/* The frame of gRPC Core's input that is `number` frames behind the opening. */
struct h2_head core_frame(const struct h2_fixture *f, int number);

void assert_core(const struct h2_fixture *f, int number, int type,
                 uint32_t stream);

#endif
