/*
 * A chain of normalizers made from rules; see normal_text.h.
 */
#include "normal_text.h"

#include "tokenizer_impl.h"

enum { CHAIN_MAX = 4 };

static void collapse(const struct normalizer *step, struct reader in,
                     struct text *out)
{
    bool after_space = false;
    uint32_t from;

    (void)step;
    while (in.at < in.end) {
        uint32_t cp = reader_next(&in, &from);
        bool space = (uc_props(cp) & UC_SPACE) != 0;

        if (!space)
            text_put(out, cp, from);
        else if (!after_space)
            text_put(out, ' ', from);
        after_space = space;
    }
}

static size_t make_chain(const struct normal_rules *rules,
                         struct normalizer chain[CHAIN_MAX])
{
    static normalizer_apply *const forms[] = {
        [NORMAL_NFC] = normalizer_nfc,
        [NORMAL_NFD] = normalizer_nfd,
        [NORMAL_NFKC] = normalizer_nfkc,
        [NORMAL_NFKD] = normalizer_nfkd,
    };
    size_t count = 0;

    if (rules->form != NORMAL_AS_IS)
        chain[count++] = (struct normalizer){.apply = forms[rules->form]};
    if (rules->lower)
        chain[count++] = (struct normalizer){.apply = normalizer_lowercase};
    if (rules->collapse)
        chain[count++] = (struct normalizer){.apply = collapse};
    if (rules->strip)
        chain[count++] = (struct normalizer){.apply = normalizer_strip,
                                             .as.strip = {true, true}};
    return count;
}

const char *normal_text(struct arena *arena, const struct normal_rules *rules,
                        const char *bytes, size_t size)
{
    struct normalizer chain[CHAIN_MAX];
    size_t count = make_chain(rules, chain);
    struct reader in = {.bytes = bytes, .end = size};
    struct text out;

    text_init(&out, arena, false);
    normalizers_apply(chain, count, in, &out);
    text_put(&out, '\0', 0);
    return out.failed ? NULL : out.bytes;
}
