/*
 * specserve: finds the command in commands.def and runs it.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
#define COMMAND(word, function, line)                                          \
    {.name = (word), .run = (function), .help = (line)},
#include "commands.def"
#undef COMMAND
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out)
{
    (void)fputs("usage: specserve COMMAND [ARGUMENTS]\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fputs("\nspecserve COMMAND --help says more.\n", out);
}

/*
 * Bodies and tensors of tens of kilobytes come and go with every request;
 * glibc would give their pages back each time and fault them in again.
 */
static void keep_freed_pages(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
    (void)mallopt(M_TOP_PAD, 1 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_ARENA_MAX, 4);
}

int main(int argc, char **argv)
{
    keep_freed_pages();
    for (size_t i = 0; argc > 1 && i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)puts("specserve " SPECSERVE_VERSION);
        return EXIT_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    print_usage(stderr);
    return EXIT_USAGE;
}
