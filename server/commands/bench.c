/*
 * specserve bench MODEL|TARGET: how fast is it?
 *
 * A model runs in this process: how long a run takes, how much of the CPU's
 * arithmetic that is, which operators take the time. A served model is called
 * over REST or gRPC (bench_call.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"
#include "clock.h"
#include "commands.h"
#include "json_put.h"

static const char usage[] =
    "usage: specserve bench MODEL [--data DIR | --shape [IN=]8x128 ...]\n"
    "                       [--threads N] [--seconds S] [--json]\n"
    "                       [--profile] [--profile-svg FILE] [--outputs DIR]\n"
    "                       [--no-work] [--precision P]\n"
    "                       [--compare onnxruntime]\n"
    "       specserve bench TARGET [--request JSON] [--grpc] [--threads N]\n"
    "                       [--seconds S] [--registry URL] [--json]\n"
    "\n"
    "Measures a model in this process (an ONNX file, or a Hugging Face "
    "folder),\n"
    "or a served model: http://host:port,\n"
    "host:port, or a name, which the registry is asked for.\n"
    "\n"
    "  --data DIR          inputs from DIR/input_N.pb, as in test_data_set_0\n"
    "  --shape [IN=]DIMS   shape of input IN, or of every input; made-up "
    "elements;\n"
    "                      open dimensions are 1 in front and 128 elsewhere\n"
    "  --threads N         threads of a run; callers at once for a TARGET (1)\n"
    "  --seconds S         how long to measure (3)\n"
    "  --profile           which operators take the time\n"
    "  --profile-svg FILE  the same as a picture\n"
    "  --outputs DIR       write the outputs to DIR/output_N.pb\n"
    "  --compare onnxruntime   measure that beside it, if python3 has it\n"
    "                      (SPECSERVE_PYTHON names another Python)\n"
    "  --request JSON      what to send; the first of /test_examples without\n"
    "  --grpc              over gRPC instead of REST\n"
    "  --registry URL      (http://127.0.0.1:5000)\n"
    "  --precision P       fp32, int8 or bf16: what products compute in "
    "(fp32)\n"
    "  --no-work           do not count the model's operations afterwards\n"
    "  --json              one JSON object\n"
    "\n"
    "Exit code: 0 measured, 1 the model cannot run or the server failed, 2 "
    "usage or\n"
    "nobody answered.\n";

enum { THREADS_MAX = 64, SECONDS_MAX = 3600 };

/* --- arguments --- */

struct texts {
    const char *threads, *seconds, *shape, *precision;
};

static const char **value_of(struct bench_options *options, struct texts *texts,
                             const char *flag)
{
    const struct {
        const char *flag;
        const char **value;
    } known[] = {
        {"--data", &options->data},         {"--shape", &texts->shape},
        {"--threads", &texts->threads},     {"--seconds", &texts->seconds},
        {"--profile-svg", &options->svg},   {"--outputs", &options->outputs},
        {"--compare", &options->compare},   {"--request", &options->request},
        {"--registry", &options->registry}, {"--precision", &texts->precision}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].flag, flag) == 0)
            return known[i].value;
    }
    return NULL;
}

static bool take_word(struct bench_options *options, const char *word)
{
    if (strcmp(word, "--json") == 0)
        options->json = true;
    else if (strcmp(word, "--profile") == 0)
        options->profile = true;
    else if (strcmp(word, "--no-work") == 0)
        options->no_work = true;
    else if (strcmp(word, "--grpc") == 0)
        options->grpc = true;
    else if (word[0] == '-' || options->target)
        return false;
    else
        options->target = word;
    return true;
}

static bool take_numbers(struct bench_options *options,
                         const struct texts *texts)
{
    char *end;

    if (texts->threads) {
        options->threads = (int)strtol(texts->threads, &end, 10);
        if (end == texts->threads || *end || options->threads < 1 ||
            options->threads > THREADS_MAX)
            return false;
    }
    if (texts->seconds) {
        options->seconds = strtod(texts->seconds, &end);
        if (end == texts->seconds || *end || !(options->seconds > 0) ||
            options->seconds > SECONDS_MAX)
            return false;
    }
    if (texts->precision &&
        !eng_precision_by_name(texts->precision, &options->precision))
        return false;
    return !options->compare || strcmp(options->compare, "onnxruntime") == 0;
}

