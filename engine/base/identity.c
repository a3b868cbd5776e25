/*
 * Identity: names of files first, then their bytes.
 */
#include "identity.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "beneath.h"
#include "doc.h"
#include "onnx_files.h"
#include "sha256.h"

static const char *const endings[BUNDLE_KIND_COUNT][2] = {
    [BUNDLE_MODELSPEC] = {".modelspec", ".modelspec"},
    [BUNDLE_MODELSERVICE] = {".modelservice", ".modelservice"},
    [BUNDLE_BEHAVIORSPEC] = {".behavior", ".behaviorspec"},
};

static bool ends_with(const char *text, size_t size, const char *ending)
{
    size_t length = strlen(ending);

    return size >= length && memcmp(text + size - length, ending, length) == 0;
}

bool bundle_names_kind(const char *name, enum bundle_kind kind)
{
    static const char *const formats[] = {".yaml", ".yml", ".json"};
    size_t size = strlen(name);

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!ends_with(name, size, formats[i]))
            continue;
        size -= strlen(formats[i]);
        return ends_with(name, size, endings[kind][0]) ||
               ends_with(name, size, endings[kind][1]);
    }
    return false;
}

const char *bundle_kind_ending(enum bundle_kind kind)
{
    return endings[kind][0];
}

/* ---- a list of files ---- */

struct file {
    const char *path; /* beneath the bundle's folder */
    char hex[SHA256_HEX];
};

struct files {
    struct file *items;
    size_t count, capacity;
};

struct reading {
    const char *folder;
    int fd; /* of the folder */
    const atomic_bool *stop;
    struct arena arena;
    struct sha256 *hash;
    unsigned char *piece; /* PIECE bytes of a file */
    const char *names[BUNDLE_KIND_COUNT];
    const char *weights; /* path of the model: a file or a folder */
    struct files documents, model;
    struct error *err;
};

enum { PIECE = 256 * 1024, FILES_MAX = 1 << 16 };

static bool no_memory(struct reading *reading)
{
    return fail(reading->err, ERR_OUT_OF_MEMORY,
                "no memory for the bundle's digest");
}

static bool is_stopped(const struct reading *reading)
{
    return reading->stop && *reading->stop &&
           !fail(reading->err, ERR_CANCELLED, "stopped");
}

/* A line break in a name could make two lists look alike. A file may come
 * several times: see settle(). */
static bool add(struct reading *reading, struct files *files, const char *path)
{
    if (!path)
        return no_memory(reading);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (strpbrk(path, "\n\r"))
        return fail(reading->err, ERR_FILE_INVALID,
                    "a file's name has a line break");
    if (files->count && strcmp(files->items[files->count - 1].path, path) == 0)
        return true;
    if (files->count == FILES_MAX)
        return fail(reading->err, ERR_FILE_INVALID,
                    "the bundle names more than %d files", FILES_MAX);
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 8;
        struct file *items = realloc(files->items, capacity * sizeof *items);

        if (!items)
            return no_memory(reading);
        files->items = items;
        files->capacity = capacity;
    }
    files->items[files->count++].path = path;
    return !is_stopped(reading);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path,
                  ((const struct file *)b)->path);
}

/* Brings the files in the order of their paths, each once. */
static void settle(struct files *files)
{
    size_t kept = 0;

    if (files->count)
        qsort(files->items, files->count, sizeof *files->items, compare_paths);
    for (size_t i = 0; i < files->count; i++)
        if (!kept ||
            strcmp(files->items[kept - 1].path, files->items[i].path) != 0)
            files->items[kept++] = files->items[i];
    files->count = kept;
}

/* ---- which files ---- */

static bool find_document(struct reading *reading, const char *name)
{
    for (int i = 0; i < BUNDLE_KIND_COUNT; i++) {
        if (!bundle_names_kind(name, (enum bundle_kind)i))
            continue;
        if (reading->names[i])
            return fail(reading->err, ERR_FILE_INVALID,
                        "the bundle has two documents *%s.yaml", endings[i][0]);
        reading->names[i] = arena_strdup(&reading->arena, name);
        return add(reading, &reading->documents, reading->names[i]);
    }
    return true;
}

