/*
 * Tokenizer: the ids of Hugging Face's library, and clean refusals.
 *
 * tests/data/tokenizer/NAME.jsonl holds texts with the ids and offsets that
 * Hugging Face's library 0.23 gave with encode_special_tokens = True:
 * molecules, chemical names, random Unicode, long runs. `solubility` is the
 * bundled tokenizer, `names` was trained on chemical names: 441 merges, all 256
 * bytes, truncation at 48.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "buf.h"
#include "clock.h"
#include "tokenizer.h"

enum { ROOM = 8192 };

struct encoded {
    int64_t ids[ROOM];
    uint32_t starts[ROOM], ends[ROOM];
    struct tok_encoding out;
};

static struct encoded encoded;

static struct tok_tokenizer *open_or_die(const char *path)
{
    struct error err = {0};
    struct tok_tokenizer *tok = tok_open(path, &err);

    if (!tok)
        fail_msg("%s: %s", path, err.msg);
    return tok;
}

static bool encode(const struct tok_tokenizer *tok, const char *text,
                   size_t size, unsigned flags, struct error *err)
{
    struct arena arena;
    bool ok;

    arena_init(&arena, 0);
    encoded.out = (struct tok_encoding){.scratch = &arena,
                                        .ids = encoded.ids,
                                        .starts = encoded.starts,
                                        .ends = encoded.ends,
                                        .capacity = ROOM};
    ok = tok_encode(tok, text, size, flags, &encoded.out, err);
    arena_release(&arena);
    return ok;
}

/* ---- vectors ---- */

static void compare_ids(const json_t *want, const char *text)
{
    if (json_array_size(want) != encoded.out.count)
        fail_msg("'%s': %zu tokens, expected %zu\n", text, encoded.out.count,
                 json_array_size(want));
    for (size_t i = 0; i < encoded.out.count; i++) {
        if (json_integer_value(json_array_get(want, i)) != encoded.ids[i])
            fail_msg("'%s': token %zu is %lld\n", text, i,
                     (long long)encoded.ids[i]);
    }
}

static void compare_offsets(const json_t *want, const char *text)
{
    for (size_t i = 0; i < encoded.out.count; i++) {
        const json_t *pair = json_array_get(want, i);

        if (json_integer_value(json_array_get(pair, 0)) != encoded.starts[i] ||
            json_integer_value(json_array_get(pair, 1)) != encoded.ends[i])
            fail_msg("'%s': token %zu is at %u to %u\n", text, i,
                     encoded.starts[i], encoded.ends[i]);
    }
}

static void compare_line(const struct tok_tokenizer *tok, const char *line)
{
    json_t *vector = json_loads(line, 0, NULL);
    const char *text = json_string_value(json_object_get(vector, "text"));
    size_t size = json_string_length(json_object_get(vector, "text"));
    struct error err = {0};

    assert_non_null(text);
    assert_true(encode(tok, text, size, TOK_SPECIALS | TOK_TRUNCATE, &err));
    compare_ids(json_object_get(vector, "ids"), text);
    compare_offsets(json_object_get(vector, "offsets"), text);
    assert_true(encode(tok, text, size, TOK_TRUNCATE, &err));
    compare_ids(json_object_get(vector, "ids_no_special"), text);
    json_decref(vector);
}

static void compare_file(const char *tokenizer, const char *vectors)
{
    struct tok_tokenizer *tok = open_or_die(tokenizer);
    FILE *file = fopen(vectors, "r");
    char *line = NULL;
    size_t capacity = 0, count = 0;

    assert_non_null(file);
    for (; getline(&line, &capacity, file) > 0; count++)
        compare_line(tok, line);
    assert_true(count > 200);
    free(line);
    (void)fclose(file);
    tok_close(tok);
}

static void test_tokenizer_of_the_bundle_gives_reference_ids(void **state)
{
    (void)state;
    compare_file("models/solubility/tokenizer.json",
                 "tests/data/tokenizer/solubility.jsonl");
}

static void test_tokenizer_with_many_merges_gives_reference_ids(void **state)
{
    (void)state;
    compare_file("tests/data/tokenizer/names.tokenizer.json",
                 "tests/data/tokenizer/names.jsonl");
}

