/*
 * Bundles: a good one gives its parts; each edit of cases.txt gives its
 * finding; declared tensors are compared with a model's ports; every field of
 * every schema is said to be acted on or not.
 */
#include "bundle.h"

#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle_fields.h"
#include "bundle_internal.h"
#include "schemas.h"
#include "test_doc_cases.h"
#include "unit.h"

static const char good[] = "tests/data/documents/bundle";

static const char *const files[] = {
    "demo.modelspec.yaml", "demo.modelservice.yaml",
    "demo.behavior.yaml",  "citation.bib",
    "model.onnx",          "tokenizer.json",
};

/* ---- a copy of the good bundle, in a folder of its own ---- */

static void join(char path[512], const char *dir, const char *name)
{
    (void)snprintf(path, 512, "%s/%s", dir, name);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    FILE *file;

    join(path, dir, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static char *read_good(const char *name)
{
    char path[512];
    size_t size;

    join(path, good, name);
    return cases_read(path, &size);
}

static void make_copy(char dir[64])
{
    (void)snprintf(dir, 64, "/tmp/specserve-bundle-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *text = read_good(files[i]);

        write_file(dir, files[i], text);
        free(text);
    }
}

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_copy(const char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Links, a pipe and a folder beside the files, for row Y6. */
static void make_hazards(const char *dir)
{
    char path[512], target[512];

    join(path, dir, "a_link");
    assert_int_equal(symlink("model.onnx", path), 0);
    join(path, dir, "linked_folder");
    assert_int_equal(symlink(".", path), 0);
    join(path, dir, "a_pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    join(path, dir, "a_folder");
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(dir, "one_link", "weights");
    join(target, dir, "one_link");
    join(path, dir, "two_links");
    assert_int_equal(link(target, path), 0);
}

/* An opened folder with its report, printed. */
struct opened {
    struct arena arena;
    struct doc_report report;
    struct buf printed;
    struct srv_bundle *bundle;
};

static struct opened *open_bundle(const char *dir)
{
    struct opened *opened = calloc(1, sizeof *opened);

    assert_non_null(opened);
    arena_init(&opened->arena, 0);
    doc_report_init(&opened->report, &opened->arena);
    opened->bundle = bundle_open(dir, &opened->report);
    doc_report_print(&opened->report, &opened->printed);
    assert_true((opened->bundle != NULL) == (opened->report.faults == 0));
    return opened;
}

static const char *printed(const struct opened *opened)
{
    return opened->printed.data ? opened->printed.data : "";
}

static void release(struct opened *opened)
{
    bundle_close(opened->bundle);
    buf_release(&opened->printed);
    arena_release(&opened->arena);
    free(opened);
}

/* ---- the good bundle ---- */

static void check_signature(const struct srv_bundle *bundle)
{
    const struct bundle_signature *signature = &bundle->signature;
    const struct bundle_input *text = bundle_find_input(bundle, "text");
    const struct bundle_parameter *level =
        bundle_find_parameter(bundle, "level");
    const struct bundle_output *low = bundle_find_output(bundle, "LogS_low");

    assert_int_equal(signature->input_count, 1);
    assert_int_equal(text->type, BUNDLE_TEXT);
    assert_true(text->required);
    assert_false(text->truncate);
    assert_int_equal(text->max_bytes, 4096);
    assert_int_equal(text->max_tokens, 128);
    assert_int_equal(level->type, BUNDLE_FLOAT);
    assert_true(level->min == 0.5 && level->max == 0.99);
    assert_true(doc_number(level->otherwise, 0) == 0.8);
    assert_true(isinf(bundle_find_parameter(bundle, "property")->max));
    assert_int_equal(signature->output_count, 3);
    assert_string_equal(signature->outputs[0].property, "LogS");
    assert_int_equal(signature->outputs[0].from_index, 1);
    assert_string_equal(low->from_tensor, "y");
    assert_int_equal(low->from_index, 0);
    assert_string_equal(bundle_find_output(bundle, "smiles")->from_input,
                        "text");
    assert_int_equal(signature->tensor_inputs[0].dims[1], 128);
    assert_null(bundle_find_output(bundle, "LogP"));
}

static void check_told(const struct srv_bundle *bundle)
{
    const struct bundle_range *range = bundle_find_range(bundle, "LogS");
    const struct bundle_example *first = &bundle->examples[0];

    assert_string_equal(bundle->name, "Demo");
    assert_string_equal(bundle->version, "1.2.3");
    assert_string_equal(bundle->maintainer, "The test suite");
    assert_non_null(strstr(bundle->bibtex, "@software{demo,"));
    assert_int_equal(bundle->capability_count, 1);
    assert_true(bundle->capabilities[0].batch);
    assert_string_equal(bundle->capabilities[0].outputs[2].type, "string");
    assert_int_equal(bundle->elements.count, 3);
    assert_true(range->min == -13.5 && range->mean == -2.5);
    assert_int_equal(range->samples, 7985);
    assert_string_equal(doc_string(doc_get(range->validation, "RMSE"), ""),
                        "0.9");
    assert_int_equal(bundle->example_count, 2);
    assert_string_equal(doc_string(doc_get(first->data, "text"), ""), "CCO");
    assert_true(first->expect.success && first->expect.declared);
    assert_true(first->expect.tolerance == 0.05);
    assert_true(doc_number(doc_get(first->expect.values, "LogS"), 0) == 0.62);
    assert_false(bundle->examples[1].expect.success);
    assert_string_equal(bundle->examples[1].expect.error_code, "INVALID_INPUT");
}

static void check_served(const struct srv_bundle *bundle)
{
    const struct bundle_step *interval = &bundle->postprocess.items[0];

    assert_true(bundle->api.strict);
    assert_int_equal(bundle->api.shutdown, SHUTDOWN_LOOPBACK);
    assert_int_equal(bundle->api.registration_mode, REGISTRY_REQUIRED);
    assert_string_equal(bundle->api.app_name, "Demo_App");
    assert_int_equal(bundle->api.body_limit_bytes, 65536);
    assert_int_equal(bundle->serving.port, 5101);
    assert_int_equal(bundle->serving.timeout_s, 30);
    assert_int_equal(bundle->serving.max_batch_size, 64);
    assert_string_equal(bundle->serving.readiness_path, "/ready");
    assert_string_equal(bundle->serving.liveness_path, "");
    assert_string_equal(bundle->model_path,
                        "tests/data/documents/bundle/model.onnx");
    assert_int_equal(bundle->preprocess.count, 2); /* the third is disabled */
    assert_string_equal(bundle->preprocess.items[1].type, "tokenize");
    assert_null(bundle->preprocess.items[1].parameters);
    assert_true(doc_number(doc_get(interval->parameters, "level"), 0) == 0.8);
    assert_ptr_equal(interval->parameters,
                     bundle_step_parameters(bundle, "interval"));
}

static void test_a_good_bundle_gives_its_parts(void **state)
{
    struct opened *opened = open_bundle("tests/data/documents/bundle//");

    (void)state;
    assert_string_equal(printed(opened), "");
    check_signature(opened->bundle);
    check_told(opened->bundle);
    check_served(opened->bundle);
    release(opened);
}

static void test_absent_parts_have_their_defaults(void **state)
{
    char dir[64];
    char *text = read_good("demo.modelservice.yaml");
    char *api = strstr(text, "  api:\n"), *info = strstr(text, "  info:");
    struct opened *opened;

    (void)state;
    assert_true(api && info);
    memmove(api, info, strlen(info) + 1);
    make_copy(dir);
    write_file(dir, "demo.modelservice.yaml", text);
    opened = open_bundle(dir);
    assert_string_equal(printed(opened), "");
    assert_false(opened->bundle->api.strict);
    assert_int_equal(opened->bundle->api.shutdown, SHUTDOWN_OFF);
    assert_int_equal(opened->bundle->api.body_limit_bytes, 1 << 20);
    assert_int_equal(opened->bundle->api.registration_mode, REGISTRY_PREFERRED);
    assert_string_equal(opened->bundle->api.app_name, "Demo_API");
    release(opened);
    remove_copy(dir);
    free(text);
}

/* ---- the cases ---- */

static void run_case(struct doc_case *one, void *context)
{
    const char *dir = context;
    char *before = read_good(one->file);
    char *after = cases_edit(before, one);
    struct opened *opened;

    write_file(dir, one->file, after);
    opened = open_bundle(dir);
    cases_check(one, printed(opened));
    release(opened);
    write_file(dir, one->file, before);
    free(before);
    free(after);
}

static void test_each_contradiction_is_found(void **state)
{
    char dir[64];

    (void)state;
    make_copy(dir);
    make_hazards(dir);
    assert_true(
        cases_run("tests/data/documents/bundle/cases.txt", run_case, dir) > 55);
    remove_copy(dir);
}

static void test_documents_are_missing_or_too_many(void **state)
{
    char dir[64], path[512];
    struct opened *opened;

    (void)state;
    make_copy(dir);
    write_file(dir, "more.modelspec.yml", "kind: ModelSpec\n");
    opened = open_bundle(dir);
    assert_non_null(strstr(printed(opened),
                           "error: more than one ModelSpec: "
                           "demo.modelspec.yaml and more.modelspec.yml"));
    release(opened);
    join(path, dir, "more.modelspec.yml");
    assert_int_equal(unlink(path), 0);
    join(path, dir, "demo.modelservice.yaml");
    assert_int_equal(unlink(path), 0);
    opened = open_bundle(dir);
    assert_non_null(strstr(printed(opened),
                           "error: the bundle has no ModelService, a file "
                           "*.modelservice.yaml [MS190]"));
    release(opened);
    remove_copy(dir);
}

/* The documents themselves must not be links or pipes either. */
static void test_a_document_that_is_a_pipe_does_not_block(void **state)
{
    char dir[64], path[512];
    struct opened *opened;

    (void)state;
    make_copy(dir);
    join(path, dir, "demo.modelspec.yaml");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    join(path, dir, "demo.behavior.yaml");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    opened = open_bundle(dir);
    assert_non_null(strstr(printed(opened), "'demo.modelspec.yaml' is no "
                                            "regular file [FILE]"));
    assert_non_null(strstr(printed(opened), "'demo.behavior.yaml' is, or "
                                            "passes, a link [FILE]"));
    release(opened);
    remove_copy(dir);
}

static void test_a_missing_folder_is_a_finding(void **state)
{
    struct opened *opened = open_bundle("/nonexistent/bundle");

    (void)state;
    assert_non_null(strstr(printed(opened), "cannot open the folder"));
    release(opened);
}

/* ---- the model's view ---- */

static const struct eng_port ids = {
    .name = "input_ids", .dtype = ENG_I64, .rank = 2, .dims = {-1, 128}};
static const struct eng_port y = {
    .name = "y", .dtype = ENG_F32, .rank = 2, .dims = {-1, -1}};

/* The findings of one side against `count` ports. */
static void expect_ports(bool inputs, const struct eng_port *const *ports,
                         size_t count, const char *expected)
{
    struct opened *opened = open_bundle(good);
    struct doc_report report;
    struct buf out = {0};
    bool same;

    doc_report_init(&report, &opened->arena);
    same = bundle_check_ports(opened->bundle, inputs, ports, count, &report);
    doc_report_print(&report, &out);
    assert_true(same == !*expected);
    if (*expected ? !out.data || !strstr(out.data, expected) : !!out.data)
        fail_msg("expected '%s', found '%s'", expected,
                 out.data ? out.data : "");
    buf_release(&out);
    release(opened);
}

static void test_declared_tensors_are_compared_with_the_model(void **state)
{
    struct eng_port other = ids;
    const struct eng_port *ports[] = {&other, &y};

    (void)state;
    expect_ports(true, ports, 1, "");
    expect_ports(false, ports + 1, 1, "");
    expect_ports(true, ports, 2,
                 "the model file has 'y' too [MS190] at "
                 "/spec/signature/tensors/inputs");
    expect_ports(true, ports, 0,
                 "the model file has no 'input_ids' among its "
                 "inputs");
    other.dtype = ENG_F32;
    expect_ports(true, ports, 1,
                 "tensor 'input_ids' is float32 in the model "
                 "file [MS190] at "
                 "/spec/signature/tensors/inputs/0/dtype");
    other.dtype = ENG_I64;
    other.dims[1] = 64;
    expect_ports(true, ports, 1,
                 "tensor 'input_ids' has shape [-1, 64] in the "
                 "model file, [-1, 128] here");
    other.dims[1] = -1;
    expect_ports(true, ports, 1, "");
    other.rank = 1;
    expect_ports(true, ports, 1, "has shape [-1] in the model file");
    other.rank = -1;
    expect_ports(true, ports, 1, "");
}

/* ---- fields ---- */

/* Every leaf below `path` has a row in bundle_fields.def. */
static void check_covered(enum bundle_kind kind,
                          const struct doc_schema *schema, const char *path)
{
    char below[256];

    if (schema->items) {
        check_covered(kind, schema->items, path);
        return;
    }
    for (size_t i = 0; i < schema->property_count; i++) {
        (void)snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "",
                       schema->properties[i].name);
        check_covered(kind, schema->properties[i].schema, below);
    }
    if (schema->property_count == 0 && !bundle_field_at(kind, path))
        fail_msg("bundle_fields.def says nothing about %s", path);
}

static void test_every_field_is_acted_on_or_said_not_to_be(void **state)
{
    struct opened *opened = open_bundle(good);
    struct buf unused = {0};

    (void)state;
    check_covered(BUNDLE_MODELSPEC, &modelspec_schema, "");
    check_covered(BUNDLE_MODELSERVICE, &modelservice_schema, "");
    check_covered(BUNDLE_BEHAVIORSPEC, &behaviorspec_schema, "");
    bundle_list_unused(opened->bundle, &unused);
    assert_non_null(strstr(unused.data, "ModelSpec spec.operations.scaling"));
    assert_non_null(strstr(unused.data, ", BehaviorSpec spec"));
    assert_null(strstr(unused.data, "spec.signature"));
    assert_null(strstr(unused.data, "tracing")); /* not declared */
    buf_release(&unused);
    release(opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_bundle_gives_its_parts),
        cmocka_unit_test(test_absent_parts_have_their_defaults),
        cmocka_unit_test(test_each_contradiction_is_found),
        cmocka_unit_test(test_documents_are_missing_or_too_many),
        cmocka_unit_test(test_a_document_that_is_a_pipe_does_not_block),
        cmocka_unit_test(test_a_missing_folder_is_a_finding),
        cmocka_unit_test(test_declared_tensors_are_compared_with_the_model),
        cmocka_unit_test(test_every_field_is_acted_on_or_said_not_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
