/*
 * ONNX loader: from the path to a sorted graph. See onnx_load.h.
 */
#include "onnx_load.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx_load_parts.h"

enum {
    IR_NEWEST = 13,   /* of ONNX 1.22 */
    GRAPH_FIELD = 7,  /* ModelProto.graph */
    WEIGHT_FIELD = 5, /* GraphProto.initializer */
    DEPTH_LIMIT = 100 /* messages; three per level of If */
};

/* What protobuf-c may take: raw weights do not count, they are cut out. */
static struct wire_limits limits_for(size_t size)
{
    return (struct wire_limits){DEPTH_LIMIT, 1000000 + size / 4,
                                ((size_t)48 << 20) + 12 * size};
}

/* --- the model message --- */

static bool check_model(const struct Onnx__ModelProto *model, struct error *err)
{
    if (model->ir_version < 1)
        return fail(err, ERR_MODEL_INVALID, "not an ONNX model: no IR version");
    if (model->ir_version > IR_NEWEST)
        return fail(err, ERR_MODEL_UNSUPPORTED, "IR version %lld, newest is %d",
                    (long long)model->ir_version, IR_NEWEST);
    if (model->n_opset_import > ONNX_OPSETS_MAX)
        return fail(err, ERR_MODEL_INVALID, "%zu opset imports, limit %d",
                    model->n_opset_import, ONNX_OPSETS_MAX);
    if (!model->n_opset_import)
        return fail(err, ERR_MODEL_INVALID, "the model imports no opset");
    return true;
}

static bool add_opset(struct onnx_loader *loader,
                      const struct Onnx__OperatorSetIdProto *from,
                      struct error *err)
{
    struct eng_graph *graph = loader->graph;
    const char *domain = from->domain ? from->domain : "";
    struct onnx_opset *opset = &loader->opsets[loader->opset_count];

    if (!onnx_name_check(domain, "domain", err))
        return false;
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    if (from->version < 1)
        return fail(err, ERR_MODEL_INVALID, "domain '%.80s' imports opset %lld",
                    domain, (long long)from->version);
    for (size_t i = 0; i < loader->opset_count; i++) {
        if (strcmp(loader->opsets[i].domain, domain) == 0)
            return fail(err, ERR_MODEL_INVALID,
                        "domain '%.80s' is imported twice", domain);
    }
    opset->domain = arena_strdup(&graph->arena, domain);
    opset->version = from->version;
    if (!opset->domain)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the opsets");
    if (!*domain)
        graph->opset = from->version;
    loader->opset_count++;
    return true;
}

bool onnx_load_opsets(struct onnx_loader *loader,
                      const struct Onnx__ModelProto *model, struct error *err)
{
    loader->opsets = arena_zalloc(&loader->graph->arena, model->n_opset_import,
                                  sizeof *loader->opsets);
    if (!loader->opsets)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the opsets");
    for (size_t i = 0; i < model->n_opset_import; i++) {
        if (!add_opset(loader, model->opset_import[i], err))
            return false;
    }
    return true;
}

/* For people only: a name that is not printable is left out. */
static bool keep_producer(struct onnx_loader *loader,
                          const struct Onnx__ModelProto *model,
                          struct error *err)
{
    const char *name = model->producer_name ? model->producer_name : "";
    struct error ignored;

    loader->graph->producer =
        arena_strdup(&loader->graph->arena,
                     onnx_name_check(name, "producer", &ignored) ? name : "");
    return loader->graph->producer ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for the model");
}

/* Everything of the model but its graph; the graph's bytes come back. */
static bool load_header(struct onnx_loader *loader, struct wire_span file,
                        struct wire_span *graph, struct error *err)
{
    struct buf rest = {0}, cut = {0};
    struct Onnx__ModelProto *model = NULL;
    bool ok = false;

    if (!wire_cut(file, GRAPH_FIELD, &rest, &cut, err))
        goto out;
    model =
        onnx__model_proto__unpack(NULL, rest.size, (const uint8_t *)rest.data);
    if (!model) {
        fail(err, ERR_MODEL_INVALID, "not an ONNX model: no valid header");
        goto out;
    }
    if (!check_model(model, err))
        goto out;
    if (cut.size != sizeof *graph) {
        fail(err, ERR_MODEL_INVALID, "the model has %zu graphs, expected 1",
             cut.size / sizeof *graph);
        goto out;
    }
    memcpy(graph, cut.data, sizeof *graph);
    ok = keep_producer(loader, model, err) &&
         onnx_load_opsets(loader, model, err);
out:
    if (model)
        onnx__model_proto__free_unpacked(model, NULL);
    buf_release(&rest);
    buf_release(&cut);
    return ok;
}