static bool parse(int argc, char **argv, struct bench_options *options)
{
    struct texts texts = {0};

    *options = (struct bench_options){
        .threads = 1, .seconds = 3, .registry = "http://127.0.0.1:5000"};
    for (int i = 0; i < argc; i++) {
        const char **value = value_of(options, &texts, argv[i]);

        if (value && i + 1 == argc)
            return false;
        if (value)
            *value = argv[++i];
        else if (!take_word(options, argv[i]))
            return false;
        if (texts.shape && options->shape_count == BENCH_SHAPES_MAX)
            return false;
        if (texts.shape)
            options->shapes[options->shape_count++] = texts.shape;
        texts.shape = NULL;
    }
    if (options->data && options->shape_count)
        return false;
    return options->target && take_numbers(options, &texts);
}

/* --- a model --- */

struct bench {
    const struct bench_options *options;
    struct arena arena;
    struct eng_team *team;
    struct eng_model *model;
    struct eng_run *run;
    struct eng_tensor inputs[BENCH_PORTS_MAX], outputs[BENCH_PORTS_MAX];
    struct bench_times times;
    struct bench_profile profile;
    struct bench_rival rival; /* version "" = none */
    double load_ms, peak_rss_mb;
    double work; /* floating-point operations of one run; 0 = not known */
    double peak; /* of the CPU, a second */
};

static bool run_once(void *context, struct error *err)
{
    struct bench *bench = context;

    return eng_run_execute(bench->run, bench->inputs, bench->outputs, NULL,
                           err);
}

static bool open_model(struct bench *bench, struct error *err)
{
    struct eng_options options = {0};
    uint64_t start;

    bench->team = eng_team_new(bench->options->threads, err);
    if (!bench->team)
        return false;
    options.team = bench->team;
    options.precision = bench->options->precision;
    start = clock_now_ns();
    bench->model = eng_model_open(bench->options->target, &options, err);
    bench->load_ms = (double)(clock_now_ns() - start) / 1e6;
    if (bench->model)
        bench->run = eng_run_new(bench->model, err);
    return bench->run && bench_inputs(bench->options, bench->model,
                                      &bench->arena, bench->inputs, err);
}

/* Afterwards, so that what is measured above does not pay for it. */
static bool profile_model(struct bench *bench, struct error *err)
{
    uint64_t start = clock_now_ns(), now = start;
    uint64_t limit = (uint64_t)(bench->options->seconds * 5e8);

    eng_run_watch(bench->run, bench_profile_add, &bench->profile);
    while (now - start < limit || !bench->profile.runs) {
        uint64_t before = now;

        if (!run_once(bench, err))
            return false;
        now = clock_now_ns();
        bench->profile.runs++;
        bench->profile.ns += now - before;
    }
    eng_run_watch(bench->run, NULL, NULL);
    return true;
}

static bool write_svg(const struct bench *bench, struct error *err)
{
    FILE *file = fopen(bench->options->svg, "w");
    struct buf text = {0};
    bool ok;

    bench_profile_svg(&bench->profile, &text);
    ok = file && buf_ok(&text) &&
         fwrite(text.data, 1, text.size, file) == text.size;
    ok = (!file || fclose(file) == 0) && ok;
    buf_release(&text);
    return ok || fail(err, ERR_FILE_MISSING, "cannot write '%.200s'",
                      bench->options->svg);
}

