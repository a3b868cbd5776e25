/*
 * Lock: field numbers that were given once stay for ever.
 *
 * api/specgen.lock is text, one fact per line, sorted, so that it merges and
 * can be read in a review:
 *
 *   specgen-lock 1 released 1.2.0
 *   message specserve.runtime.v1.HealthResponse next 3 watermark 2
 *     1 status
 *     2 - owner             a removed field: number and name are reserved
 *   enum ...                likewise, with the values
 *
 * A release (specgen release) names itself in the head and puts a watermark on
 * every entry. Lines above the watermark may be deleted by hand.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "out.h"

static const char lock_file[] = "specgen.lock";
static const char lock_head[] = "specgen-lock 1";
static const char lock_released[] = " released ";

/* A member that needs a number, whatever it is a member of. */
struct member {
    const char *name, *was;
    uint32_t *number;
    struct cg_loc at;
};

static struct cg_lock_entry *find_entry(const struct cg_ir *ir,
                                        const char *name)
{
    for (size_t i = 0; i < ir->entry_count; i++)
        if (strcmp(ir->entries[i].name, name) == 0)
            return &ir->entries[i];
    return NULL;
}

static struct cg_lock_entry *add_entry(struct cg_ir *ir, const char *tag,
                                       const char *name, uint32_t next)
{
    ir->entries = cg_grow(ir, ir->entries, ir->entry_count, &ir->entry_capacity,
                          sizeof *ir->entries);
    struct cg_lock_entry *entry = &ir->entries[ir->entry_count++];
    *entry = (struct cg_lock_entry){.tag = tag, .name = name, .next = next};
    return entry;
}

static void add_row(struct cg_ir *ir, struct cg_lock_entry *entry,
                    struct cg_lock_row row)
{
    entry->rows = cg_grow(ir, entry->rows, entry->count, &entry->capacity,
                          sizeof *entry->rows);
    entry->rows[entry->count++] = row;
}

static struct cg_lock_row *find_row(const struct cg_lock_entry *entry,
                                    const char *name)
{
    for (size_t i = 0; name && i < entry->count; i++)
        if (strcmp(entry->rows[i].name, name) == 0)
            return &entry->rows[i];
    return NULL;
}

/* ---- reading ---- */

