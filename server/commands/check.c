/*
 * check: can the engine run a model, and does it give the expected numbers?
 *
 *   specserve check MODEL.onnx|DIR... [--json] [--verbose] [--rtol R] [--atol A]
 *
 * A folder with model.onnx, or with a Hugging Face model, is one case: the
 * model is loaded, and each test_data_set_* beside it is run and compared
 * (input_N.pb, output_N.pb; zipmap_input_N.pb holds the matrix of a
 * sequence(map) output). Other folders are searched for cases. Statuses: pass, fail (numbers differ, or the run
 * fails), unsupported (the engine lacks something), invalid (broken model).
 * An unsupported model is told with every node that is in its way; --verbose
 * shows what a run of the first data set consists of.
 *
 * Floats: |got - want| <= A + R * |want|, R = 1e-3 and A = 1e-7. For whole
 * models (a meta.json lies beside them) |want| is the largest magnitude of the
 * tensor. Everything else must be equal.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "commands.h"
#include "engine.h"
#include "half.h"
#include "json_put.h"

enum { PATH_SIZE = 4096, DEPTH_MAX = 16 };

enum status { PASS, FAIL, UNSUPPORTED, INVALID, STATUS_COUNT };

static const char *const status_names[] = {"pass", "fail", "unsupported",
                                           "invalid"};

struct check {
    bool json, verbose;
    double rtol, atol;
    enum eng_precision precision;
    size_t counts[STATUS_COUNT];
    struct buf cases; /* JSON objects, comma between them */
    /* of the model at hand */
    struct buf obstacles; /* JSON objects or lines of text */
    struct buf steps;     /* lines of text */
    size_t run_bytes;
};

/* --- comparing --- */

struct tolerance {
    double relative, absolute;
    bool to_largest; /* relative to the tensor's largest magnitude */
};

static bool is_float(const struct eng_tensor *tensor)
{
    return tensor->dtype == ENG_F32 || tensor->dtype == ENG_F64 ||
           tensor->dtype == ENG_F16 || tensor->dtype == ENG_BF16;
}

static double float_at(const struct eng_tensor *tensor, int64_t i)
{
    if (tensor->dtype == ENG_F64)
        return ((const double *)tensor->data)[i];
    if (tensor->dtype == ENG_F16)
        return (double)half_f16_to_float(((const uint16_t *)tensor->data)[i]);
    if (tensor->dtype == ENG_BF16)
        return (double)half_bf16_to_float(((const uint16_t *)tensor->data)[i]);
    return (double)((const float *)tensor->data)[i];
}

static double largest(const struct eng_tensor *tensor)
{
    double result = 0;

    for (int64_t i = 0; i < eng_tensor_count(tensor); i++) {
        double value = fabs(float_at(tensor, i));

        if (isfinite(value) && value > result)
            result = value;
    }
    return result;
}

static bool close_enough(double got, double want, double scale,
                         const struct tolerance *tolerance)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return got == want;
    return fabs(got - want) <=
           tolerance->absolute + tolerance->relative * scale;
}

static bool compare_floats(const struct eng_tensor *got,
                           const struct eng_tensor *want,
                           const struct tolerance *tolerance, struct error *err)
{
    double top = tolerance->to_largest ? largest(want) : 0;

    for (int64_t i = 0; i < eng_tensor_count(want); i++) {
        double g = float_at(got, i), w = float_at(want, i);

        if (!close_enough(g, w, tolerance->to_largest ? top : fabs(w),
                          tolerance))
            return fail(err, ERR_OUTPUT_INVALID,
                        "element %lld is %.9g, expected %.9g", (long long)i, g,
                        w);
    }
    return true;
}

static bool compare_strings(const struct eng_tensor *got,
                            const struct eng_tensor *want, struct error *err)
{
    const struct eng_string *g = got->data, *w = want->data;

    for (int64_t i = 0; i < eng_tensor_count(want); i++) {
        if (g[i].size != w[i].size ||
            memcmp(g[i].text, w[i].text, w[i].size) != 0)
            return fail(err, ERR_OUTPUT_INVALID, "string %lld differs",
                        (long long)i);
    }
    return true;
}

