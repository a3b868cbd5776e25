/*
 * Weights: the tensors of a Hugging Face folder by name, whatever files they
 * lie in, and which of them the graph has taken.
 *
 *   model.safetensors                  one file, or
 *   model.safetensors.index.json       which tensor lies in which file beside it
 *
 * A folder with the base model's prefix in front of its names ("bert.") and
 * one without are the same to whoever asks: names are asked for without it.
 *
 * Threads: the caller serialises.
 */
#ifndef ENGINE_HF_WEIGHTS_H
#define ENGINE_HF_WEIGHTS_H

#include "arena.h"
#include "hf/safetensors.h"

enum { HF_SHARDS_MAX = 256, HF_NAME_SIZE = 160 };

struct hf_weight {
    const struct safetensor *item;
    const struct safetensors *file;
    uint32_t value; /* of the graph; ENG_NO_VALUE = not taken yet */
};

struct hf_weights {
    struct arena arena; /* of everything here */
    struct safetensors *files;
    size_t file_count;
    struct hf_weight *items; /* sorted by name */
    size_t count;
    uint64_t bytes; /* of all files */
};

/*
 * Opens the weights of the open folder; release them in any case. All files
 * together have at most `size_max` bytes.
 *   ERR_FILE_MISSING       neither of the two files is there
 *   ERR_MODEL_INVALID      see safetensors_open(); the index and the files
 *                          contradict each other; names tensor and file
 *   ERR_MODEL_UNSUPPORTED, ERR_OUT_OF_MEMORY
 */
bool hf_weights_open(struct hf_weights *weights, int folder, uint64_t size_max,
                     struct error *err);
void hf_weights_release(struct hf_weights *weights);

/* The tensor of exactly this name, or NULL. */
struct hf_weight *hf_weights_find(const struct hf_weights *weights,
                                  const char *name);

/* Does a name begin so? */
bool hf_weights_have_prefix(const struct hf_weights *weights,
                            const char *prefix);

#endif
