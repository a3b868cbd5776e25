/*
 * Config: what a Hugging Face config.json says of an encoder.
 *
 * Fields that change what is computed are read, or refused by name where this
 * engine does not have them; all others are about training or texts.
 *
 * Threads: immutable after reading.
 */
#ifndef ENGINE_HF_CONFIG_H
#define ENGINE_HF_CONFIG_H

#include "arena.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_family { HF_BERT, HF_ROBERTA, HF_DISTILBERT };

/* What follows the encoder, from `architectures`. */
enum hf_head {
    HF_HEAD_NONE, /* ...Model */
    HF_HEAD_SEQUENCE,
    HF_HEAD_TOKEN,
    HF_HEAD_MASKED,
    HF_HEAD_QUESTION
};

struct hf_config {
    enum hf_family family;
    enum hf_head head;
    const char *architecture; /* "" = the file does not say */
    const char *type;         /* model_type */
    int64_t hidden, layers, heads, inner;
    int64_t positions, types, vocabulary; /* rows of the tables */
    int64_t pad_id;
    int64_t labels;         /* 0 = the file does not say */
    double epsilon;         /* of the layer norms */
    const char *activation; /* of Linear: "Gelu", "GeluTanh", "Relu" ... */
    float activation_alpha;
    bool tied; /* the masked language head uses the word embeddings */
};

/*
 * Reads config.json beneath the open folder; texts lie in `arena`.
 *   ERR_FILE_MISSING       there is none
 *   ERR_MODEL_INVALID      no JSON, or a field of another type or size
 *   ERR_MODEL_UNSUPPORTED  a family, architecture or field value that this
 *                          engine does not have; names it
 *   ERR_OUT_OF_MEMORY
 */
bool hf_config_read(struct hf_config *config, int folder, struct arena *arena,
                    struct error *err);

#endif
