/*
 * specgen: makes gen/ from api/.
 *
 *   specgen generate [--api DIR] [--out DIR]   writes what changed
 *   specgen check    [--api DIR] [--out DIR]   says what would change
 *   specgen ir       [--api DIR]               prints the contract as JSON
 *
 * load -> name -> number -> check -> emit. Exit 0: done; 1: faults, printed
 * as file:line:col: rule: message; 2: wrong usage or a file that cannot be
 * written.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "emit/emit.h"
#include "load.h"
#include "out.h"

typedef void cg_emitter(const struct cg_ir *ir, struct cg_out *out);

static const struct {
    const char *name;
    cg_emitter *emit;
} emitters[] = {
#define EMITTER(name) {#name, cg_emit_##name},
#include "emitters.def"
#undef EMITTER
};

struct options {
    const char *command, *api, *out;
};

static int usage(void)
{
    (void)fputs("usage: specgen generate|check|ir [--api DIR] [--out DIR]\n",
                stderr);
    return 2;
}

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){NULL, "api", "gen"};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--api") == 0 && i + 1 < argc)
            options->api = argv[++i];
        else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            options->out = argv[++i];
        else if (argv[i][0] != '-' && !options->command)
            options->command = argv[i];
        else
            return false;
    }
    return options->command != NULL;
}

/* Emits everything into memory. */
static void emit_all(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < sizeof emitters / sizeof *emitters; i++) {
        out->emitter = emitters[i].name;
        emitters[i].emit(ir, out);
    }
}

static void load_all(struct cg_ir *ir, const char *scratch)
{
    cg_load(ir, scratch);
    cg_name(ir);
    cg_number(ir);
    cg_check(ir);
}

static bool write_all(const struct cg_ir *ir, const struct cg_out *out,
                      const struct options *options)
{
    const char *lock = cg_text(out->ir, "%s/specgen.lock", ir->dir);
    struct error err;

    if (cg_file_write(lock, ir->lock, ir->lock_size, &err) &&
        cg_out_write(out, options->out, &err))
        return true;
    (void)fprintf(stderr, "specgen: %s\n", err.msg);
    return false;
}

/* The lock file is an output like the others. */
static void compare_lock(struct cg_ir *ir)
{
    const char *path = cg_text(ir, "%s/specgen.lock", ir->dir);
    struct buf text = {0};
    struct error ignored;

    if (!cg_file_read(path, &text, &ignored) || text.size != ir->lock_size ||
        memcmp(text.data, ir->lock, ir->lock_size) != 0)
        cg_fault(ir, (struct cg_loc){.file = path}, "fresh",
                 "is not what api/ makes; run specgen generate");
    buf_release(&text);
}

static int report(const struct cg_ir *ir)
{
    if (!ir->fault_count)
        return 0;
    (void)fwrite(ir->faults.data, 1, ir->faults.size, stderr);
    (void)fprintf(stderr, "specgen: %zu fault%s\n", ir->fault_count,
                  ir->fault_count == 1 ? "" : "s");
    return 1;
}

static int run(const struct options *options, struct cg_ir *ir,
               const char *scratch)
{
    bool check = strcmp(options->command, "check") == 0;
    struct cg_out out;
    int status = 0;

    cg_out_init(&out, ir, scratch);
    load_all(ir, scratch);
    if (!ir->fault_count)
        emit_all(ir, &out);
    if (!ir->fault_count && check) {
        compare_lock(ir);
        cg_out_compare(&out, options->out);
    } else if (!ir->fault_count && !write_all(ir, &out, options)) {
        status = 2;
    }
    cg_out_release(&out);
    return status ? status : report(ir);
}

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

int main(int argc, char **argv)
{
    struct options options;
    char scratch[] = "/tmp/specgen-XXXXXX";
    struct cg_ir ir;
    int status;

    if (!parse(argc, argv, &options) ||
        (strcmp(options.command, "generate") != 0 &&
         strcmp(options.command, "check") != 0))
        return usage();
    if (!mkdtemp(scratch)) {
        (void)fputs("specgen: cannot make a folder in /tmp\n", stderr);
        return 2;
    }
    cg_ir_init(&ir, options.api);
    status = run(&options, &ir, scratch);
    cg_ir_release(&ir);
    (void)nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
