/*
 * Descriptor: a .proto file compiled by protoc to a FileDescriptorProto.
 *
 * Threads: one.
 */
#ifndef CODEGEN_DESCRIPTOR_H
#define CODEGEN_DESCRIPTOR_H

#include "ir.h"

/*
 * Compiles `text` under the name `name`; imports are looked up below `folder`
 * (where it is put) and in the foreign files of the API. What protoc says is a
 * fault of the file `blame`; false then.
 */
bool cg_descriptor_make(struct cg_ir *ir, const char *folder, const char *name,
                        const struct buf *text, const char *blame,
                        struct cg_descriptor *descriptor);

#endif
