/*
 * The spelling rules against what protoc-c really writes: a .proto of awkward
 * names is compiled, and every name that cg_c_*() predicts must stand in the
 * header.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "out.h"

/* Full name, as written in the file. */
static const char *const messages[] = {
    "odd_pkg.v1alpha.Plain",     "odd_pkg.v1alpha.HTTPError",
    "odd_pkg.v1alpha.V2Health",  "odd_pkg.v1alpha.IOBuffer2X",
    "odd_pkg.v1alpha.ABTest",    "odd_pkg.v1alpha.X",
    "odd_pkg.v1alpha.Json2Text",
};

static const char *const members[] = {
    "plain", "default",   "register", "x2_y",     "bool", "class",
    "union", "mixedCase", "delete",   "typename", "a1",   "size_t_x",
};

static const char *const maps[] = {"by_name", "x2_y_z", "a_b"};

struct fixture {
    struct cg_ir ir;
    char folder[64];
    char *header; /* what protoc-c made */
};

static void write_proto(const char *folder)
{
    char path[128];
    FILE *file;
    unsigned number = 1;

    (void)snprintf(path, sizeof path, "%s/odd.proto", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("syntax = \"proto2\";\npackage odd_pkg.v1alpha;\n"
                "enum BigKind { BIG_KIND_UNSPECIFIED = 0; BIG_KIND_X = 1; }\n",
                file);
    for (size_t i = 1; i < sizeof messages / sizeof *messages; i++)
        (void)fprintf(file, "message %s {}\n", strrchr(messages[i], '.') + 1);
    (void)fputs("message Plain {\n", file);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        (void)fprintf(file, "optional bool %s = %u;\n", members[i], number++);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        (void)fprintf(file, "map<string, string> %s = %u;\n", maps[i],
                      number++);
    (void)fputs("oneof kind { double some_number = 90; }\n}\n", file);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct buf text = {0}, said = {0};
    char in[80], out[80], header[80];
    struct error err;
    size_t size;

    assert_non_null(f);
    cg_ir_init(&f->ir, ".");
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/test_cg_names-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    write_proto(f->folder);
    (void)snprintf(in, sizeof in, "-I%s", f->folder);
    (void)snprintf(out, sizeof out, "--c_out=%s", f->folder);
    (void)snprintf(header, sizeof header, "%s/odd.pb-c.h", f->folder);
    const char *const argv[] = {"protoc-c", in, out, "odd.proto", NULL};
    if (!cg_run(argv, &said, &err))
        fail_msg("%s: %s", err.msg, said.data ? said.data : "");
    assert_true(cg_file_read(header, &text, &err));
    f->header = buf_take(&text, &size);
    buf_release(&said);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const made[] = {"odd.proto", "odd.pb-c.h", "odd.pb-c.c"};
    struct fixture *f = *state;
    char path[128];

    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", f->folder, made[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->folder);
    cg_ir_release(&f->ir);
    free(f->header);
    free(f);
    return 0;
}

static void must_hold(struct fixture *f, const char *text)
{
    if (!strstr(f->header, text))
        fail_msg("protoc-c did not write '%s'", text);
}

static void test_messages_are_spelt_as_protoc_c_spells_them(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        const char *type = cg_c_type(&f->ir, messages[i]);
        const char *base = cg_c_base(&f->ir, messages[i]);

        must_hold(f, cg_text(&f->ir, "typedef struct %s %s;", type, type));
        must_hold(f, cg_text(&f->ir, " %s__descriptor;", base));
        must_hold(f, cg_text(&f->ir, "   %s__init\n", base));
        must_hold(f, cg_text(&f->ir, "#define %s__INIT ",
                             cg_c_upper(&f->ir, messages[i])));
    }
}

static void test_members_get_an_underscore_where_c_needs_it(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *member = cg_c_member(&f->ir, members[i]);

        must_hold(f, cg_text(&f->ir, "  protobuf_c_boolean %s;\n", member));
        must_hold(f, cg_text(&f->ir, "  protobuf_c_boolean has_%s;\n", member));
    }
}

