/*
 * Lock: field numbers that were given once stay for ever.
 *
 * api/specgen.lock is text, one fact per line, sorted, so that it merges and
 * can be read in a review:
 *
 *   specgen-lock 1
 *   message specserve.runtime.v1.HealthResponse next 3
 *     1 status
 *     2 - owner             a removed field: number and name are reserved
 *   enum ...                likewise, with the values
 *
 * A line may be deleted by hand as long as nothing with it was released.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "out.h"

static const char lock_file[] = "specgen.lock";
static const char lock_head[] = "specgen-lock 1\n";

struct row {
    uint32_t number;
    const char *name;
    bool removed;
};

struct entry {
    const char *name; /* full */
    const char *tag;  /* "message" or "enum" */
    uint32_t next;
    struct row *rows;
    size_t count, capacity;
};

struct lock {
    struct cg_ir *ir;
    struct entry *entries;
    size_t count, capacity;
};

/* A member that needs a number, whatever it is a member of. */
struct member {
    const char *name, *was;
    uint32_t *number;
    struct cg_loc at;
};

static struct entry *find_entry(const struct lock *lock, const char *name)
{
    for (size_t i = 0; i < lock->count; i++)
        if (strcmp(lock->entries[i].name, name) == 0)
            return &lock->entries[i];
    return NULL;
}

static struct entry *add_entry(struct lock *lock, const char *tag,
                               const char *name, uint32_t next)
{
    lock->entries = cg_grow(lock->ir, lock->entries, lock->count,
                            &lock->capacity, sizeof *lock->entries);
    struct entry *entry = &lock->entries[lock->count++];
    *entry = (struct entry){.tag = tag, .name = name, .next = next};
    return entry;
}

static void add_row(struct lock *lock, struct entry *entry, struct row row)
{
    entry->rows = cg_grow(lock->ir, entry->rows, entry->count, &entry->capacity,
                          sizeof *entry->rows);
    entry->rows[entry->count++] = row;
}

static struct row *find_row(const struct entry *entry, const char *name)
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
static bool read_row(struct lock *lock, const char *line)
{
    struct row row = {0};

    if (!lock->count || !read_number(&line, &row.number))
        return false;
    row.removed = strncmp(line, "- ", 2) == 0;
    row.name = cg_text(lock->ir, "%s", line + (row.removed ? 2 : 0));
    add_row(lock, &lock->entries[lock->count - 1], row);
    return *row.name != '\0';
}

/* "message a.b.C next 3" */
static bool read_entry(struct lock *lock, const char *line)
{
    const char *name = strchr(line, ' ');
    const char *next = name ? strstr(name, " next ") : NULL;
    struct entry *entry;

    if (!next)
        return false;
    entry = add_entry(
        lock, cg_text(lock->ir, "%.*s", (int)(name - line), line),
        cg_text(lock->ir, "%.*s", (int)(next - name - 1), name + 1), 0);
    next += strlen(" next ");
    return read_number(&next, &entry->next);
}

static bool read_line(struct lock *lock, const char *line)
{
    return line[0] == ' ' ? read_row(lock, line) : read_entry(lock, line);
}

static void read_lock(struct lock *lock)
{
    const char *path = cg_text(lock->ir, "%s/%s", lock->ir->dir, lock_file);
    struct cg_loc at = {.file = path, .line = 1, .col = 1};
    struct buf text = {0};
    struct error err;
    char *next;

    if (!cg_file_read(path, &text, &err) || !text.size) {
        buf_release(&text); /* the first run makes it */
        return;
    }
    if (strncmp(text.data, lock_head, sizeof lock_head - 1) != 0)
        cg_fault(lock->ir, at, "lock.syntax", "is not a lock file");
    for (char *line = strchr(text.data, '\n'); line && line[1]; line = next) {
        next = strchr(++line, '\n');
        if (next)
            *next = '\0';
        at.line++;
        if (!read_line(lock, line))
            cg_fault(lock->ir, at, "lock.syntax", "cannot read '%s'", line);
    }
    buf_release(&text);
}

/* ---- numbering ---- */

/* 19000 to 19999 belong to protobuf itself. */
static uint32_t take_next(struct entry *entry)
{
    if (entry->next == 19000)
        entry->next = 20000;
    return entry->next++;
}

/* A number that the schema asks for may belong to a removed member. */
static void fault_reserved(struct lock *lock, const struct entry *entry,
                           const struct member *member)
{
    for (size_t i = 0; i < entry->count; i++)
        if (entry->rows[i].removed && *member->number &&
            entry->rows[i].number == *member->number)
            cg_fault(lock->ir, member->at, "lock.reserved",
                     "number %u of '%s' is reserved for the removed '%s'",
                     *member->number, member->name, entry->rows[i].name);
}

