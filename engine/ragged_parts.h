/*
 * Ragged: what its files share while they look at a graph.
 *
 * A value is seen in two plans, for batches of 3 x 5 and of 4 x 7. By that each
 * of its axes has a letter: B batch, S length, R both multiplied, c neither,
 * ? anything else.
 *
 * Threads: at load only.
 */
#ifndef ENGINE_RAGGED_PARTS_H
#define ENGINE_RAGGED_PARTS_H

#include "passes/rewrite.h"
#include "ragged.h"

enum { PROBES = 2, POSITIONS_MAX = 4 };

/* How the elements of a value belong to tokens and sequences. */
enum ragged_place {
    PLACE_UNKNOWN,
    PLACE_CONSTANT,  /* the same in both plans */
    PLACE_SHAPE,     /* follows from the batch's shape alone */
    PLACE_TOKENS,    /* a row per token */
    PLACE_SEQUENCES, /* a row per sequence */
    PLACE_MIXED      /* none of these */
};

struct survey {
    const struct eng_graph *from;
    struct ragged *ragged;
    struct eng_plan *plans[PROBES];
    enum ragged_place *places; /* by value of `from` */
    bool *seen;                /* by node of `from`: its rule was asked */
    uint32_t starts;           /* value of the second graph */
    struct {
        uint32_t value; /* of the second graph */
        enum eng_dtype dtype;
        int64_t offset, step;
        bool is_list; /* [rows], not [1, rows] */
    } positions[POSITIONS_MAX];
    size_t position_count;
    bool *masks, *ids; /* by input of `from`: read as a mask, as indices */
};

/* The sizes of probe `i`. */
int64_t survey_batch(int i);
int64_t survey_length(int i);

/* The value in probe `i`. */
const struct eng_tensor *survey_tensor(const struct survey *survey,
                                       uint32_t value, int i);
int survey_rank(const struct survey *survey, uint32_t value);

/* The letter of one axis. */
char survey_axis(const struct survey *survey, uint32_t value, int axis);

/* The axis of the tokens: what stands before it is the batch or 1, what stands
 * behind it does not change. -1: there is none. */
int survey_token_axis(const struct survey *survey, uint32_t value);

/* Axis 0 is the batch, the others do not change. */
bool survey_is_sequences(const struct survey *survey, uint32_t value);

/* TOKENS, SEQUENCES or MIXED, by the value's shape. */
enum ragged_place survey_by_shape(const struct survey *survey, uint32_t value);

/*
 * An integer value that is offset + step * place in both plans, one or two axes,
 * the last of which is the length.
 */
bool survey_is_position(const struct survey *survey, uint32_t value,
                        int64_t *offset, int64_t *step);

/* All elements are the same one, in both plans. */
bool survey_is_uniform(const struct survey *survey, uint32_t value);

/* Whether what is added to the scores of attention, or says which to keep, is
 * `neutral` throughout when all inputs are ones. Marks the inputs it comes from
 * as masks. */
bool survey_is_neutral(struct survey *survey, uint32_t value, double neutral,
                       bool *is_neutral, struct error *err);

/* Marks the graph inputs that `value` is computed from. */
bool survey_mark_inputs(const struct survey *survey, uint32_t value,
                        bool *marks, struct error *err);

/* Whether a CumSum is on the way to `value`: it counts tokens. */
bool survey_is_counted(const struct survey *survey, uint32_t value,
                       bool *counted, struct error *err);

/* An input of the second graph with these positions; ENG_NO_VALUE: too many. */
uint32_t survey_position(struct survey *survey, enum eng_dtype dtype,
                         int64_t offset, int64_t step, bool is_list);

/* Node `index` of the second graph becomes this one, with the output it has.
 * ERR_OUT_OF_MEMORY, ERR_MODEL_UNSUPPORTED. */
bool survey_replace(struct survey *survey, size_t index,
                    const struct rewrite_spec *spec, struct error *err);

/* Input `i` of node `index` becomes `value` in the second graph. */
bool survey_set_input(struct survey *survey, size_t index, size_t i,
                      uint32_t value, struct error *err);

/* Keeps "node 'x' (Op) <text>" as the reason if it is the first one, and says
 * PLACE_MIXED. */
enum ragged_place survey_decline(struct survey *survey,
                                 const struct eng_node *node, const char *text);

/*
 * ragged_rules.c: asks the rule of node `index` and sets the place of its
 * outputs. Errors are faults of ours or memory; a graph that cannot be taken
 * gets places that are mixed.
 */
bool ragged_survey_node(struct survey *survey, size_t index, struct error *err);

/*
 * Finds the place of a value, where that is not known yet: nodes that only
 * change a shape are no steps of a plan, and where something follows from the
 * shape of the batch, the nodes that make it are asked for positions.
 */
bool ragged_resolve(struct survey *survey, uint32_t value, struct error *err);

#endif
