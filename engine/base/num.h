/*
 * Num: JSON numbers as text, exactly and fast.
 *
 * Reading gives the float or double nearest to the text (ties to even), as
 * strtof() and strtod() do, but independent of the locale and several times
 * faster. Printing gives the fewest digits that read back as the same value of
 * the same type: 0.1f prints as 0.1, not as its double.
 *
 * Threads: any; no state.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for any number that is printed here; the text has no NUL. */
enum { NUM_TEXT_MAX = 32 };

/*
 * Reads the JSON number at `text`, which ends before `end` at the latest, and
 * returns the byte behind it; NULL and `*value` untouched if no JSON number
 * starts there. Like json_scan_number() it stops behind a leading 0. A number
 * beyond the type's range gives an infinity, one too small a zero.
 */
const char *num_scan_double(const char *text, const char *end, double *value);
const char *num_scan_float(const char *text, const char *end, float *value);

/* What a hexadecimal digit of either case is worth; -1 for anything else. */
static inline int num_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20); /* lower case */
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

enum num_fit {
    NUM_INTEGER,  /* 17, 17.0, 1.7e1 */
    NUM_FRACTION, /* 1.5 */
    NUM_TOO_LARGE /* magnitude beyond 2^64 - 1 */
};

struct num_integer {
    enum num_fit fit;
    bool negative; /* never with magnitude 0 */
    uint64_t magnitude;
};

/* As num_scan_double(), for a number that should be an integer; exact. */
const char *num_scan_integer(const char *text, const char *end,
                             struct num_integer *value);

/*
 * Print the value, which must be finite, as a JSON number; returns the length.
 * Integral values keep ".0", so that a number stays one in every reader.
 */
size_t num_print_double(double value, char out[NUM_TEXT_MAX]);
size_t num_print_float(float value, char out[NUM_TEXT_MAX]);
size_t num_print_u64(uint64_t value, char out[NUM_TEXT_MAX]);
size_t num_print_i64(int64_t value, char out[NUM_TEXT_MAX]);

#endif
