/*
 * Tensor data in JSON: one array, flat or nested, to raw contents; and back.
 *
 * Integers are exact up to 64 bits. JSON has no NaN and no infinity: such a
 * word is malformed, a number beyond its datatype is refused, and an output
 * that is not finite fails with the advice to ask for it as binary data.
 */
#include <math.h>
#include <string.h>

#include "half.h"
#include "json_put.h"
#include "json_scan.h"
#include "num.h"
#include "oip.h"

/* ---- in ---- */

struct reader {
    const struct oip_data *data;
    struct json_scan scan;
    struct arena *arena;
    uint8_t *out;    /* elements of a fixed size */
    struct buf text; /* BYTES */
    int64_t count;   /* elements so far */
};

static bool wrong(const struct reader *in, struct error *err, const char *what)
{
    return fail(err, ERR_VALIDATION_ERROR, "input '%.80s' %s", in->data->name,
                what);
}

/* Bounds of the integer types, and whether they take a sign. */
static bool integer_fits(enum eng_dtype dtype, const struct num_integer *value)
{
    unsigned bits = (unsigned)eng_dtype_size(dtype) * 8;
    bool is_signed = dtype == ENG_I8 || dtype == ENG_I16 || dtype == ENG_I32 ||
                     dtype == ENG_I64;
    uint64_t top =
        is_signed ? (uint64_t)1 << (bits - 1) : UINT64_MAX >> (64 - bits);

    if (!is_signed)
        return !value->negative && value->magnitude <= top;
    return value->negative ? value->magnitude <= top : value->magnitude < top;
}

static bool read_integer(struct reader *in, const char *text, const char *end,
                         struct error *err)
{
    size_t each = eng_dtype_size(in->data->dtype);
    struct num_integer value;
    uint64_t bits;

    if (!num_scan_integer(text, end, &value) || value.fit != NUM_INTEGER)
        return wrong(in, err, "has a number that is no integer of 64 bits");
    if (!integer_fits(in->data->dtype, &value))
        return wrong(in, err, "has a number outside its datatype");
    bits = value.negative ? ~value.magnitude + 1 : value.magnitude;
    memcpy(in->out + (size_t)in->count * each, &bits, each);
    return true;
}

static bool read_float(struct reader *in, const char *text, const char *end,
                       struct error *err)
{
    size_t each = eng_dtype_size(in->data->dtype);
    uint8_t *out = in->out + (size_t)in->count * each;
    double wide = 0;
    float narrow = 0;
    uint16_t half = 0;

    if (in->data->dtype == ENG_F64) {
        (void)num_scan_double(text, end, &wide);
        memcpy(out, &wide, sizeof wide);
        return isfinite(wide) ||
               wrong(in, err, "has a number that is too large");
    }
    (void)num_scan_float(text, end, &narrow);
    if (in->data->dtype == ENG_F16) {
        half = half_f16_of_float(narrow);
        narrow = half_f16_to_float(half);
    } else if (in->data->dtype == ENG_BF16) {
        half = half_bf16_of_float(narrow);
        narrow = half_bf16_to_float(half);
    }
    if (!isfinite(narrow))
        return wrong(in, err, "has a number that is too large");
    if (in->data->dtype == ENG_F32)
        memcpy(out, &narrow, sizeof narrow);
    else
        memcpy(out, &half, sizeof half);
    return true;
}

static bool read_string(struct reader *in, struct error *err)
{
    const char *text;
    size_t size;
    uint32_t length;

    if (json_scan_peek(&in->scan) != '"')
        return wrong(in, err, "has an element that is no string");
    if (!json_scan_string(&in->scan, &text, &size, err))
        return false;
    length = (uint32_t)size; /* of a body that is far smaller */
    buf_append(&in->text, &length, sizeof length);
    buf_append(&in->text, text, size);
    return true;
}

static bool read_bool(struct reader *in, struct error *err)
{
    char first = json_scan_peek(&in->scan), letter;

    if (first != 't' && first != 'f')
        return wrong(in, err, "has an element that is neither true nor false");
    if (!json_scan_literal(&in->scan, &letter, err))
        return false;
    in->out[in->count] = letter == 't';
    return true;
}

