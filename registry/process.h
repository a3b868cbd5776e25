/*
 * Process: who is behind a process id.
 *
 * A pid alone says little: it is reused. A process is the pair (pid, start
 * time) within one boot of the machine, and a pidfd, which stays bound to the
 * process it was opened for. Nothing here sends a signal.
 *
 * Threads: any.
 */
#ifndef REGISTRY_PROCESS_H
#define REGISTRY_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Size of a boot id as text, NUL included. */
enum { REG_BOOT_ID_SIZE = 40 };

struct reg_process {
    int64_t pid;
    uint64_t start_ticks; /* clock ticks since boot; 0 = unknown */
    uint32_t uid;         /* the user it runs as */
    int fd;               /* pidfd; -1 where the kernel has none */
};

/* The id of this boot of the machine. ERR_INTERNAL: /proc is not readable. */
bool reg_boot_id(char text[REG_BOOT_ID_SIZE], struct error *err);

/*
 * Finds the living process `pid` and opens a pidfd for it; the caller closes
 * it with reg_process_close(). Start time and pidfd belong to one process even
 * if the pid is reused while this runs.
 *   ERR_VALIDATION_ERROR  no process has this pid, or it has ended
 *   ERR_OVERLOADED        file descriptors are used up
 */
bool reg_process_open(int64_t pid, struct reg_process *process,
                      struct error *err);

/* Closes the pidfd. */
void reg_process_close(struct reg_process *process);

/* The process behind this pidfd has ended; false for -1. */
bool reg_process_ended(int fd);

/* A socket of process `pid` listens on TCP `port` of this machine. false also
 * when its descriptors may not be read. */
bool reg_process_listens(int64_t pid, int port);

#endif
