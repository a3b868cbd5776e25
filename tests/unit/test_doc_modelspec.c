/*
 * ModelSpec: the same documents are taken and refused as by the reference
 * validator, and the schema has the published number of objects and leaves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle_internal.h"
#include "schemas.h"
#include "test_doc_cases.h"
#include "unit.h"

static const char folder[] = "tests/data/documents/modelspec";

static void run_case(struct doc_case *one, void *context)
{
    struct bundle_document document;
    struct arena arena;
    struct doc_report report;
    struct buf out = {0};
    char *text = cases_edit(context, one);

    arena_init(&arena, 0);
    doc_report_init(&report, &arena);
    (void)bundle_load_text("x.yaml", text, strlen(text), &arena, &report,
                           &document);
    doc_report_print(&report, &out);
    cases_check(one, out.data ? out.data : "");
    buf_release(&out);
    arena_release(&arena);
    free(text);
}

static void test_verdicts_are_those_of_the_reference_validator(void **state)
{
    char path[256];
    size_t size;
    char *full;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/full.modelspec.yaml", folder);
    full = cases_read(path, &size);
    (void)snprintf(path, sizeof path, "%s/cases.txt", folder);
    assert_true(cases_run(path, run_case, full) > 50);
    free(full);
}

struct shape {
    size_t objects, closed, leaves;
};

static void count(const struct doc_schema *schema, struct shape *shape)
{
    if (schema->types == DOC_LIST) {
        count(schema->items, shape);
        return;
    }
    if (schema->types != DOC_MAP) {
        shape->leaves++;
        return;
    }
    shape->objects++;
    shape->closed += schema->closed;
    if (schema->rest)
        count(schema->rest, shape);
    for (size_t i = 0; i < schema->property_count; i++)
        count(schema->properties[i].schema, shape);
}

static void test_schema_has_35_closed_of_38_objects_and_66_leaves(void **state)
{
    struct shape shape = {0};

    (void)state;
    count(&modelspec_schema, &shape);
    assert_int_equal(shape.objects, 38);
    assert_int_equal(shape.closed, 35);
    assert_int_equal(shape.leaves, 66);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_are_those_of_the_reference_validator),
        cmocka_unit_test(test_schema_has_35_closed_of_38_objects_and_66_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