static bool load_body(struct onnx_loader *loader, struct wire_span bytes,
                      struct error *err)
{
    struct buf rest = {0}, weights = {0};
    struct Onnx__GraphProto *proto = NULL;
    bool ok = false;

    if (!wire_cut(bytes, WEIGHT_FIELD, &rest, &weights, err))
        goto out;
    proto =
        onnx__graph_proto__unpack(NULL, rest.size, (const uint8_t *)rest.data);
    if (!proto) {
        fail(err, ERR_MODEL_INVALID, "not an ONNX model: no valid graph");
        goto out;
    }
    ok = onnx_load_graph(loader, proto,
                         (const struct wire_span *)(void *)weights.data,
                         weights.size / sizeof(struct wire_span), err);
out:
    if (proto)
        onnx__graph_proto__free_unpacked(proto, NULL);
    buf_release(&rest);
    buf_release(&weights);
    return ok;
}

/* Fills loader->graph, which is zeroed. */
static bool load_span(struct onnx_loader *loader, struct wire_span file,
                      struct error *err)
{
    struct eng_graph *graph = loader->graph;
    struct wire_limits limits = limits_for(file.size);
    struct wire_span body;
    bool ok;

    arena_init(&graph->arena, 0);
    graph->file_bytes = file.size;
    if (!file.size)
        return fail(err, ERR_MODEL_INVALID, "the model file is empty");
    ok = wire_check(file, &onnx__model_proto__descriptor, &limits, err) &&
         load_header(loader, file, &body, err) &&
         load_body(loader, body, err) && eng_graph_sort(graph, err) &&
         eng_graph_bind(graph, err);
    free(loader->names);
    return ok;
}

bool onnx_load_bytes(const void *bytes, size_t size, struct eng_graph *graph,
                     struct error *err)
{
    struct onnx_loader loader = {.graph = graph, .folder = -1};

    return load_span(&loader, (struct wire_span){bytes, size}, err);
}

/* --- files --- */

/* Maps a regular file of at most `size_max` bytes; unmap `span` if it has a
 * size. */
static bool map_file(const char *path, size_t size_max, struct wire_span *span,
                     struct error *err)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    void *bytes;

    *span = (struct wire_span){NULL, 0};
    if (file < 0)
        return fail(err, ERR_FILE_MISSING, "the model file cannot be opened");
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void)close(file);
        return fail(err, ERR_FILE_MISSING, "the model is not a regular file");
    }
    if ((uint64_t)info.st_size > size_max) {
        (void)close(file);
        return fail(err, ERR_MODEL_INVALID,
                    "the model file has %lld bytes, limit %zu",
                    (long long)info.st_size, size_max);
    }
    if (!info.st_size) {
        (void)close(file);
        return true;
    }
    bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    (void)close(file);
    if (bytes == MAP_FAILED)
        return fail(err, ERR_OUT_OF_MEMORY, "the model file cannot be mapped");
    *span = (struct wire_span){bytes, (size_t)info.st_size};
    return true;
}

static void unmap_file(struct wire_span span)
{
    if (span.size)
        (void)munmap((void *)(uintptr_t)span.bytes, span.size);
}

static int open_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
    int fd = -1;

    if (!slash || folder)
        fd = open(folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return fd;
}

bool onnx_load(const char *path, size_t file_size_max, struct eng_graph *graph,
               struct error *err)
{
    struct onnx_loader loader = {.graph = graph};
    struct wire_span file;
    bool ok;

    if (!map_file(path, file_size_max, &file, err))
        return false;
    loader.folder = open_folder(path);
    loader.let_go = file.bytes;
    ok = load_span(&loader, file, err);
    if (loader.folder >= 0)
        (void)close(loader.folder);
    unmap_file(file);
    return ok;
}

bool eng_tensor_read(const char *path, struct arena *arena,
                     struct eng_tensor *tensor, struct error *err)
{
    struct wire_limits limits;
    struct wire_span file;
    bool ok;

    if (!map_file(path, (size_t)1 << 31, &file, err))
        return false;
    limits = limits_for(file.size);
    ok = wire_check(file, &onnx__tensor_proto__descriptor, &limits, err) &&
         onnx_load_tensor_bytes(file, -1, arena, tensor, NULL, err);
    unmap_file(file);
    return ok;
}
