/*
 * Process: reads /proc and opens pidfds; see process.h.
 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads a small file of /proc whole; the text is NUL-terminated. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, text, size - 1);
    (void)close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

bool reg_boot_id(char text[REG_BOOT_ID_SIZE], struct error *err)
{
    if (!read_text("/proc/sys/kernel/random/boot_id", text, REG_BOOT_ID_SIZE))
        return fail(err, ERR_INTERNAL, "the boot id cannot be read");
    text[strcspn(text, "\n")] = '\0';
    return true;
}

/*
 * Field 22 of /proc/<pid>/stat. Field 2 is the program's name in parentheses
 * and may hold anything, so fields are counted from the last ')'.
 */
static bool read_start(int64_t pid, uint64_t *start_ticks)
{
    char path[64], text[1024], *at;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (!read_text(path, text, sizeof text))
        return false;
    at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    *start_ticks = strtoull(at, NULL, 10);
    return *start_ticks > 0;
}

/* The real user id in /proc/<pid>/status. The owner of /proc/<pid> would not
 * do: it is root for processes that may not be dumped. */
static bool read_uid(int64_t pid, uint32_t *uid)
{
    char path[64], text[2048];
    const char *line;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/status", pid);
    if (!read_text(path, text, sizeof text))
        return false;
    line = strstr(text, "\nUid:");
    if (!line)
        return false;
    *uid = (uint32_t)strtoul(line + 5, NULL, 10);
    return true;
}

bool reg_process_ended(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return fd >= 0 && poll(&poll_fd, 1, 0) == 1;
}

/* A kernel or sandbox without pidfds leaves fd at -1: the lease alone then
 * says who is alive. */
static bool open_pidfd(int64_t pid, int *fd, struct error *err)
{
    *fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (*fd >= 0 || errno == ENOSYS || errno == EPERM)
        return true;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        return fail(err, ERR_OVERLOADED, "no more processes can be watched");
    return fail(err, ERR_VALIDATION_ERROR,
                "process_id %" PRId64 " is not a running process", pid);
}

bool reg_process_open(int64_t pid, struct reg_process *process,
                      struct error *err)
{
    struct reg_process found = {.pid = pid, .fd = -1};

    if (pid <= 0 || pid > INT_MAX)
        return fail(err, ERR_VALIDATION_ERROR,
                    "process_id %" PRId64 " is not a process id", pid);
    if (!open_pidfd(pid, &found.fd, err))
        return false;
    /* Read first, then look whether the pidfd's process still lives: if it
     * does, the pid was its own all the time. */
    if (!read_start(pid, &found.start_ticks) || !read_uid(pid, &found.uid) ||
        reg_process_ended(found.fd)) {
        reg_process_close(&found);
        return fail(err, ERR_VALIDATION_ERROR,
                    "process_id %" PRId64 " is not a running process", pid);
    }
    *process = found;
    return true;
}

void reg_process_close(struct reg_process *process)
{
    if (process->fd >= 0)
        (void)close(process->fd);
    process->fd = -1;
}

/* ---- who listens ---- */

enum { MAX_LISTENERS = 16 };

/*
 * Collects the inodes of sockets that listen on `port` from a table of the
 * form of /proc/net/tcp:
 *   sl  local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
 */
static size_t listeners_of(const char *table, int port, uint64_t *inodes,
                           size_t count)
{
    FILE *file = fopen(table, "re");
    char line[512];

    if (!file)
        return count;
    while (count < MAX_LISTENERS && fgets(line, sizeof line, file)) {
        unsigned local_port = 0, state = 0;
        uint64_t inode = 0;

        /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote these numbers */
        if (sscanf(line,
                   " %*[^:]: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s "
                   "%" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            (int)local_port == port && state == 0x0A)
            inodes[count++] = inode;
    }
    (void)fclose(file);
    return count;
}

/* The link of this descriptor is "socket:[inode]" of one of the inodes. */
static bool is_one_of(int dir_fd, const char *name, const uint64_t *inodes,
                      size_t count)
{
    char target[64];
    ssize_t length = readlinkat(dir_fd, name, target, sizeof target - 1);

    if (length <= 0)
        return false;
    target[length] = '\0';
    if (strncmp(target, "socket:[", 8) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strtoull(target + 8, NULL, 10) == inodes[i])
            return true;
    return false;
}

bool reg_process_listens(int64_t pid, int port)
{
    uint64_t inodes[MAX_LISTENERS];
    size_t count = listeners_of("/proc/net/tcp", port, inodes, 0);
    char path[64];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    count = listeners_of("/proc/net/tcp6", port, inodes, count);
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/fd", pid);
    dir = count > 0 ? opendir(path) : NULL;
    if (!dir)
        return false;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is our own */
    while (!found && (entry = readdir(dir)))
        found = is_one_of(dirfd(dir), entry->d_name, inodes, count);
    (void)closedir(dir);
    return found;
}
