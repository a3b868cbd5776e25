/*
 * Families: the encoders of BERT, RoBERTa and DistilBERT as a graph, and the
 * heads behind them.
 *
 * One structure under several sets of names: embeddings, a layer norm, then
 * layers of attention and a feed-forward part with a layer norm behind each.
 * What differs is the names, where positions come from, and whether there are
 * segments (token types).
 *
 *   inputs   input_ids, attention_mask (1 = a token, 0 = padding), and
 *            token_type_ids where there are several types: int64 [b, s]
 *   outputs  Model: last_hidden_state [b, s, h], and pooler_output [b, h] where
 *            there are weights for it
 *            ForSequenceClassification: logits [b, labels]
 *            ForTokenClassification: logits [b, s, labels]
 *            ForMaskedLM: logits [b, s, vocabulary]
 *            ForQuestionAnswering: start_logits, end_logits [b, s]
 *
 * Threads: at load only.
 */
#ifndef ENGINE_HF_FAMILIES_H
#define ENGINE_HF_FAMILIES_H

#include "hf/parts.h"

/* What stands in front of the encoder's names in a folder with a head. */
const char *hf_family_prefix(enum hf_family family);

/*
 * Adds inputs and encoder; returns the last hidden state, [b, s, h].
 * build->prefix is set. Errors: build->err.
 */
uint32_t hf_encoder(struct hf_build *build);

/* What config->head computes of it, and the graph's outputs. */
void hf_heads(struct hf_build *build, uint32_t hidden);

/* May a folder of these families hold this tensor without the graph using it?
 * Buffers, and heads of another architecture. */
bool hf_may_be_left(const char *name, const char *prefix);

#endif
