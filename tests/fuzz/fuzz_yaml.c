/*
 * Fuzz: any bytes through the YAML and JSON readers and the schema checker.
 *
 * The first byte chooses reader and dialect. What must hold: no fault without
 * a reason (NULL and faults go together), and a tree without faults survives
 * being written as JSON and read again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "doc.h"
#include "schemas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct doc_node *parse(uint8_t choice, const char *text, size_t size,
                              struct arena *arena, struct doc_report *report)
{
    if (choice % 4 == 0)
        return doc_parse_json("f", text, size, arena, report);
    return doc_parse_yaml("f", text, size,
                          choice % 4 == 1 ? DOC_YAML_1_1 : DOC_YAML_CORE, arena,
                          report);
}

/* Writes the tree and reads it back; both texts must be equal. */
static void round_trip(const struct doc_node *root, struct arena *arena,
                       struct doc_report *report)
{
    struct buf first = {0}, second = {0};
    const struct doc_node *again;

    doc_write_json(root, &first);
    again = doc_parse_json("again", first.data, first.size, arena, report);
    if (!again)
        abort();
    doc_write_json(again, &second);
    if (first.size != second.size ||
        memcmp(first.data, second.data, first.size) != 0)
        abort();
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct doc_report report;
    struct buf out = {0};
    struct doc_node *root;

    if (size == 0)
        return 0;
    arena_init(&arena, 64 << 20);
    doc_report_init(&report, &arena);
    root = parse(data[0], (const char *)data + 1, size - 1, &arena, &report);
    if (!root && report.faults == 0)
        abort();
    if (root && report.faults == 0)
        round_trip(root, &arena, &report);
    if (root) {
        doc_check("f", root, &modelspec_schema, &report);
        doc_check("f", root, &modelservice_schema, &report);
    }
    doc_report_print(&report, &out);
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
