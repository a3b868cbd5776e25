/*
 * Identity: the walk over ONNX bytes that nobody has checked yet, SHA-256's
 * published values, and what happens when memory is out.
 */
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx_files.h"
#include "scarce.h"
#include "sha256.h"
#include "unit.h"

/* FIPS 180-2, appendix B. */
static void test_digests_are_the_published_ones(void **state)
{
    struct sha256 *hash = sha256_new();
    char hex[SHA256_HEX];

    (void)state;
    assert_non_null(hash);
    sha256_add(hash, "a", 1);
    sha256_add(hash, "bc", 2);
    sha256_hex(hash, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"
                             "b410ff61f20015ad");
    sha256_hex(hash, hex); /* starts anew: of nothing */
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c"
                             "a495991b7852b855");
    sha256_free(hash);
}

/* ---- the walk ---- */

/* graph { node { attribute { t { external "a" } } }
 *         initializer { raw; external "b"; } initializer { internal "c" } } */
static const unsigned char model[] = {8,    8,    0x3a, 91, /* graph */
                                      0x0a, 31,   0x2a, 29,  0x2a,
                                      27, /* node .. t */
                                      0x6a, 13,   0x0a, 8,   'l',
                                      'o',  'c',  'a',  't', 'i',
                                      'o',  'n',  0x12, 1,   'a',
                                      0x6a, 8,    0x0a, 6,   'o',
                                      'f',  'f',  's',  'e', 't',
                                      0x70, 1, /* external */
                                      0x2a, 31,   0x4a, 5,   0x6a,
                                      3,    0x0a, 1,    'x', /* raw bytes */
                                      0x4d, 1,    2,    3,   4,
                                      0x70, 1, /* fixed32 */
                                      0x6a, 13,   0x12, 1,   'b',
                                      0x0a, 8,    'l',  'o', 'c',
                                      'a',  't',  'i',  'o', 'n',
                                      0x10, 1,    0x2a, 19,  0x6a,
                                      13,   0x0a, 8,    'l', 'o',
                                      'c',  'a',  't',  'i', 'o',
                                      'n',  0x12, 1,    'c', 0x70,
                                      0,    0x08, 1, /* internal */
                                      0x12, 2,    'g',  'x'};

struct found {
    char names[256];
    bool stop;
};

static bool find(void *context, const char *name)
{
    struct found *found = context;

    size_t used = strlen(found->names);

    (void)snprintf(found->names + used, sizeof found->names - used, "%s;",
                   name);
    return !found->stop;
}

static bool walk(const void *bytes, size_t size, struct found *found)
{
    FILE *file = tmpfile();
    bool all;

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fflush(file), 0);
    all = onnx_files_each(fileno(file), find, found);
    (void)fclose(file);
    return all;
}

static void test_names_of_external_data_are_found(void **state)
{
    struct found found = {.stop = false}, one = {.stop = true};

    (void)state;
    assert_int_equal(model[3], sizeof model - 4);
    assert_true(walk(model, sizeof model, &found));
    assert_string_equal(found.names, "a;b;");
    assert_false(walk(model, sizeof model, &one));
    assert_string_equal(one.names, "a;");
}

static void test_any_bytes_end_the_walk(void **state)
{
    uint64_t random = 7;
    unsigned char bytes[sizeof model];

    (void)state;
    for (size_t size = 0; size < sizeof model; size++)
        assert_true(walk(model, size, &(struct found){.stop = false}));
    for (int i = 0; i < 2000; i++) {
        (void)memcpy(bytes, model, sizeof bytes);
        for (int k = 0; k < 3; k++)
            bytes[unit_random(&random) % sizeof bytes] =
                (unsigned char)unit_random(&random);
        assert_true(walk(bytes, sizeof bytes, &(struct found){.stop = false}));
    }
    /* messages within messages: no deeper than the walk's stack */
    for (size_t i = 0; i + 1 < sizeof bytes; i += 2) {
        bytes[i] = 0x3a;
        bytes[i + 1] = (unsigned char)(sizeof bytes - i - 2);
    }
    assert_true(walk(bytes, sizeof bytes, &(struct found){.stop = false}));
}

