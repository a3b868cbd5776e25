/*
 * Tokenizer: what callers rely on besides ids: pairs, truncation, padding,
 * memory, special tokens, and hostile texts and files.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "tokenizer.h"

#define WORDS(truncation, padding)                                             \
    "{\"truncation\":" truncation ",\"padding\":" padding                      \
    ",\"added_tokens\":[{\"id\":0,\"content\":\"[PAD]\",\"special\":true},"    \
    "{\"id\":2,\"content\":\"[CLS]\",\"special\":true},{\"id\":3,"             \
    "\"content\":\"[SEP]\",\"special\":true}],\"normalizer\":{\"type\":"       \
    "\"BertNormalizer\",\"lowercase\":true},\"pre_tokenizer\":{\"type\":"      \
    "\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\","   \
    "\"cls\":[\"[CLS]\",2],\"sep\":[\"[SEP]\",3]},\"decoder\":{\"type\":"      \
    "\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":"   \
    "\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":"     \
    "\"##\",\"max_input_chars_per_word\":100,\"vocab\":{\"[PAD]\":0,"          \
    "\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"a\":4,\"b\":5,\"##b\":6,"           \
    "\"c\":7,\".\":8}}}"
#define CUT(strategy)                                                          \
    "{\"direction\":\"Right\",\"max_length\":7,\"strategy\":\"" strategy       \
    "\",\"stride\":0}"
#define PAD(strategy)                                                          \
    "{\"strategy\":" strategy ",\"direction\":\"Left\",\"pad_id\":0,"          \
    "\"pad_type_id\":1,\"pad_token\":\"[PAD]\",\"pad_to_multiple_of\":8}"

static struct arena scratch, arena;

static struct tok_tokenizer *open_or_die(const char *json)
{
    struct error err = {0};
    struct tok_tokenizer *tok = tok_open_bytes(json, strlen(json), &err);

    if (!tok)
        fail_msg("%s", err.msg);
    return tok;
}

static struct tok_encoding encoding(void)
{
    return (struct tok_encoding){.scratch = &scratch, .arena = &arena};
}

/* The ids are those of the digits, one each. */
static void assert_ids(const struct tok_encoding *out, const char *digits)
{
    assert_int_equal(out->count, strlen(digits));
    for (size_t i = 0; i < out->count; i++)
        assert_int_equal(out->ids[i], digits[i] - '0');
}

static struct tok_text text_of(const char *text)
{
    return (struct tok_text){text, strlen(text)};
}

static void test_pair_has_types_masks_and_offsets(void **state)
{
    static const int types[] = {0, 0, 0, 0, 1, 1, 1};
    static const int specials[] = {1, 0, 0, 1, 0, 0, 1};
    static const unsigned starts[] = {0, 0, 1, 0, 0, 2, 0};
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    struct tok_encoding out = encoding();
    struct error err = {0};

    (void)state;
    assert_true(tok_encode_pair(tok, text_of("AB"), text_of("\xc3\x84 c"),
                                TOK_SPECIALS | TOK_OFFSETS, &out, &err));
    assert_ids(&out, "2463473");
    for (size_t i = 0; i < out.count; i++) {
        assert_int_equal(out.type_ids[i], types[i]);
        assert_int_equal(out.special_mask[i], specials[i]);
        assert_int_equal(out.starts[i], starts[i]);
    }
    tok_close(tok);
}

static void test_truncation_keeps_what_its_strategy_says(void **state)
{
    static const struct {
        const char *json, *first, *second, *ids;
    } rows[] = {
        {WORDS(CUT("LongestFirst"), "null"), "a a a a a", "b b", "2443553"},
        {WORDS(CUT("LongestFirst"), "null"), "a", "b b b b b", "2435553"},
        {WORDS(CUT("OnlyFirst"), "null"), "a a a a", "b b", "2443553"},
        {WORDS(CUT("OnlySecond"), "null"), "a a", "b b b b", "2443553"},
        {WORDS(CUT("OnlyFirst"), "null"), "a", "b b b b b", NULL},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tok_tokenizer *tok = open_or_die(rows[i].json);
        struct tok_encoding out = encoding();
        bool ok = tok_encode_pair(tok, text_of(rows[i].first),
                                  text_of(rows[i].second),
                                  TOK_SPECIALS | TOK_TRUNCATE, &out, &err);

        assert_int_equal(ok, rows[i].ids != NULL);
        if (ok)
            assert_ids(&out, rows[i].ids);
        else
            assert_int_equal(err.code, ERR_INPUT_TOO_LONG);
        tok_close(tok);
    }
}

