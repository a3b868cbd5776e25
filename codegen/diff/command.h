/*
 * specgen diff and specgen release, without the loading.
 *
 * Threads: one.
 */
#ifndef CODEGEN_DIFF_COMMAND_H
#define CODEGEN_DIFF_COMMAND_H

#include "changes.h"
#include "ir.h"

/*
 * Compares, applies the waivers and writes the report. `broken`: changes of
 * level error that nothing waives. Faults of the waivers are faults of `now`.
 * false: an option or the file of waivers is no good.
 */
bool cg_diff_command(struct cg_ir *was, struct cg_ir *now,
                     const struct change_options *options, struct buf *report,
                     size_t *broken, struct error *err);

/* Copies the contract, without its examples, to <api>/released. */
bool cg_keep_release(struct cg_ir *ir, struct error *err);

#endif
