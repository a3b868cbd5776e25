/*
 * Einsum equations: text to labels, one per dimension of every input and of the
 * output.
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_EINSUM_H
#define ENGINE_OPS_EINSUM_H

#include "walk.h"

/*
 * Labels: 'A'-'Z', 'a'-'z', then the dimensions behind "...": the last of them
 * is the last label, so that they line up from the right.
 */
enum { EINSUM_LETTERS = 52, EINSUM_LABELS = EINSUM_LETTERS + ENG_RANK_MAX };

struct einsum_term {
    int rank;
    int label[ENG_RANK_MAX];
};

struct einsum_equation {
    struct einsum_term in[OP_OPERANDS_MAX];
    struct einsum_term out;
};

/*
 * Reads the attribute `equation`; the node has at most OP_OPERANDS_MAX inputs.
 *   ERR_MODEL_INVALID  no equation, a character that has no place in it, a term
 *                      that does not fit its input's rank, an output label that
 *                      is no input's or stands twice
 */
bool einsum_parse(const struct op_node *op, struct einsum_equation *equation,
                  struct error *err);

#endif