/* ---- texts ---- */

static void test_tokenizer_never_reads_specials_out_of_text(void **state)
{
    struct tok_tokenizer *tok = open_or_die("models/solubility/tokenizer.json");
    struct error err = {0};

    (void)state;
    assert_true(encode(tok, "[CLS]", 5, 0, &err));
    assert_int_equal(encoded.out.count, 5);
    for (size_t i = 0; i < encoded.out.count; i++)
        assert_true(encoded.ids[i] > 2); /* 0, 1, 2 are special */
    tok_close(tok);
}

static void test_tokenizer_declines_text_that_is_not_utf8(void **state)
{
    static const char *const bad[] = {"\xff", "C\xc3", "\xed\xa0\x80",
                                      "\xc0\xaf", "\xf5\x80\x80\x80"};
    struct tok_tokenizer *tok = open_or_die("models/solubility/tokenizer.json");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};

        assert_false(encode(tok, bad[i], strlen(bad[i]), 0, &err));
        assert_int_equal(err.code, ERR_INVALID_INPUT);
    }
    tok_close(tok);
}

static void test_tokenizer_tells_when_the_buffer_is_too_small(void **state)
{
    struct tok_tokenizer *tok = open_or_die("models/solubility/tokenizer.json");
    int64_t ids[3];
    struct arena arena;
    struct tok_encoding out = {
        .scratch = &arena, .ids = ids, .capacity = 3, .count = 77};
    struct error err = {0};

    (void)state;
    arena_init(&arena, 0);
    assert_false(tok_encode(tok, "CCO", 3, TOK_SPECIALS, &out, &err));
    assert_int_equal(err.code, ERR_INPUT_TOO_LONG);
    assert_int_equal(out.count, 77);
    out.capacity = tok_count_max(tok, 2);
    assert_true(tok_encode(tok, "CC", 2, TOK_SPECIALS, &out, &err));
    assert_int_equal(out.count, 3);
    arena_release(&arena);
    tok_close(tok);
}

static void test_tokenizer_fails_when_the_arena_is_used_up(void **state)
{
    struct tok_tokenizer *tok = open_or_die("models/solubility/tokenizer.json");
    struct arena arena;
    struct tok_encoding out = {
        .scratch = &arena, .ids = encoded.ids, .capacity = ROOM};
    struct error err = {0};
    char text[4096];

    (void)state;
    memset(text, 'C', sizeof(text));
    arena_init(&arena, 1024);
    assert_false(tok_encode(tok, text, sizeof(text), 0, &out, &err));
    assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
    arena_release(&arena);
    tok_close(tok);
}

/* A text on which a merge loop without a heap needs minutes. */
static void test_tokenizer_takes_long_texts_in_linear_time(void **state)
{
    enum { SIZE = 1 << 20 };
    struct tok_tokenizer *tok =
        open_or_die("tests/data/tokenizer/names.tokenizer.json");
    char *text = malloc(SIZE);
    uint64_t start = clock_now_ns();
    struct error err = {0};

    (void)state;
    assert_non_null(text);
    memset(text, 'e', SIZE);
    assert_true(encode(tok, text, SIZE, TOK_SPECIALS | TOK_TRUNCATE, &err));
    assert_true(clock_now_ns() - start < UINT64_C(20000000000));
    assert_int_equal(encoded.out.count, 48);
    assert_true(encoded.out.whole > 48);
    free(text);
    tok_close(tok);
}

/* ---- files ---- */

/* A valid file in which one piece of text is replaced. */
struct refusal {
    const char *from, *to;
    enum err_code code;
    const char *says; /* part of the sentence */
};

#define VALID                                                                  \
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"               \
    "\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true}],"      \
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","           \
    "\"add_prefix_space\":false,\"use_regex\":false},\"post_processor\":"      \
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"          \
    "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","             \
    "\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\","            \
    "\"ids\":[0]}}},\"decoder\":null,\"model\":{\"type\":\"BPE\","             \
    "\"dropout\":null,\"vocab\":{\"<s>\":0,\"a\":1,\"b\":2,\"ab\":3},"         \
    "\"merges\":[[\"a\",\"b\"]]}}"

