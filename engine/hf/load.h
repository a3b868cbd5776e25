/*
 * HF load: a Hugging Face folder becomes a graph.
 *
 * The folder holds config.json and model.safetensors (or its index and shards)
 * of a model of the BERT, RoBERTa or DistilBERT family; all other files are of
 * no interest here. What config.json asks for and this engine does not have is
 * refused by name; so is a tensor that the graph would not use.
 *
 * Threads: no state; a graph belongs to its caller until it is published.
 */
#ifndef ENGINE_HF_LOAD_H
#define ENGINE_HF_LOAD_H

#include "graph.h"

/* Is there a folder at `path`? */
bool hf_is_folder(const char *path);

/*
 * Fills the `graph`, zeroed but for `obstacle`, from the folder at `path`; its
 * weights have at most `size_max` bytes. On failure the caller still releases
 * the graph.
 *   ERR_FILE_MISSING       a file is missing, or the folder cannot be opened
 *   ERR_MODEL_INVALID      a file breaks its rules or a limit, or the files do
 *                          not fit each other; names field or tensor
 *   ERR_MODEL_UNSUPPORTED  a family, architecture, field value or type that is
 *                          not built; names it
 *   ERR_OUT_OF_MEMORY
 */
bool hf_load(const char *path, size_t size_max, struct eng_graph *graph,
             struct error *err);

/* The same from an open folder. */
bool hf_load_folder(int folder, size_t size_max, struct eng_graph *graph,
                    struct error *err);

#endif
