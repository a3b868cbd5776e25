/*
 * Check: completes the IR and reports what no output could carry.
 *
 * Threads: one.
 */
#ifndef CODEGEN_CHECK_H
#define CODEGEN_CHECK_H

#include "ir.h"

/* Gives every declaration its spellings and every API its file names. */
void cg_name(struct cg_ir *ir);

/* Gives every field and enum value its number: what the schema says (x-n),
 * else what the lock file holds, else the next free one. Numbers of removed
 * members become reserved. The lock's new text is ir->lock. */
void cg_number(struct cg_ir *ir);

/* Marks every number of the lock as released with `version`, which must
 * outlive the IR, and writes ir->lock again. */
void cg_release(struct cg_ir *ir, const char *version);

/* Faults: hazards and collisions of names, unions that JSON types cannot tell
 * apart, endpoints that clash. */
void cg_check(struct cg_ir *ir);

#endif
