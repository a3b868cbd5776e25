/*
 * Read: the fields of interest, one small file after the other.
 */
#include "init/read.h"

#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "json_object.h"

enum { FILE_MAX = 4 << 20, DEPTH = 16, MEMBERS = 1 << 16 };

/* A file of the folder, or NULL. */
static char *read_text(struct init_facts *facts, const char *name, size_t *size,
                       struct error *err)
{
    int dir = beneath_folder(facts->dir, err);
    char *text = NULL;

    if (dir >= 0) {
        text = beneath_read(dir, name, FILE_MAX, &facts->arena, size, err);
        (void)close(dir);
    }
    return text;
}

/* The object in `name`; an empty one if there is no such file. */
static bool read_object(struct init_facts *facts, const char *name,
                        struct json_object *object, struct error *err)
{
    static const struct json_limits limits = {DEPTH, MEMBERS};
    struct error cause = {0};
    size_t size = 0;
    char *text = read_text(facts, name, &size, &cause);

    *object = (struct json_object){0};
    if (!text && cause.code == ERR_FILE_MISSING)
        return true;
    if (text &&
        json_object_read(text, size, &limits, &facts->arena, object, &cause))
        return true;
    return fail(err,
                cause.code == ERR_OUT_OF_MEMORY ? cause.code : ERR_FILE_INVALID,
                "%s: %s", name, cause.msg);
}

/* --- config.json --- */

static bool read_labels(struct init_facts *facts,
                        const struct json_object *config, struct error *err)
{
    static const struct json_limits limits = {1, MEMBERS};
    const struct json_member *member = json_object_find(config, "id2label");
    struct json_object map;

    if (json_member_kind(member) != '{')
        return true;
    if (!json_object_read(member->text, member->size, &limits, &facts->arena,
                          &map, err))
        return false;
    facts->labels =
        arena_zalloc(&facts->arena, map.count + 1, sizeof *facts->labels);
    if (!facts->labels)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory");
    for (size_t i = 0; i < map.count; i++) {
        const char *key = arena_printf(&facts->arena, "%zu", i);
        const char *label = "";

        if (!key || !json_object_find(&map, key))
            return true; /* ids with gaps: no list of labels */
        if (!json_object_string(&map, key, &facts->arena, &label, err))
            return false;
        facts->labels[i] = label;
    }
    facts->label_count = map.count;
    return true;
}

static bool read_config(struct init_facts *facts, struct error *err)
{
    struct json_object config;
    int64_t pad = 0;

    facts->family = facts->problem = "";
    if (!read_object(facts, "config.json", &config, err))
        return false;
    if (!json_object_string(&config, "model_type", &facts->arena,
                            &facts->family, err) ||
        !json_object_string(&config, "problem_type", &facts->arena,
                            &facts->problem, err) ||
        !json_object_int(&config, "max_position_embeddings", 0, INT32_MAX,
                         &facts->positions, err) ||
        !json_object_int(&config, "pad_token_id", 0, INT32_MAX, &pad, err))
        return false;
    /* RoBERTa's positions begin behind the padding's. */
    if (strstr(facts->family, "roberta") ||
        strcmp(facts->family, "camembert") == 0)
        facts->positions -=
            facts->positions > pad + 1
                ? (json_object_find(&config, "pad_token_id") ? pad : 1) + 1
                : 0;
    return read_labels(facts, &config, err);
}

/* --- sentence-transformers --- */

/* The path of the first module of modules.json whose type ends so; NULL. */
static const char *find_module(struct init_facts *facts, const char *ending,
                               const char *text)
{
    const char *type = strstr(text, ending);
    const char *start = type, *end, *path;

    while (start && start > text && *start != '{')
        start--;
    end = type ? strchr(type, '}') : NULL;
    path = start ? strstr(start, "\"path\"") : NULL;
    if (!end || !path || path > end)
        return NULL;
    path = strchr(path + 6, '"');
    end = path ? strchr(path + 1, '"') : NULL;
    return end ? arena_copy(&facts->arena, path + 1, (size_t)(end - path - 1))
               : NULL;
}

static bool read_pooling(struct init_facts *facts, const char *folder,
                         struct error *err)
{
    static const struct {
        const char *key, *method;
    } methods[] = {{"pooling_mode_cls_token", "cls"},
                   {"pooling_mode_mean_tokens", "mean"},
                   {"pooling_mode_max_tokens", "max"}};
    const char *name = arena_printf(&facts->arena, "%s/config.json", folder);
    struct json_object config;

    if (!name)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory");
    if (!read_object(facts, name, &config, err))
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        bool set = false;

        if (!json_object_bool(&config, methods[i].key, &set, err))
            return false;
        if (set && *facts->pooling)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "%s: pools in several ways at once", name);
        if (set)
            facts->pooling = methods[i].method;
    }
    return true;
}

static bool read_modules(struct init_facts *facts, struct error *err)
{
    struct error ignored;
    size_t size;
    const char *text = read_text(facts, "modules.json", &size, &ignored);
    const char *folder = "1_Pooling";

    facts->pooling = "";
    if (text)
        folder = find_module(facts, "models.Pooling\"", text);
    facts->normalizes = text && strstr(text, "models.Normalize\"");
    return !folder || read_pooling(facts, folder, err);
}

static bool read_length(struct init_facts *facts, struct error *err)
{
    struct json_object config;

    return read_object(facts, "sentence_bert_config.json", &config, err) &&
           json_object_int(&config, "max_seq_length", 1, INT32_MAX,
                           &facts->max_tokens, err);
}

/* --- README.md --- */

/* "license: x" of the lines between the first two "---". */
static const char *license_line(struct init_facts *facts, const char *text)
{
    const char *end =
        strncmp(text, "---\n", 4) == 0 ? strstr(text + 4, "\n---") : NULL;
    const char *at = end ? strstr(text, "\nlicense:") : NULL;
    size_t size;

    if (!at || at > end)
        return "";
    at += strlen("\nlicense:");
    at += strspn(at, " \"'");
    size = strcspn(at, "\n\"'");
    return size < 64 ? arena_copy(&facts->arena, at, size) : "";
}

static void read_license(struct init_facts *facts)
{
    static const struct {
        const char *hub, *spdx;
    } known[] = {{"apache-2.0", "Apache-2.0"},
                 {"mit", "MIT"},
                 {"cc0-1.0", "CC0-1.0"},
                 {"cc-by-4.0", "CC-BY-4.0"},
                 {"bsd-3-clause", "BSD-3-Clause"}};
    struct error ignored;
    size_t size;
    const char *text = read_text(facts, "README.md", &size, &ignored);
    const char *license;

    license = text ? license_line(facts, text) : "";
    facts->license = license ? license : "";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].hub, facts->license) == 0)
            facts->license = known[i].spdx;
    }
}

bool init_read(struct init_facts *facts, struct error *err)
{
    struct error cause;

    if (!read_config(facts, &cause) || !read_modules(facts, &cause) ||
        !read_length(facts, &cause))
        return fail(err, cause.code, "%s", cause.msg);
    read_license(facts);
    return true;
}
