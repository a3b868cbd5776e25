/*
 * Doc build: what the YAML and the JSON reader share: a tree that grows at its
 * innermost open container, and faults that know where in it they are.
 *
 * The reader calls, in the order of the text: doc_build_key() inside a map,
 * then doc_build_node(), or doc_build_open() ... doc_build_leave() for a
 * container. Depth is bounded, there is no recursion.
 *
 * Threads: the caller serialises.
 */
#ifndef BASE_DOC_BUILD_H
#define BASE_DOC_BUILD_H

#include "doc.h"

struct doc_place {
    int line, col;
};

/* An open container; `key` waits for its value when the node is a map. */
struct doc_frame {
    struct doc_node *node;
    size_t capacity;
    struct doc_entry key;
};

struct doc_build {
    const char *file, *rule; /* of the faults */
    struct arena *arena;
    struct doc_report *report;
    struct doc_node *root; /* NULL until the first node */
    size_t depth, depth_max;
    struct doc_frame frames[DOC_JSON_DEPTH_MAX];
};

/* Is a key due next, and not a value? */
bool doc_build_wants_key(const struct doc_build *build);

/* The key of the next value; takes over `key`, which lives in the arena. */
void doc_build_key(struct doc_build *build, const char *key,
                   struct doc_place place);

/*
 * Hangs a new zeroed node in the innermost container, or makes it the root.
 * NULL after a fault: memory.
 */
struct doc_node *doc_build_node(struct doc_build *build, enum doc_type type,
                                struct doc_place place);

/* A new list or map that takes the next nodes. False after a fault: too deep,
 * memory. */
bool doc_build_open(struct doc_build *build, enum doc_type type,
                    struct doc_place place);

/* Closes the innermost container; a key that came twice is a fault. */
void doc_build_leave(struct doc_build *build);

/* Adds a fault at `place`, with the pointer of what is being read and an
 * optional hint. */
void doc_build_fault(struct doc_build *build, struct doc_place place,
                     const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void doc_build_warn(struct doc_build *build, struct doc_place place,
                    const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
