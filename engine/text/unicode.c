/*
 * Unicode for tokenizers: the table and the way to utf8proc, see unicode.h.
 */
#include <utf8proc.h>

#include "unicode.h"

#include "unicode_table.inc"

size_t uc_count(const char *bytes, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += uc_starts(bytes[i]);
    return count;
}

uint32_t uc_before(const char *bytes, size_t at)
{
    do
        at--;
    while (!uc_starts(bytes[at]));
    return uc_next(bytes, &at);
}

static uint32_t lower_of(uint32_t cp)
{
    size_t count = sizeof(uc_lower_newer) / sizeof(*uc_lower_newer);

    for (size_t i = 0; i < count && uc_lower_newer[i][0] <= cp; i++) {
        if (uc_lower_newer[i][0] == cp)
            return uc_lower_newer[i][1];
    }
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

size_t uc_lower(uint32_t cp, uint32_t out[2])
{
    if (cp == 0x130) { /* the one letter whose lower case is two characters */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uc_props(cp) & UC_CASED) != 0 ? lower_of(cp) : cp;
    return 1;
}

size_t uc_decompose(uint32_t cp, bool compatible,
                    uint32_t out[UC_DECOMPOSED_MAX])
{
    utf8proc_int32_t parts[UC_DECOMPOSED_MAX];
    utf8proc_ssize_t count;
    int last_class = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE;

    if (compatible)
        options |= UTF8PROC_COMPAT;
    out[0] = cp;
    if ((uc_props(cp) & UC_NEWER) != 0)
        return 1;
    count = utf8proc_decompose_char((utf8proc_int32_t)cp, parts,
                                    UC_DECOMPOSED_MAX, options, &last_class);
    if (count < 1 || count > UC_DECOMPOSED_MAX)
        return 1;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        out[i] = (uint32_t)parts[i];
    return (size_t)count;
}

unsigned uc_combining(uint32_t cp)
{
    if ((uc_props(cp) & UC_NEWER) != 0)
        return 0;
    return (unsigned)utf8proc_get_property((utf8proc_int32_t)cp)
        ->combining_class;
}

uint32_t uc_compose(uint32_t first, uint32_t second)
{
    utf8proc_int32_t pair[3] = {(utf8proc_int32_t)first,
                                (utf8proc_int32_t)second, 0};
    utf8proc_ssize_t count;

    if ((uc_props(second) & UC_NFC) == 0)
        return 0;
    count =
        utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (count != 1 || (uc_props((uint32_t)pair[0]) & UC_NEWER) != 0)
        return 0;
    return (uint32_t)pair[0];
}
