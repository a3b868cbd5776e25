/*
 * Doc suggest: "did you mean", by edit distance.
 */
#include "doc.h"

#include <string.h>

enum { NAME_MAX_SIZE = 48 };

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static char lower(char letter)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    if (letter < 'A' || letter > 'Z')
        return letter;
    return letters[letter - 'A'];
}

static bool same_letter(char a, char b)
{
    return lower(a) == lower(b);
}

/*
 * How many letters must be added, dropped or replaced to make `b` of `a`, with
 * case ignored. `row` holds one line of the classic table at a time.
 */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_SIZE + 1];
    size_t b_size = strlen(b);

    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t replaced = diagonal + !same_letter(a[i], b[j]);

            diagonal = row[j + 1];
            row[j + 1] = smallest(replaced, row[j] + 1, row[j + 1] + 1);
        }
    }
    return row[b_size];
}

const char *doc_nearest(const char *name, const char *const *names,
                        size_t count)
{
    size_t size = strlen(name), least = size / 3 + 1;
    const char *nearest = NULL;

    if (size > NAME_MAX_SIZE)
        return NULL;
    if (least >= size) /* a name of one or two letters resembles everything */
        least = size ? size - 1 : 0;
    for (size_t i = 0; i < count; i++) {
        size_t far;

        if (strlen(names[i]) > NAME_MAX_SIZE)
            continue;
        far = distance(name, names[i]);
        if (far <= least && (!nearest || far < least)) {
            nearest = names[i];
            least = far;
        }
    }
    return nearest;
}