static bool same_shape(const struct eng_tensor *a, const struct eng_tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

static bool compare(const struct eng_tensor *got, const struct eng_tensor *want,
                    const struct tolerance *tolerance, struct error *err)
{
    size_t size = eng_tensor_size(want);

    if (got->dtype != want->dtype)
        return fail(err, ERR_OUTPUT_INVALID, "type is %s, expected %s",
                    eng_dtype_name(got->dtype), eng_dtype_name(want->dtype));
    if (!same_shape(got, want))
        return fail(err, ERR_OUTPUT_INVALID, "shape differs");
    if (is_float(want))
        return compare_floats(got, want, tolerance, err);
    if (want->dtype == ENG_STRING)
        return compare_strings(got, want, err);
    if (size && memcmp(got->data, want->data, size) != 0)
        return fail(err, ERR_OUTPUT_INVALID, "elements differ");
    return true;
}

/* --- one data set --- */

struct data_set {
    struct check *check;
    const char *folder;
    struct eng_model *model;
    struct arena *arena;
    struct tolerance tolerance;
};

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* "<folder>/<stem>_<i>.pb"; false if that is too long or not there. */
static bool find_tensor(const char *folder, const char *stem, size_t i,
                        char path[PATH_SIZE])
{
    int length = snprintf(path, PATH_SIZE, "%s/%s_%zu.pb", folder, stem, i);

    return length > 0 && length < PATH_SIZE && exists(path);
}

static bool read_inputs(const struct data_set *set, struct eng_tensor *inputs,
                        struct error *err)
{
    for (size_t i = 0; i < eng_model_input_count(set->model); i++) {
        char path[PATH_SIZE];

        if (!find_tensor(set->folder, "input", i, path))
            return fail(err, ERR_FILE_MISSING, "input_%zu.pb is missing", i);
        if (!eng_tensor_read(path, set->arena, &inputs[i], err))
            return false;
    }
    return true;
}

static bool compare_output(const struct data_set *set, size_t i,
                           const struct eng_tensor *got, struct error *err)
{
    bool is_map = eng_model_output(set->model, i)->is_map;
    const char *stem = is_map ? "zipmap_input" : "output";
    struct eng_tensor want;
    char path[PATH_SIZE];
    struct error cause;

    if (!find_tensor(set->folder, stem, i, path))
        return true; /* nothing is said of this output */
    if (eng_tensor_read(path, set->arena, &want, &cause) &&
        compare(got, &want, &set->tolerance, &cause))
        return true;
    return fail(err, cause.code, "output '%.80s': %.140s",
                eng_model_output(set->model, i)->name, cause.msg);
}

static void put_shape(struct buf *out, const struct eng_tensor *tensor)
{
    buf_printf(out, " %s[", eng_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++)
        buf_printf(out, i ? ",%lld" : "%lld", (long long)tensor->dims[i]);
    buf_char(out, ']');
}

/* One line: implementation, operator, node, shapes of inputs and outputs. */
static void note_step(void *context, const struct eng_step *step)
{
    struct buf *steps = context;

    buf_printf(steps, "            %-24s %-24s %s", step->impl, step->op,
               step->node);
    for (size_t i = 0; i < step->input_count; i++) {
        if (step->inputs[i])
            put_shape(steps, step->inputs[i]);
    }
    buf_string(steps, " ->");
    for (size_t i = 0; i < step->output_count; i++)
        put_shape(steps, step->outputs[i]);
    buf_char(steps, '\n');
}

static bool run_set(const struct data_set *set, struct error *err)
{
    size_t inputs_count = eng_model_input_count(set->model);
    size_t outputs_count = eng_model_output_count(set->model);
    struct eng_tensor *inputs =
        arena_zalloc(set->arena, inputs_count + 1, sizeof *inputs);
    struct eng_tensor *outputs =
        arena_zalloc(set->arena, outputs_count + 1, sizeof *outputs);
    struct eng_run *run;
    bool ok;

    if (!inputs || !outputs)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a data set");
    run = eng_run_new(set->model, err);
    if (run && set->check->verbose && !set->check->steps.size)
        eng_run_watch(run, note_step, &set->check->steps);
    ok = run && read_inputs(set, inputs, err) &&
         eng_run_execute(run, inputs, outputs, NULL, err);
    for (size_t i = 0; ok && i < outputs_count; i++)
        ok = compare_output(set, i, &outputs[i], err);
    if (run && eng_run_bytes(run) > set->check->run_bytes)
        set->check->run_bytes = eng_run_bytes(run);
    eng_run_free(run);
    return ok;
}

/* All of test_data_set_0, _1, ... beside the model. */
static bool run_sets(struct check *check, const char *folder,
                     struct eng_model *model, size_t *count, struct error *err)
{
    char meta[PATH_SIZE], path[PATH_SIZE];
    struct data_set set = {
        check, path, model, NULL, {check->rtol, check->atol, false}};

    (void)snprintf(meta, sizeof meta, "%s/meta.json", folder);
    set.tolerance.to_largest = exists(meta);
    for (*count = 0;; (*count)++) {
        struct arena arena;
        bool ok;

        (void)snprintf(path, sizeof path, "%s/test_data_set_%zu", folder,
                       *count);
        if (!exists(path))
            return true;
        arena_init(&arena, 0);
        set.arena = &arena;
        ok = run_set(&set, err);
        arena_release(&arena);
        if (!ok)
            return false;
    }
}

/* --- reporting --- */

static const char *text_of(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

static void report(struct check *check, const char *path, enum status status,
                   const char *detail)
{
    size_t before = check->counts[PASS] + check->counts[FAIL] +
                    check->counts[UNSUPPORTED] + check->counts[INVALID];

    check->counts[status]++;
    if (!check->json) {
        printf("%-11s %s%s%s\n%s%s", status_names[status], path,
               detail[0] ? ": " : "", detail, text_of(&check->obstacles),
               text_of(&check->steps));
        return;
    }
    if (before)
        buf_char(&check->cases, ',');
    buf_string(&check->cases, "{\"path\":");
    json_put_text(&check->cases, path);
    buf_printf(&check->cases,
               ",\"status\":\"%s\",\"detail\":", status_names[status]);
    json_put_text(&check->cases, detail);
    if (check->obstacles.size)
        buf_printf(&check->cases, ",\"obstacles\":[%s]",
                   text_of(&check->obstacles));
    buf_char(&check->cases, '}');
}

/* A node that is in the way: the line that is printed, or its JSON. */
static void note_obstacle(void *context, const struct eng_obstacle *obstacle)
{
    struct check *check = context;
    struct buf *list = &check->obstacles;

    if (!check->json) {
        buf_printf(list, "            %s\n", obstacle->reason);
        return;
    }
    buf_string(list, list->size ? ",{\"node\":" : "{\"node\":");
    json_put_text(list, obstacle->node);
    buf_string(list, ",\"op\":");
    json_put_text(list, obstacle->op);
    buf_string(list, ",\"reason\":");
    json_put_text(list, obstacle->reason);
    buf_char(list, '}');
}

static enum status status_of(const struct error *err)
{
    if (err->code == ERR_MODEL_UNSUPPORTED)
        return UNSUPPORTED;
    return err->code == ERR_MODEL_INVALID || err->code == ERR_FILE_MISSING
               ? INVALID
               : FAIL;
}

/* Whether texts of different length need no padding. */
static void note_ragged(struct check *check, const struct eng_model *model)
{
    struct eng_ragged ragged;

    if (!check->verbose)
        return;
    eng_model_ragged(model, &ragged);
    if (ragged.possible)
        buf_printf(&check->steps,
                   "            runs without padding, up to %lld tokens a "
                   "sequence\n",
                   (long long)ragged.length_max);
    else
        buf_printf(&check->steps, "            needs padding: %s\n",
                   ragged.reason);
}

/* --- cases --- */

static void check_model(struct check *check, const char *folder,
                        const char *path)
{
    const struct eng_options options = {.precision = check->precision,
                                        .obstacle = note_obstacle,
                                        .obstacle_context = check};
    struct eng_model *model;
    struct error err;
    char detail[sizeof err.msg + 64];
    struct eng_stats stats;
    size_t sets;

    buf_clear(&check->obstacles);
    buf_clear(&check->steps);
    check->run_bytes = 0;
    model = eng_model_open(path, &options, &err);
    if (!model) {
        report(check, path, status_of(&err), err.msg);
        return;
    }
    eng_model_stats(model, &stats);
    if (run_sets(check, folder, model, &sets, &err)) {
        note_ragged(check, model);
        (void)snprintf(detail, sizeof detail,
                       "%zu nodes, %zu operators, %zu weight bytes, %zu bytes "
                       "a run, %zu data sets",
                       stats.nodes, stats.operators, stats.weight_bytes,
                       check->run_bytes, sets);
        report(check, path, PASS, detail);
    } else {
        (void)snprintf(detail, sizeof detail, "data set %zu: %s", sets,
                       err.msg);
        report(check, path,
               err.code == ERR_MODEL_UNSUPPORTED ? UNSUPPORTED : FAIL, detail);
    }
    eng_model_put(model);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A Hugging Face folder: its weights have one name, or an index. */
static bool is_hf_folder(const char *path)
{
    static const char *const weights[] = {"model.safetensors",
                                          "model.safetensors.index.json"};
    char inner[PATH_SIZE];

    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        (void)snprintf(inner, sizeof inner, "%s/%s", path, weights[i]);
        if (exists(inner))
            return true;
    }
    return false;
}

/* Every folder at or below `path` that has a model.onnx or is a Hugging Face
 * folder. */
static void check_folder(struct check *check, const char *path, int depth)
{
    struct dirent **entries;
    char inner[PATH_SIZE];
    int count;

    (void)snprintf(inner, sizeof inner, "%s/model.onnx", path);
    if (exists(inner)) {
        check_model(check, path, inner);
        return;
    }
    if (is_hf_folder(path)) {
        check_model(check, path, path);
        return;
    }
    count = depth < DEPTH_MAX ? scandir(path, &entries, no_dots, by_name) : -1;
    for (int i = 0; i < count; i++) {
        (void)snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (is_folder(inner))
            check_folder(check, inner, depth + 1);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void check_path(struct check *check, const char *path)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');

    if (is_folder(path)) {
        check_folder(check, path, 0);
        return;
    }
    (void)snprintf(folder, sizeof folder, "%.*s",
                   slash ? (int)(slash - path) : 1, slash ? path : ".");
    check_model(check, folder, path);
}

static const char usage[] =
    "usage: specserve check MODEL.onnx|DIR... [--json] [--verbose] [--rtol R]\n"
    "                       [--atol A] [--precision P]\n"
    "\n"
    "Loads models and runs the test_data_set_* folders beside them. A model is "
    "an\n"
    "ONNX file, or a folder with model.onnx or, from Hugging Face, with\n"
    "config.json and model.safetensors; other folders are searched for such.\n"
    "\n"
    "  --json    one JSON object instead of a line per model\n"
    "  --verbose the steps of a run: implementation, operator, node, shapes; "
    "and\n"
    "            whether sequences of different length run without padding\n"
    "  --rtol R  relative difference that is allowed (0.001)\n"
    "  --atol A  absolute difference that is allowed (1e-7)\n"
    "  --precision P  fp32, int8 or bf16: what products compute in (fp32)\n"
    "\n"
    "Exit code: 0 all pass, 1 some do not, 2 usage or no model.\n";

static bool parse_double(const char *text, double *value)
{
    char *end;

    if (!text)
        return false;
    errno = 0;
    *value = strtod(text, &end);
    return !errno && end != text && !*end && *value >= 0;
}

/* The option at argv[*i], and *i on what follows it; false: it is wrong. */
static bool take_option(struct check *check, int argc, char **argv, int *i)
{
    const char *option = argv[*i], *value;

    if (strcmp(option, "--json") == 0)
        return check->json = true;
    if (strcmp(option, "--verbose") == 0)
        return check->verbose = true;
    value = *i + 1 < argc ? argv[++*i] : NULL;
    if (strcmp(option, "--rtol") == 0)
        return parse_double(value, &check->rtol);
    if (strcmp(option, "--atol") == 0)
        return parse_double(value, &check->atol);
    return value && strcmp(option, "--precision") == 0 &&
           eng_precision_by_name(value, &check->precision);
}

/* Options are taken out of argv; returns how many paths remain, -1 = wrong. */
static int parse_options(struct check *check, int argc, char **argv)
{
    int paths = 0;

    for (int i = 0; i < argc; i++) {
        if (argv[i][0] != '-')
            argv[paths++] = argv[i];
        else if (!take_option(check, argc, argv, &i))
            return -1;
    }
    return paths;
}

static void print_totals(const struct check *check)
{
    if (check->json)
        printf("{\"cases\":[%s],\"pass\":%zu,\"fail\":%zu,\"unsupported\":%zu,"
               "\"invalid\":%zu}\n",
               text_of(&check->cases), check->counts[PASS], check->counts[FAIL],
               check->counts[UNSUPPORTED], check->counts[INVALID]);
    else
        printf("%zu pass, %zu fail, %zu unsupported, %zu invalid\n",
               check->counts[PASS], check->counts[FAIL],
               check->counts[UNSUPPORTED], check->counts[INVALID]);
}

int command_check(int argc, char **argv)
{
    struct check check = {.rtol = 1e-3, .atol = 1e-7};
    int paths = parse_options(&check, argc, argv);
    size_t bad;

    if (argc == 1 && strcmp(argv[0], "--help") == 0)
        return command_usage(usage, true);
    if (paths < 1)
        return command_usage(usage, false);
    for (int i = 0; i < paths; i++)
        check_path(&check, argv[i]);
    print_totals(&check);
    bad =
        check.counts[FAIL] + check.counts[UNSUPPORTED] + check.counts[INVALID];
    if (bad + check.counts[PASS] == 0)
        (void)fputs("check: no model.onnx found\n", stderr);
    buf_release(&check.cases);
    buf_release(&check.obstacles);
    buf_release(&check.steps);
    if (bad + check.counts[PASS] == 0)
        return EXIT_USAGE;
    return bad ? EXIT_WRONG : EXIT_OK;
}