/* The number at `*text`, which is moved past it and one space. */
static bool read_number(const char **text, uint32_t *number)
{
    char *end;
    unsigned long value = strtoul(*text, &end, 10);

    if (end == *text || value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    *text = *end == ' ' ? end + 1 : end;
    return true;
}

/* "  2 owner" or "  2 - owner" */
static bool read_row(struct cg_ir *ir, const char *line)
{
    struct cg_lock_row row = {0};

    if (!ir->entry_count || !read_number(&line, &row.number))
        return false;
    row.removed = strncmp(line, "- ", 2) == 0;
    row.name = cg_text(ir, "%s", line + (row.removed ? 2 : 0));
    add_row(ir, &ir->entries[ir->entry_count - 1], row);
    return *row.name != '\0';
}

/* The number behind `word` in the line, 0 if the word is not there. */
static bool read_after(const char *line, const char *word, uint32_t *number)
{
    const char *found = strstr(line, word);

    *number = 0;
    if (!found)
        return true;
    found += strlen(word);
    return read_number(&found, number);
}

/* "message a.b.C next 3 watermark 2" */
static bool read_entry(struct cg_ir *ir, const char *line)
{
    const char *name = strchr(line, ' ');
    const char *next = name ? strstr(name, " next ") : NULL;
    struct cg_lock_entry *entry;

    if (!next)
        return false;
    entry = add_entry(ir, cg_text(ir, "%.*s", (int)(name - line), line),
                      cg_text(ir, "%.*s", (int)(next - name - 1), name + 1), 0);
    return read_after(next, " next ", &entry->next) &&
           read_after(next, " watermark ", &entry->watermark);
}

/* "specgen-lock 1" or "specgen-lock 1 released 1.2.0" */
static bool read_head(struct cg_ir *ir, const char *line)
{
    size_t size = sizeof lock_head - 1;

    if (strncmp(line, lock_head, size) != 0)
        return false;
    if (strncmp(line + size, lock_released, sizeof lock_released - 1) == 0)
        ir->released =
            cg_text(ir, "%s", line + size + sizeof lock_released - 1);
    return ir->released || !line[size];
}

/* Two branches may have given one number; merged text shows it. */
static void fault_merged(struct cg_ir *ir, struct cg_loc at)
{
    for (size_t i = 0; i < ir->entry_count; i++)
        for (size_t k = 0; k < ir->entries[i].count; k++)
            for (size_t j = 0; j < k; j++)
                if (ir->entries[i].rows[j].number ==
                    ir->entries[i].rows[k].number)
                    cg_fault(ir, at, "lock.double",
                             "'%s' and '%s' of '%s' both hold number %u",
                             ir->entries[i].rows[j].name,
                             ir->entries[i].rows[k].name, ir->entries[i].name,
                             ir->entries[i].rows[k].number);
}

static bool read_line(struct cg_ir *ir, const char *line, int number)
{
    if (number == 1)
        return read_head(ir, line);
    return line[0] == ' ' ? read_row(ir, line) : read_entry(ir, line);
}

static void read_lock(struct cg_ir *ir)
{
    const char *path = cg_text(ir, "%s/%s", ir->dir, lock_file);
    struct cg_loc at = {.file = path, .line = 0, .col = 1};
    struct buf text = {0};
    struct error err;
    char *next;

    if (!cg_file_read(path, &text, &err) || !text.size) {
        buf_release(&text); /* the first run makes it */
        return;
    }
    for (char *line = text.data; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        at.line++;
        if (!read_line(ir, line, at.line))
            cg_fault(ir, at, "lock.syntax",
                     at.line == 1 ? "is not a lock file" : "cannot read '%s'",
                     line);
    }
    at.line = 1;
    fault_merged(ir, at);
    buf_release(&text);
}

/* ---- numbering ---- */

/* 19000 to 19999 belong to protobuf itself. */
static uint32_t take_next(struct cg_lock_entry *entry)
{
    if (entry->next == 19000)
        entry->next = 20000;
    return entry->next++;
}

/* A number that the schema asks for may belong to a removed member. */
static void fault_reserved(struct cg_ir *ir, const struct cg_lock_entry *entry,
                           const struct member *member)
{
    for (size_t i = 0; i < entry->count; i++)
        if (entry->rows[i].removed && *member->number &&
            entry->rows[i].number == *member->number)
            cg_fault(ir, member->at, "lock.reserved",
                     "number %u of '%s' is reserved for the removed '%s'",
                     *member->number, member->name, entry->rows[i].name);
}

/* The member's number if schema or lock say it; 0 = it needs a new one. */
static void keep_number(struct cg_ir *ir, struct cg_lock_entry *entry,
                        struct member *member)
{
    struct cg_lock_row *row = find_row(entry, member->name);
    struct cg_lock_row *old = find_row(entry, member->was);

    fault_reserved(ir, entry, member);
    if (row && row->removed)
        cg_fault(ir, member->at, "lock.reserved",
                 "'%s' was removed; its name stays reserved", member->name);
    if (!row && old) {
        old->name = member->name;
        row = old;
    }
    if (row && *member->number && *member->number != row->number)
        cg_fault(ir, member->at, "lock.number",
                 "'%s' has number %u in the lock file, not %u", member->name,
                 row->number, *member->number);
    if (row)
        *member->number = row->number;
    else if (*member->number)
        add_row(ir, entry,
                (struct cg_lock_row){*member->number, member->name, false});
    if (*member->number >= entry->next)
        entry->next = *member->number + 1;
}

static bool is_member(const struct member *members, size_t count,
                      const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].name, name) == 0)
            return true;
    return false;
}

static void fault_doubles(struct cg_ir *ir, const struct member *members,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (*members[i].number == *members[k].number)
                cg_fault(ir, members[i].at, "lock.number",
                         "'%s' and '%s' both have number %u", members[k].name,
                         members[i].name, *members[i].number);
}

