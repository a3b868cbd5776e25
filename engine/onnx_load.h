/*
 * ONNX loader: an ONNX file becomes a graph.
 *
 * Only the onnx_load*.c files see ONNX messages. The file is mapped while it
 * is loaded. Its bytes are walked once with fixed bounds before protobuf-c
 * parses anything; weights go straight from the mapping into the graph's
 * arena and their pages are let go one tensor after the other.
 *
 * Threads: no state; a graph belongs to its caller until it is published.
 */
#ifndef ENGINE_ONNX_LOAD_H
#define ENGINE_ONNX_LOAD_H

#include "graph.h"

/*
 * Fills the `graph`, zeroed but for `obstacle`, from the file at `path`, of at most
 * `file_size_max` bytes. On failure the caller still releases the graph.
 *   ERR_FILE_MISSING       cannot be opened, or is no regular file
 *   ERR_MODEL_INVALID      breaks ONNX's rules or a limit; names the thing
 *   ERR_MODEL_UNSUPPORTED  legal, but a type or feature that is not built
 *   ERR_OUT_OF_MEMORY
 */
bool onnx_load(const char *path, size_t file_size_max, struct eng_graph *graph,
               struct error *err);

/* As onnx_load() for bytes in memory, with no folder for external data. */
bool onnx_load_bytes(const void *bytes, size_t size, struct eng_graph *graph,
                     struct error *err);

#endif