static void test_truncation_takes_the_callers_length(void **state)
{
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    struct tok_encoding out = encoding();
    struct error err = {0};

    (void)state;
    out.max_tokens = 4;
    assert_true(
        tok_encode(tok, "a b c a", 7, TOK_SPECIALS | TOK_TRUNCATE, &out, &err));
    assert_ids(&out, "2453");
    assert_int_equal(out.whole, 6);
    assert_true(tok_encode(tok, "a b c a", 7, TOK_SPECIALS, &out, &err));
    assert_ids(&out, "245743");
    tok_close(tok);
}

static void test_padding_says_length_and_fill(void **state)
{
    struct tok_tokenizer *tok =
        open_or_die(WORDS("null", PAD("{\"Fixed\":20}")));

    (void)state;
    assert_true(tok_padding(tok).asked_for);
    assert_true(tok_padding(tok).left);
    assert_int_equal(tok_padding(tok).type_id, 1);
    assert_int_equal(tok_padded_length(tok, 3), 24);
    assert_int_equal(tok_padded_length(tok, 25), 32);
    tok_close(tok);
    tok = open_or_die(WORDS("null", PAD("\"BatchLongest\"")));
    assert_int_equal(tok_padded_length(tok, 3), 8);
    tok_close(tok);
    tok = open_or_die(WORDS("null", "null"));
    assert_false(tok_padding(tok).asked_for);
    assert_int_equal(tok_padded_length(tok, 3), 3);
    tok_close(tok);
}

static void test_specials_in_text_are_tokens_only_when_told(void **state)
{
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    struct tok_encoding out = encoding();
    struct error err = {0};

    (void)state;
    assert_true(tok_encode(tok, "a[SEP]b", 7, 0, &out, &err));
    assert_ids(&out, "41115");
    assert_true(tok_encode(tok, "a[SEP]b", 7, TOK_PARSE_SPECIALS, &out, &err));
    assert_ids(&out, "435");
    assert_int_equal(out.special_mask[1], 0); /* not the template's */
    tok_close(tok);
}

/* The ids as text. */
static const char *decoded(const struct tok_tokenizer *tok, const int64_t *ids,
                           size_t count, bool skip_specials)
{
    struct tok_decoding out = {.arena = &arena, .skip_specials = skip_specials};
    struct error err = {0};

    assert_true(tok_decode(tok, ids, count, &out, &err));
    assert_int_equal(out.size, strlen(out.text));
    return out.text;
}

static void test_decode_leaves_out_what_it_is_told(void **state)
{
    static const int64_t ids[] = {2, 4, 6, 8, 99, -1, 3};
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));

    (void)state;
    assert_string_equal(decoded(tok, ids, 7, true), "ab.");
    assert_string_equal(decoded(tok, ids, 7, false), "[CLS] ab. [SEP]");
    assert_string_equal(decoded(tok, ids, 0, false), "");
    tok_close(tok);
}

static void test_tokens_have_texts_and_ids(void **state)
{
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    size_t size;

    (void)state;
    assert_memory_equal(tok_token_text(tok, 6, &size), "##b", 3);
    assert_int_equal(size, 3);
    assert_null(tok_token_text(tok, 9, &size));
    assert_null(tok_token_text(tok, -1, &size));
    assert_int_equal(tok_token_id(tok, "[SEP]", 5), 3);
    assert_int_equal(tok_token_id(tok, "zzz", 3), -1);
    assert_true(tok_is_special(tok, 3));
    assert_false(tok_is_special(tok, 4));
    assert_false(tok_is_special(tok, INT64_MAX));
    tok_close(tok);
}

static void test_no_text_gives_more_tokens_than_the_bound(void **state)
{
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    struct tok_encoding out = encoding();
    struct error err = {0};
    struct buf text = {0};

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        buf_string(&text, "\xe4\xb8\xad."); /* each a token */
    assert_true(
        tok_encode(tok, text.data, text.size, TOK_SPECIALS, &out, &err));
    assert_int_equal(out.count, 2002);
    assert_true(out.count <= tok_count_max(tok, text.size));
    assert_true(tok_count_max(tok, SIZE_MAX) == SIZE_MAX);
    buf_release(&text);
    tok_close(tok);
}

static void test_texts_beyond_the_limit_are_not_read(void **state)
{
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    struct tok_encoding out = encoding();
    struct error err = {0};

    (void)state;
    assert_false(tok_encode(tok, "a", (size_t)1 << 31, 0, &out, &err));
    assert_int_equal(err.code, ERR_INPUT_TOO_LONG);
    tok_close(tok);
}

