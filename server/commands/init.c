/*
 * specserve init PATH: writes the documents of a model that has none.
 *
 * The folder of the model becomes a bundle that can be served at once. Nothing
 * that is there is written over without --force, and citation.bib never is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundle.h"
#include "commands.h"
#include "init/init.h"

static const char usage[] =
    "usage: specserve init PATH [--name NAME] [--force]\n"
    "\n"
    "Writes the three documents of a bundle beside a model: an ONNX file, or "
    "a\n"
    "folder with one, or a Hugging Face folder (config.json, "
    "model.safetensors).\n"
    "What the files do not say is marked \"" BUNDLE_GAP "...\"; `specserve "
    "validate`\n"
    "lists these gaps. The bundle can be served before they are filled.\n"
    "\n"
    "  --name NAME  of the bundle (the folder's)\n"
    "  --force      write over documents that are there\n"
    "\n"
    "Exit code: 0 written, 1 the model cannot be served, 2 usage or files.\n";

enum { PATH_SIZE = 4096, DOCUMENTS = 4 };

struct document {
    const char *ending; /* "" = citation.bib */
    void (*write)(const struct init_plan *plan, struct buf *out);
};

static const struct document documents[DOCUMENTS] = {
    {".modelspec.yaml", init_write_modelspec},
    {".modelservice.yaml", init_write_modelservice},
    {".behavior.yaml", init_write_behavior},
    {"", init_write_citation}};

static void path_of(const struct init_facts *facts,
                    const struct document *document, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%s%s", facts->dir,
                   *document->ending ? facts->name : "citation.bib",
                   document->ending);
}

/* A symbolic link is not followed: it might lead out of the folder. */
static bool write_file(const char *path, const struct buf *text, bool force,
                       struct error *err)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                (force ? O_TRUNC : O_EXCL);
    int file = open(path, flags, 0644);
    bool ok;

    if (file < 0)
        return fail(err, ERR_FILE_INVALID, "cannot write '%.160s': %s", path,
                    strerror(errno));
    ok = write(file, text->data, text->size) == (ssize_t)text->size;
    ok = close(file) == 0 && ok;
    return ok || fail(err, ERR_FILE_INVALID, "cannot write '%.160s'", path);
}

static bool write_document(const struct init_plan *plan,
                           const struct document *document, bool force,
                           struct error *err)
{
    struct buf text = {0};
    char path[PATH_SIZE];
    bool ok;

    path_of(plan->facts, document, path);
    if (!*document->ending && access(path, F_OK) == 0)
        return true;
    document->write(plan, &text);
    ok = buf_ok(&text) ? write_file(path, &text, force, err)
                       : fail(err, ERR_OUT_OF_MEMORY, "no memory");
    buf_release(&text);
    if (ok)
        printf("wrote %s\n", path);
    return ok;
}

/* None of the documents is there yet. */
static bool check_free(const struct init_facts *facts, struct error *err)
{
    for (size_t i = 0; i < DOCUMENTS; i++) {
        char path[PATH_SIZE];

        path_of(facts, &documents[i], path);
        if (*documents[i].ending && access(path, F_OK) == 0)
            return fail(err, ERR_FILE_INVALID,
                        "'%.160s' is there already; --force writes over it",
                        path);
    }
    return true;
}

static bool write_all(const struct init_facts *facts, bool force,
                      struct error *err)
{
    struct init_plan plan;
    bool ok;

    if (!force && !check_free(facts, err))
        return false;
    ok = init_plan(&plan, facts, err);
    for (size_t i = 0; ok && i < DOCUMENTS; i++)
        ok = write_document(&plan, &documents[i], force, err);
    init_plan_release(&plan);
    return ok;
}

/* What is left to do, from the bundle as it is now. */
static int tell(const char *dir)
{
    struct arena arena;
    struct doc_report report;
    struct buf text = {0};
    int code;

    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    bundle_close(bundle_open(dir, &report));
    doc_report_sort(&report);
    doc_report_print(&report, &text);
    printf("%s", text.data ? text.data : "");
    code = report.faults ? EXIT_WRONG : EXIT_OK;
    if (code == EXIT_OK)
        printf("serve it: specserve serve %s --registry-mode off\n", dir);
    buf_release(&text);
    arena_release(&arena);
    return code;
}

struct options {
    const char *path, *name;
    bool force, help;
};

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){0};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--force") == 0)
            options->force = true;
        else if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (strcmp(argv[i], "--name") == 0 && i + 1 < argc)
            options->name = argv[++i];
        else if (argv[i][0] == '-' || options->path)
            return false;
        else
            options->path = argv[i];
    }
    return options->help || options->path;
}

int command_init(int argc, char **argv)
{
    struct init_facts facts = {0};
    struct options options;
    struct error err = {0};
    int code = EXIT_OK;

    if (!parse(argc, argv, &options))
        return command_usage(usage, false);
    if (options.help)
        return command_usage(usage, true);
    if (!init_look(&facts, options.path, options.name, &err) ||
        !write_all(&facts, options.force, &err)) {
        (void)fprintf(stderr, "specserve init: %s\n", err.msg);
        code =
            err.code == ERR_MODEL_INVALID || err.code == ERR_MODEL_UNSUPPORTED
                ? EXIT_WRONG
                : EXIT_USAGE;
    } else {
        code = tell(facts.dir);
    }
    init_release(&facts);
    return code;
}
