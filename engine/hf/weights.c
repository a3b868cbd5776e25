/*
 * Weights: opens one file or what the index lists, then sorts all names.
 */
#include "weights.h"

#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "graph.h"
#include "json_object.h"

enum { INDEX_SIZE_MAX = 16 * 1024 * 1024, INDEX_DEPTH = 8, INDEX_KEYS = 16 };

static const char one_file[] = "model.safetensors";
static const char index_file[] = "model.safetensors.index.json";

static bool no_memory(struct error *err)
{
    return fail(err, ERR_OUT_OF_MEMORY, "no memory for the weights");
}

/* --- files --- */

static bool make_files(struct hf_weights *weights, size_t count,
                       struct error *err)
{
    weights->files =
        arena_zalloc(&weights->arena, count, sizeof *weights->files);
    if (!weights->files)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        weights->files[i].file = -1;
    weights->file_count = count;
    return true;
}

static bool open_file(struct hf_weights *weights, size_t i, int folder,
                      const char *name, uint64_t size_max, struct error *err)
{
    struct safetensors *file = &weights->files[i];

    if (!safetensors_open(file, folder, name, size_max - weights->bytes,
                          &weights->arena, err))
        return false;
    weights->bytes += file->data_start;
    if (file->count)
        weights->bytes += file->items[file->count - 1].end;
    weights->count += file->count;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct hf_weight *x = a, *y = b;

    return strcmp(x->item->name, y->item->name);
}

/* One list of all tensors, sorted. */
static bool list_items(struct hf_weights *weights, struct error *err)
{
    size_t n = 0;

    weights->items = arena_zalloc(&weights->arena, weights->count + 1,
                                  sizeof *weights->items);
    if (!weights->items)
        return no_memory(err);
    for (size_t i = 0; i < weights->file_count; i++) {
        const struct safetensors *file = &weights->files[i];

        for (size_t k = 0; k < file->count; k++)
            weights->items[n++] =
                (struct hf_weight){&file->items[k], file, ENG_NO_VALUE};
    }
    qsort(weights->items, n, sizeof *weights->items, by_name);
    for (size_t i = 1; i < n; i++) {
        if (by_name(&weights->items[i - 1], &weights->items[i]) == 0)
            return fail(err, ERR_MODEL_INVALID,
                        "tensor '%.80s' is in two files",
                        weights->items[i].item->name);
    }
    return true;
}

/* --- the index --- */

/* A plain name of a safetensors file in the same folder. */
static bool is_shard_name(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t size = strlen(name), tail = sizeof ending - 1;

    return size > tail && name[0] != '.' && !strchr(name, '/') &&
           strcmp(name + size - tail, ending) == 0;
}

struct shard_names {
    const char *items[HF_SHARDS_MAX];
    size_t count;
};

/* The place of `name` in `names`, where it is put if it is new. */
static bool place_name(struct shard_names *names, const char *name,
                       size_t *place, struct error *err)
{
    *place = 0;
    while (*place < names->count && strcmp(names->items[*place], name) != 0)
        ++*place;
    if (*place < names->count)
        return true;
    if (names->count == HF_SHARDS_MAX)
        return fail(err, ERR_MODEL_INVALID, "'%s' names more than %d files",
                    index_file, HF_SHARDS_MAX);
    if (!is_shard_name(name))
        return fail(err, ERR_MODEL_INVALID,
                    "'%s': '%.60s' is no name of a safetensors file",
                    index_file, name);
    names->items[names->count++] = name;
    return true;
}

/* Which file each tensor of the map lies in, as an index into `names`. */
static bool read_map(const struct json_object *map, struct arena *arena,
                     struct shard_names *names, size_t *places,
                     struct error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const char *name = "";
        struct error cause;

        if (!json_object_string(map, map->members[i].key, arena, &name, &cause))
            return fail(err, ERR_MODEL_INVALID, "'%s': %s", index_file,
                        cause.msg);
        if (!place_name(names, name, &places[i], err))
            return false;
    }
    return true;
}

