/*
 * ONNX files: names of the files beside an ONNX file that hold its tensors
 * ("external data"), found without loading anything: a walk over the bytes of
 * the messages that can hold a tensor, past all others.
 *
 * Threads: no state.
 */
#ifndef BASE_ONNX_FILES_H
#define BASE_ONNX_FILES_H

#include "buf.h"

/*
 * Calls `found` with each name, as often as it stands there. What is no ONNX
 * file ends the walk: whoever loads it says what is wrong. false: found() said
 * so.
 */
bool onnx_files_each(int file, bool (*found)(void *context, const char *name),
                     void *context);

#endif
