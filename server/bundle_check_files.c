/*
 * Bundle check, the files: references between the documents, and the weights,
 * tokenizer and citation they name.
 */
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "bundle_internal.h"
#include "utf8.h"

enum { BIBTEX_MAX = 64 * 1024 };

/* ---- documents that name each other ---- */

/* `from` says at `pointer` which document of `kind` belongs to it. */
static void check_reference(const struct bundle_check *check,
                            enum bundle_kind from, const char *pointer,
                            enum bundle_kind kind)
{
    const struct bundle_document *target = &check->bundle->documents[kind];
    const char *word = bundle_kind_info(kind)->kind;
    const char *name =
        doc_string(doc_find(check->bundle->documents[from].root, pointer), "");

    if (strncmp(name, "./", 2) == 0)
        name += 2;
    if (!target->root && name[0])
        bundle_fault(check, from, pointer, "'%s': the bundle has no %s", name,
                     word);
    else if (target->root && !name[0])
        bundle_fault(check, from, pointer,
                     "the bundle's %s '%s' is not referred to", word,
                     target->name);
    else if (target->root && strcmp(name, target->name) != 0)
        bundle_fault(check, from, pointer, "'%s': the bundle's %s is '%s'",
                     name, word, target->name);
}

static void check_references(const struct bundle_check *check)
{
    check_reference(check, BUNDLE_MODELSERVICE, "/spec/modelSpec",
                    BUNDLE_MODELSPEC);
    check_reference(check, BUNDLE_MODELSERVICE, "/spec/behaviorSpec",
                    BUNDLE_BEHAVIORSPEC);
    if (!check->bundle->documents[BUNDLE_BEHAVIORSPEC].root)
        return;
    check_reference(check, BUNDLE_BEHAVIORSPEC, "/spec/appliesTo/modelSpec",
                    BUNDLE_MODELSPEC);
    check_reference(check, BUNDLE_BEHAVIORSPEC, "/spec/appliesTo/modelService",
                    BUNDLE_MODELSERVICE);
}

/* ---- files ---- */

/* Can the file be opened as a bundle's file? Says why not. */
static void check_file(const struct bundle_check *check, enum bundle_kind kind,
                       const char *pointer, const char *name)
{
    struct error err = {0};
    int fd;

    if (strstr(name, "://")) {
        bundle_fault(check, kind, pointer,
                     "'%s' is no file of the bundle; nothing is fetched", name);
        return;
    }
    fd = beneath_open(check->dir_fd, name, &err);
    if (fd < 0)
        bundle_fault(check, kind, pointer, "%s", err.msg);
    else
        (void)close(fd);
}

static const char *artifact(const struct bundle_check *check,
                            const char *pointer)
{
    return doc_string(
        doc_find(check->bundle->documents[BUNDLE_MODELSPEC].root, pointer), "");
}

static bool counts_tokens(const struct bundle_signature *signature)
{
    for (size_t i = 0; i < signature->input_count; i++)
        if (signature->inputs[i].max_tokens)
            return true;
    return false;
}

/* The weights: a file; for transformers a folder, which has a config.json. */
static void check_weights(const struct bundle_check *check, const char *pointer,
                          const char *model)
{
    const char *name = model;

    if (!model[0]) {
        bundle_fault(check, BUNDLE_MODELSPEC, pointer,
                     "artifacts.modelUri must name the weights");
        return;
    }
    if (strcmp(check->bundle->framework, "transformers") == 0)
        name = bundle_where(check, "%s/config.json", model);
    check_file(check, BUNDLE_MODELSPEC, pointer, name);
}

static void check_artifacts(const struct bundle_check *check)
{
    static const char model_at[] = "/spec/identity/model/artifacts/modelUri";
    static const char tokenizer_at[] =
        "/spec/identity/model/artifacts/tokenizerUri";
    const char *model = artifact(check, model_at);
    const char *tokenizer = artifact(check, tokenizer_at);
    bool tokens = counts_tokens(&check->bundle->signature);

    check_weights(check, model_at, model);
    if (tokenizer[0])
        check_file(check, BUNDLE_MODELSPEC, tokenizer_at, tokenizer);
    if (tokenizer[0] && !tokens)
        bundle_fault(check, BUNDLE_MODELSPEC, tokenizer_at,
                     "a tokenizer, but no input of the ModelService has "
                     "maxTokens");
    if (tokens && !tokenizer[0])
        bundle_fault(check, BUNDLE_MODELSPEC, tokenizer_at,
                     "an input of the ModelService has maxTokens, so "
                     "artifacts.tokenizerUri must name a tokenizer");
}

static void check_dependencies(const struct bundle_check *check)
{
    const struct doc_node *list =
        doc_at(check->bundle->documents[BUNDLE_MODELSPEC].root,
               "spec.pipeline.dependencies");

    for (size_t i = 0; i < doc_count(list); i++) {
        const char *pointer =
            bundle_where(check, "/spec/pipeline/dependencies/%zu/specRef", i);
        const char *name =
            doc_string(doc_get(doc_item(list, i), "specRef"), "");

        if (name[0])
            check_file(check, BUNDLE_MODELSPEC, pointer, name);
    }
}

/* ---- BibTeX ---- */

/* Behind "@type{key," of an entry at `at`, or NULL. */
static const char *entry_head(const char *at)
{
    size_t type = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    const char *brace = at + 1 + type;
    size_t key = *brace == '{' ? strcspn(brace + 1, "{},\n") : 0;

    return type && key && brace[1 + key] == ',' ? brace + 1 + key : NULL;
}

/* The closing brace of an entry whose opening one was passed, or NULL. */
static const char *entry_end(const char *at)
{
    int depth = 1;

    for (; *at; at++) {
        if (*at == '{')
            depth++;
        else if (*at == '}' && --depth == 0)
            return at;
    }
    return NULL;
}

/* At least one entry "@type{key, ...}", all of them with balanced braces. */
static bool is_bibtex(const char *text)
{
    const char *at = strchr(text, '@');

    if (!at)
        return false;
    while (at) {
        at = entry_head(at);
        at = at ? entry_end(at) : NULL;
        if (!at)
            return false;
        at = strchr(at, '@');
    }
    return true;
}

static void check_citation(const struct bundle_check *check)
{
    static const char pointer[] = "/spec/citation/softwareBibtex";
    struct srv_bundle *bundle = check->bundle;
    const char *name = doc_string(
        doc_find(bundle->documents[BUNDLE_MODELSERVICE].root, pointer), "");
    struct error err = {0};
    size_t size = 0;
    const char *text = beneath_read(check->dir_fd, name, BIBTEX_MAX,
                                    &bundle->arena, &size, &err);

    if (!text)
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer, "%s", err.msg);
    else if (strlen(text) != size || !utf8_valid(text, size))
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "'%s' is not text in UTF-8", name);
    else if (!is_bibtex(text))
        bundle_fault(check, BUNDLE_MODELSERVICE, pointer,
                     "'%s' has no entry \"@type{key, ...}\", or unbalanced "
                     "braces",
                     name);
    else
        bundle->bibtex = text;
}

void bundle_check_files(struct bundle_check *check)
{
    check_references(check);
    check_artifacts(check);
    check_dependencies(check);
    check_citation(check);
}