static bool measure(struct bench *bench, struct error *err)
{
    const struct bench_options *options = bench->options;
    bool ok =
        open_model(bench, err) &&
        bench_measure(run_once, bench, options->seconds, &bench->times, err);

    bench->peak_rss_mb = bench_peak_rss_mb();
    if (ok && options->outputs)
        ok = bench_write_outputs(options->outputs, bench->outputs,
                                 eng_model_output_count(bench->model), err);
    if (ok && (options->profile || options->svg))
        ok = profile_model(bench, err);
    if (ok && options->svg)
        ok = write_svg(bench, err);
    if (ok && options->compare)
        ok = bench_onnxruntime(options, bench->model, bench->inputs,
                               &bench->rival, err);
    if (!ok)
        return false;
    if (!options->no_work) {
        bench->work = bench_work(options->target, bench->inputs);
        bench->peak = bench_peak(options->threads);
    }
    return true;
}

/* --- saying it --- */

/* Floating-point operations a second in the median run. */
static double speed_of(const struct bench *bench)
{
    return bench->work / (bench_ms(&bench->times, 50) / 1e3);
}

/* "8x128", "[8,128]"; nothing between for a scalar. */
static void put_shape(struct buf *out, const struct eng_tensor *tensor,
                      const char *between)
{
    for (int i = 0; i < tensor->rank; i++)
        buf_printf(out, "%s%lld", i ? between : "", (long long)tensor->dims[i]);
}

static void put_inputs(const struct bench *bench, struct buf *out)
{
    for (size_t i = 0; i < eng_model_input_count(bench->model); i++) {
        buf_string(out, i ? ",{\"name\":" : "{\"name\":");
        json_put_text(out, eng_model_input(bench->model, i)->name);
        buf_printf(out, ",\"datatype\":\"%s\",\"shape\":[",
                   eng_dtype_name(bench->inputs[i].dtype));
        put_shape(out, &bench->inputs[i], ",");
        buf_string(out, "]}");
    }
}

static void json_precision(const struct bench *bench, struct buf *out)
{
    struct eng_stats stats;

    eng_model_stats(bench->model, &stats);
    buf_printf(out, ",\"precision\":\"%s\",\"int8_products\":%zu",
               eng_precision_name(stats.precision), stats.int8_products);
}

static void put_json(const struct bench *bench, struct buf *out)
{
    const struct bench_times *times = &bench->times;

    buf_printf(out,
               "{\"threads\":%d,\"runs\":%zu,\"median_ms\":%.6f,\"p95_ms\":"
               "%.6f,\"p99_ms\":%.6f,\"throughput_per_s\":%.3f,"
               "\"peak_rss_mb\":%.1f,\"load_ms\":%.3f",
               bench->options->threads, times->count, bench_ms(times, 50),
               bench_ms(times, 95), bench_ms(times, 99),
               bench_per_second(times), bench->peak_rss_mb, bench->load_ms);
    if (bench->work > 0)
        buf_printf(out,
                   ",\"gflop\":%.9f,\"gflop_per_s\":%.3f,\"peak_gflop_per_s\":"
                   "%.1f,\"peak_share\":%.4f",
                   bench->work / 1e9, speed_of(bench) / 1e9, bench->peak / 1e9,
                   speed_of(bench) / bench->peak);
    if (bench->rival.version[0])
        buf_printf(out,
                   ",\"onnxruntime\":{\"version\":\"%s\",\"median_ms\":%.6f,"
                   "\"load_ms\":%.3f,\"ratio\":%.4f}",
                   bench->rival.version, bench->rival.median_ms,
                   bench->rival.load_ms,
                   bench->rival.median_ms / bench_ms(times, 50));
    if (bench->options->precision != ENG_PRECISION_FP32)
        json_precision(bench, out);
    buf_string(out, ",\"inputs\":[");
    put_inputs(bench, out);
    buf_char(out, ']');
    if (bench->options->profile) {
        buf_string(out, ",\"profile\":");
        bench_profile_json(&bench->profile, out);
    }
    buf_string(out, "}\n");
}

