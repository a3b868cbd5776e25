/*
 * Fuzz: any bytes as a Hugging Face folder: config.json, NUL, the header of
 * model.safetensors, NUL, its elements; the header's length is put in front, so
 * that changes of its text reach the reader. Loading ends with a graph or an
 * error, and a graph that loads is planned and run on zeros, or refused.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "hf/load.h"
#include "passes/passes.h"
#include "runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORTS_MAX = 4, TOKENS = 4, PATH_SIZE = 4096 };

#define RUN_BYTES_MAX ((size_t)16 << 20)

static char folder[PATH_SIZE]; /* beneath TMPDIR */
static int dir = -1;

static void remove_folder(void)
{
    (void)unlinkat(dir, "config.json", 0);
    (void)unlinkat(dir, "model.safetensors", 0);
    (void)rmdir(folder);
}

static void make_folder(void)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(folder, sizeof folder, "%s/specserve-fuzz-hf-XXXXXX",
                   base && *base ? base : "/tmp");
    if (!mkdtemp(folder))
        abort();
    dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || atexit(remove_folder) != 0)
        abort();
}

static void put(int file, const void *bytes, size_t size)
{
    if (write(file, bytes, size) != (ssize_t)size)
        abort();
}

static int open_new(const char *name)
{
    int file =
        openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (file < 0)
        abort();
    return file;
}

/* Bytes before the next NUL, or all. */
static size_t until_nul(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;

    return nul ? (size_t)(nul - data) : size;
}

static void write_folder(const uint8_t *data, size_t size)
{
    size_t config = until_nul(data, size);
    size_t start = config < size ? config + 1 : size;
    uint64_t header = until_nul(data + start, size - start);
    size_t rest = start + header < size ? start + header + 1 : size;
    int file = open_new("config.json");

    put(file, data, config);
    (void)close(file);
    file = open_new("model.safetensors");
    put(file, &header, sizeof header);
    put(file, data + start, header);
    put(file, data + rest, size - rest);
    (void)close(file);
}

static void try_run(struct runner *runner)
{
    static int64_t zeros[2 * TOKENS];
    const struct eng_graph *graph = runner->graph;
    struct eng_tensor inputs[PORTS_MAX], outputs[PORTS_MAX];
    struct eng_limits limits = {.deadline_ns = clock_now_ns() + 1000000000U};
    struct runner_env env = {NULL, &limits, NULL};
    struct runner_run run;
    struct error err;

    for (size_t i = 0; i < graph->input_count; i++)
        inputs[i] = (struct eng_tensor){
            .dtype = ENG_I64, .rank = 2, .dims = {2, TOKENS}, .data = zeros};
    runner_run_init(&run, runner);
    (void)runner_execute(&run, inputs, outputs, &env, &err);
    runner_run_release(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eng_graph graph = {0};
    struct op_packs *packs = op_packs_new();
    struct plan_source source = {&graph, packs, RUN_BYTES_MAX, 1};
    struct runner *runner = NULL;
    struct error err;

    if (dir < 0)
        make_folder();
    write_folder(data, size);
    if (packs && hf_load_folder(dir, RUN_BYTES_MAX, &graph, &err) &&
        passes_run(&graph, packs, 0, &err))
        runner = runner_new(&graph, &source, &err);
    if (runner)
        try_run(runner);
    runner_free(runner);
    eng_graph_release(&graph);
    op_packs_free(packs);
    return 0;
}
