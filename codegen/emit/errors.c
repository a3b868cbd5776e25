/*
 * errors: gen/c/errors.def, the catalogue as one table for both protocols.
 */
#include "emit.h"

void cg_emit_errors(const struct cg_ir *ir, struct cg_out *out)
{
    struct buf *to = cg_out_open(out, "c/errors.def");

    cg_head(to, "api/errors.yaml");
    for (size_t i = 0; i < ir->error_count; i++) {
        const struct cg_error *error = &ir->errors[i];

        buf_printf(to, "ERR(%s, %d, %d, %s, ", error->name, error->http,
                   error->grpc_number, error->retry);
        cg_quote(to, error->doc);
        buf_string(to, ")\n");
    }
}
