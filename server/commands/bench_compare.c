/*
 * Bench compare: ONNX Runtime on the same model and inputs, in a Python process
 * of its own. It gets the elements as plain files and answers one line: version,
 * milliseconds of a run, milliseconds of the load.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { ARGUMENTS_MAX = BENCH_PORTS_MAX + 8, TEXT_SIZE = 512 };

/* Arguments: model, threads, seconds, then name|datatype|8x128|file each. */
static const char script[] =
    "import sys, time\n"
    "import numpy as np, onnxruntime as ort\n"
    "model, threads, seconds = sys.argv[1], int(sys.argv[2]), "
    "float(sys.argv[3])\n"
    "ort.set_default_logger_severity(4)\n"
    "options = ort.SessionOptions()\n"
    "options.intra_op_num_threads = threads\n"
    "clock = time.perf_counter\n"
    "start = clock()\n"
    "session = ort.InferenceSession(model, options,\n"
    "                               providers=['CPUExecutionProvider'])\n"
    "load = clock() - start\n"
    "feed = {}\n"
    "for text in sys.argv[4:]:\n"
    "    name, kind, dims, path = text.rsplit('|', 3)\n"
    "    dims = [int(n) for n in dims.split('x') if n]\n"
    "    feed[name] = np.fromfile(path, kind).reshape(dims)\n"
    "binding = session.io_binding()\n"
    "for name, array in feed.items():\n"
    "    binding.bind_cpu_input(name, array)\n"
    "for output in session.get_outputs():\n"
    "    binding.bind_output(output.name)\n"
    "times, end = [], clock() + seconds / 10\n"
    "while not times or clock() < end:\n"
    "    session.run_with_iobinding(binding)\n"
    "    times = [0]\n"
    "times, end = [], clock() + seconds\n"
    "while not times or clock() < end:\n"
    "    before = clock()\n"
    "    session.run_with_iobinding(binding)\n"
    "    times.append(clock() - before)\n"
    "times.sort()\n"
    "print(ort.__version__, times[len(times) // 2] * 1e3, load * 1e3)\n";

/* --- the inputs as files --- */

static bool write_file(const char *path, const struct eng_tensor *tensor)
{
    size_t size = eng_tensor_size(tensor);
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(tensor->data, 1, size, file) == size;

    return (!file || fclose(file) == 0) && ok;
}

/* "name|float32|8x128|file", NULL when the file cannot be written. */
static char *describe(const char *folder, size_t i, const struct eng_port *port,
                      const struct eng_tensor *tensor)
{
    struct buf text = {0};
    char path[TEXT_SIZE];
    size_t size;

    (void)snprintf(path, sizeof path, "%s/%zu", folder, i);
    if (tensor->dtype == ENG_STRING || !write_file(path, tensor))
        return NULL;
    buf_printf(&text, "%s|%s|", port->name, eng_dtype_name(tensor->dtype));
    for (int d = 0; d < tensor->rank; d++)
        buf_printf(&text, d ? "x%lld" : "%lld", (long long)tensor->dims[d]);
    buf_printf(&text, "|%s", path);
    buf_char(&text, 0);
    return buf_take(&text, &size);
}

static void remove_files(const char *folder, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[TEXT_SIZE];

        (void)snprintf(path, sizeof path, "%s/%zu", folder, i);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

/* --- the process --- */

/* Starts `argv`; its output comes from *from. */
static bool start(char *const *argv, pid_t *pid, int *from)
{
    posix_spawn_file_actions_t actions;
    int ends[2], code;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                           O_WRONLY, 0);
    code = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    *from = ends[0];
    if (code != 0)
        (void)close(ends[0]);
    return code == 0;
}

/* Reads until the process ends; true when it was content. */
static bool listen_to(pid_t pid, int from, char text[TEXT_SIZE])
{
    size_t size = 0;
    ssize_t got;
    int status = 1;

    while (size < TEXT_SIZE - 1 &&
           (got = read(from, text + size, TEXT_SIZE - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = 0;
    (void)close(from);
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool understand(const char *text, struct bench_rival *rival)
{
    const char *space = strchr(text, ' ');
    char *end;

    if (!space || (size_t)(space - text) >= sizeof rival->version)
        return false;
    memcpy(rival->version, text, (size_t)(space - text));
    rival->version[space - text] = 0;
    rival->median_ms = strtod(space, &end);
    rival->load_ms = strtod(end, &end);
    return rival->median_ms > 0 && rival->load_ms > 0;
}

static bool ask(char *const *argv, struct bench_rival *rival, struct error *err)
{
    char text[TEXT_SIZE];
    pid_t pid;
    int from;

    if (!start(argv, &pid, &from))
        return fail(err, ERR_NOT_READY, "cannot start '%.100s'", argv[0]);
    return (listen_to(pid, from, text) && understand(text, rival)) ||
           fail(err, ERR_NOT_READY, "onnxruntime does not run in '%.100s'",
                argv[0]);
}

bool bench_onnxruntime(const struct bench_options *options,
                       const struct eng_model *model,
                       const struct eng_tensor *inputs,
                       struct bench_rival *rival, struct error *err)
{
    const char *python = getenv("SPECSERVE_PYTHON");
    const char *arguments[ARGUMENTS_MAX] = {python ? python : "python3", "-c",
                                            script, options->target};
    char folder[] = "/tmp/specserve-bench-XXXXXX", threads[16], seconds[32];
    size_t count = eng_model_input_count(model), described = 0;
    bool ok;

    (void)snprintf(threads, sizeof threads, "%d", options->threads);
    (void)snprintf(seconds, sizeof seconds, "%g", options->seconds);
    arguments[4] = threads;
    arguments[5] = seconds;
    if (!mkdtemp(folder))
        return fail(err, ERR_FILE_MISSING, "cannot write to /tmp");
    while (described < count &&
           (arguments[6 + described] =
                describe(folder, described, eng_model_input(model, described),
                         &inputs[described])))
        described++;
    ok = described == count
             ? ask((char *const *)(uintptr_t)arguments, rival, err)
             : fail(err, ERR_FILE_MISSING, "cannot hand over input %zu",
                    described);
    for (size_t i = 0; i < described; i++)
        free((void *)(uintptr_t)arguments[6 + i]);
    remove_files(folder, count);
    return ok;
}