/* A length that begins in its message and ends behind it must not lead back:
 * a graph of one byte, a field's tag, and 2^64 - 11 over the graph's end. */
static void test_a_length_behind_its_message_ends_the_walk(void **state)
{
    unsigned char bytes[] = {0x3a, 1,    0,    0xf5, 0xff, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff, 1,    0};

    (void)state;
    (void)alarm(20);
    for (unsigned field = 1; field < 16; field++) {
        bytes[2] = (unsigned char)(field << 3 | 2);
        assert_true(walk(bytes, sizeof bytes, &(struct found){.stop = false}));
    }
    (void)alarm(0);
}

/* data_location is an enum: who loads it looks at 32 bits of 2^32 + 1. */
static void test_a_location_is_as_wide_as_the_loader_reads_it(void **state)
{
    static const unsigned char bytes[] = {
        0x3a, 23,   0x2a, 21,   0x6a, 13,   0x0a, 8,    'l',
        'o',  'c',  'a',  't',  'i',  'o',  'n',  0x12, 1,
        'd',  0x70, 0x81, 0x80, 0x80, 0x80, 0x10};
    struct found found = {.stop = false};

    (void)state;
    assert_true(walk(bytes, sizeof bytes, &found));
    assert_string_equal(found.names, "d;");
}

/* ---- a bundle ---- */

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Tensors whose data lie in a file each: "00000", "00001", ... */
static void write_model(const char *folder, int tensors)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/m.onnx", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < tensors; i++)
        assert_true(fprintf(file,
                            "\x3a\x17*\x15j\x11\n\blocation\x12\x05%05dp\x01",
                            i) > 0);
    assert_int_equal(fclose(file), 0);
}

static void test_files_without_end_are_refused_at_once(void **state)
{
    static const char *const names[] = {"x.modelspec.yaml",
                                        "x.modelservice.yaml", "m.onnx"};
    char folder[] = "/tmp/identity-XXXXXX", path[128];
    struct identity identity;
    struct error err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    write_text(folder, names[0],
               "spec: {identity: {model: {framework: onnx, artifacts: "
               "{modelUri: m.onnx}}}}\n");
    write_text(folder, names[1], "spec: {}\n");
    write_model(folder, 65536);
    assert_false(identity_read(folder, NULL, &identity, &err));
    assert_int_equal(err.code, ERR_FILE_INVALID);
    assert_non_null(strstr(err.msg, "more than 65536 files"));
    write_model(folder, 2);
    assert_false(identity_read(folder, NULL, &identity, &err));
    assert_int_equal(err.code, ERR_FILE_MISSING);
    assert_non_null(strstr(err.msg, "'00000' is not in the bundle"));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* ---- memory ---- */

static void test_memory_that_is_out_is_an_error(void **state)
{
    struct identity identity;
    struct error err;
    bool ok;

    (void)state;
    for (size_t i = 1;; i++) {
        scarce_begin(i);
        ok = identity_read("models/solubility", NULL, &identity, &err);
        if (scarce_end() < i)
            break;
        /* a tree that could not grow is a document that cannot be read */
        assert_true(ok || err.code == ERR_OUT_OF_MEMORY ||
                    err.code == ERR_DOCUMENT_INVALID);
    }
    assert_true(ok);
    assert_memory_equal(identity.bundle, "sha256:", 7);
    assert_int_equal(strlen(identity.bundle), IDENTITY_TEXT - 1);
}

static void test_it_can_be_stopped(void **state)
{
    struct identity identity = {.model = "as before"};
    atomic_bool stop = true;
    struct error err;

    (void)state;
    assert_false(identity_read("models/solubility", &stop, &identity, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_string_equal(identity.model, "as before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_the_published_ones),
        cmocka_unit_test(test_names_of_external_data_are_found),
        cmocka_unit_test(test_any_bytes_end_the_walk),
        cmocka_unit_test(test_a_length_behind_its_message_ends_the_walk),
        cmocka_unit_test(test_a_location_is_as_wide_as_the_loader_reads_it),
        cmocka_unit_test(test_files_without_end_are_refused_at_once),
        cmocka_unit_test(test_memory_that_is_out_is_an_error),
        cmocka_unit_test(test_it_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