static bool read_number(struct reader *in, struct error *err)
{
    enum eng_dtype dtype = in->data->dtype;
    char first = json_scan_peek(&in->scan);
    const char *text;
    size_t size;

    if (first != '-' && (first < '0' || first > '9')) {
        if (first == 't' || first == 'f' || first == '"' || first == '{' ||
            first == '[' || first == 'n')
            return wrong(in, err, "has an element that is no number");
        return json_scan_fail(&in->scan, err, "expected a number");
    }
    if (!json_scan_number(&in->scan, &text, &size, err))
        return false;
    if (dtype == ENG_F32 || dtype == ENG_F64 || dtype == ENG_F16 ||
        dtype == ENG_BF16)
        return read_float(in, text, text + size, err);
    return read_integer(in, text, text + size, err);
}

static bool read_element(struct reader *in, struct error *err)
{
    bool ok;

    if (in->count == in->data->count)
        return wrong(in, err, "has more elements than its shape says");
    ok = in->data->dtype == ENG_STRING ? read_string(in, err)
         : in->data->dtype == ENG_BOOL ? read_bool(in, err)
                                       : read_number(in, err);
    in->count++;
    return ok;
}

/* The elements of one list, behind its '['; `size` of them, -1 = any number. */
static bool read_elements(struct reader *in, int64_t size, struct error *err)
{
    int64_t start = in->count;

    if (!json_scan_accept(&in->scan, ']')) {
        do {
            if (!read_element(in, err))
                return false;
        } while (json_scan_accept(&in->scan, ','));
        if (!json_scan_expect(&in->scan, ']', err))
            return false;
    }
    return size < 0 || in->count - start == size ||
           wrong(in, err, "is nested otherwise than its shape");
}

/* Nested lists to the depth of the shape, without recursion. */
static bool read_nested(struct reader *in, struct error *err)
{
    int64_t done[ENG_RANK_MAX] = {0};
    size_t depth = 1; /* open lists; the outermost is open already */
    size_t last = in->data->rank;

    while (depth > 0) {
        if (depth == last) {
            if (!read_elements(in, in->data->dims[depth - 1], err))
                return false;
            depth--;
        } else if (json_scan_accept(&in->scan, ']')) {
            if (done[depth - 1] != in->data->dims[depth - 1])
                return wrong(in, err, "is nested otherwise than its shape");
            done[depth - 1] = 0;
            depth--;
        } else {
            if (done[depth - 1] > 0 && !json_scan_expect(&in->scan, ',', err))
                return false;
            if (json_scan_peek(&in->scan) != '[')
                return wrong(in, err, "is nested otherwise than its shape");
            (void)json_scan_accept(&in->scan, '[');
            done[depth - 1]++;
            depth++;
        }
    }
    return true;
}

static bool read_all(struct reader *in, struct error *err)
{
    if (json_scan_peek(&in->scan) != '[')
        return wrong(in, err, "has data that is no array");
    (void)json_scan_accept(&in->scan, '[');
    if (json_scan_peek(&in->scan) == '[' && in->data->rank > 1) {
        if (!read_nested(in, err))
            return false;
    } else if (!read_elements(in, -1, err)) {
        return false;
    }
    if (!json_scan_end(&in->scan, err))
        return false;
    return in->count == in->data->count ||
           fail(err, ERR_VALIDATION_ERROR,
                "input '%.80s' has %lld elements, its shape says %lld",
                in->data->name, (long long)in->count,
                (long long)in->data->count);
}

bool oip_data_read(const struct oip_data *data, struct arena *arena,
                   struct oip_bytes *raw, struct error *err)
{
    struct reader in = {.data = data, .arena = arena};
    bool is_text = data->dtype == ENG_STRING, ok;

