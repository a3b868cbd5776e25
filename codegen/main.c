/*
 * specgen: makes gen/ from api/.
 *
 *   specgen generate [--api DIR] [--out DIR]   writes what changed
 *   specgen check    [--api DIR] [--out DIR]   says what would change
 *   specgen ir       [--api DIR]               prints the contract as JSON
 *   specgen diff OLD NEW [--format F] [--waivers FILE] [--today DAY]
 *                                              says what NEW breaks
 *   specgen release VERSION [--api DIR]        keeps the contract as released
 *   specgen model-client --bundle DIR|--url URL --lang L [--out DIR]
 *                                              writes a client of one model
 *
 * load -> name -> number -> check -> emit. Exit 0: done; 1: faults, printed
 * as file:line:col: rule: message, or a broken promise; 2: wrong usage or a
 * file that cannot be written.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "diff/command.h"
#include "dump.h"
#include "emit/emit.h"
#include "load.h"
#include "model/model.h"
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
    const char *command, *api, *out, *bundle, *url, *language;
    const char *words[2]; /* what follows the command */
    int word_count;
    struct change_options diff;
};

static int usage(void)
{
    (void)fputs("usage: specgen generate|check|ir [--api DIR] [--out DIR]\n"
                "       specgen diff OLD NEW [--format text|json|markdown] "
                "[--waivers FILE] [--today YYYY-MM-DD]\n"
                "       specgen release VERSION [--api DIR]\n"
                "       specgen model-client --bundle DIR|--url URL --lang "
                "LANGUAGE [--out DIR]\n",
                stderr);
    return 2;
}

/* Where the value of an option goes; NULL: there is no such option. */
static const char **option(struct options *options, const char *name)
{
    const struct {
        const char *name, **value;
    } known[] = {{"--api", &options->api},
                 {"--out", &options->out},
                 {"--bundle", &options->bundle},
                 {"--url", &options->url},
                 {"--lang", &options->language},
                 {"--format", &options->diff.format},
                 {"--waivers", &options->diff.waivers},
                 {"--today", &options->diff.today}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].value;
    return NULL;
}

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){.api = "api"};
    for (int i = 1; i < argc; i++) {
        const char **value = option(options, argv[i]);

        if (value && i + 1 < argc)
            *value = argv[++i];
        else if (value || argv[i][0] == '-' || options->word_count == 2)
            return false;
        else if (!options->command)
            options->command = argv[i];
        else
            options->words[options->word_count++] = argv[i];
    }
    return options->command != NULL;
}

static const char *out_dir(const struct options *options, const char *otherwise)
{
    return options->out ? options->out : otherwise;
}

/* One run of the program. */
struct session {
    const struct options *options;
    const char *scratch; /* a temporary folder */
    struct cg_ir ir;     /* loaded and without faults when a command runs */
    struct cg_out out;   /* what the emitters made of it */
    int status;          /* exit code of a command that did its work */
};

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

/* ---- commands ---- */

static bool print(const struct buf *text, struct error *err)
{
    if (buf_ok(text) && fwrite(text->data, 1, text->size, stdout) == text->size)
        return true;
    return fail(err, ERR_FILE_INVALID, "cannot write to stdout");
}

static bool write_lock(struct cg_ir *ir, struct error *err)
{
    return cg_file_write(cg_text(ir, "%s/specgen.lock", ir->dir), ir->lock,
                         ir->lock_size, err);
}

static bool generate(struct session *session, struct error *err)
{
    return write_lock(&session->ir, err) &&
           cg_out_write(&session->out, out_dir(session->options, "gen"), err);
}

static bool check(struct session *session, struct error *err)
{
    (void)err;
    compare_lock(&session->ir);
    cg_out_compare(&session->out, out_dir(session->options, "gen"));
    return true;
}

static bool dump(struct session *session, struct error *err)
{
    struct buf text = {0};
    bool ok;

    cg_dump(&session->ir, &text);
    ok = print(&text, err);
    buf_release(&text);
    return ok;
}

/* The contract of NEW is the session's; OLD is loaded here. */
static bool diff(struct session *session, struct error *err)
{
    struct buf text = {0};
    struct cg_ir was;
    size_t broken;
    bool ok;

    cg_ir_init(&was, session->options->words[0]);
    cg_load_all(&was, session->scratch);
    if (was.fault_count) {
        (void)fwrite(was.faults.data, 1, was.faults.size, stderr);
        cg_ir_release(&was);
        return fail(err, ERR_DOCUMENT_INVALID, "'%s' has faults",
                    session->options->words[0]);
    }
    ok = cg_diff_command(&was, &session->ir, &session->options->diff, &text,
                         &broken, err) &&
         print(&text, err);
    session->status = ok && broken ? 1 : 0;
    buf_release(&text);
    cg_ir_release(&was);
    return ok;
}

/* Puts a watermark on the lock and a copy of api/ into api/released. */
static bool release(struct session *session, struct error *err)
{
    cg_release(&session->ir, session->options->words[0]);
    return write_lock(&session->ir, err) && cg_keep_release(&session->ir, err);
}

/* Needs no contract: what a model takes and gives is in its bundle. */
static bool model_client(struct session *session, struct error *err)
{
    const struct options *options = session->options;

    const struct cg_model_source source = {
        .dir = options->bundle,
        .url = options->url,
        .language = options->language,
    };

    if (!source.dir == !source.url || !source.language)
        return fail(err, ERR_USAGE,
                    "model-client needs --lang and either --bundle or --url");
    return cg_model_client(&session->ir, &source, out_dir(options, "."), err);
}

static const struct command {
    const char *name;
    int words; /* that follow it */
    bool loads, emits;
    bool (*run)(struct session *session, struct error *err);
} commands[] = {{"generate", 0, true, true, generate},
                {"check", 0, true, true, check},
                {"ir", 0, true, true, dump},
                {"diff", 2, true, false, diff},
                {"release", 1, true, true, release},
                {"model-client", 0, false, false, model_client}};

static const struct command *find_command(const struct options *options)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, options->command) == 0 &&
            commands[i].words == options->word_count)
            return &commands[i];
    return NULL;
}

/* ---- */

static int report(const struct session *session)
{
    const struct cg_ir *ir = &session->ir;

    if (!ir->fault_count)
        return session->status;
    (void)fwrite(ir->faults.data, 1, ir->faults.size, stderr);
    (void)fprintf(stderr, "specgen: %zu fault%s\n", ir->fault_count,
                  ir->fault_count == 1 ? "" : "s");
    return 1;
}

static int run(struct session *session, const struct command *command)
{
    struct cg_ir *ir = &session->ir;
    struct error err;
    bool ok = true;

    if (command->loads)
        cg_load_all(ir, session->scratch);
    if (!ir->fault_count && command->emits)
        emit_all(ir, &session->out);
    if (!ir->fault_count)
        ok = command->run(session, &err);
    if (ok)
        return report(session);
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
    struct session session = {.options = &options};
    char scratch[] = "/tmp/specgen-XXXXXX";
    int status;

    if (parse(argc, argv, &options))
        command = find_command(&options);
    if (!command)
        return usage();
    if (!mkdtemp(scratch)) {
        (void)fputs("specgen: cannot make a folder in /tmp\n", stderr);
        return 2;
    }
    session.scratch = scratch;
    cg_ir_init(&session.ir,
               command->run == diff ? options.words[1] : options.api);
    cg_out_init(&session.out, &session.ir, scratch);
    status = run(&session, command);
    cg_out_release(&session.out);
    cg_ir_release(&session.ir);
    (void)nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