static const struct refusal refusals[] = {
    {"\"normalizer\":null", "\"normalizer\":{\"type\":\"Slugify\"}",
     ERR_MODEL_UNSUPPORTED, "normalizer 'Slugify'"},
    {"\"normalizer\":null",
     "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
     "\"NFC\"},{\"type\":\"Magic\"}]}",
     ERR_MODEL_UNSUPPORTED, "normalizer 'Magic'"},
    {"\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\",\"form\":1}",
     ERR_MODEL_UNSUPPORTED, "NFC option 'form'"},
    {"\"normalizer\":null",
     "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
     "\"AAAA\"}",
     ERR_FILE_INVALID, "precompiled_charsmap"},
    {"\"type\":\"ByteLevel\"", "\"type\":\"UnicodeScripts\"",
     ERR_MODEL_UNSUPPORTED, "pre_tokenizer 'UnicodeScripts'"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
     "\"use_regex\":false}",
     "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"
     "\"(a+)+b\"}}",
     ERR_MODEL_UNSUPPORTED, "pattern '(a+)+b'"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
     "\"use_regex\":false}",
     "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"
     "\"(?<=a)b\"}}",
     ERR_MODEL_UNSUPPORTED, "pattern '(?<=a)b'"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
     "\"use_regex\":false}",
     "{\"type\":\"Split\",\"behavior\":\"Sideways\",\"pattern\":{\"String\":"
     "\"-\"}}",
     ERR_MODEL_UNSUPPORTED, "split behavior 'Sideways'"},
    {"\"decoder\":null", "\"decoder\":{\"type\":\"Sprites\"}",
     ERR_MODEL_UNSUPPORTED, "decoder 'Sprites'"},
    {"\"TemplateProcessing\"", "\"ProcessingOfSorts\"", ERR_MODEL_UNSUPPORTED,
     "post_processor 'ProcessingOfSorts'"},
    {"\"type\":\"BPE\"", "\"type\":\"Chars\"", ERR_MODEL_UNSUPPORTED,
     "model 'Chars'"},
    {"\"dropout\":null", "\"dropout\":0.1", ERR_MODEL_UNSUPPORTED, "'dropout'"},
    {"\"dropout\":null", "\"vowels\":true", ERR_MODEL_UNSUPPORTED, "'vowels'"},
    {"\"dropout\":null", "\"unk_token\":\"<u>\"", ERR_FILE_INVALID,
     "unk_token"},
    {"\"special\":true", "\"special\":true,\"shy\":true", ERR_MODEL_UNSUPPORTED,
     "'shy'"},
    {"\"special\":true", "\"special\":1", ERR_FILE_INVALID, "'special'"},
    {"\"content\":\"<s>\"", "\"content\":\"a\"", ERR_FILE_INVALID,
     "'a' has another id"},
    {"\"padding\":null", "\"padding\":{\"strategy\":{\"Loose\":8}}",
     ERR_MODEL_UNSUPPORTED, "padding strategy"},
    {"\"padding\":null",
     "\"padding\":{\"strategy\":\"BatchLongest\",\"pad_id\":9}",
     ERR_FILE_INVALID, "pad_id"},
    {"\"truncation\":null",
     "\"truncation\":{\"direction\":\"Up\",\"max_length\":4}",
     ERR_MODEL_UNSUPPORTED, "'Up'"},
    {"\"truncation\":null",
     "\"truncation\":{\"strategy\":\"Fair\",\"max_length\":4}",
     ERR_MODEL_UNSUPPORTED, "'Fair'"},
    {"\"truncation\":null", "\"truncation\":{\"max_length\":4,\"stride\":4}",
     ERR_FILE_INVALID, "stride"},
    {"\"truncation\":null", "\"truncation\":{\"max_length\":0}",
     ERR_FILE_INVALID, "max_length"},
    {"\"b\":2", "\"b\":1", ERR_FILE_INVALID, "two tokens"},
    {"\"b\":2", "\"b\":-2", ERR_FILE_INVALID, "'b'"},
    {"\"b\":2", "\"b\":7", ERR_FILE_INVALID, "no token has id 2"},
    {"\"b\":2", "\"b\":4294967296", ERR_FILE_INVALID, "'b'"},
    {"\"b\":2", "\"b\":2.5", ERR_FILE_INVALID, "'b'"},
    {"\"b\":2", "\"a\":2", ERR_FILE_INVALID, "duplicate"},
    {"\"b\":2", "\"\xff\":2", ERR_FILE_INVALID, "UTF-8"},
    {"{\"<s>\":0,\"a\":1,\"b\":2,\"ab\":3}", "{}", ERR_FILE_INVALID, "vocab"},
    {"[[\"a\",\"b\"]]", "[[\"a\",\"c\"]]", ERR_FILE_INVALID, "merge 0"},
    {"[[\"a\",\"b\"]]", "[\"a b\",\"ab\"]", ERR_FILE_INVALID, "merge 1"},
    {"[[\"a\",\"b\"]]", "[[\"b\",\"a\"]]", ERR_FILE_INVALID, "merge 0"},
    {"[[\"a\",\"b\"]]", "null", ERR_FILE_INVALID, "merges"},
    {"\"ids\":[0]", "\"ids\":[9]", ERR_FILE_INVALID, "template"},
    {"\"ids\":[0]", "\"ids\":[]", ERR_FILE_INVALID, "template"},
    {"\"id\":\"A\"", "\"id\":\"B\"", ERR_FILE_INVALID, "template"},
    {"\"dropout\":null", "\"dropout\":NaN", ERR_FILE_INVALID, ""},
    {"\"model\":", "\"models\":", ERR_FILE_INVALID, "no model"},
    {"\"dropout\":null",
     "\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
     ERR_FILE_INVALID, "deep"},
    {"\"version\":\"1.0\"", "version:1", ERR_FILE_INVALID, ""},
};

