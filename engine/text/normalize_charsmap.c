/*
 * Precompiled: the character map that SentencePiece models bring along.
 *
 * The map is a Darts double array of byte strings whose values point at
 * NUL-terminated replacements. As the original does it, a grapheme cluster of
 * up to five bytes is replaced as a whole by what the shortest key at its
 * start says; else each character is looked up by itself. Also as there, a
 * character without replacement text is charged to the change before it, which
 * shows in offsets.
 */
#include "tokenizer_impl.h"

enum { CLUSTER_MAX = 5 };

/* The unit at `at`; 0 has no children and no value. */
static uint32_t unit_at(const struct normalizer *step, size_t at)
{
    return at < step->as.charsmap.unit_count ? step->as.charsmap.units[at] : 0;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1U << 9)) >> 6);
}

/* The replacement of the shortest key that starts the bytes; NULL = none. */
static const char *look_up(const struct normalizer *step, const char *bytes,
                           size_t size)
{
    uint32_t unit = unit_at(step, 0);
    size_t at = offset_of(unit);

    for (size_t i = 0; i < size && bytes[i] != 0; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        at ^= byte;
        unit = unit_at(step, at);
        if ((unit & ((1U << 31) | 0xffU)) != byte)
            return NULL;
        at ^= offset_of(unit);
        if (((unit >> 8) & 1) != 0) {
            size_t value = unit_at(step, at) & ((1U << 31) - 1);

            return value < step->as.charsmap.strings_size
                       ? step->as.charsmap.strings + value
                       : NULL;
        }
    }
    return NULL;
}

/* The end of the grapheme cluster at `at` < `end`, as far as it matters to
 * clusters of up to five bytes. */
static size_t cluster_end(const char *bytes, size_t at, size_t end)
{
    bool is_cr = bytes[at] == '\r';
    uint32_t props = uc_props(uc_next(bytes, &at));

    if (is_cr && at < end && bytes[at] == '\n')
        return at + 1;
    while (at < end && (props & UC_BREAK) == 0) {
        size_t next = at;
        uint32_t before = props;

        props = uc_props(uc_next(bytes, &next));
        if ((props & UC_EXTEND) == 0 &&
            ((before & UC_PREPEND) == 0 || (props & UC_BREAK) != 0))
            break;
        at = next;
    }
    return at;
}

/* Notes that `old_count` characters become the replacement. */
static void put_changes(struct changes *changes, size_t old_count,
                        const char *new)
{
    size_t size = strlen(new), count = uc_count(new, size), i = 0;

    for (size_t at = 0; at < size; i++)
        changes_put(changes, uc_next(new, &at), i >= old_count);
    if (count < old_count && changes->count > 0)
        changes->items[changes->count - 1].change +=
            (int32_t)count - (int32_t)old_count;
}

/* The cluster at bytes[at, end). */
static void map_cluster(const struct normalizer *step, const char *bytes,
                        size_t at, size_t end, struct changes *changes)
{
    const char *new = NULL;

    if (end - at <= CLUSTER_MAX)
        new = look_up(step, bytes + at, end - at);
    if (new) {
        put_changes(changes, uc_count(bytes + at, end - at), new);
        return;
    }
    while (at < end) {
        size_t start = at;
        uint32_t cp = uc_next(bytes, &at);

        new = look_up(step, bytes + start, at - start);
        if (new)
            put_changes(changes, 1, new);
        else
            changes_put(changes, cp, 0);
    }
}

/* The end of the run of printable ASCII that no key starts with. */
static size_t plain_end(const struct normalizer *step, const char *bytes,
                        size_t at, size_t end)
{
    while (at < end && (unsigned char)bytes[at] < 0x80 &&
           (at + 1 == end || (unsigned char)bytes[at + 1] < 0x80) &&
           bytes[at] != '\r' && !look_up(step, bytes + at, 1))
        at++;
    return at;
}

void normalizer_charsmap(const struct normalizer *step, struct reader in,
                         struct text *out)
{
    struct changes changes = {.arena = out->arena};
    struct reader plain = in;

    plain.end = plain_end(step, in.bytes, in.at, in.end);
    if (plain.end == in.end) {
        text_put_rest(out, &plain);
        return;
    }
    for (size_t at = in.at; at < in.end;) {
        size_t start = at;

        for (at = plain_end(step, in.bytes, at, in.end); start < at; start++)
            changes_put(&changes, (unsigned char)in.bytes[start], 0);
        if (at == in.end)
            break;
        at = cluster_end(in.bytes, at, in.end);
        map_cluster(step, in.bytes, start, at, &changes);
    }
    text_change(out, in, &changes);
}