/* Only where another precision than the file's was asked for. */
static void put_precision(const struct bench *bench, struct buf *out)
{
    struct eng_stats stats;

    if (bench->options->precision == ENG_PRECISION_FP32)
        return;
    eng_model_stats(bench->model, &stats);
    buf_printf(out, "precision   %s, %zu of %zu products in 8 bits (%s)\n",
               eng_precision_name(stats.precision), stats.int8_products,
               stats.products, stats.precision_reason);
}

static void put_table(const struct bench *bench, struct buf *out)
{
    const struct bench_times *times = &bench->times;

    for (size_t i = 0; i < eng_model_input_count(bench->model); i++) {
        buf_printf(out, "input       %s %s ",
                   eng_model_input(bench->model, i)->name,
                   eng_dtype_name(bench->inputs[i].dtype));
        put_shape(out, &bench->inputs[i], "x");
        buf_char(out, '\n');
    }
    buf_printf(out,
               "load        %.1f ms\n"
               "run         %.4f ms median, %.4f p95, %.4f p99\n"
               "throughput  %.1f runs/s, one after the other\n",
               bench->load_ms, bench_ms(times, 50), bench_ms(times, 95),
               bench_ms(times, 99), bench_per_second(times));
    if (bench->work > 0)
        buf_printf(out,
                   "speed       %.1f GFLOP/s, %.0f %% of the %.0f that this "
                   "CPU multiplies and adds\n",
                   speed_of(bench) / 1e9, 100 * speed_of(bench) / bench->peak,
                   bench->peak / 1e9);
    put_precision(bench, out);
    buf_printf(out, "memory      %.1f MiB at most\n", bench->peak_rss_mb);
    buf_printf(out, "measured    %zu runs on %d thread%s\n", times->count,
               bench->options->threads, bench->options->threads > 1 ? "s" : "");
    if (bench->rival.version[0])
        buf_printf(out,
                   "ONNX Runtime %s: %.4f ms median, %.2f times as long; load "
                   "%.1f ms\n",
                   bench->rival.version, bench->rival.median_ms,
                   bench->rival.median_ms / bench_ms(times, 50),
                   bench->rival.load_ms);
    if (bench->options->profile) {
        buf_char(out, '\n');
        bench_profile_table(&bench->profile, out);
    }
}

static int show(const struct bench *bench)
{
    struct buf out = {0};
    bool ok;

    if (bench->options->json)
        put_json(bench, &out);
    else
        put_table(bench, &out);
    ok = buf_ok(&out);
    if (ok)
        (void)fwrite(out.data, 1, out.size, stdout);
    else
        (void)fputs("specserve bench: no memory for the report\n", stderr);
    buf_release(&out);
    return ok ? EXIT_OK : EXIT_USAGE;
}

static bool is_usage(const struct error *err)
{
    return err->code == ERR_USAGE || err->code == ERR_FILE_MISSING ||
           err->code == ERR_NOT_READY;
}

static int bench_model(const struct bench_options *options)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct error err = {0};
    int code;

    if (!bench)
        return EXIT_USAGE;
    bench->options = options;
    arena_init(&bench->arena, 0);
    if (measure(bench, &err)) {
        code = show(bench);
    } else {
        (void)fprintf(stderr, "specserve bench: %s\n", err.msg);
        code = is_usage(&err) ? EXIT_USAGE : EXIT_WRONG;
    }
    eng_run_free(bench->run);
    eng_model_put(bench->model);
    eng_team_free(bench->team);
    bench_times_release(&bench->times);
    bench_profile_release(&bench->profile);
    arena_release(&bench->arena);
    free(bench);
    return code;
}

static bool is_model_file(const char *path)
{
    size_t length = strlen(path);
    struct stat info;

    return (length > 5 && strcmp(path + length - 5, ".onnx") == 0) ||
           (stat(path, &info) == 0 &&
            (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)));
}

int command_bench(int argc, char **argv)
{
    struct bench_options options;

    if (argc == 1 && strcmp(argv[0], "--help") == 0)
        return command_usage(usage, true);
    if (!parse(argc, argv, &options))
        return command_usage(usage, false);
    return is_model_file(options.target) ? bench_model(&options)
                                         : bench_call(&options);
}
