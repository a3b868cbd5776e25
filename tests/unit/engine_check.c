/*
 * engine_check: `specserve check` as a program of its own, so that the engine
 * is tested (and run under sanitizers) without the server around it.
 */
#include "commands.h"

int main(int argc, char **argv)
{
    return command_check(argc - 1, argv + 1);
}
