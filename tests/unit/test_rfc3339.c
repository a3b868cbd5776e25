/*
 * RFC 3339: times as text, there and back.
 */
#include "rfc3339.h"

#include <string.h>

#include "unit.h"

static void test_times_follow_rfc_3339(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        const char *printed; /* NULL: refused */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z"},
        {"2000-02-29T12:00:00Z", 951825600, "2000-02-29T12:00:00Z"},
        {"2026-01-05t12:00:00.25z", 1767614400, "2026-01-05T12:00:00.250Z"},
        {"2026-01-05 12:00:00.000001-00:30", 1767616200,
         "2026-01-05T12:30:00.000001Z"},
        {"0001-01-01T00:00:00Z", -62135596800, "0001-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.999999999Z", 253402300799,
         "9999-12-31T23:59:59.999999999Z"},
        {"0001-01-01T00:00:00+00:01", 0, NULL},
        {"9999-12-31T23:59:59-00:01", 0, NULL},
        {"1900-02-29T00:00:00Z", 0, NULL},
        {"2026-13-01T00:00:00Z", 0, NULL},
        {"2026-00-01T00:00:00Z", 0, NULL},
        {"2026-01-32T00:00:00Z", 0, NULL},
        {"2026-01-05T24:00:00Z", 0, NULL},
        {"2026-01-05T12:00:60Z", 0, NULL},
        {"2026-01-05T12:00:00", 0, NULL},
        {"2026-01-05T12:00:00.Z", 0, NULL},
        {"2026-01-05T12:00:00.1234567890Z", 0, NULL},
        {"2026-01-05T12:00:00+1:00", 0, NULL},
        {"2026-01-05T12:00:00Zx", 0, NULL},
        {"2026-1-5T12:00:00Z", 0, NULL},
        {"", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[RFC3339_TEXT_MAX];
        int64_t seconds = 0;
        int32_t nanos = 0;
        bool ok = rfc3339_scan(cases[i].text, strlen(cases[i].text), &seconds,
                               &nanos);

        assert_int_equal(ok, cases[i].printed != NULL);
        if (!ok)
            continue;
        assert_int_equal(seconds, cases[i].seconds);
        assert_true(rfc3339_print(seconds, nanos, text));
        assert_string_equal(text, cases[i].printed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_follow_rfc_3339),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
