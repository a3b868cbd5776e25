/*
 * Safetensors: the weights file of a Hugging Face folder.
 *
 *   8 bytes   n, the header's size, little endian
 *   n bytes   a JSON object: name -> {"dtype", "shape", "data_offsets"}, and
 *             perhaps "__metadata__", strings that change nothing
 *   the rest  elements, row-major, little endian
 *
 * Opening checks everything that the header says before anything is allocated
 * for a tensor: sizes and counts have limits, every name comes once, bytes and
 * shape agree, and the tensors cover the rest of the file exactly, without gap
 * or overlap. Elements are read from the file when they are asked for.
 *
 * Threads: the caller serialises; an open file is read only.
 */
#ifndef ENGINE_HF_SAFETENSORS_H
#define ENGINE_HF_SAFETENSORS_H

#include "engine.h"

/* Limits, checked before the header's JSON is walked. */
enum {
    SAFETENSORS_HEADER_MAX = 16 * 1024 * 1024,
    SAFETENSORS_COUNT_MAX = 100000,
    SAFETENSORS_NAME_MAX = 1024
};

struct safetensor {
    const char *name;
    struct eng_tensor form; /* type and shape; no data */
    uint64_t begin, end;    /* bytes, from the first element of the file on */
};

struct safetensors {
    int file; /* -1 = not open */
    uint64_t data_start;
    struct safetensor *items; /* in the order of their bytes */
    size_t count;
};

/*
 * Opens `name` beneath `folder` and reads its header into `arena`; `file` is
 * closed (-1) before. Close it in any case.
 *   ERR_FILE_MISSING       there is none
 *   ERR_MODEL_INVALID      breaks the format's rules or a limit, is a link or
 *                          larger than `size_max`; names file and tensor
 *   ERR_MODEL_UNSUPPORTED  a type this engine does not know
 *   ERR_OUT_OF_MEMORY
 */
bool safetensors_open(struct safetensors *file, int folder, const char *name,
                      uint64_t size_max, struct arena *arena,
                      struct error *err);
void safetensors_close(struct safetensors *file);

/*
 * The elements as float32, in `arena`, 64-byte aligned: F32 as they are, F16
 * and BF16 widened, which is exact.
 *   ERR_MODEL_UNSUPPORTED  another type
 *   ERR_MODEL_INVALID      an element is infinite or not a number; the file
 *                          got shorter
 *   ERR_OUT_OF_MEMORY
 */
bool safetensors_read(const struct safetensors *file,
                      const struct safetensor *item, struct arena *arena,
                      struct eng_tensor *tensor, struct error *err);

#endif
