/*
 * Engine, through engine.h: models load, run at any shape, from several
 * threads, within limits; broken ones are refused.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "engine.h"
#include "ops/op.h"
#include "unit.h"

#define MODELS "tests/data/models/"

static struct eng_model *open_model(const char *path)
{
    struct error err;
    struct eng_model *model = eng_model_open(path, NULL, &err);

    if (!model)
        fail_msg("%s: %s\n", path, err.msg);
    return model;
}

enum { FEATURES = 8, CLASSES = 3, ROWS_MAX = 8 };

/* Runs torch_mlp on `rows` rows of numbers that depend on `seed`. */
static bool run_mlp(struct eng_run *run, int64_t rows, float seed,
                    float *result, struct error *err)
{
    float x[ROWS_MAX * FEATURES];
    struct eng_tensor in = {
        .dtype = ENG_F32, .rank = 2, .dims = {rows, FEATURES}, .data = x};
    struct eng_tensor out;

    for (int i = 0; i < rows * FEATURES; i++)
        x[i] = sinf(seed + (float)i);
    if (!eng_run_execute(run, &in, &out, NULL, err))
        return false;
    memcpy(result, out.data, (size_t)(rows * CLASSES) * sizeof(float));
    return true;
}

static void test_model_describes_its_ports(void **state)
{
    struct eng_model *model = open_model(MODELS "torch_mlp/model.onnx");
    const struct eng_port *in = eng_model_input(model, 0);
    struct eng_stats stats;

    (void)state;
    assert_int_equal(eng_model_input_count(model), 1);
    assert_int_equal(eng_model_output_count(model), 1);
    assert_string_equal(in->name, "x");
    assert_int_equal(in->dtype, ENG_F32);
    assert_int_equal(in->rank, 2);
    assert_int_equal(in->dims[0], -1);
    assert_string_equal(in->symbol[0], "n");
    assert_int_equal(in->dims[1], FEATURES);
    eng_model_stats(model, &stats);
    assert_int_equal(stats.opset, 9);
    assert_int_equal(stats.initializers, 8);
    assert_int_equal(stats.operators, 6);
    eng_model_put(model);
}

static void test_run_takes_any_batch_and_rows_do_not_mix(void **state)
{
    struct eng_model *model = open_model(MODELS "torch_mlp/model.onnx");
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);
    float one[CLASSES], many[ROWS_MAX * CLASSES], again[CLASSES];

    (void)state;
    assert_true(run_mlp(run, 1, 0.5F, one, &err));
    assert_true(run_mlp(run, ROWS_MAX, 0.5F, many, &err));
    assert_true(run_mlp(run, 1, 0.5F, again, &err));
    for (int i = 0; i < CLASSES; i++) {
        assert_true(fabsf(one[i] - many[i]) < 1e-6F);
        assert_true(one[i] == again[i]);
    }
    eng_run_free(run);
    eng_model_put(model);
}

