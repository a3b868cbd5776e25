/*
 * Cast from and to string: numbers as decimal text
 *
 *   input   x   string, or a float, double, integer or bool
 *   output  y   a float, double or integer, or string; shape of x
 *   attr    to  int, as cast.c has it
 *   errors  ERR_VALIDATION_ERROR: text that is no number of the type
 *           ERR_MODEL_UNSUPPORTED: other types; more than 64 Ki constants to
 *           string
 *   source  ONNX operator list, Cast-13: "+INF", "-INF", "INF" and "NaN" in any
 *           case beside decimal numbers
 *   check   floats print with the fewest digits that read back as the same value
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cast.h"
#include "num.h"

/* --- from string --- */

static bool word_is(struct eng_string s, const char *word)
{
    return s.size == strlen(word) && strncasecmp(s.text, word, s.size) == 0;
}

static bool read_double(struct eng_string s, double *value)
{
    const char *end = s.text + s.size;

    if (word_is(s, "nan")) {
        *value = (double)NAN;
        return true;
    }
    if (word_is(s, "inf") || word_is(s, "+inf") || word_is(s, "-inf")) {
        *value = s.text[0] == '-' ? (double)-INFINITY : (double)INFINITY;
        return true;
    }
    return s.size && num_scan_double(s.text, end, value) == end;
}

static bool read_int(struct eng_string s, int64_t *value)
{
    const char *end = s.text + s.size;
    struct num_integer number;

    if (!s.size || num_scan_integer(s.text, end, &number) != end ||
        number.fit != NUM_INTEGER || number.magnitude > INT64_MAX)
        return false;
    *value = number.negative ? -(int64_t)number.magnitude
                             : (int64_t)number.magnitude;
    return true;
}

/* Into element i of y; false: no number, or outside the type's range. */
static bool read_element(struct eng_string s, enum eng_dtype dtype, char *to)
{
    int64_t number, back;
    double real;

    if (eng_dtype_is_float(dtype)) {
        if (!read_double(s, &real))
            return false;
        op_cast_find(ENG_F64, dtype)(&real, to, 1);
        return true;
    }
    if (!read_int(s, &number))
        return false;
    op_cast_find(ENG_I64, dtype)(&number, to, 1);
    op_cast_find(dtype, ENG_I64)(to, &back, 1);
    return number == back;
}

static bool from_string_run(const struct op_node *op,
                            const struct op_frame *frame, struct error *err)
{
    enum eng_dtype dtype = op->out[0]->dtype;
    const struct eng_string *x = op_in(op, frame, 0);
    char *y = op_out(op, frame, 0);

    for (int64_t i = 0; i < eng_tensor_count(op->out[0]); i++) {
        if (!read_element(x[i], dtype, y))
            return fail(err, ERR_VALIDATION_ERROR, "string %lld is no %s",
                        (long long)i, eng_dtype_name(dtype));
        y += eng_dtype_size(dtype);
    }
    return true;
}

/* --- to string --- */

static size_t print_real(enum eng_dtype dtype, const void *x, char *text)
{
    const char *word;
    double value;

    op_cast_find(dtype, ENG_F64)(x, &value, 1);
    if (isfinite(value))
        return dtype == ENG_F64 ? num_print_double(value, text)
                                : num_print_float((float)value, text);
    word = isnan(value) ? "NaN" : value < 0 ? "-INF" : "+INF";
    for (size_t i = 0; word[i]; i++)
        text[i] = word[i];
    return strlen(word);
}

static size_t print_element(enum eng_dtype dtype, const void *x, char *text)
{
    int64_t value;
    uint64_t wide;

    if (eng_dtype_is_float(dtype))
        return print_real(dtype, x, text);
    if (dtype == ENG_U64) {
        memcpy(&wide, x, sizeof wide);
        return num_print_u64(wide, text);
    }
    op_cast_find(dtype, ENG_I64)(x, &value, 1);
    return num_print_i64(value, text);
}

/* `text` has NUM_TEXT_MAX bytes for each element. */
static void print_all(const struct eng_tensor *x, const void *data, char *text,
                      struct eng_string *y)
{
    size_t size = eng_dtype_size(x->dtype);
    const char *from = data;

    for (int64_t i = 0; i < eng_tensor_count(x); i++) {
        y[i].text = text;
        y[i].size = print_element(x->dtype, from, text);
        text += NUM_TEXT_MAX;
        from += size;
    }
}

/* The text of a run lives in its handle. */
static bool to_string_bind(const struct op_node *op, void **bound,
                           struct error *err)
{
    size_t count = (size_t)eng_tensor_count(op->out[0]);

    *bound = calloc(count + 1, NUM_TEXT_MAX);
    return *bound ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu strings", count);
}

static bool to_string_run(const struct op_node *op,
                          const struct op_frame *frame, struct error *err)
{
    (void)err;
    print_all(op->in[0], op_in(op, frame, 0), frame->bound[op->index],
              op_out(op, frame, 0));
    return true;
}

/* Constants are printed at once: a handle would not outlive folding. */
static bool print_known(struct op_node *op, struct error *err)
{
    struct eng_tensor *y = op->out[0];
    size_t count = (size_t)eng_tensor_count(y);
    char *text;

    if (count > UINT16_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "%zu constants are cast to string", count);
    text = op_alloc(op, (count + 1) * NUM_TEXT_MAX, err);
    y->data = op_alloc(op, (count + 1) * sizeof(struct eng_string), err);
    if (!text || !y->data)
        return false;
    print_all(op->in[0], op->in[0]->data, text, y->data);
    return true;
}

bool op_cast_string_infer(struct op_node *op, struct error *err)
{
    const struct eng_tensor *x = op->in[0], *y = op->out[0];

    if (y->dtype == ENG_BOOL)
        return fail(err, ERR_MODEL_UNSUPPORTED, "from string to bool");
    return y->dtype != ENG_STRING || !x->data || print_known(op, err);
}

static bool reads(const struct op_node *op)
{
    return op->in[0]->dtype == ENG_STRING && op->out[0]->dtype != ENG_STRING;
}

static bool prints(const struct op_node *op)
{
    return op->in[0]->dtype != ENG_STRING && op->out[0]->dtype == ENG_STRING;
}

const struct op_impl op_cast_from_string = {.name = "cast.from_string",
                                            .in_min = 1,
                                            .in_max = 2,
                                            .out_min = 1,
                                            .out_max = 1,
                                            .accepts = reads,
                                            .run = from_string_run};

const struct op_impl op_cast_to_string = {.name = "cast.to_string",
                                          .in_min = 1,
                                          .in_max = 2,
                                          .out_min = 1,
                                          .out_max = 1,
                                          .accepts = prints,
                                          .bind = to_string_bind,
                                          .run = to_string_run,
                                          .unbind = free};