/* The index and the files say the same. */
static bool check_map(const struct hf_weights *weights,
                      const struct json_object *map, const size_t *places,
                      struct error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const char *key = map->members[i].key;
        const struct hf_weight *weight = hf_weights_find(weights, key);

        if (!weight || weight->file != &weights->files[places[i]])
            return fail(err, ERR_MODEL_INVALID,
                        "'%s': tensor '%.80s' is not in the file it names",
                        index_file, key);
    }
    if (map->count != weights->count)
        return fail(err, ERR_MODEL_INVALID,
                    "'%s' lists %zu tensors, the files hold %zu", index_file,
                    map->count, weights->count);
    return true;
}

/* The member weight_map as an object. */
static bool find_map(struct hf_weights *weights, const char *text, size_t size,
                     struct json_object *map, struct error *err)
{
    static const struct json_limits outer = {INDEX_DEPTH, INDEX_KEYS};
    static const struct json_limits inner = {1, SAFETENSORS_COUNT_MAX};
    const struct json_member *member;
    struct json_object index;
    struct error cause;

    if (!json_object_read(text, size, &outer, &weights->arena, &index, &cause))
        return fail(err, ERR_MODEL_INVALID, "'%s': %s", index_file, cause.msg);
    member = json_object_find(&index, "weight_map");
    if (json_member_kind(member) != '{')
        return fail(err, ERR_MODEL_INVALID, "'%s' has no weight_map",
                    index_file);
    if (!json_object_read(member->text, member->size, &inner, &weights->arena,
                          map, &cause))
        return fail(err, ERR_MODEL_INVALID, "'%s', weight_map: %s", index_file,
                    cause.msg);
    return true;
}

static bool open_shards(struct hf_weights *weights, int folder,
                        const char *text, size_t size, uint64_t size_max,
                        struct error *err)
{
    struct shard_names names = {.count = 0};
    struct json_object map = {0};
    size_t *places;

    if (!find_map(weights, text, size, &map, err))
        return false;
    places = arena_zalloc(&weights->arena, map.count + 1, sizeof *places);
    if (!places)
        return no_memory(err);
    if (!read_map(&map, &weights->arena, &names, places, err) ||
        !make_files(weights, names.count, err))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        if (!open_file(weights, i, folder, names.items[i], size_max, err))
            return false;
    }
    return list_items(weights, err) && check_map(weights, &map, places, err);
}

/* --- all together --- */

static bool open_one(struct hf_weights *weights, int folder, uint64_t size_max,
                     struct error *err)
{
    return make_files(weights, 1, err) &&
           open_file(weights, 0, folder, one_file, size_max, err) &&
           list_items(weights, err);
}

bool hf_weights_open(struct hf_weights *weights, int folder, uint64_t size_max,
                     struct error *err)
{
    struct error cause = {0};
    size_t size;
    char *text;

    *weights = (struct hf_weights){0};
    arena_init(&weights->arena, 0);
    text = folder_text_read(folder, index_file, INDEX_SIZE_MAX, &weights->arena,
                            &size, &cause);
    if (text)
        return open_shards(weights, folder, text, size, size_max, err);
    if (cause.code != ERR_FILE_MISSING)
        return fail(err, cause.code, "%s", cause.msg);
    return open_one(weights, folder, size_max, err);
}

void hf_weights_release(struct hf_weights *weights)
{
    for (size_t i = 0; i < weights->file_count; i++)
        safetensors_close(&weights->files[i]);
    arena_release(&weights->arena);
    *weights = (struct hf_weights){0};
}

static int compare_name(const void *name, const void *weight)
{
    return strcmp(name, ((const struct hf_weight *)weight)->item->name);
}

struct hf_weight *hf_weights_find(const struct hf_weights *weights,
                                  const char *name)
{
    return weights->count ? bsearch(name, weights->items, weights->count,
                                    sizeof *weights->items, compare_name)
                          : NULL;
}

bool hf_weights_have_prefix(const struct hf_weights *weights,
                            const char *prefix)
{
    size_t size = strlen(prefix);

    for (size_t i = 0; i < weights->count; i++) {
        if (strncmp(weights->items[i].item->name, prefix, size) == 0)
            return true;
    }
    return false;
}
