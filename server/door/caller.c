/*
 * Caller: see caller.h.
 */
#include "caller.h"

#include <string.h>

enum { SECOND_DIGITS_MAX = 9, FRACTION_DIGITS_MAX = 9, ID_MAX = 128 };

static const char digits[] = "0123456789";

/* "12.5" -> nanoseconds. Smaller parts than one are cut off. */
static bool parse_seconds(const char *text, uint64_t *ns)
{
    size_t whole = strspn(text, digits);
    size_t fraction = 0;
    uint64_t value = 0, unit = 1000000000;

    if (whole == 0 || whole > SECOND_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < whole; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    value *= unit;
    text += whole;
    if (*text == '.') {
        text++;
        fraction = strspn(text, digits);
        if (fraction == 0)
            return false;
    }
    for (size_t i = 0; i < fraction && i < FRACTION_DIGITS_MAX; i++) {
        unit /= 10;
        value += (uint64_t)(text[i] - '0') * unit;
    }
    *ns = value;
    return text[fraction] == '\0';
}

bool caller_limit_time(struct srv_call *call, struct error *err)
{
    const char *text = call_header(call, "x-request-timeout");
    uint64_t ns;

    if (!text)
        return true;
    if (!parse_seconds(text, &ns))
        return fail(err, ERR_BAD_REQUEST,
                    "X-Request-Timeout is not a number of seconds");
    if (ns == 0)
        return fail(err, ERR_BAD_REQUEST, "X-Request-Timeout is zero");
    if (call->started_ns + ns < call->deadline_ns)
        call->deadline_ns = call->started_ns + ns;
    return true;
}

const char *caller_request_id(const struct srv_call *call)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_.:/+=@";
    const char *id = call_header(call, "x-request-id");
    size_t size = id ? strspn(id, allowed) : 0;

    return size > 0 && size <= ID_MAX && id[size] == '\0' ? id : NULL;
}
