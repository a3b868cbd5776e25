/*
 * The descriptors that the reflection service hands out: whole, readable, and
 * naming what they define.
 */
#include "unit.h"

#include <string.h>

#include "protos.h"
#include "wire.h"

static const struct proto_file *find(const char *name)
{
    for (size_t i = 0; proto_files[i]; i++)
        if (strcmp(proto_files[i]->name, name) == 0)
            return proto_files[i];
    fail_msg("no file '%s'", name);
    return NULL;
}

static bool lists(const char *const *list, const char *text)
{
    for (; *list; list++)
        if (strcmp(*list, text) == 0)
            return true;
    return false;
}

static void test_bytes_are_a_descriptor_of_that_name(void **state)
{
    (void)state;
    for (size_t i = 0; proto_files[i]; i++) {
        const struct proto_file *file = proto_files[i];
        struct cg_wire wire = {file->bytes, file->bytes + file->size};
        struct cg_wire_field field;

        assert_true(cg_wire_find(&wire, FILE_NAME, &field));
        assert_int_equal(field.size, strlen(file->name));
        assert_memory_equal(field.bytes, file->name, field.size);
        while (cg_wire_next(&wire, &field))
            ;
        assert_ptr_equal(wire.at, wire.end);
    }
}

static void test_symbols_name_messages_services_and_methods(void **state)
{
    const struct proto_file *runtime =
        find("specserve/runtime/v1/runtime.proto");
    const struct proto_file *health = find("grpc/health/v1/health.proto");

    (void)state;
    assert_true(lists(runtime->symbols, "specserve.runtime.v1.ModelRuntime"));
    assert_true(
        lists(runtime->symbols, "specserve.runtime.v1.ModelRuntime.Predict"));
    assert_true(lists(runtime->symbols, "specserve.runtime.v1.Value"));
    assert_true(lists(health->symbols,
                      "grpc.health.v1.HealthCheckResponse.ServingStatus"));
}

static void test_every_import_is_in_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; proto_files[i]; i++)
        for (const char *const *name = proto_files[i]->imports; *name; name++)
            assert_non_null(find(*name));
}

static void test_broken_bytes_end_the_walk(void **state)
{
    static const unsigned char bytes[][4] = {
        {0x0a, 0x05, 'x', 'y'},    /* longer than what follows */
        {0x0a, 0xff, 0xff, 0xff},  /* a length without an end */
        {0x0b, 0x00, 0x00, 0x00},  /* a group */
        {0x09, 0x00, 0x00, 0x00},  /* 8 bytes, 3 there */
        {0xff, 0xff, 0xff, 0xff}}; /* a tag without an end */
    struct cg_wire_field field;

    (void)state;
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        struct cg_wire wire = {bytes[i], bytes[i] + sizeof bytes[i]};

        assert_false(cg_wire_next(&wire, &field));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_a_descriptor_of_that_name),
        cmocka_unit_test(test_symbols_name_messages_services_and_methods),
        cmocka_unit_test(test_every_import_is_in_the_table),
        cmocka_unit_test(test_broken_bytes_end_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
