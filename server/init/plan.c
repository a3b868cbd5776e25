/*
 * Plan: which kind of model it is, and the lines that all kinds share.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "init/init.h"
#include "json_put.h"

static void put_format(struct buf *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void put_format(struct buf *out, const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0) {
        out->failed = true;
        return;
    }
    buf_string(out, text);
    free(text);
}

void init_quote(struct buf *out, const char *text)
{
    json_put_text(out, text);
}

void init_note(struct init_plan *plan, const char *format, ...)
{
    struct buf text = {0};
    va_list args;

    va_start(args, format);
    put_format(&text, format, args);
    va_end(args);
    buf_string(&plan->notes, "  - ");
    init_quote(&plan->notes, text.data ? text.data : "");
    buf_char(&plan->notes, '\n');
    buf_release(&text);
}

void init_step(struct init_plan *plan, bool before, const char *name,
               const char *type, const char *format, ...)
{
    va_list args;

    buf_printf(before ? &plan->pre : &plan->post,
               "        - {name: %s, type: %s}\n", name, type);
    buf_printf(&plan->steps, "    %s: {", name);
    va_start(args, format);
    put_format(&plan->steps, format, args);
    va_end(args);
    buf_string(&plan->steps, "}\n");
}

void init_offer(struct init_plan *plan, const char *name, const char *type,
                const char *format, ...)
{
    va_list args;

    buf_printf(&plan->outputs, "    - {name: %s, type: %s", name, type);
    va_start(args, format);
    put_format(&plan->outputs, format, args);
    va_end(args);
    buf_string(&plan->outputs, "}\n");
    buf_printf(&plan->offered, "%s%s: %s", plan->offered.size ? ", " : "", name,
               type);
}

/* A tokenizer, and the ids it makes go in. */
static bool is_text(const struct init_facts *facts)
{
    const struct eng_port *ids = init_input(facts, "input_ids");

    return *facts->tokenizer && ids && ids->dtype == ENG_I64;
}

bool init_plan(struct init_plan *plan, const struct init_facts *facts,
               struct error *err)
{
    *plan = (struct init_plan){.facts = facts};
    if (!(is_text(facts) ? init_plan_text(plan, err)
                         : init_plan_numbers(plan, err)))
        return false;
    return (buf_ok(&plan->inputs) && buf_ok(&plan->outputs) &&
            buf_ok(&plan->offered) && buf_ok(&plan->pre) &&
            buf_ok(&plan->post) && buf_ok(&plan->steps) &&
            buf_ok(&plan->notes) && buf_ok(&plan->examples)) ||
           fail(err, ERR_OUT_OF_MEMORY, "no memory");
}

void init_plan_release(struct init_plan *plan)
{
    buf_release(&plan->inputs);
    buf_release(&plan->outputs);
    buf_release(&plan->offered);
    buf_release(&plan->pre);
    buf_release(&plan->post);
    buf_release(&plan->steps);
    buf_release(&plan->notes);
    buf_release(&plan->examples);
}