    /* Each element is two bytes of text at least: nothing is allocated for a
     * shape that the text cannot fill. */
    if (data->count > (int64_t)(data->size / 2) + 1)
        return wrong(&in, err, "has fewer elements than its shape says");
    json_scan_init(&in.scan, data->text, data->size, arena);
    raw->size = is_text ? 0 : (size_t)data->count * eng_dtype_size(data->dtype);
    in.out = arena_alloc(arena, raw->size);
    ok = in.out ? read_all(&in, err) : false;
    if (ok && is_text) {
        raw->size = in.text.size;
        in.out = (uint8_t *)arena_copy(arena, in.text.data ? in.text.data : "",
                                       in.text.size);
        ok = buf_ok(&in.text) && in.out;
    }
    buf_release(&in.text);
    raw->data = in.out;
    if (!ok && err->code == ERR_NONE)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory left for this request");
    return ok;
}

/* ---- out ---- */

static bool put_float(double value, bool is_double, struct buf *out)
{
    if (!isfinite(value) || !buf_reserve(out, NUM_TEXT_MAX))
        return isfinite(value); /* the buffer remembers */
    out->size += is_double
                     ? num_print_double(value, out->data + out->size)
                     : num_print_float((float)value, out->data + out->size);
    return true;
}

static uint64_t load_bits(const uint8_t *at, size_t size)
{
    uint64_t bits = 0;

    memcpy(&bits, at, size);
    return bits;
}

static void put_integer(enum eng_dtype dtype, const uint8_t *at,
                        struct buf *out)
{
    size_t size = eng_dtype_size(dtype);
    unsigned shift = 64 - 8 * (unsigned)size;
    uint64_t bits = load_bits(at, size);
    bool is_signed = dtype == ENG_I8 || dtype == ENG_I16 || dtype == ENG_I32 ||
                     dtype == ENG_I64;

    if (!buf_reserve(out, NUM_TEXT_MAX))
        return;
    out->size += is_signed ? num_print_i64((int64_t)(bits << shift) >> shift,
                                           out->data + out->size)
                           : num_print_u64(bits, out->data + out->size);
}

/* One element of a fixed size; false if it is not finite. */
static bool put_element(enum eng_dtype dtype, const uint8_t *at,
                        struct buf *out)
{
    uint64_t bits = load_bits(at, eng_dtype_size(dtype));
    double wide;

    if (dtype == ENG_F64) {
        memcpy(&wide, &bits, sizeof wide);
        return put_float(wide, true, out);
    }
    if (dtype == ENG_F32)
        return put_float((double)half_of_bits((uint32_t)bits), false, out);
    if (dtype == ENG_F16)
        return put_float((double)half_f16_to_float((uint16_t)bits), false, out);
    if (dtype == ENG_BF16)
        return put_float((double)half_bf16_to_float((uint16_t)bits), false,
                         out);
    if (dtype == ENG_BOOL)
        buf_string(out, bits ? "true" : "false");
    else
        put_integer(dtype, at, out);
    return true;
}

static void put_strings(const struct oip_bytes *raw, struct buf *out)
{
    size_t at = 0;

    while (raw->size - at >= sizeof(uint32_t)) {
        size_t size = (size_t)load_bits(raw->data + at, sizeof(uint32_t));

        if (at)
            buf_char(out, ',');
        at += sizeof(uint32_t);
        json_put_string(out, (const char *)raw->data + at, size);
        at += size;
    }
}

bool oip_data_write(const char *name, enum eng_dtype dtype,
                    const struct oip_bytes *raw, struct buf *out,
                    struct error *err)
{
    size_t each = eng_dtype_size(dtype);
    bool is_text = dtype == ENG_STRING;

    buf_char(out, '[');
    if (is_text)
        put_strings(raw, out);
    for (size_t at = 0; !is_text && at < raw->size; at += each) {
        if (at)
            buf_char(out, ',');
        if (!put_element(dtype, raw->data + at, out))
            return fail(err, ERR_OUTPUT_INVALID,
                        "output '%.80s' has a number that is not finite, which "
                        "JSON cannot hold: ask for it as binary data",
                        name);
    }
    buf_char(out, ']');
    return true;
}