/* Calls `each` for every name in the folder at `path`. */
static bool list_folder(struct reading *reading, const char *path,
                        bool (*each)(struct reading *reading, const char *name))
{
    DIR *folder = path ? opendir(path) : NULL;
    const struct dirent *entry;
    bool ok = true;

    if (!folder)
        return fail(reading->err, ERR_FILE_MISSING, "cannot open '%s': %s",
                    path ? path : "", strerror(errno));
    while (ok && (entry = readdir(folder)))
        ok = each(reading, entry->d_name);
    (void)closedir(folder);
    return ok;
}

static const struct doc_node *read_document(struct reading *reading,
                                            enum bundle_kind kind)
{
    const char *name = reading->names[kind];
    struct doc_report report;
    const struct doc_node *root = NULL;
    const char *text;
    size_t size;

    if (!name) {
        (void)fail(reading->err, ERR_DOCUMENT_INVALID,
                   "the bundle has no file *%s.yaml", endings[kind][0]);
        return NULL;
    }
    text = beneath_read(reading->fd, name, DOC_SIZE_MAX, &reading->arena, &size,
                        reading->err);
    if (!text)
        return NULL;
    doc_report_init(&report, &reading->arena);
    root = ends_with(name, strlen(name), ".json")
               ? doc_parse_json(name, text, size, &reading->arena, &report)
               : doc_parse_yaml(name, text, size,
                                kind == BUNDLE_MODELSPEC ? DOC_YAML_1_1
                                                         : DOC_YAML_CORE,
                                &reading->arena, &report);
    if (!root)
        (void)fail(reading->err, ERR_DOCUMENT_INVALID, "'%s' cannot be read",
                   name);
    return root;
}

static bool find_external(void *context, const char *name)
{
    struct reading *reading = context;
    const char *slash = strrchr(reading->weights, '/');
    int above = slash ? (int)(slash - reading->weights) + 1 : 0;

    return add(
        reading, &reading->model,
        arena_printf(&reading->arena, "%.*s%s", above, reading->weights, name));
}

static bool find_onnx(struct reading *reading, const char *path)
{
    int file = beneath_open(reading->fd, path, reading->err);
    bool ok;

    if (file < 0)
        return false;
    reading->weights = path;
    ok = add(reading, &reading->model, path) &&
         onnx_files_each(file, find_external, reading);
    (void)close(file);
    return ok;
}

/* What a folder of transformers is loaded from. */
static bool find_part(struct reading *reading, const char *name)
{
    static const char *const parts[] = {
        "config.json", "model.safetensors.index.json", ".safetensors"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i][0] == '.' ? ends_with(name, strlen(name), parts[i])
                               : strcmp(name, parts[i]) == 0)
            return add(
                reading, &reading->model,
                arena_printf(&reading->arena, "%s/%s", reading->weights, name));
    return true;
}

