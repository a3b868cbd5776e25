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
#include "dump.h"
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

static void load_all(struct cg_ir *ir, const char *scratch)
{
    cg_load(ir, scratch);
    cg_name(ir);
    cg_number(ir);
    cg_check(ir);
}

/* Emits everything into memory. */
static void emit_all(const struct cg_ir *ir, struct cg_out *out)
{
    for (size_t i = 0; i < sizeof emitters / sizeof *emitters; i++) {
        out->emitter = emitters[i].name;
        emitters[i].emit(ir, out);
    }
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

/* ---- commands: each gets an IR without faults ---- */

static bool generate(struct cg_ir *ir, const struct cg_out *out,
                     const char *dir, struct error *err)
{
    const char *lock = cg_text(ir, "%s/specgen.lock", ir->dir);

    return cg_file_write(lock, ir->lock, ir->lock_size, err) &&
           cg_out_write(out, dir, err);
}

static bool check(struct cg_ir *ir, const struct cg_out *out, const char *dir,
                  struct error *err)
{
    (void)err;
    compare_lock(ir);
    cg_out_compare(out, dir);
    return true;
}

static bool dump(struct cg_ir *ir, const struct cg_out *out, const char *dir,
                 struct error *err)
{
    struct buf text = {0};
    bool ok;

    (void)out;
    (void)dir;
    cg_dump(ir, &text);
    ok = buf_ok(&text) && fwrite(text.data, 1, text.size, stdout) == text.size;
    buf_release(&text);
    return ok || fail(err, ERR_FILE_INVALID, "cannot write to stdout");
}

static const struct command {
    const char *name;
    bool (*run)(struct cg_ir *ir, const struct cg_out *out, const char *dir,
                struct error *err);
} commands[] = {{"generate", generate}, {"check", check}, {"ir", dump}};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* ---- */

static int report(const struct cg_ir *ir)
{
    if (!ir->fault_count)
        return 0;
    (void)fwrite(ir->faults.data, 1, ir->faults.size, stderr);
    (void)fprintf(stderr, "specgen: %zu fault%s\n", ir->fault_count,
                  ir->fault_count == 1 ? "" : "s");
    return 1;
}

static int run(const struct options *options, const struct command *command,
               struct cg_ir *ir, const char *scratch)
{
    struct cg_out out;
    struct error err;
    bool ok = true;

    cg_out_init(&out, ir, scratch);
    load_all(ir, scratch);
    if (!ir->fault_count)
        emit_all(ir, &out);
    if (!ir->fault_count)
        ok = command->run(ir, &out, options->out, &err);
    cg_out_release(&out);
    if (ok)
        return report(ir);
    (void)fprintf(stderr, "specgen: %s\n", err.msg);
    return 2;
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
    const struct command *command = NULL;
    struct options options;
    char scratch[] = "/tmp/specgen-XXXXXX";
    struct cg_ir ir;
    int status;

    if (parse(argc, argv, &options))
        command = find_command(options.command);
    if (!command)
        return usage();
    if (!mkdtemp(scratch)) {
        (void)fputs("specgen: cannot make a folder in /tmp\n", stderr);
        return 2;
    }
    cg_ir_init(&ir, options.api);
    status = run(&options, command, &ir, scratch);
    cg_ir_release(&ir);
    (void)nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