/* VALID with the first `from` replaced; free() it. */
static char *altered(const char *from, const char *to)
{
    const char *at = strstr(VALID, from);
    struct buf text = {0};
    size_t size;

    assert_non_null(at);
    buf_append(&text, VALID, (size_t)(at - VALID));
    buf_string(&text, to);
    buf_string(&text, at + strlen(from));
    assert_true(buf_ok(&text));
    return buf_take(&text, &size);
}

static void test_tokenizer_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *row = &refusals[i];
        char *text = altered(row->from, row->to);
        struct error err = {0};

        if (tok_open_bytes(text, strlen(text), &err))
            fail_msg("row %zu (%s) was taken\n", i, row->to);
        if (err.code != row->code || !strstr(err.msg, row->says))
            fail_msg("row %zu: code %d, '%s'\n", i, (int)err.code, err.msg);
        free(text);
    }
}

/* A file from elsewhere may carry one; it is no part of a tokenizer. */
static void test_tokenizer_runs_no_template(void **state)
{
    char *text = altered("\"version\":\"1.0\"",
                         "\"version\":\"1.0\",\"chat_template\":"
                         "\"{{ ''.__class__.__mro__ }}{% for x in y %}\"");
    struct error err = {0};
    struct tok_tokenizer *tok = tok_open_bytes(text, strlen(text), &err);

    (void)state;
    if (!tok)
        fail_msg("%s", err.msg);
    assert_true(encode(tok, "ab", 2, 0, &err));
    assert_int_equal(encoded.out.count, 1);
    tok_close(tok);
    free(text);
}

static void test_tokenizer_takes_merges_in_both_spellings(void **state)
{
    static const char *const spellings[] = {"[[\"a\",\"b\"]]", "[\"a b\"]"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        char *text = altered("[[\"a\",\"b\"]]", spellings[i]);
        struct error err = {0};
        struct tok_tokenizer *tok = tok_open_bytes(text, strlen(text), &err);

        assert_non_null(tok);
        assert_int_equal(tok_vocab_size(tok), 4);
        assert_true(encode(tok,
                           "ba\xc3\xa9"
                           "ab",
                           6, TOK_SPECIALS, &err));
        /* <s> b a, the bytes of the accented letter are unknown, ab */
        assert_int_equal(encoded.out.count, 4);
        assert_int_equal(encoded.ids[3], 3);
        tok_close(tok);
        free(text);
    }
}

