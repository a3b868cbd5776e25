/*
 * Record: one allocation holds the struct and its strings; see record.h.
 */
#include "record.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_COUNT = 9 };

/* The strings of a record, so that they can be walked. */
static void texts_of(struct reg_record *record, const char **texts[TEXT_COUNT])
{
    texts[0] = &record->id;
    texts[1] = &record->boot_id;
    texts[2] = &record->host;
    texts[3] = &record->app_name;
    texts[4] = &record->app_version;
    texts[5] = &record->model_name;
    texts[6] = &record->reason;
    texts[7] = &record->metadata;
    texts[8] = &record->request_id;
}

size_t reg_record_size(const struct reg_record *draft)
{
    struct reg_record shape = *draft;
    const char **texts[TEXT_COUNT];
    size_t size = sizeof shape;

    texts_of(&shape, texts);
    for (int i = 0; i < TEXT_COUNT; i++)
        size += (*texts[i] ? strlen(*texts[i]) : 0) + 1;
    return size;
}

struct reg_record *reg_record_copy(void *memory, const struct reg_record *draft)
{
    struct reg_record *record = memory;
    const char **texts[TEXT_COUNT];
    char *at = (char *)(record + 1);

    *record = *draft;
    atomic_init(&record->references, 1);
    texts_of(record, texts);
    for (int i = 0; i < TEXT_COUNT; i++) {
        const char *text = *texts[i] ? *texts[i] : "";
        size_t length = strlen(text) + 1;

        *texts[i] = memcpy(at, text, length);
        at += length;
    }
    return record;
}

struct reg_record *reg_record_new(const struct reg_record *draft)
{
    void *memory = malloc(reg_record_size(draft));

    return memory ? reg_record_copy(memory, draft) : NULL;
}

struct reg_record *reg_record_get(struct reg_record *record)
{
    atomic_fetch_add(&record->references, 1);
    return record;
}

void reg_record_put(struct reg_record *record)
{
    if (record && atomic_fetch_sub(&record->references, 1) == 1)
        free(record);
}
