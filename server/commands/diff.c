/*
 * specserve diff OLD NEW: what a new version of a bundle breaks for those who
 * call it. Exit: 0 nothing, 1 something that no waiver allows, or a waiver that
 * is late, wrong or not needed, 2 usage or a bundle that cannot be read.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "diff/diff.h"

static const char usage[] =
    "usage: specserve diff OLD NEW [--format text|json|markdown]\n"
    "                      [--waivers FILE] [--today YYYY-MM-DD]\n"
    "\n"
    "Compares two versions of a bundle: identity, tensors, inputs, results,\n"
    "ranges, limits, capabilities, examples, behaviour. Weights that changed\n"
    "under one version break it, too. The rules are in docs/identity.md.\n"
    "\n"
    "Exit code: 0 nothing breaks, 1 something breaks or a waiver is wrong, 2\n"
    "usage or a bundle that cannot be read.\n";

struct options {
    const char *paths[2];
    int path_count;
    bool help;
    struct change_options change;
};

static const char **value_of(struct options *options, const char *name)
{
    if (strcmp(name, "--format") == 0)
        return &options->change.format;
    if (strcmp(name, "--waivers") == 0)
        return &options->change.waivers;
    return strcmp(name, "--today") == 0 ? &options->change.today : NULL;
}

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){.path_count = 0};
    for (int i = 0; i < argc; i++) {
        const char **value = value_of(options, argv[i]);

        if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (value && i + 1 < argc)
            *value = argv[++i];
        else if (value || argv[i][0] == '-' || options->path_count == 2)
            return false;
        else
            options->paths[options->path_count++] = argv[i];
    }
    return options->help || options->path_count == 2;
}

static void print(const struct doc_report *report)
{
    struct buf text = {0};

    doc_report_print(report, &text);
    (void)fwrite(text.data ? text.data : "", 1, text.size, stderr);
    buf_release(&text);
}

/* Only what is wrong: a warning of a bundle is not about the change. */
static void drop_warnings(struct doc_report *report)
{
    size_t kept = 0;

    for (size_t i = 0; i < report->count; i++)
        if (report->issues[i].severity == DOC_FAULT)
            report->issues[kept++] = report->issues[i];
    report->count = kept;
}

static int compare(const struct options *options, struct doc_report *report)
{
    struct bundle_diff diff;
    struct buf text = {0};
    struct error err;
    int code = EXIT_USAGE;
    bool opened = bundle_diff_open(&diff, options->paths[0], options->paths[1],
                                   report, &err);

    if (opened &&
        changes_report(&diff.changes, &options->change,
                       diff.was.bundle->version, report, &text, &err)) {
        (void)fwrite(text.data ? text.data : "", 1, text.size, stdout);
        code = changes_broken(&diff.changes) || report->faults ? EXIT_WRONG
                                                               : EXIT_OK;
    } else {
        (void)fprintf(stderr, "specserve: %s\n", err.msg);
    }
    drop_warnings(report);
    print(report);
    buf_release(&text);
    bundle_diff_release(&diff);
    return code;
}

int command_diff(int argc, char **argv)
{
    struct options options;
    struct doc_report report;
    struct arena arena;
    int code;

    if (!parse(argc, argv, &options) || options.help)
        return command_usage(usage, options.help);
    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    code = compare(&options, &report);
    arena_release(&arena);
    return code;
}