static bool find_weights(struct reading *reading, const struct doc_node *model)
{
    const char *path = doc_string(doc_at(model, "artifacts.modelUri"), "");
    const char *framework = doc_string(doc_get(model, "framework"), "");
    size_t size = strlen(path);

    if (!path[0])
        return fail(reading->err, ERR_DOCUMENT_INVALID,
                    "the ModelSpec names no weights");
    if (strcmp(framework, "transformers") != 0)
        return find_onnx(reading, path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    reading->weights = arena_copy(&reading->arena, path, size);
    return reading->weights &&
           list_folder(reading,
                       arena_printf(&reading->arena, "%s/%s", reading->folder,
                                    reading->weights),
                       find_part);
}

/* Steps may read labels from a file. */
static bool find_labels(struct reading *reading, const struct doc_node *steps)
{
    bool is_map = steps && steps->type == DOC_MAP;

    for (size_t i = 0; is_map && i < steps->size; i++) {
        const char *name =
            doc_string(doc_get(steps->entries[i].value, "labelsFile"), NULL);

        if (name && !add(reading, &reading->model, name))
            return false;
    }
    return true;
}

static bool find_model(struct reading *reading)
{
    const struct doc_node *spec = read_document(reading, BUNDLE_MODELSPEC);
    const struct doc_node *service =
        spec ? read_document(reading, BUNDLE_MODELSERVICE) : NULL;
    const struct doc_node *model = doc_at(spec, "spec.identity.model");
    const char *tokenizer =
        doc_string(doc_at(model, "artifacts.tokenizerUri"), "");

    return service && find_weights(reading, model) &&
           (!tokenizer[0] || add(reading, &reading->model, tokenizer)) &&
           find_labels(reading, doc_at(service, "spec.steps"));
}

/* ---- bytes ---- */

static bool hash_open(struct reading *reading, int fd, struct file *file)
{
    for (;;) {
        ssize_t got = read(fd, reading->piece, PIECE);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(reading->err, ERR_FILE_MISSING,
                        "'%s' cannot be read: %s", file->path, strerror(errno));
        if (got == 0)
            break;
        if (is_stopped(reading))
            return false;
        sha256_add(reading->hash, reading->piece, (size_t)got);
    }
    sha256_hex(reading->hash, file->hex);
    return true;
}

static bool hash_files(struct reading *reading, struct files *files)
{
    settle(files);
    for (size_t i = 0; i < files->count; i++) {
        int fd = beneath_open(reading->fd, files->items[i].path, reading->err);
        bool ok = fd >= 0 && hash_open(reading, fd, &files->items[i]);

        if (fd >= 0)
            (void)close(fd);
        if (!ok)
            return false;
    }
    return true;
}

/* The digest of a list whose files are hashed. */
static void digest(struct reading *reading, struct files *files,
                   char text[IDENTITY_TEXT])
{
    static const char prefix[] = "sha256:";

    settle(files);
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->items[i];

        sha256_add(reading->hash, file->hex, SHA256_HEX - 1);
        sha256_add(reading->hash, "  ", 2);
        sha256_add(reading->hash, file->path, strlen(file->path));
        sha256_add(reading->hash, "\n", 1);
    }
    (void)memcpy(text, prefix, sizeof prefix);
    sha256_hex(reading->hash, text + sizeof prefix - 1);
}

/* ---- all of it ---- */

static bool begin(struct reading *reading, const char *folder,
                  struct error *err)
{
    *reading = (struct reading){.folder = folder, .err = err};
    arena_init(&reading->arena, 0);
    reading->fd = beneath_folder(folder, err);
    if (reading->fd < 0)
        return false;
    reading->hash = sha256_new();
    reading->piece = malloc(PIECE);
    if (!reading->hash || !reading->piece)
        return no_memory(reading);
    return list_folder(reading, folder, find_document) &&
           hash_files(reading, &reading->documents);
}

static void end(struct reading *reading)
{
    free(reading->documents.items);
    free(reading->model.items);
    free(reading->piece);
    sha256_free(reading->hash);
    if (reading->fd >= 0)
        (void)close(reading->fd);
    arena_release(&reading->arena);
}

bool identity_documents(const char *folder, struct identity *identity,
                        struct error *err)
{
    struct reading reading;
    bool ok = begin(&reading, folder, err);

    if (ok)
        digest(&reading, &reading.documents, identity->documents);
    end(&reading);
    return ok;
}

/* Both lists as one. */
static bool join(struct reading *reading)
{
    struct files *all = &reading->documents;

    for (size_t i = 0; i < reading->model.count; i++) {
        if (!add(reading, all, reading->model.items[i].path))
            return false;
        all->items[all->count - 1] = reading->model.items[i];
    }
    return true;
}

bool identity_read(const char *folder, const atomic_bool *stop,
                   struct identity *identity, struct error *err)
{
    struct reading reading;
    struct identity all = {.bundle = ""};
    bool ok = begin(&reading, folder, err);

    reading.stop = stop;
    ok = ok && find_model(&reading) && hash_files(&reading, &reading.model);
    if (ok) {
        digest(&reading, &reading.documents, all.documents);
        digest(&reading, &reading.model, all.model);
    }
    ok = ok && join(&reading);
    if (ok) {
        digest(&reading, &reading.documents, all.bundle);
        *identity = all;
    }
    end(&reading);
    return ok;
}