/* The member's number if schema or lock say it; 0 = it needs a new one. */
static void keep_number(struct lock *lock, struct entry *entry,
                        struct member *member)
{
    struct row *row = find_row(entry, member->name);
    struct row *old = find_row(entry, member->was);

    fault_reserved(lock, entry, member);
    if (row && row->removed)
        cg_fault(lock->ir, member->at, "lock.reserved",
                 "'%s' was removed; its name stays reserved", member->name);
    if (!row && old) {
        old->name = member->name;
        row = old;
    }
    if (row && *member->number && *member->number != row->number)
        cg_fault(lock->ir, member->at, "lock.number",
                 "'%s' has number %u in the lock file, not %u", member->name,
                 row->number, *member->number);
    if (row)
        *member->number = row->number;
    else if (*member->number)
        add_row(lock, entry,
                (struct row){*member->number, member->name, false});
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

static void fault_doubles(struct lock *lock, const struct member *members,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (*members[i].number == *members[k].number)
                cg_fault(lock->ir, members[i].at, "lock.number",
                         "'%s' and '%s' both have number %u", members[k].name,
                         members[i].name, *members[i].number);
}

static struct entry *number_members(struct lock *lock, struct cg_decl *decl,
                                    struct member *members, size_t count)
{
    struct entry *entry = find_entry(lock, decl->full);

    if (!entry)
        entry = add_entry(lock, decl->tag == CG_ENUM ? "enum" : "message",
                          decl->full, 1);
    for (size_t i = 0; i < count; i++)
        keep_number(lock, entry, &members[i]);
    for (size_t i = 0; i < count; i++) {
        if (*members[i].number)
            continue;
        *members[i].number = take_next(entry);
        add_row(lock, entry,
                (struct row){*members[i].number, members[i].name, false});
    }
    for (size_t i = 0; i < entry->count; i++)
        if (!is_member(members, count, entry->rows[i].name))
            entry->rows[i].removed = true;
    fault_doubles(lock, members, count);
    return entry;
}

static void keep_reserved(struct lock *lock, struct cg_decl *decl,
                          const struct entry *entry)
{
    decl->reserved = cg_zalloc(lock->ir, entry->count, sizeof *decl->reserved);
    for (size_t i = 0; i < entry->count; i++)
        if (entry->rows[i].removed)
            decl->reserved[decl->reserved_count++] = (struct cg_reserved){
                entry->rows[i].number, entry->rows[i].name};
}

static void number_decl(struct lock *lock, struct cg_decl *decl)
{
    const struct doc_node *schemas = doc_get(decl->schema, "properties");
    size_t count = decl->field_count + decl->value_count;
    struct member *members = cg_zalloc(lock->ir, count, sizeof *members);

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
    keep_reserved(lock, decl, number_members(lock, decl, members, count));
}

/* ---- writing ---- */

static int by_number(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;

    return (left->number > right->number) - (left->number < right->number);
}

static int by_name(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    return strcmp(left->name, right->name);
}

static void write_lock(struct lock *lock)
{
    struct buf text = {0};

    buf_string(&text, lock_head);
    if (lock->count)
        qsort(lock->entries, lock->count, sizeof *lock->entries, by_name);
    for (size_t i = 0; i < lock->count; i++) {
        struct entry *entry = &lock->entries[i];

        buf_printf(&text, "%s %s next %u\n", entry->tag, entry->name,
                   entry->next);
        if (entry->count)
            qsort(entry->rows, entry->count, sizeof *entry->rows, by_number);
        for (size_t k = 0; k < entry->count; k++)
            buf_printf(&text, "  %u %s%s\n", entry->rows[k].number,
                       entry->rows[k].removed ? "- " : "", entry->rows[k].name);
    }
    lock->ir->lock = cg_text(lock->ir, "%s", buf_ok(&text) ? text.data : "");
    lock->ir->lock_size = strlen(lock->ir->lock);
    buf_release(&text);
}

void cg_number(struct cg_ir *ir)
{
    struct lock lock = {.ir = ir};

    read_lock(&lock);
    for (size_t i = 0; i < ir->api_count; i++)
        for (size_t k = 0; k < ir->apis[i]->decl_count; k++)
            if (!ir->apis[i]->decls[k]->foreign)
                number_decl(&lock, ir->apis[i]->decls[k]);
    write_lock(&lock);
}
