/*
 * A door on a loopback port whose slow endpoints the test holds and lets go, and
 * the peers that call it. What fails ends the test.
 *
 * Threads: one test; its handlers run on the door's.
 */
#ifndef TESTS_DOOR_FIXTURE_H
#define TESTS_DOOR_FIXTURE_H

#include <stdatomic.h>

#include "door.h"

enum { PATIENCE_S = 20 };

/* ---- the service ---- */

struct stage {
    atomic_bool open;   /* handlers may go on */
    atomic_bool later;  /* ... those of /later */
    atomic_int started; /* handlers */
    atomic_int stopped; /* handlers that saw call_should_stop() */
};

extern const struct op_table *const stage_tables[];

/* A door with these endpoints; one worker unless the options say more. */
struct door *open_door(struct door_options options, struct stage *stage);

void pause_1ms(void);
void wait_until(const atomic_int *counter, int wanted);
void wait_for_load(const struct door *door, int waiting, int running);

/* ---- a peer ---- */

#define QUICK "GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path)                                                             \
    "POST " path " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
#define HELD  POST("/held")
#define LATER POST("/later")
#define BRIEF POST("/brief")
#define SHORT POST("/short")

int peer_open(const struct door *door);
void peer_send(int fd, const char *bytes);

/* Everything up to the end of the connection. */
void peer_read_all(int fd, char *out, size_t size);

/* One answer: its status; the text in `out`. 0 = closed instead. */
int peer_answer(int fd, char *out, size_t size);

bool peer_is_closed(int fd);
void assert_quick_answers(const struct door *door);

#endif
