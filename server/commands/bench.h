/*
 * Bench: what the parts of `specserve bench` share.
 *
 * Threads: main thread.
 */
#ifndef COMMANDS_BENCH_H
#define COMMANDS_BENCH_H

#include "arena.h"
#include "buf.h"
#include "engine.h"

enum { BENCH_PORTS_MAX = 64, BENCH_SHAPES_MAX = 64 };

struct bench_options {
    const char *target; /* file of a model, or a served model */
    const char *data;   /* folder of input_N.pb; NULL = made up */
    const char *shapes[BENCH_SHAPES_MAX]; /* "name=8x128" or "8x128" */
    size_t shape_count;
    int threads;
    enum eng_precision precision;
    double seconds;
    const char *svg;     /* file for the picture; NULL = none */
    const char *outputs; /* folder for output_N.pb; NULL = none */
    const char *compare; /* "onnxruntime"; NULL = nothing */
    bool profile, no_work, json, grpc;
    const char *request; /* target: JSON to send; NULL = its first example */
    const char *registry;
};

/* --- times (bench_times.c) --- */

struct bench_times {
    uint64_t *ns;
    size_t count, room;
    uint64_t elapsed_ns; /* of the whole measurement */
};

/* One run, or one call. */
typedef bool (*bench_once_fn)(void *context, struct error *err);

/*
 * Calls `once` for a tenth of `seconds`, at least twice, without counting; then
 * for `seconds`, at least once. Shows its progress on a terminal when that
 * takes more than a second. False: what `once` said, or ERR_OUT_OF_MEMORY;
 * `times` may hold some then. Sorted when true.
 */
bool bench_measure(bench_once_fn once, void *context, double seconds,
                   struct bench_times *times, struct error *err);

/* Adds the times of a measurement that went on at the same time.
 * ERR_OUT_OF_MEMORY. */
bool bench_times_add(struct bench_times *times, const struct bench_times *from,
                     struct error *err);
void bench_times_release(struct bench_times *times);

/* Milliseconds that `percent` of the runs did not exceed. */
double bench_ms(const struct bench_times *times, unsigned percent);

/* Runs per second of the whole measurement. */
double bench_per_second(const struct bench_times *times);

/* The largest resident memory this process had, in MiB. */
double bench_peak_rss_mb(void);

/* --- a model's inputs and outputs (bench_data.c) --- */

/*
 * Fills `inputs` for `model` from options->data, or by shape: what --shape
 * says, else what the model fixes, else 1 for a first open dimension and 128
 * for others. Made-up elements are small whole numbers; masks are 1, types 0.
 *   ERR_USAGE         --shape names no input or does not fit
 *   ERR_FILE_MISSING  and others as eng_tensor_read()
 */
bool bench_inputs(const struct bench_options *options,
                  const struct eng_model *model, struct arena *arena,
                  struct eng_tensor *inputs, struct error *err);

/* Writes FOLDER/output_N.pb as ONNX TensorProto; strings are left out.
 * ERR_FILE_MISSING: cannot be written. */
bool bench_write_outputs(const char *folder, const struct eng_tensor *outputs,
                         size_t count, struct error *err);

/* --- where the time goes (bench_profile.c) --- */

struct bench_step {
    char *node;
    const char *op, *impl; /* valid while the model lives */
    size_t calls;
    uint64_t ns; /* of all calls */
};

struct bench_profile {
    struct bench_step *steps; /* in the order of the plan */
    size_t count, room;
    size_t runs;
    uint64_t ns; /* of all runs, with what lies between the steps */
    bool failed; /* memory was out: some steps are missing */
};

/* An eng_watch_fn; `context` is the profile. */
void bench_profile_add(void *context, const struct eng_step *step);
void bench_profile_release(struct bench_profile *profile);

/* One line per operator and implementation, the longest first. */
void bench_profile_table(const struct bench_profile *profile, struct buf *out);
void bench_profile_json(const struct bench_profile *profile, struct buf *out);

/*
 * The mean run as a picture: from left to right in the order of the plan, as
 * wide as it takes, stacked by the parts of the nodes' names.
 */
void bench_profile_svg(const struct bench_profile *profile, struct buf *out);

/* --- how much work that is (bench_work.c, bench_peak.c) --- */

/*
 * Floating-point operations (a multiplication and an addition are two) of the
 * matrix products, convolutions and recurrent cells of one run, as the model's
 * own nodes say it; 0 = has none, or they cannot be counted.
 */
double bench_work(const char *path, const struct eng_tensor *inputs);

/* The same of one node. */
double bench_step_work(const struct eng_step *step);

/* Fused multiply-adds of this CPU in registers, as operations per second, on
 * so many threads at once. */
double bench_peak(int threads);

/* --- others (bench_compare.c, bench_call.c) --- */

struct bench_rival {
    char version[32];
    double median_ms, load_ms;
};

/*
 * ONNX Runtime on the same inputs and threads, in Python ($SPECSERVE_PYTHON,
 * else python3). ERR_NOT_READY: Python or its module is not there, or failed.
 */
bool bench_onnxruntime(const struct bench_options *options,
                       const struct eng_model *model,
                       const struct eng_tensor *inputs,
                       struct bench_rival *rival, struct error *err);

/* Benchmarks a served model; an exit code. */
int bench_call(const struct bench_options *options);

#endif
