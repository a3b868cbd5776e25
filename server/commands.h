/*
 * Commands: what the program can be told to do; the table is commands.def.
 *
 * Threads: main thread.
 */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_WRONG = 1,           /* the thing checked is wrong */
    EXIT_USAGE = 2,           /* usage or I/O */
    EXIT_REGISTRY_ABSENT = 3, /* required, and not there */
    EXIT_SECURITY = 78        /* refused by a security default */
};

/* Each takes the arguments behind its name and returns an exit_code. */
#define COMMAND(name, function, help) int function(int argc, char **argv);
#include "commands.def"
#undef COMMAND

/* Prints a command's usage, as the answer to --help (`asked`) or because the
 * arguments are wrong; returns the exit code of that. Here, for tests build
 * single commands. */
static inline int command_usage(const char *text, bool asked)
{
    (void)fputs(text, asked ? stdout : stderr);
    return asked ? EXIT_OK : EXIT_USAGE;
}

#endif