static void test_map_entries_are_spelt_from_their_field(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        const char *entry =
            cg_text(&f->ir, "%sEntry", cg_pascal(&f->ir, maps[i]));

        must_hold(f, cg_text(&f->ir, "%s__%s **%s;",
                             cg_c_type(&f->ir, messages[0]), entry, maps[i]));
        must_hold(f, cg_text(&f->ir, "   %s__%s__init\n",
                             cg_c_base(&f->ir, messages[0]),
                             cg_snake(&f->ir, entry)));
    }
}

static void test_oneof_cases_and_enums_are_spelt_alike(void **state)
{
    struct fixture *f = *state;

    must_hold(f, cg_text(&f->ir, "  %s__KIND_%s = 90",
                         cg_c_upper(&f->ir, messages[0]),
                         cg_upper(&f->ir, "some_number")));
    must_hold(f, "_case;\n");
    must_hold(f, cg_text(&f->ir, "typedef enum _%s {",
                         cg_c_type(&f->ir, "odd_pkg.v1alpha.BigKind")));
    must_hold(f, cg_text(&f->ir, "  %s__BIG_KIND_X = 1",
                         cg_c_upper(&f->ir, "odd_pkg.v1alpha.BigKind")));
}

static void test_words_change_their_case_and_back(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(cg_snake(&f->ir, "HealthResponse"), "health_response");
    assert_string_equal(cg_snake(&f->ir, "HTTPError"), "httperror");
    assert_string_equal(cg_upper(&f->ir, "WatchKind"), "WATCH_KIND");
    assert_string_equal(cg_pascal(&f->ir, "x2_y_z"), "X2YZ");
    assert_string_equal(cg_camel(&f->ir, "error_message"), "errorMessage");
    assert_string_equal(cg_word(&f->ir, "dark-blue 2"), "dark_blue_2");
}

static void test_proto_files_are_named_by_their_package(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(cg_proto_path(&f->ir, "grpc.health.v1", "x.proto"),
                        "grpc/health/v1/health.proto");
    assert_string_equal(cg_proto_path(&f->ir, "a.b.v1alpha", "x.proto"),
                        "a/b/v1alpha/b.proto");
    assert_string_equal(cg_proto_path(&f->ir, "onnx", "onnx.proto"),
                        "onnx.proto");
    assert_string_equal(cg_proto_path(&f->ir, "a.value", "x.proto"), "x.proto");
    assert_string_equal(cg_proto_path(&f->ir, "", "x.proto"), "x.proto");
}

static void test_names_are_refused_by_form_and_by_use(void **state)
{
    (void)state;
    assert_true(cg_is_snake("a"));
    assert_true(cg_is_snake("a1_b2"));
    assert_false(cg_is_snake(""));
    assert_false(cg_is_snake("_a"));
    assert_false(cg_is_snake("a_"));
    assert_false(cg_is_snake("a__b"));
    assert_false(cg_is_snake("aB"));
    assert_true(cg_is_pascal("HTTPNote2"));
    assert_false(cg_is_pascal(""));
    assert_false(cg_is_pascal("note"));
    assert_false(cg_is_pascal("My_Note"));
    assert_non_null(cg_name_hazard("base"));
    assert_non_null(cg_name_hazard("restrict"));
    assert_non_null(cg_name_hazard("n_list"));
    assert_non_null(cg_name_hazard("has_list"));
    assert_null(cg_name_hazard("name"));
    assert_null(cg_name_hazard("hash"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_spelt_as_protoc_c_spells_them),
        cmocka_unit_test(test_members_get_an_underscore_where_c_needs_it),
        cmocka_unit_test(test_map_entries_are_spelt_from_their_field),
        cmocka_unit_test(test_oneof_cases_and_enums_are_spelt_alike),
        cmocka_unit_test(test_words_change_their_case_and_back),
        cmocka_unit_test(test_proto_files_are_named_by_their_package),
        cmocka_unit_test(test_names_are_refused_by_form_and_by_use),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
