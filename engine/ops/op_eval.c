/*
 * Choosing an implementation, and running one node by itself while planning.
 */
#include <stdlib.h>
#include <string.h>

#include "op.h"

enum { SCRATCH_ALIGNMENT = 64 };

bool op_choose(struct op_node *op, struct error *err)
{
    if (op->widened)
        return op_widened_choose(op, err);
    for (size_t i = 0; i < op->node->row_count; i++) {
        const struct op_impl *impl = op->node->rows[i].impl;

        if (impl->accepts && !impl->accepts(op))
            continue;
        op->impl = impl;
        if (!(impl->flags & OP_PACKED))
            op_unpack_inputs(op);
        if (impl->prepare && !impl->prepare(op, err))
            return false;
        op_unpack_inputs(op);
        return true;
    }
    return fail(err, ERR_MODEL_UNSUPPORTED, "no implementation takes %s input",
                op->in_count && op->in[0] ? eng_dtype_name(op->in[0]->dtype)
                                          : "this");
}

/* Memory for outputs that infer left unknown. */
static bool alloc_outputs(struct op_node *op, void **data, struct error *err)
{
    for (size_t i = 0; i < op->out_count; i++) {
        size_t size = eng_tensor_size(op->out[i]);
        void *bytes = size == SIZE_MAX ? NULL : arena_alloc(op->arena, size);

        if (!bytes)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for output %zu", i);
        memset(bytes, 0, size);
        data[op->out_value[i]] = bytes;
    }
    return true;
}

/* prepare is done; bind, run, unbind. */
static bool run_once(struct op_node *op, void **data, void *scratch,
                     struct error *err)
{
    void *bound = NULL;
    size_t index = op->index;
    struct op_frame frame = {.data = data, .bound = &bound, .scratch = scratch};
    bool ok;

    if (op->now) {
        frame.seat = op->now->seat;
        frame.limits = op->now->limits;
    }
    op->index = 0;
    ok = (!op->impl->bind || op->impl->bind(op, &bound, err)) &&
         op->impl->run(op, &frame, err);
    if (op->impl->unbind)
        op->impl->unbind(bound);
    op->index = index;
    return ok;
}

bool op_eval(struct op_node *op, void **data, struct error *err)
{
    void *scratch = NULL;
    bool ok = false;

    if (!op_choose(op, err) || !alloc_outputs(op, data, err))
        goto out;
    if (op->scratch_bytes) {
        size_t size = (op->scratch_bytes + SCRATCH_ALIGNMENT - 1) &
                      ~(size_t)(SCRATCH_ALIGNMENT - 1);

        scratch = aligned_alloc(SCRATCH_ALIGNMENT, size);
        if (!scratch) {
            fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu bytes", size);
            goto out;
        }
    }
    for (size_t i = 0; i < op->in_count; i++) {
        if (op->in[i])
            data[op->in_value[i]] = op->in[i]->data;
    }
    ok = run_once(op, data, scratch, err);
    for (size_t i = 0; ok && i < op->out_count; i++)
        op->out[i]->data = data[op->out_value[i]];
out:
    free(scratch);
    if (op->impl && op->impl->release)
        op->impl->release(op);
    return ok;
}
