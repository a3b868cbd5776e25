/*
 * BertNormalizer: clean text, space out Chinese characters, strip accents,
 * lower case, in one loop.
 *
 * Stripping accents is NFD without its nonspacing marks. Marks are sorted by
 * NFD, but those that stay hardly ever need it; a text where they might goes
 * the long way, step by step.
 */
#include "tokenizer_impl.h"

/* What is left of a control or white space character; 0 = nothing. */
static uint32_t clean(uint32_t cp, uint32_t props)
{
    if (cp == '\t' || cp == '\n' || cp == '\r')
        return ' ';
    if (cp == 0 || cp == 0xfffd || (props & UC_CONTROL) != 0)
        return 0;
    return (props & UC_SPACE) != 0 ? ' ' : cp;
}

static void put_lower(const struct normalizer *step, uint32_t cp, uint32_t from,
                      struct text *out)
{
    uint32_t lower[2] = {cp};
    size_t count = 1;

    if (step->as.bert.lower)
        count = uc_lower(cp, lower);
    for (size_t i = 0; i < count; i++)
        text_put(out, lower[i], from);
}

/* A character without its accents; false: its marks may have to be sorted. */
static bool put_stripped(const struct normalizer *step, uint32_t cp,
                         uint32_t from, struct text *out)
{
    uint32_t parts[UC_DECOMPOSED_MAX];
    size_t count = uc_decompose(cp, false, parts);

    for (size_t i = 0; i < count; i++) {
        if ((uc_props(parts[i]) & UC_NONSPACING) != 0)
            continue;
        if (uc_combining(parts[i]) > 0)
            return false;
        put_lower(step, parts[i], from, out);
    }
    return true;
}

static bool put_other(const struct normalizer *step, uint32_t cp, uint32_t from,
                      struct text *out)
{
    uint32_t props = uc_props(cp);
    bool cjk, ok = true;

    if (step->as.bert.clean) {
        cp = clean(cp, props);
        if (cp == 0)
            return true;
    }
    cjk = step->as.bert.cjk && (props & UC_CJK) != 0;
    if (cjk)
        text_put(out, ' ', from);
    if (step->as.bert.strip && (props & (UC_NFD | UC_NONSPACING)) != 0)
        ok = put_stripped(step, cp, from, out);
    else
        put_lower(step, cp, from, out);
    if (cjk)
        text_put(out, ' ', from);
    return ok;
}

static bool in_one_loop(const struct normalizer *step, struct reader in,
                        struct text *out)
{
    bool lower = step->as.bert.lower;
    uint32_t from;

    while (in.at < in.end) {
        uint32_t cp = reader_next(&in, &from);

        if (cp < 0x7f && cp >= ' ')
            text_put(out, lower && cp >= 'A' && cp <= 'Z' ? cp | 0x20 : cp,
                     from);
        else if (!put_other(step, cp, from, out))
            return false;
    }
    return true;
}

static void drop_nonspacing(struct reader in, struct text *out)
{
    uint32_t from;

    while (in.at < in.end) {
        uint32_t cp = reader_next(&in, &from);

        if ((uc_props(cp) & UC_NONSPACING) == 0)
            text_put(out, cp, from);
    }
}

static void step_by_step(const struct normalizer *step, struct reader in,
                         struct text *out)
{
    struct normalizer first = *step, last = *step;
    struct text texts[3];

    first.as.bert.strip = first.as.bert.lower = false;
    last.as.bert.clean = last.as.bert.cjk = last.as.bert.strip = false;
    for (size_t i = 0; i < 3; i++)
        text_init(&texts[i], out->arena, out->tracked);
    (void)in_one_loop(&first, in, &texts[0]);
    normalizer_nfd(step, text_reader(&texts[0], 0, texts[0].size, 0),
                   &texts[1]);
    drop_nonspacing(text_reader(&texts[1], 0, texts[1].size, 0), &texts[2]);
    (void)in_one_loop(&last, text_reader(&texts[2], 0, texts[2].size, 0), out);
    for (size_t i = 0; i < 3; i++)
        out->failed = out->failed || texts[i].failed;
}

void normalizer_bert(const struct normalizer *step, struct reader in,
                     struct text *out)
{
    size_t size = out->size;

    if (!text_reserve(out, in.end - in.at + TEXT_CHAR_MAX) ||
        in_one_loop(step, in, out))
        return;
    out->size = size;
    step_by_step(step, in, out);
}
