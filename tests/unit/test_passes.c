/*
 * Passes: every case of tests/passes, see its README.
 */
#include "unit.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph_text.h"
#include "onednn/conv.h"
#include "onnx_load.h"
#include "passes/passes.h"

#define CASES  "tests/passes/"
#define MODELS "tests/data/models/"

enum { PATH_SIZE = 512, INPUTS_MAX = 8, ALL_OFF = -1 };

static void load_failed(const char *path, const struct error *err)
{
    fail_msg("%s: %s\n", path, err->msg);
}

/* The graph after the passes that are not in `off`; the caller frees it. */
static char *graph_after(const char *path, unsigned off)
{
    struct eng_graph graph = {0};
    struct op_packs *packs = op_packs_new();
    struct error err;
    char *text = NULL;
    size_t size;
    FILE *file;

    assert_non_null(packs);
    if (!onnx_load(path, 1 << 24, &graph, &err) ||
        !passes_run(&graph, packs, off, &err))
        load_failed(path, &err);
    file = open_memstream(&text, &size);
    assert_non_null(file);
    graph_text_write(&graph, file);
    (void)fclose(file);
    op_packs_free(packs);
    eng_graph_release(&graph);
    return text;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void compare_text(const char *path, const char *text)
{
    size_t size = strlen(text);
    char *want = calloc(1, size + 2);
    FILE *file = fopen(path, "re");
    size_t got;

    assert_non_null(want);
    if (!file)
        fail_msg("%s is missing\n", path);
    got = fread(want, 1, size + 1, file);
    (void)fclose(file);
    if (got != size || memcmp(want, text, size) != 0)
        fail_msg("%s differs; it would be\n%s", path, text);
    free(want);
}

static void check_text(const char *folder, const char *name, unsigned off)
{
    char path[PATH_SIZE], model[PATH_SIZE];
    char *text;

    (void)snprintf(model, sizeof model, "%s/model.onnx", folder);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    text = graph_after(model, off);
    if (getenv("SPECSERVE_UPDATE"))
        write_text(path, text);
    else
        compare_text(path, text);
    free(text);
}

/* --- answers --- */

struct answer {
    struct eng_model *model;
    struct eng_run *run;
    struct eng_tensor out[INPUTS_MAX];
};

/* Inputs are in `folder` or in the test_data_set_0 in it. */
static void read_input(const char *folder, size_t i, struct arena *arena,
                       struct eng_tensor *in)
{
    char path[PATH_SIZE];
    struct error err;

    (void)snprintf(path, sizeof path, "%s/input_%zu.pb", folder, i);
    if (access(path, R_OK) != 0)
        (void)snprintf(path, sizeof path, "%s/test_data_set_0/input_%zu.pb",
                       folder, i);
    if (!eng_tensor_read(path, arena, in, &err))
        load_failed(path, &err);
}

static void run_model(const char *folder, unsigned off, struct arena *arena,
                      struct answer *answer)
{
    struct eng_options options = {.passes_off = off};
    struct eng_tensor in[INPUTS_MAX];
    char path[PATH_SIZE];
    struct error err;

    (void)snprintf(path, sizeof path, "%s/model.onnx", folder);
    answer->model = eng_model_open(path, &options, &err);
    if (!answer->model)
        load_failed(path, &err);
    assert_true(eng_model_input_count(answer->model) <= INPUTS_MAX &&
                eng_model_output_count(answer->model) <= INPUTS_MAX);
    for (size_t i = 0; i < eng_model_input_count(answer->model); i++)
        read_input(folder, i, arena, &in[i]);
    answer->run = eng_run_new(answer->model, &err);
    assert_non_null(answer->run);
    if (!eng_run_execute(answer->run, in, answer->out, NULL, &err))
        load_failed(path, &err);
}

static void free_answer(struct answer *answer)
{
    eng_run_free(answer->run);
    eng_model_put(answer->model);
}

/* Floats within 1e-5 of the largest; everything else equal. */
static void compare_tensors(const char *folder, const struct eng_tensor *a,
                            const struct eng_tensor *b)
{
    float top = 0;

    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(eng_tensor_size(a), eng_tensor_size(b));
    for (int64_t i = 0; a->dtype == ENG_STRING && i < eng_tensor_count(a);
         i++) {
        const struct eng_string *x = (struct eng_string *)a->data + i;
        const struct eng_string *y = (struct eng_string *)b->data + i;

        assert_int_equal(x->size, y->size);
        assert_memory_equal(x->text, y->text, x->size);
    }
    if (a->dtype == ENG_STRING)
        return;
    if (a->dtype != ENG_F32) {
        assert_memory_equal(a->data, b->data, eng_tensor_size(a));
        return;
    }
    for (int64_t i = 0; i < eng_tensor_count(a); i++)
        top = fmaxf(top, fabsf(((const float *)b->data)[i]));
    for (int64_t i = 0; i < eng_tensor_count(a); i++) {
        float x = ((const float *)a->data)[i], y = ((const float *)b->data)[i];

        if (!(fabsf(x - y) <= 1e-5F * top))
            fail_msg("%s: element %lld is %g with passes, %g with none\n",
                     folder, (long long)i, (double)x, (double)y);
    }
}

static void check_answers(const char *folder, unsigned off)
{
    struct answer with = {0}, without = {0};
    struct arena arena;

    arena_init(&arena, 0);
    run_model(folder, off, &arena, &with);
    run_model(folder, (unsigned)ALL_OFF, &arena, &without);
    for (size_t i = 0; i < eng_model_output_count(with.model); i++)
        compare_tensors(folder, &with.out[i], &without.out[i]);
    free_answer(&with);
    free_answer(&without);
    arena_release(&arena);
}

/* With all passes, and with each of them off in turn. */
static void check_all_answers(const char *folder)
{
    check_answers(folder, 0);
    for (unsigned i = 0; i < PASS_COUNT; i++)
        check_answers(folder, 1U << i);
}

/* Calls `check` for every folder in `root`; returns how many there are. */
static int for_folders(const char *root,
                       void (*check)(const char *folder, const char *name))
{
    DIR *dir = opendir(root);
    int folders = 0;

    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char folder[PATH_SIZE / 2];

        if (strchr(entry->d_name, '.'))
            continue;
        (void)snprintf(folder, sizeof folder, "%s%.200s", root, entry->d_name);
        check(folder, entry->d_name);
        folders++;
    }
    (void)closedir(dir);
    return folders;
}

static void check_model(const char *folder, const char *name)
{
    (void)name;
    check_all_answers(folder);
}

static void test_models_answer_the_same_without_any_pass(void **state)
{
    (void)state;
    assert_true(for_folders(MODELS, check_model) >= 5);
}

/* The texts of `blocked` show blocks of 16 channels. */
static bool text_holds_here(const char *name)
{
    return strncmp(name, "blocked", strlen("blocked")) != 0 ||
           onednn_block() == 16;
}

static void check_case(const char *folder, const char *name)
{
    check_text(folder, "before.txt",
               (unsigned)ALL_OFF & ~(1U << PASS_BIT_fold));
    if (text_holds_here(name))
        check_text(folder, "after.txt", 0);
    check_all_answers(folder);
}

static void test_graphs_and_answers_are_as_expected(void **state)
{
    (void)state;
    assert_true(for_folders(CASES, check_case) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs_and_answers_are_as_expected),
        cmocka_unit_test(test_models_answer_the_same_without_any_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
