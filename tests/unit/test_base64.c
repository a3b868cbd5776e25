/*
 * Base64: both alphabets in, one out, and nothing that is neither.
 */
#include "base64.h"

#include <string.h>

#include "unit.h"

static void test_base64_takes_both_alphabets(void **state)
{
    static const struct {
        const char *text, *bytes; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {"QQ==", "A"},
        {"QQ", "A"},
        {"QUI=", "AB"},
        {"QUI", "AB"},
        {"QUJD", "ABC"},
        {"/+8=", "\xff\xef"},
        {"_-8", "\xff\xef"},
        {"A", NULL},
        {"QQ=", NULL},
        {"QQ===", NULL},
        {"Q===", NULL},
        {"=", NULL},
        {"QR==", NULL},
        {"QUK", NULL},
        {"QU D", NULL},
        {"QUJD\n", NULL},
        {"QQ==QQ==", NULL},
        {"Q*==", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[16];
        char text[16] = {0};
        size_t size = 0;
        bool ok =
            base64_decode(cases[i].text, strlen(cases[i].text), bytes, &size);

        assert_int_equal(ok, cases[i].bytes != NULL);
        if (!ok)
            continue;
        assert_int_equal(size, strlen(cases[i].bytes));
        assert_memory_equal(bytes, cases[i].bytes, size);
        base64_encode(bytes, size, text);
        assert_int_equal(strlen(text), base64_encoded_size(size));
        assert_true(base64_decode(text, strlen(text), bytes, &size));
        assert_memory_equal(bytes, cases[i].bytes, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_takes_both_alphabets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