static void test_run_names_input_and_shapes_when_they_do_not_fit(void **state)
{
    struct eng_model *model = open_model(MODELS "torch_mlp/model.onnx");
    float x[16] = {0};
    struct eng_tensor in = {
        .dtype = ENG_F32, .rank = 2, .dims = {2, 7}, .data = x};
    struct eng_tensor out;
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);

    (void)state;
    assert_false(eng_run_execute(run, &in, &out, NULL, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_string_equal(err.msg, "input 'x' has shape [2, 7], expected [?, 8]");
    in.dims[1] = 8;
    in.dtype = ENG_F64;
    assert_false(eng_run_execute(run, &in, &out, NULL, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    eng_run_free(run);
    eng_model_put(model);
}

static void test_run_gives_up_at_deadline_or_cancel(void **state)
{
    struct eng_model *model = open_model(MODELS "torch_mlp/model.onnx");
    float x[FEATURES] = {0};
    struct eng_tensor in = {
        .dtype = ENG_F32, .rank = 2, .dims = {1, FEATURES}, .data = x};
    struct eng_tensor out;
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);
    atomic_bool cancelled;
    struct eng_limits limits = {.deadline_ns = 1};

    (void)state;
    assert_false(eng_run_execute(run, &in, &out, &limits, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    atomic_init(&cancelled, true);
    limits = (struct eng_limits){CLOCK_NEVER, &cancelled};
    assert_false(eng_run_execute(run, &in, &out, &limits, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    atomic_store(&cancelled, false);
    assert_true(eng_run_execute(run, &in, &out, &limits, &err));
    eng_run_free(run);
    eng_model_put(model);
}

enum { THREADS = 4, ROUNDS = 200 };

struct worker {
    struct eng_model *model;
    pthread_t thread;
    int64_t rows;
    bool ok;
};

/* Every round must give what the first one gave. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    float first[ROWS_MAX * CLASSES], result[ROWS_MAX * CLASSES];
    struct error err;
    struct eng_run *run = eng_run_new(worker->model, &err);
    size_t size = (size_t)worker->rows * CLASSES * sizeof(float);

    worker->ok = run && run_mlp(run, worker->rows, 1, first, &err);
    for (int i = 0; worker->ok && i < ROUNDS; i++) {
        int64_t other = 1 + i % ROWS_MAX;

        worker->ok = run_mlp(run, other, 2, result, &err) &&
                     run_mlp(run, worker->rows, 1, result, &err) &&
                     memcmp(first, result, size) == 0;
    }
    eng_run_free(run);
    return NULL;
}

static void test_runs_of_one_model_go_side_by_side(void **state)
{
    struct eng_model *model = open_model(MODELS "torch_mlp/model.onnx");
    struct worker workers[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.model = model, .rows = 1 + i % 2};
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].ok);
    }
    eng_model_put(model);
}

/* torch_gru_uni2 takes any length; more lengths than plans are kept. */
static void test_plans_are_bounded_and_come_back_right(void **state)
{
    enum { LENGTHS = 300 };
    struct eng_model *model = open_model(MODELS "torch_gru_uni2/model.onnx");
    static int64_t ids[LENGTHS];
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);
    float first = 0;

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int64_t length = 1; length <= LENGTHS; length++) {
            struct eng_tensor in = {
                .dtype = ENG_I64, .rank = 2, .dims = {1, length}, .data = ids};
            struct eng_tensor out[2];

            assert_true(eng_run_execute(run, &in, out, NULL, &err));
            assert_int_equal(out[0].dims[1], length);
            if (round == 0 && length == 1)
                first = ((const float *)out[0].data)[0];
            /* the first token does not see the later ones */
            assert_true(fabsf(first - ((const float *)out[0].data)[0]) < 1e-5F);
        }
    }
    eng_run_free(run);
    eng_model_put(model);
}

static void test_index_outside_is_an_error_of_the_run(void **state)
{
    struct eng_model *model = open_model(MODELS "torch_gru_uni2/model.onnx");
    int64_t ids[] = {3, 20};
    struct eng_tensor in = {
        .dtype = ENG_I64, .rank = 2, .dims = {1, 2}, .data = ids};
    struct eng_tensor out[2];
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);

    (void)state;
    assert_false(eng_run_execute(run, &in, out, NULL, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_non_null(strstr(err.msg, "(Gather)"));
    eng_run_free(run);
    eng_model_put(model);
}

static void test_map_output_carries_its_keys(void **state)
{
    struct eng_model *model =
        open_model(MODELS "sklearn_logreg_iris/model.onnx");
    float x[6] = {5.1F, 3.5F, 4.9F, 3.0F, 4.7F, 3.2F};
    struct eng_tensor in = {
        .dtype = ENG_F32, .rank = 2, .dims = {3, 2}, .data = x};
    struct eng_tensor out[2];
    struct error err;
    struct eng_run *run = eng_run_new(model, &err);

    (void)state;
    assert_true(eng_model_output(model, 1)->is_map);
    assert_true(eng_run_execute(run, &in, out, NULL, &err));
    assert_null(out[0].map_keys);
    assert_non_null(out[1].map_keys);
    assert_int_equal(out[1].map_keys->dims[0], 3);
    assert_int_equal(((const int64_t *)out[1].map_keys->data)[2], 2);
    eng_run_free(run);
    eng_model_put(model);
}

static void test_run_memory_has_a_limit(void **state)
{
    struct eng_options small = {.run_memory_max = 1024};
    struct error err;

    (void)state;
    assert_null(eng_model_open(MODELS "mnist_8/model.onnx", &small, &err));
    assert_int_equal(err.code, ERR_MODEL_INVALID);
    assert_non_null(strstr(err.msg, "limit"));
}

struct seen {
    size_t steps, out_of_order;
    uint64_t last_end_ns;
    char impl[64]; /* of the last step */
    int64_t dims[2];
};

static void see(void *context, const struct eng_step *step)
{
    struct seen *seen = context;

    seen->out_of_order += step->index != seen->steps ||
                          step->start_ns < seen->last_end_ns ||
                          step->end_ns < step->start_ns;
    seen->steps++;
    seen->last_end_ns = step->end_ns;
    (void)snprintf(seen->impl, sizeof seen->impl, "%s %s", step->op,
                   step->impl);
    memcpy(seen->dims, step->outputs[0]->dims, sizeof seen->dims);
}

static void test_watched_run_tells_every_step_in_order(void **state)
{
    struct eng_options plain = {.passes_off = ~0U};
    struct error err;
    struct eng_model *model =
        eng_model_open(MODELS "torch_mlp/model.onnx", &plain, &err);
    struct eng_run *run = eng_run_new(model, &err);
    float want[ROWS_MAX * CLASSES], got[ROWS_MAX * CLASSES];
    struct seen seen = {0};

    (void)state;
    assert_true(run_mlp(run, 3, 1, want, &err));
    eng_run_watch(run, see, &seen);
    assert_true(run_mlp(run, 3, 1, got, &err));
    assert_memory_equal(got, want, 3 * CLASSES * sizeof *got);
    assert_int_equal(seen.steps, 8);
    assert_int_equal(seen.out_of_order, 0);
    assert_non_null(strstr(seen.impl, "Softmax softmax"));
    assert_int_equal(seen.dims[0], 3);
    assert_int_equal(seen.dims[1], CLASSES);
    eng_run_watch(run, NULL, NULL);
    assert_true(run_mlp(run, 3, 1, got, &err));
    assert_int_equal(seen.steps, 8);
    eng_run_free(run);
    eng_model_put(model);
}

/* --- loops --- */

/* own_while doubles v while its sum is below 100: zeros never get there. The
 * time counts from the run on, loading takes what it takes; 0 = no limit. */
static bool run_endless(uint64_t limit_ns, struct error *err)
{
    struct eng_model *model = open_model("tests/ops/loop/own_while/model.onnx");
    struct eng_run *run = eng_run_new(model, err);
    float v[4] = {0}, limit = 100;
    bool go_on = true;
    struct eng_tensor in[] = {
        {.dtype = ENG_F32, .rank = 2, .dims = {2, 2}, .data = v},
        {.dtype = ENG_BOOL, .data = &go_on},
        {.dtype = ENG_F32, .data = &limit}};
    struct eng_tensor out;
    struct eng_limits limits = {.deadline_ns = clock_now_ns() + limit_ns};
    bool ok = eng_run_execute(run, in, &out, limit_ns ? &limits : NULL, err);

    eng_run_free(run);
    eng_model_put(model);
    return ok;
}

static void test_loop_gives_up_at_the_deadline(void **state)
{
    struct error err;

    (void)state;
    assert_false(run_endless(20000000, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.msg, "Loop"));
}

static void test_loop_without_a_deadline_ends_by_its_own_limit(void **state)
{
    struct error err;

    (void)state;
    assert_false(run_endless(0, &err));
    assert_int_equal(err.code, ERR_VALIDATION_ERROR);
    assert_non_null(strstr(err.msg, "iterations"));
}

/* --- broken models --- */

static void test_malformed_models_are_refused(void **state)
{
    DIR *folder = opendir("tests/data/malformed");
    struct dirent *entry;
    int count = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        char path[512];
        struct error err = {0};

        if (!strstr(entry->d_name, ".onnx"))
            continue;
        (void)snprintf(path, sizeof path, "tests/data/malformed/%s",
                       entry->d_name);
        if (eng_model_open(path, NULL, &err))
            fail_msg("%s was accepted\n", path);
        if ((err.code != ERR_MODEL_INVALID &&
             err.code != ERR_MODEL_UNSUPPORTED) ||
            !err.msg[0])
            fail_msg("%s: code %d '%s'\n", path, (int)err.code, err.msg);
        count++;
    }
    (void)closedir(folder);
    assert_int_equal(count, 52);
}

static size_t read_file(const char *path, unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    assert_non_null(file);
    got = fread(bytes, 1, size, file);
    (void)fclose(file);
    return got;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Every truncation and every flipped byte: loads or is refused. */
static void test_damaged_bytes_never_crash(void **state)
{
    static unsigned char bytes[8192];
    size_t size = read_file(MODELS "torch_mlp/model.onnx", bytes, sizeof bytes);
    char path[] = "/tmp/engineXXXXXX";
    int fd = mkstemp(path);
    struct error err;

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    for (size_t i = 0; i < size; i += 7) {
        write_file(path, bytes, i);
        eng_model_put(eng_model_open(path, NULL, &err));
        bytes[i] ^= 0x55;
        write_file(path, bytes, size);
        eng_model_put(eng_model_open(path, NULL, &err));
        bytes[i] ^= 0x55;
    }
    (void)unlink(path);
}

/* --- external data: ext_missing.onnx wants floats from
 * no_such_file.bin --- */

struct folder {
    char path[64], model[96], data[96], other[96];
};

static void make_folder(struct folder *folder)
{
    unsigned char bytes[512];
    size_t size =
        read_file("tests/data/malformed/ext_missing.onnx", bytes, sizeof bytes);

    (void)snprintf(folder->path, sizeof folder->path, "/tmp/engineXXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->model, sizeof folder->model, "%s/model.onnx",
                   folder->path);
    (void)snprintf(folder->data, sizeof folder->data, "%s/no_such_file.bin",
                   folder->path);
    (void)snprintf(folder->other, sizeof folder->other, "%s/other",
                   folder->path);
    write_file(folder->model, bytes, size);
}

static void drop_folder(const struct folder *folder)
{
    (void)unlink(folder->model);
    (void)unlink(folder->data);
    (void)rmdir(folder->data);
    (void)unlink(folder->other);
    (void)rmdir(folder->path);
}

static bool loads(const struct folder *folder)
{
    struct error err;
    struct eng_model *model = eng_model_open(folder->model, NULL, &err);

    if (!model)
        assert_int_equal(err.code, ERR_MODEL_INVALID);
    eng_model_put(model);
    return model != NULL;
}

static void test_external_data_is_a_plain_file_beside_the_model(void **state)
{
    static const float weights[64];
    struct folder folder;

    (void)state;
    make_folder(&folder);
    assert_false(loads(&folder));
    write_file(folder.data, weights, sizeof weights);
    assert_true(loads(&folder));
    write_file(folder.data, weights, 8);
    assert_false(loads(&folder)); /* too short */
    write_file(folder.data, weights, sizeof weights);
    assert_int_equal(link(folder.data, folder.other), 0);
    assert_false(loads(&folder)); /* two names */
    (void)unlink(folder.data);
    assert_int_equal(symlink("other", folder.data), 0);
    assert_false(loads(&folder)); /* symbolic link */
    (void)unlink(folder.data);
    assert_int_equal(mkfifo(folder.data, 0600), 0);
    assert_false(loads(&folder));
    (void)unlink(folder.data);
    assert_int_equal(mkdir(folder.data, 0700), 0);
    assert_false(loads(&folder));
    drop_folder(&folder);
}

/* --- the table --- */

static void test_every_row_has_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < op_row_count(); i++) {
        char path[128];
        size_t at;

        at = (size_t)snprintf(path, sizeof path, "tests/ops/%s",
                              op_row_at(i)->name);
        for (char *c = path; c < path + at; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        if (access(path, F_OK) != 0)
            fail_msg("operator %s has no folder %s\n", op_row_at(i)->name,
                     path);
    }
}

static void test_versions_pick_the_newest_row_not_above(void **state)
{
    size_t count;

    (void)state;
    assert_non_null(op_find("", "Pow", 13, &count));
    assert_int_equal(count, 2);
    assert_null(op_find("", "Expand", 7, &count)); /* came with 8 */
    assert_null(op_find("", "Relu", 999, &count));
    assert_null(op_find("", "Add", 6, &count)); /* broadcast differently */
    assert_null(op_find("ai.onnx.ml", "Relu", 1, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_describes_its_ports),
        cmocka_unit_test(test_run_takes_any_batch_and_rows_do_not_mix),
        cmocka_unit_test(test_run_names_input_and_shapes_when_they_do_not_fit),
        cmocka_unit_test(test_run_gives_up_at_deadline_or_cancel),
        cmocka_unit_test(test_runs_of_one_model_go_side_by_side),
        cmocka_unit_test(test_plans_are_bounded_and_come_back_right),
        cmocka_unit_test(test_index_outside_is_an_error_of_the_run),
        cmocka_unit_test(test_map_output_carries_its_keys),
        cmocka_unit_test(test_run_memory_has_a_limit),
        cmocka_unit_test(test_watched_run_tells_every_step_in_order),
        cmocka_unit_test(test_loop_gives_up_at_the_deadline),
        cmocka_unit_test(test_loop_without_a_deadline_ends_by_its_own_limit),
        cmocka_unit_test(test_malformed_models_are_refused),
        cmocka_unit_test(test_damaged_bytes_never_crash),
        cmocka_unit_test(test_external_data_is_a_plain_file_beside_the_model),
        cmocka_unit_test(test_every_row_has_cases),
        cmocka_unit_test(test_versions_pick_the_newest_row_not_above),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
