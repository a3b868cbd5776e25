/*
 * Nearest name: Levenshtein distance, one row at a time.
 */
#include "nearest.h"

#include <stdint.h>
#include <string.h>

/* Distance of two short names in inserted, removed and changed bytes. */
static size_t name_distance(const char *a, size_t a_size, const char *b)
{
    enum { NAME_MAX_SIZE = 40 };
    size_t row[NAME_MAX_SIZE + 1], b_size = strlen(b);

    if (a_size > NAME_MAX_SIZE || b_size > NAME_MAX_SIZE)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = changed < other ? changed : other;
        }
    }
    return row[b_size];
}

/* The field that was probably meant, or NULL. */
const char *nearest_field(const struct msg_def *def, const char *key,
                          size_t size)
{
    const char *nearest = NULL;
    size_t best = size / 3 + 1; /* "txt" for "text", not "a" for "b" */

    for (size_t i = 0; i < def->field_count; i++) {
        size_t distance = name_distance(key, size, def->fields[i].json);

        if (distance <= best && distance < size) {
            best = distance;
            nearest = def->fields[i].json;
        }
    }
    return nearest;
}
