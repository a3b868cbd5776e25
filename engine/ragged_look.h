/*
 * Ragged look: one node, as the rules see it (ragged_rules.c and
 * ragged_meeting.c): where its inputs have their rows, what its numbers are.
 *
 * Threads: one.
 */
#ifndef ENGINE_RAGGED_LOOK_H
#define ENGINE_RAGGED_LOOK_H

#include "ragged_parts.h"

/* One node that is looked at. */
struct look {
    struct survey *survey;
    size_t index;
    const struct eng_node *node;
    struct error *err;
    bool failed; /* err says why */
};

/* Not taken, for this reason. */
enum ragged_place look_decline(struct look *look, const char *text);

/* look->err says what went wrong. */
enum ragged_place look_failed(struct look *look);

/* Input `i`, or ENG_NO_VALUE. */
uint32_t look_input(const struct look *look, size_t i);

/* Where input `i` has its rows; one that is not there is constant. */
enum ragged_place look_place(struct look *look, size_t i);

/* Where the first output has its rows, by its shape. */
enum ragged_place look_out(const struct look *look);

/* The axis up to which `value`, of this place, must not be touched: that of
 * tokens, or the sequences'. */
int look_lead(const struct look *look, uint32_t value, enum ragged_place place);

enum { NUMBERS_MAX = ENG_RANK_MAX };

/* How many integers the constant input `i` holds, copied to `list` of
 * NUMBERS_MAX; -1: it is none, or has more. */
int look_constants(struct look *look, size_t i, int64_t *list);

/* The same of an attribute, or where there is none of input `i`. */
int look_ints(struct look *look, const char *name, size_t i, int64_t *list);

/* The attribute `axis` counted from the front. */
int64_t look_axis(const struct look *look, int64_t fallback, int rank);

/* The rules, each of which says where the node's outputs have their rows. */
typedef enum ragged_place rule_fn(struct look *look);

#define RAGGED(domain, op, rule) rule_fn rule_##rule;
#include "ragged_rules.def"
#undef RAGGED

#endif