static void test_tokenizer_survives_every_cut_of_a_file(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(VALID) - 1; size++) {
        struct error err = {0};

        assert_null(tok_open_bytes(VALID, size, &err));
        assert_int_equal(err.code, ERR_FILE_INVALID);
    }
}

static void test_tokenizer_survives_every_changed_byte(void **state)
{
    char text[sizeof(VALID)];

    (void)state;
    for (size_t i = 0; i < sizeof(VALID) - 1; i++) {
        struct error err = {0};

        memcpy(text, VALID, sizeof(text));
        text[i] ^= 0x11;
        tok_close(tok_open_bytes(text, sizeof(text) - 1, &err));
    }
}

static void test_tokenizer_file_must_be_regular(void **state)
{
    struct error err = {0};

    (void)state;
    assert_null(tok_open("tests/data/tokenizer", &err));
    assert_int_equal(err.code, ERR_FILE_MISSING);
    assert_null(tok_open("tests/data/tokenizer/none.json", &err));
    assert_int_equal(err.code, ERR_FILE_MISSING);
    assert_null(tok_open("/dev/zero", &err));
    assert_int_equal(err.code, ERR_FILE_MISSING);
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    (void)fclose(file);
}

/* Each file, and what its refusal must say. */
static void test_tokenizer_says_what_is_wrong_beside_a_vocab(void **state)
{
    static const struct {
        const char *lines;
        size_t size;
        const char *config, *says;
    } cases[] = {
#define LINES(more)                                                            \
    "[UNK]\n[CLS]\n[SEP]\na\n" more, sizeof("[UNK]\n[CLS]\n[SEP]\na\n" more) - 1
        {LINES("b\na\n"), "{}", "line 6 of vocab.txt is line 4 again"},
        {LINES("b\0\n"), "{}", "line 5 of vocab.txt holds NUL"},
        {LINES("b\0c\n"), "{}", "line 5 of vocab.txt holds NUL"},
        {LINES("\xff\n"), "{}", "vocab.txt is not UTF-8"},
        {LINES("b\n"), "", "tokenizer_config.json: expected a value"},
        {LINES("b\n"), "[1]", "tokenizer_config.json: no object"},
        {LINES("b\n"), "{\"do_lower_case\":3}", "'do_lower_case' has"},
        {LINES("b\n"), "{\"strip_accents\":3}", "'strip_accents' has"},
#undef LINES
    };
    char folder[] = "/tmp/specserve-vocab-XXXXXX";
    char lines[64], config[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(lines, sizeof(lines), "%s/vocab.txt", folder);
    (void)snprintf(config, sizeof(config), "%s/tokenizer_config.json", folder);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct error err = {0};

        write_file(lines, cases[i].lines, cases[i].size);
        write_file(config, cases[i].config, strlen(cases[i].config));
        assert_null(tok_open(folder, &err));
        assert_int_equal(err.code, ERR_FILE_INVALID);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("case %zu says: %s", i, err.msg);
    }
    (void)unlink(lines);
    (void)unlink(config);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer_of_the_bundle_gives_reference_ids),
        cmocka_unit_test(test_tokenizer_with_many_merges_gives_reference_ids),
        cmocka_unit_test(test_tokenizer_never_reads_specials_out_of_text),
        cmocka_unit_test(test_tokenizer_declines_text_that_is_not_utf8),
        cmocka_unit_test(test_tokenizer_tells_when_the_buffer_is_too_small),
        cmocka_unit_test(test_tokenizer_fails_when_the_arena_is_used_up),
        cmocka_unit_test(test_tokenizer_takes_long_texts_in_linear_time),
        cmocka_unit_test(test_tokenizer_refuses_what_it_cannot_do),
        cmocka_unit_test(test_tokenizer_says_what_is_wrong_beside_a_vocab),
        cmocka_unit_test(test_tokenizer_runs_no_template),
        cmocka_unit_test(test_tokenizer_takes_merges_in_both_spellings),
        cmocka_unit_test(test_tokenizer_survives_every_cut_of_a_file),
        cmocka_unit_test(test_tokenizer_survives_every_changed_byte),
        cmocka_unit_test(test_tokenizer_file_must_be_regular),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