/* Memory is the measure of work here: it grows with the text, not faster. */
static void test_hostile_texts_take_memory_in_proportion(void **state)
{
    static const char *const parts[] = {"a",
                                        " ",
                                        "\xcc\x81",
                                        "\xcc\xa3\xcc\x81",
                                        "[",
                                        "\xe4\xb8\xad",
                                        "a\t",
                                        "[CLS",
                                        "\xf0\x9f\x91\xa9\xe2\x80\x8d"};
    struct tok_tokenizer *tok = open_or_die(WORDS("null", "null"));
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct tok_encoding out = encoding();
        struct buf text = {0};

        arena_release(&scratch);
        arena_release(&arena);
        while (text.size < 1000000)
            buf_string(&text, parts[i]);
        assert_true(tok_encode(tok, text.data, text.size,
                               TOK_OFFSETS | TOK_PARSE_SPECIALS, &out, &err));
        assert_true(scratch.total_bytes < 128 * text.size);
        buf_release(&text);
    }
    tok_close(tok);
}

/* Every stage may be the one that meets the end of the memory. */
static void test_memory_may_end_anywhere(void **state)
{
    enum { STEP = 256, SIZE = 3000 };
    struct tok_tokenizer *tok = open_or_die(
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
        "\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":"
        "\"bbbbbbbbbbb\"},"
        "{\"type\":\"Nmt\"},{\"type\":\"Strip\"}]},\"pre_tokenizer\":{\"type\":"
        "\"Sequence\",\"pretokenizers\":[{\"type\":\"Metaspace\"},{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":true},{\"type\":\"Digits\"}]},"
        "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":"
        "{\"u\":0}}}");
    struct tok_encoding whole = encoding();
    struct error none = {0};
    struct buf text = {0};
    bool ok = false;

    (void)state;
    while (text.size < SIZE)
        buf_string(&text, "aaa 1");
    assert_true(tok_encode(tok, text.data, text.size, 0, &whole, &none));
    for (size_t limit = STEP; !ok; limit += STEP) {
        struct arena small;
        struct tok_encoding out = {.scratch = &small, .arena = &small};
        struct error err = {0};

        assert_true(limit < (size_t)1 << 24);
        arena_init(&small, limit);
        ok = tok_encode(tok, text.data, text.size, 0, &out, &err);
        if (ok)
            assert_int_equal(out.count, whole.count);
        else
            assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
        arena_release(&small);
    }
    buf_release(&text);
    tok_close(tok);
}

static void test_hostile_files_are_refused(void **state)
{
    struct buf file = {0};
    struct error err = {0};

    (void)state;
    buf_string(&file, "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":"
                      "\"Isolated\",\"pattern\":{\"Regex\":\"");
    for (size_t i = 0; i < 1 << 20; i++)
        buf_char(&file, "a?*"[i % 3]);
    buf_string(&file, "\"}},\"model\":{\"type\":\"WordLevel\",\"unk_token\":"
                      "\"a\",\"vocab\":{\"a\":0}}}");
    assert_null(tok_open_bytes(file.data, file.size, &err));
    assert_int_equal(err.code, ERR_MODEL_UNSUPPORTED);
    buf_clear(&file);
    buf_string(&file, "{\"model\":{\"merges\":[");
    for (size_t i = 0; i < 10 * 1000 * 1000; i++)
        buf_string(&file, i > 0 ? ",\"\"" : "\"\"");
    buf_string(&file, "]}}");
    assert_null(tok_open_bytes(file.data, file.size, &err));
    assert_int_equal(err.code, ERR_FILE_INVALID);
    buf_release(&file);
    assert_null(tok_open_bytes("{", TOK_FILE_SIZE_MAX + 1, &err));
    assert_int_equal(err.code, ERR_FILE_INVALID);
}

static int clear(void **state)
{
    (void)state;
    arena_release(&scratch);
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair_has_types_masks_and_offsets),
        cmocka_unit_test(test_truncation_keeps_what_its_strategy_says),
        cmocka_unit_test(test_truncation_takes_the_callers_length),
        cmocka_unit_test(test_padding_says_length_and_fill),
        cmocka_unit_test(test_specials_in_text_are_tokens_only_when_told),
        cmocka_unit_test(test_decode_leaves_out_what_it_is_told),
        cmocka_unit_test(test_tokens_have_texts_and_ids),
        cmocka_unit_test(test_no_text_gives_more_tokens_than_the_bound),
        cmocka_unit_test(test_texts_beyond_the_limit_are_not_read),
        cmocka_unit_test(test_hostile_texts_take_memory_in_proportion),
        cmocka_unit_test(test_memory_may_end_anywhere),
        cmocka_unit_test(test_hostile_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, clear);
}
