/*
 * Descriptor: see descriptor.h.
 */
#include "descriptor.h"

#if DNNL_VERSION_MAJOR >= 3

onednn_desc_view onednn_desc_of(const onednn_desc *desc)
{
    return *desc;
}

bool onednn_desc_init(onednn_desc *desc, int rank, const dnnl_dim_t *dims,
                      dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(desc, rank, dims, dnnl_f32, tag) ==
           dnnl_success;
}

void onednn_desc_release(onednn_desc *desc)
{
    if (*desc)
        (void)dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}

#else

onednn_desc_view onednn_desc_of(const onednn_desc *desc)
{
    return desc;
}

bool onednn_desc_init(onednn_desc *desc, int rank, const dnnl_dim_t *dims,
                      dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(desc, rank, dims, dnnl_f32, tag) ==
           dnnl_success;
}

void onednn_desc_release(onednn_desc *desc)
{
    (void)desc;
}

#endif

size_t onednn_desc_size(onednn_desc_view desc)
{
    return dnnl_memory_desc_get_size(desc);
}

onednn_desc_view onednn_desc_query(const_dnnl_primitive_desc_t pd,
                                   dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

static bool make_reorder(dnnl_engine_t engine, onednn_desc_view from,
                         onednn_desc_view to, dnnl_primitive_t *primitive)
{
    dnnl_primitive_desc_t pd = NULL;
    bool ok = dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine,
                                                 NULL) == dnnl_success &&
              dnnl_primitive_create(primitive, pd) == dnnl_success;

    if (pd)
        (void)dnnl_primitive_desc_destroy(pd);
    return ok;
}

bool onednn_reorder(dnnl_engine_t engine, onednn_desc_view from, void *source,
                    onednn_desc_view to, void *target)
{
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t source_memory = NULL, target_memory = NULL;
    dnnl_stream_t stream = NULL;
    bool ok = make_reorder(engine, from, to, &primitive) &&
              dnnl_memory_create(&source_memory, from, engine, source) ==
                  dnnl_success &&
              dnnl_memory_create(&target_memory, to, engine, target) ==
                  dnnl_success &&
              dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) ==
                  dnnl_success;

    if (ok) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source_memory},
                                        {DNNL_ARG_TO, target_memory}};

        ok = dnnl_primitive_execute(primitive, stream, 2, args) ==
                 dnnl_success &&
             dnnl_stream_wait(stream) == dnnl_success;
    }
    (void)dnnl_stream_destroy(stream);
    (void)dnnl_memory_destroy(source_memory);
    (void)dnnl_memory_destroy(target_memory);
    (void)dnnl_primitive_destroy(primitive);
    return ok;
}
