/*
 * NFC, NFD, NFKC and NFKD.
 *
 * Characters are decomposed, marks between two starters sorted by combining
 * class, and composed again if asked for. Each result carries its change in
 * the way of Hugging Face's alignments, so that offsets come out equal, too: a
 * decomposition adds, a composition takes away. Sorting is a merge sort, so a
 * megabyte of marks costs n log n.
 */
#include <stdlib.h>

#include "tokenizer_impl.h"

/* A character on its way: `order` keeps the sort stable. */
struct mark {
    uint32_t cp;
    int32_t change;
    uint32_t combining, order;
};

/* The characters since the last starter. */
struct marks {
    struct arena *arena;
    struct mark *items;
    size_t count, capacity;
};

static int by_class(const void *a, const void *b)
{
    const struct mark *left = a, *right = b;

    if (left->combining != right->combining)
        return left->combining < right->combining ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

static bool marks_put(struct marks *marks, struct mark mark)
{
    if (marks->count == marks->capacity) {
        size_t capacity = marks->capacity > 0 ? 2 * marks->capacity : 64;
        struct mark *items = text_grown(marks->arena, marks->items,
                                        marks->count * sizeof(*items),
                                        capacity * sizeof(*items));

        if (!items)
            return false;
        marks->items = items;
        marks->capacity = capacity;
    }
    mark.order = (uint32_t)marks->count;
    marks->items[marks->count++] = mark;
    return true;
}

/* Already in order, as nearly always? */
static bool sorted(const struct marks *marks, size_t first)
{
    for (size_t i = first + 1; i < marks->count; i++) {
        if (marks->items[i].combining < marks->items[i - 1].combining)
            return false;
    }
    return true;
}

/*
 * Composes the starter at items[0] with the marks that nothing blocks, and
 * with a starter right behind it; what stays moves up.
 */
static void compose(struct marks *marks)
{
    struct mark *items = marks->items;
    size_t kept = 1;

    for (size_t i = 1; i < marks->count; i++) {
        uint32_t last = kept > 1 ? items[kept - 1].combining : 0;
        bool blocked = kept > 1 && last >= items[i].combining;
        uint32_t both = blocked ? 0 : uc_compose(items[0].cp, items[i].cp);

        if (both != 0) {
            items[0].cp = both;
            items[0].change += items[i].change - 1;
        } else {
            items[kept++] = items[i];
        }
    }
    marks->count = kept;
}

static void flush(struct marks *marks, struct changes *out)
{
    for (size_t i = 0; i < marks->count; i++)
        changes_put(out, marks->items[i].cp, marks->items[i].change);
    marks->count = 0;
}

/*
 * A group is complete: marks, begun by a starter or not. What is left of it is
 * nothing or, if composing used up its marks, the starter.
 */
static void end_group(struct marks *marks, bool composes, struct changes *out)
{
    size_t first = marks->count > 0 && marks->items[0].combining == 0;

    if (marks->count > first + 1 && !sorted(marks, first))
        qsort(marks->items + first, marks->count - first, sizeof(*marks->items),
              by_class);
    if (composes && first == 1) {
        compose(marks);
        if (marks->count == 1)
            return; /* a following starter may compose with it */
    }
    flush(marks, out);
}

static bool put_starter(struct marks *marks, struct mark mark, bool composes,
                        struct changes *out)
{
    end_group(marks, composes, out);
    if (marks->count == 1) {
        uint32_t both = uc_compose(marks->items[0].cp, mark.cp);

        if (both != 0) {
            marks->items[0].cp = both;
            marks->items[0].change += mark.change - 1;
            return true;
        }
        flush(marks, out);
    }
    return marks_put(marks, mark);
}

static void normal_form(struct reader in, bool compatible, bool composes,
                        struct text *out)
{
    struct changes changes = {.arena = out->arena};
    struct marks marks = {.arena = out->arena};
    uint32_t parts[UC_DECOMPOSED_MAX], from;

    for (struct reader reader = in; reader.at < reader.end;) {
        size_t count =
            uc_decompose(reader_next(&reader, &from), compatible, parts);

        for (size_t i = 0; i < count; i++) {
            struct mark mark = {.cp = parts[i],
                                .change = i > 0,
                                .combining = uc_combining(parts[i])};
            bool ok = mark.combining > 0
                          ? marks_put(&marks, mark)
                          : put_starter(&marks, mark, composes, &changes);

            out->failed = out->failed || !ok;
        }
    }
    end_group(&marks, composes, &changes);
    flush(&marks, &changes);
    text_change(out, in, &changes);
}

void normalizer_nfc(const struct normalizer *step, struct reader in,
                    struct text *out)
{
    (void)step;
    normal_form(in, false, true, out);
}

void normalizer_nfd(const struct normalizer *step, struct reader in,
                    struct text *out)
{
    (void)step;
    normal_form(in, false, false, out);
}

void normalizer_nfkc(const struct normalizer *step, struct reader in,
                     struct text *out)
{
    (void)step;
    normal_form(in, true, true, out);
}

void normalizer_nfkd(const struct normalizer *step, struct reader in,
                     struct text *out)
{
    (void)step;
    normal_form(in, true, false, out);
}
