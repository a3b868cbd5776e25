/*
 * Fuzz: a tokenizer.json, and a text through it.
 *
 * The bytes up to the first NUL are the file, the rest is a text. What loads
 * must encode any UTF-8, alone and as a pair, with offsets inside the text and
 * ids inside the vocabulary, and decode what it gave.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static size_t characters(const char *text, size_t size)
{
    size_t count = 0;

    for (size_t at = 0; at < size; count++)
        at += utf8_length(text + at, size - at);
    return count;
}

static void check_encoding(const struct tok_tokenizer *tok,
                           const struct tok_encoding *out, size_t length)
{
    for (size_t i = 0; i < out->count; i++) {
        require(out->ids[i] >= 0 && (size_t)out->ids[i] < tok_vocab_size(tok));
        require(out->starts[i] <= out->ends[i] && out->ends[i] <= length);
    }
}

static void run_text(const struct tok_tokenizer *tok, const char *text,
                     size_t size)
{
    struct arena scratch, arena;
    struct tok_encoding out = {.scratch = &scratch, .arena = &arena};
    struct tok_text both = {text, size};
    struct error err = {0};
    unsigned flags = TOK_SPECIALS | TOK_TRUNCATE | TOK_OFFSETS;
    struct tok_decoding text_again = {.arena = &arena};
    size_t length = characters(text, size);

    arena_init(&scratch, 256 << 20);
    arena_init(&arena, 64 << 20);
    if (tok_encode(tok, text, size, flags, &out, &err)) {
        check_encoding(tok, &out, length);
        require(out.whole <= tok_count_max(tok, size));
        require(tok_decode(tok, out.ids, out.count, &text_again, &err) ||
                err.code == ERR_OUT_OF_MEMORY);
    } else {
        require(err.code != ERR_NONE);
    }
    if (tok_encode_pair(tok, both, both, flags | TOK_PARSE_SPECIALS, &out,
                        &err))
        check_encoding(tok, &out, length);
    arena_release(&scratch);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data;
    size_t json_size = strnlen(json, size);
    const char *text = json + json_size;
    size_t text_size = size - json_size;
    struct error err = {0};
    struct tok_tokenizer *tok = tok_open_bytes(json, json_size, &err);

    if (!tok)
        require(err.code != ERR_NONE);
    else if (utf8_valid(text, text_size))
        run_text(tok, text, text_size);
    tok_close(tok);
    return 0;
}
