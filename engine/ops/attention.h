/*
 * Attention: what the attention operators share: one head at a time, in float.
 *
 *   scores [q_seq, kv_seq] = scale q k', y = softmax(scores + masks) v
 *
 * Threads: no state.
 */
#ifndef ENGINE_OPS_ATTENTION_H
#define ENGINE_OPS_ATTENTION_H

#include "real.h"

/* Sizes, and dense rows in scratch memory: q [q_seq, size], k [kv_seq, size],
 * v [kv_seq, v_size], scores [q_seq, kv_seq], y [q_seq, v_size]. */
struct op_head {
    int64_t q_seq, kv_seq, size, v_size;
    float scale;
    float *q, *k, *v, *scores, *y;
    void *room; /* of the kernel */
};

/* Bytes for a head behind `before` floats, into op->scratch_bytes.
 * ERR_MODEL_INVALID: too many. */
bool op_head_room(struct op_node *op, const struct op_head *sizes,
                  size_t before, struct error *err);

/* Points the head's rows into memory. */
void op_head_place(struct op_head *head, float *memory);

/* scores = scale q k' */
void op_head_scores(const struct op_head *head);

/* Each row becomes its softmax; rows of -infinity alone become 0. */
void op_head_softmax(const struct op_head *head);

/* y = scores v */
void op_head_values(const struct op_head *head);

/*
 * All of it at once: y = softmax(scale q k' + scores) v, where `scores` holds
 * what is added (op_head_clear(), then op_head_add() and its kin), or, without
 * `adds`, y = softmax(scale q k') v. Rows of -infinity alone become 0.
 */
void op_head_attend(const struct op_head *head, bool adds);

/* scores = 0 */
void op_head_clear(const struct op_head *head);

/* scores[s, t] = -infinity where t > s + offset. */
void op_head_causal(const struct op_head *head, int64_t offset);

/* A stack of heads: element (b, h, row, i) lies at b * batch + h * head +
 * row * row_step + i. `heads` of them; more heads of q share one. */
struct op_heads {
    enum eng_dtype dtype;
    int64_t batch, head, row, first;
    int64_t heads, rows, size;
};

/* Steps of a tensor [batch, heads, rows, size] or [batch, rows, heads size]. */
bool op_heads_read(const struct eng_tensor *tensor, int64_t heads,
                   struct op_heads *stack, struct error *err);

/* Rows of (b, h) to or from dense memory. */
void op_heads_load(const struct op_heads *stack, const void *data, int64_t b,
                   int64_t h, float *to);
void op_heads_store(const struct op_heads *stack, const float *from, int64_t b,
                    int64_t h, void *data);

/* Adds a tensor that broadcasts to [batch, heads, q_seq, kv_seq]; bool: false
 * masks. Its last dimension may be shorter: what it lacks is masked. */
void op_head_add(const struct op_head *head, const struct eng_tensor *bias,
                 const void *data, int64_t b, int64_t h);

/* Its shape fits. ERR_MODEL_INVALID. */
bool op_head_check_add(const struct op_node *op, size_t input, int64_t batch,
                       int64_t heads, const struct op_head *head,
                       struct error *err);

#endif
