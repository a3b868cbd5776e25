/*
 * Pattern: a table of compiled expressions, found by address without a lock
 * and filled under one.
 */
#include "pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { SLOTS = 512, PATTERNS_MAX = 256, STEPS_MAX = 200000 };

/* `code` is written before `pattern`, and neither changes afterwards. */
static struct {
    _Atomic(const char *) pattern; /* NULL: free */
    pcre2_code *code;
} slots[SLOTS];

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t slots_used; /* slots_lock */

/* The slot of the pattern, or the free one where it belongs. */
static size_t find_slot(const char *pattern)
{
    size_t i =
        (size_t)((uint64_t)(uintptr_t)pattern * 0x9e3779b97f4a7c15U >> 32) %
        SLOTS;

    for (;; i = (i + 1) % SLOTS) { /* half of the slots stay free */
        const char *found =
            atomic_load_explicit(&slots[i].pattern, memory_order_acquire);

        if (!found || found == pattern)
            return i;
    }
}

static pcre2_code *compile(const char *pattern, struct error *err)
{
    PCRE2_SIZE offset = 0;
    int code = 0;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &offset, NULL);

    if (!compiled)
        (void)fail(err, ERR_INTERNAL, "pattern '%s' is broken at byte %zu",
                   pattern, (size_t)offset);
    return compiled;
}

static bool prepare_locked(const char *pattern, struct error *err)
{
    size_t i = find_slot(pattern);
    pcre2_code *compiled;

    if (atomic_load_explicit(&slots[i].pattern, memory_order_relaxed))
        return true; /* another thread was faster */
    if (slots_used == PATTERNS_MAX)
        return fail(err, ERR_INTERNAL, "more than %d patterns", PATTERNS_MAX);
    compiled = compile(pattern, err);
    if (!compiled)
        return false;
    slots_used++;
    slots[i].code = compiled;
    atomic_store_explicit(&slots[i].pattern, pattern, memory_order_release);
    return true;
}

bool pattern_prepare(const char *pattern, struct error *err)
{
    bool ok;

    (void)pthread_mutex_lock(&slots_lock);
    ok = prepare_locked(pattern, err);
    (void)pthread_mutex_unlock(&slots_lock);
    return ok;
}

static const pcre2_code *find_code(const char *pattern, struct error *err)
{
    size_t i = find_slot(pattern);

    if (!atomic_load_explicit(&slots[i].pattern, memory_order_acquire)) {
        if (!pattern_prepare(pattern, err))
            return NULL;
        i = find_slot(pattern);
    }
    return slots[i].code;
}

/* The match itself; a PCRE2 return code. */
static int run_match(const pcre2_code *code, const char *text, size_t size)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int found = PCRE2_ERROR_NOMEMORY;

    if (data && context) {
        (void)pcre2_set_match_limit(context, STEPS_MAX);
        (void)pcre2_set_depth_limit(context, STEPS_MAX / 10);
        found = pcre2_match(code, (PCRE2_SPTR)text, size, 0, 0, data, context);
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return found;
}

bool pattern_match(const char *pattern, const char *text, size_t size,
                   bool *matches, struct error *err)
{
    const pcre2_code *code = find_code(pattern, err);
    int found;

    if (!code)
        return false;
    found = run_match(code, text, size);
    if (found == PCRE2_ERROR_NOMEMORY)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory to match a pattern");
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return fail(err, ERR_VALIDATION_ERROR,
                    "a text is too hard to match against its pattern");
    *matches = found >= 0; /* 0: a match with more groups than kept */
    return true;
}
