/*
 * Dump: the contract as JSON, for reviews and for emitters written elsewhere.
 *
 * Threads: one.
 */
#ifndef CODEGEN_DUMP_H
#define CODEGEN_DUMP_H

#include "ir.h"

void cg_dump(const struct cg_ir *ir, struct buf *to);

#endif
