/*
 * specserve validate PATH...: checks documents and bundles without serving.
 *
 * A folder is a bundle; a file is one document of any kind. All findings come
 * out, sorted by place. Exit: 0 no errors (warnings do not count), 1
 * errors, 2 usage, or a path that cannot be opened.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle.h"
#include "commands.h"

static const char usage[] =
    "usage: specserve validate PATH... [--format text|json]\n"
    "\n"
    "Checks bundles (folders) and documents (ModelSpec, ModelService,\n"
    "BehaviorSpec; YAML or JSON). Findings go to standard output:\n"
    "  file:line:column: severity: message [rule] at /json/pointer (hint)\n"
    "\n"
    "Exit code: 0 no errors, 1 errors, 2 usage or a path that cannot be "
    "read.\n";

struct options {
    bool json, help;
    char **paths; /* moved to the front of argv */
    int path_count;
};

static bool parse_format(const char *format, struct options *options)
{
    options->json = format && strcmp(format, "json") == 0;
    return format && (options->json || strcmp(format, "text") == 0);
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.paths = argv};
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];

        if (strcmp(argument, "--help") == 0)
            options->help = true;
        else if (strncmp(argument, "--format=", 9) == 0) {
            if (!parse_format(argument + 9, options))
                return false;
        } else if (strcmp(argument, "--format") == 0) {
            if (!parse_format(i + 1 < argc ? argv[++i] : NULL, options))
                return false;
        } else if (argument[0] == '-' && argument[1])
            return false;
        else
            options->paths[options->path_count++] = argv[i];
    }
    return options->help || options->path_count > 0;
}

static size_t count_warnings(const struct doc_report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++)
        count += report->issues[i].severity == DOC_WARNING;
    return count;
}

static void print_text(const struct doc_report *report, int paths)
{
    struct buf text = {0};

    doc_report_print(report, &text);
    buf_printf(&text, "%d checked, %zu errors, %zu warnings\n", paths,
               report->faults, count_warnings(report));
    (void)fwrite(text.data, 1, text.size, stdout);
    buf_release(&text);
}

static json_t *issue_json(const struct doc_issue *issue)
{
    static const char *const severities[] = {
        [DOC_FAULT] = "error", [DOC_WARNING] = "warning", [DOC_INFO] = "info"};

    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:s}", "file",
                     issue->file, "line", issue->line, "column", issue->col,
                     "severity", severities[issue->severity], "rule",
                     issue->rule, "pointer", issue->pointer, "message",
                     issue->message, "hint", issue->hint);
}

/* False: memory. */
static bool print_json(const struct doc_report *report, int paths)
{
    json_t *issues = json_array();
    json_t *root;
    bool ok = false;

    for (size_t i = 0; i < report->count; i++)
        (void)json_array_append_new(issues, issue_json(&report->issues[i]));
    root = json_pack("{s:b, s:i, s:I, s:I, s:o}", "valid", report->faults == 0,
                     "checked", paths, "errors", (json_int_t)report->faults,
                     "warnings", (json_int_t)count_warnings(report), "issues",
                     issues);
    if (root)
        ok = json_dumpf(root, stdout, JSON_INDENT(2)) == 0;
    (void)fputc('\n', stdout);
    json_decref(root);
    return ok;
}

/* False: the path is not there, which is no finding about a document. */
static bool check_path(const char *path, struct doc_report *report)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        (void)fprintf(stderr, "specserve: cannot open '%s'\n", path);
        return false;
    }
    if (S_ISDIR(info.st_mode))
        bundle_close(bundle_open(path, report));
    else
        bundle_check_file(path, report);
    return true;
}

int command_validate(int argc, char **argv)
{
    struct options options;
    struct arena arena;
    struct doc_report report;
    bool opened = true, printed = true;

    if (!parse_options(argc, argv, &options))
        return command_usage(usage, false);
    if (options.help)
        return command_usage(usage, true);
    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    for (int i = 0; i < options.path_count; i++)
        opened = check_path(options.paths[i], &report) && opened;
    doc_report_sort(&report);
    if (options.json)
        printed = print_json(&report, options.path_count);
    else
        print_text(&report, options.path_count);
    arena_release(&arena);
    if (!opened || !printed)
        return EXIT_USAGE;
    return report.faults ? EXIT_WRONG : EXIT_OK;
}
