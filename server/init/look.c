/*
 * Look: what lies at a path. A folder is a Hugging Face folder if it has
 * safetensors of a family that the engine reads; else its ONNX file counts,
 * model.onnx, onnx/model.onnx, or the only one there is.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"
#include "init/read.h"
#include "ports.h"
#include "tokenizer.h"

static bool exists(struct init_facts *facts, const char *name)
{
    const char *path = arena_printf(&facts->arena, "%s/%s", facts->dir, name);

    return path && access(path, R_OK) == 0;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), tail = strlen(ending);

    return size > tail && strcmp(text + size - tail, ending) == 0;
}

/* --- where the weights are --- */

/* The only *.onnx of the folder; NULL: none, or several. */
static const char *only_onnx(struct init_facts *facts)
{
    DIR *dir = opendir(facts->dir);
    const struct dirent *entry;
    const char *found = NULL;
    int count = 0;

    while (dir && (entry = readdir(dir))) {
        if (!ends_with(entry->d_name, ".onnx"))
            continue;
        found = arena_strdup(&facts->arena, entry->d_name);
        count++;
    }
    if (dir)
        (void)closedir(dir);
    return count == 1 ? found : NULL;
}

static bool find_in_folder(struct init_facts *facts, struct error *err)
{
    static const char *const usual[] = {"model.onnx", "onnx/model.onnx"};

    if (exists(facts, "config.json") &&
        (exists(facts, "model.safetensors") ||
         exists(facts, "model.safetensors.index.json"))) {
        facts->uri = ".";
        facts->framework = "transformers";
        return true;
    }
    facts->framework = "onnx";
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        facts->uri = usual[i];
        if (exists(facts, facts->uri))
            return true;
    }
    facts->uri = only_onnx(facts);
    return facts->uri ||
           fail(err, ERR_FILE_MISSING,
                "the folder has neither config.json with model.safetensors "
                "nor one ONNX file");
}

/* The folder of a file; the one above it for onnx/model.onnx. */
static bool split_file(struct init_facts *facts, const char *path,
                       struct error *err)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    char *dir = slash ? arena_copy(&facts->arena, path, (size_t)(slash - path))
                      : arena_strdup(&facts->arena, ".");
    char *above;

    if (!dir)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory");
    facts->framework = "onnx";
    facts->dir = *dir ? dir : "/";
    facts->uri = file;
    above = strrchr(dir, '/');
    if (above && strcmp(above, "/onnx") == 0 && !exists(facts, "config.json")) {
        facts->uri = arena_printf(&facts->arena, "onnx/%s", file);
        *above = '\0';
    }
    return facts->uri || fail(err, ERR_OUT_OF_MEMORY, "no memory");
}

static bool find_weights(struct init_facts *facts, const char *path,
                         struct error *err)
{
    struct stat info;
    char *copy;

    if (stat(path, &info) != 0)
        return fail(err, ERR_FILE_MISSING, "there is no '%.160s'", path);
    if (!S_ISDIR(info.st_mode))
        return split_file(facts, path, err);
    copy = arena_strdup(&facts->arena, path);
    while (copy && strlen(copy) > 1 && ends_with(copy, "/"))
        copy[strlen(copy) - 1] = '\0';
    facts->dir = copy;
    return copy ? find_in_folder(facts, err)
                : fail(err, ERR_OUT_OF_MEMORY, "no memory");
}

/* --- its name --- */

static char plain(char c)
{
    bool small = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';

    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    if (!small && !digit)
        return '-';
    return c;
}

/* Small letters, digits, and '-' for everything between, as a DNS name. */
static const char *make_name(struct init_facts *facts, const char *from)
{
    enum { SIZE_MAX_NAME = 48 };
    char name[SIZE_MAX_NAME + 1] = "";
    size_t used = 0;
    const char *copy;

    for (; *from && used < SIZE_MAX_NAME; from++) {
        char c = plain(*from);

        if (c != '-' || (used && name[used - 1] != '-'))
            name[used++] = c;
    }
    if (used && name[used - 1] == '-')
        used--;
    copy = arena_copy(&facts->arena, name, used);
    return copy && *copy ? copy : "model";
}

static void find_name(struct init_facts *facts, const char *name)
{
    char *full = realpath(facts->dir, NULL);
    const char *slash = full ? strrchr(full, '/') : NULL;

    facts->name = make_name(facts, name ? name : slash ? slash + 1 : "model");
    free(full);
}

/* --- the rest --- */

static bool open_model(struct init_facts *facts, struct error *err)
{
    const char *path =
        strcmp(facts->uri, ".") == 0
            ? facts->dir
            : arena_printf(&facts->arena, "%s/%s", facts->dir, facts->uri);

    if (!path)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory");
    facts->model = eng_model_open(path, NULL, err);
    return facts->model != NULL;
}

/* A folder of a family that the engine does not build may have an export. */
static bool open_any(struct init_facts *facts, struct error *err)
{
    struct error first;

    if (open_model(facts, &first))
        return true;
    if (strcmp(facts->framework, "transformers") == 0 &&
        first.code == ERR_MODEL_UNSUPPORTED) {
        facts->framework = "onnx";
        facts->uri =
            exists(facts, "model.onnx") ? "model.onnx" : "onnx/model.onnx";
        if (exists(facts, facts->uri))
            return open_model(facts, err);
    }
    *err = first;
    return false;
}

static bool open_tokenizer(struct init_facts *facts, struct error *err)
{
    struct tok_tokenizer *tok;
    const char *path;

    facts->tokenizer = "";
    if (!exists(facts, "tokenizer.json"))
        return true;
    path = arena_printf(&facts->arena, "%s/tokenizer.json", facts->dir);
    tok = path ? tok_open(path, err) : NULL;
    if (!tok)
        return path ? false : fail(err, ERR_OUT_OF_MEMORY, "no memory");
    facts->tokenizer = "tokenizer.json";
    facts->truncation = tok_truncation(tok);
    tok_close(tok);
    return true;
}

bool init_look(struct init_facts *facts, const char *path, const char *name,
               struct error *err)
{
    arena_init(&facts->arena, 0);
    if (!find_weights(facts, path, err) || !open_any(facts, err))
        return false;
    find_name(facts, name);
    return open_tokenizer(facts, err) && init_read(facts, err);
}

void init_release(struct init_facts *facts)
{
    eng_model_put(facts->model);
    arena_release(&facts->arena);
}

const struct eng_port *init_output(const struct init_facts *facts,
                                   const char *name)
{
    size_t i;

    return ports_output(facts->model, name, &i)
               ? eng_model_output(facts->model, i)
               : NULL;
}

const struct eng_port *init_input(const struct init_facts *facts,
                                  const char *name)
{
    size_t i;

    return ports_input(facts->model, name, &i)
               ? eng_model_input(facts->model, i)
               : NULL;
}
