/*
 * Descriptor: memory descriptors in the two forms that oneDNN's majors have,
 * a struct by value (2.x) and an opaque handle (3.x). For this folder only.
 *
 * Threads: no state.
 */
#ifndef ENGINE_ONEDNN_DESCRIPTOR_H
#define ENGINE_ONEDNN_DESCRIPTOR_H

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t onednn_desc;
typedef const_dnnl_memory_desc_t onednn_desc_view;
#else
typedef dnnl_memory_desc_t onednn_desc;
typedef const dnnl_memory_desc_t *onednn_desc_view;
#endif

/* The descriptor as functions of the library take it. */
onednn_desc_view onednn_desc_of(const onednn_desc *desc);

/* float32 of these dimensions in the order of `tag`. */
bool onednn_desc_init(onednn_desc *desc, int rank, const dnnl_dim_t *dims,
                      dnnl_format_tag_t tag);
void onednn_desc_release(onednn_desc *desc);

size_t onednn_desc_size(onednn_desc_view desc);

/* What a primitive descriptor says; valid while that lives. */
onednn_desc_view onednn_desc_query(const_dnnl_primitive_desc_t pd,
                                   dnnl_query_t what);

/* from -> to; executed once. */
bool onednn_reorder(dnnl_engine_t engine, onednn_desc_view from, void *source,
                    onednn_desc_view to, void *target);

#endif