static struct cg_lock_entry *number_members(struct cg_ir *ir,
                                            struct cg_decl *decl,
                                            struct member *members,
                                            size_t count)
{
    struct cg_lock_entry *entry = find_entry(ir, decl->full);

    if (!entry)
        entry = add_entry(ir, decl->tag == CG_ENUM ? "enum" : "message",
                          decl->full, 1);
    for (size_t i = 0; i < count; i++)
        keep_number(ir, entry, &members[i]);
    for (size_t i = 0; i < count; i++) {
        if (*members[i].number)
            continue;
        *members[i].number = take_next(entry);
        add_row(
            ir, entry,
            (struct cg_lock_row){*members[i].number, members[i].name, false});
    }
    for (size_t i = 0; i < entry->count; i++)
        if (!is_member(members, count, entry->rows[i].name))
            entry->rows[i].removed = true;
    fault_doubles(ir, members, count);
    return entry;
}

static void keep_reserved(struct cg_ir *ir, struct cg_decl *decl,
                          const struct cg_lock_entry *entry)
{
    decl->reserved = cg_zalloc(ir, entry->count, sizeof *decl->reserved);
    for (size_t i = 0; i < entry->count; i++)
        if (entry->rows[i].removed)
            decl->reserved[decl->reserved_count++] = (struct cg_reserved){
                entry->rows[i].number, entry->rows[i].name};
}

static void number_decl(struct cg_ir *ir, struct cg_decl *decl)
{
    const struct doc_node *schemas = doc_get(decl->schema, "properties");
    size_t count = decl->field_count + decl->value_count;
    struct member *members = cg_zalloc(ir, count, sizeof *members);

    for (size_t i = 0; i < decl->field_count; i++) {
        struct cg_field *field = &decl->fields[i];
        const struct doc_node *was =
            doc_get(doc_get(schemas, field->json), "x-was");

        members[i] = (struct member){field->json, doc_string(was, NULL),
                                     &field->number, field->at};
    }
    for (size_t i = 0; i < decl->value_count; i++) {
        struct cg_value *value = &decl->values[i];

        members[decl->field_count + i] =
            (struct member){value->json, NULL, &value->number, value->at};
    }
    keep_reserved(ir, decl, number_members(ir, decl, members, count));
}

/* ---- writing ---- */

static int by_number(const void *a, const void *b)
{
    const struct cg_lock_row *left = a;
    const struct cg_lock_row *right = b;

    return (left->number > right->number) - (left->number < right->number);
}

static int by_name(const void *a, const void *b)
{
    const struct cg_lock_entry *left = a;
    const struct cg_lock_entry *right = b;

    return strcmp(left->name, right->name);
}

static void write_lock(struct cg_ir *ir)
{
    struct buf text = {0};

    buf_string(&text, lock_head);
    if (ir->released)
        buf_printf(&text, "%s%s", lock_released, ir->released);
    buf_char(&text, '\n');
    if (ir->entry_count)
        qsort(ir->entries, ir->entry_count, sizeof *ir->entries, by_name);
    for (size_t i = 0; i < ir->entry_count; i++) {
        struct cg_lock_entry *entry = &ir->entries[i];

        buf_printf(&text, "%s %s next %u", entry->tag, entry->name,
                   entry->next);
        if (entry->watermark)
            buf_printf(&text, " watermark %u", entry->watermark);
        buf_char(&text, '\n');
        if (entry->count)
            qsort(entry->rows, entry->count, sizeof *entry->rows, by_number);
        for (size_t k = 0; k < entry->count; k++)
            buf_printf(&text, "  %u %s%s\n", entry->rows[k].number,
                       entry->rows[k].removed ? "- " : "", entry->rows[k].name);
    }
    ir->lock = cg_text(ir, "%s", buf_ok(&text) ? text.data : "");
    ir->lock_size = strlen(ir->lock);
    buf_release(&text);
}

void cg_number(struct cg_ir *ir)
{
    read_lock(ir);
    for (size_t i = 0; i < ir->api_count; i++)
        for (size_t k = 0; k < ir->apis[i]->decl_count; k++)
            if (!ir->apis[i]->decls[k]->foreign)
                number_decl(ir, ir->apis[i]->decls[k]);
    write_lock(ir);
}

void cg_release(struct cg_ir *ir, const char *version)
{
    ir->released = version;
    for (size_t i = 0; i < ir->entry_count; i++)
        ir->entries[i].watermark = ir->entries[i].next - 1;
    write_lock(ir);
}
