/*
 * IR: memory, faults and finding things by name.
 */
#include "ir.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cg_ir_init(struct cg_ir *ir, const char *dir)
{
    *ir = (struct cg_ir){.dir = dir};
    arena_init(&ir->arena, 0);
}

void cg_ir_release(struct cg_ir *ir)
{
    buf_release(&ir->faults);
    arena_release(&ir->arena);
}

static void *must(void *memory)
{
    if (!memory) {
        (void)fputs("specgen: out of memory\n", stderr);
        exit(70);
    }
    return memory;
}

void *cg_zalloc(struct cg_ir *ir, size_t count, size_t size)
{
    return must(arena_zalloc(&ir->arena, count, size));
}

char *cg_text(struct cg_ir *ir, const char *format, ...)
{
    struct buf text = {0};
    char stack[512];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(stack, sizeof stack, format, args);
    va_end(args);
    if (length < (int)sizeof stack)
        return must(arena_strdup(&ir->arena, stack));

    if (!buf_reserve(&text, (size_t)length + 1))
        return must(NULL);
    va_start(args, format);
    (void)vsnprintf(text.data, (size_t)length + 1, format, args);
    va_end(args);
    char *copy = must(arena_copy(&ir->arena, text.data, (size_t)length));
    buf_release(&text);
    return copy;
}

void *cg_grow(struct cg_ir *ir, void *items, size_t count, size_t *capacity,
              size_t size)
{
    void *grown;

    if (count < *capacity)
        return items;
    *capacity = *capacity ? 2 * *capacity : 8;
    grown = cg_zalloc(ir, *capacity, size);
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

void cg_fault(struct cg_ir *ir, struct cg_loc at, const char *rule,
              const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    buf_printf(&ir->faults, "%s:%d:%d: %s: %s\n", at.file, at.line, at.col,
               rule, message);
    ir->fault_count++;
}

struct cg_loc cg_at(const char *file, const struct doc_node *node)
{
    return (struct cg_loc){
        .file = file,
        .line = node ? node->line : 0,
        .col = node ? node->col : 0,
    };
}

struct cg_decl *cg_api_decl(const struct cg_api *api, const char *name)
{
    for (size_t i = 0; i < api->decl_count; i++)
        if (strcmp(api->decls[i]->name, name) == 0)
            return api->decls[i];
    return NULL;
}

const struct doc_node *cg_api_def(const struct cg_api *api, const char *name)
{
    const struct doc_node *def = NULL;

    for (size_t i = 0; i < api->defs_count && !def; i++)
        def = doc_get(api->defs[i], name);
    return def;
}

struct cg_field *cg_decl_field(const struct cg_decl *decl, const char *json)
{
    for (size_t i = 0; i < decl->field_count; i++)
        if (strcmp(decl->fields[i].json, json) == 0)
            return &decl->fields[i];
    return NULL;
}

const char *cg_field_oneof(const struct cg_field *field)
{
    return field->oneof ? field->oneof : "kind";
}

const struct cg_error *cg_ir_error(const struct cg_ir *ir, const char *name)
{
    for (size_t i = 0; i < ir->error_count; i++)
        if (strcmp(ir->errors[i].name, name) == 0)
            return &ir->errors[i];
    return NULL;
}
