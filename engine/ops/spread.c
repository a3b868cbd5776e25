/*
 * Spread: see spread.h.
 */
#include "spread.h"

enum { PART_NS = 40000, PARTS_MAX = 256 };

struct spread {
    op_spread_fn fn;
    void *work;
    int64_t count, parts;
};

static void run_part(void *data, int64_t part, int thread)
{
    const struct spread *spread = data;
    int64_t each = spread->count / spread->parts;
    int64_t rest = spread->count % spread->parts;
    int64_t first = each * part + (part < rest ? part : rest);

    (void)thread;
    spread->fn(spread->work, first, first + each + (part < rest));
}

void op_spread(const struct op_frame *frame, int64_t count, double ns_each,
               op_spread_fn fn, void *work)
{
    double parts = (double)count * ns_each / PART_NS;
    struct spread spread = {fn, work, count, PARTS_MAX};

    if (parts < PARTS_MAX)
        spread.parts = (int64_t)parts;
    if (spread.parts > count)
        spread.parts = count;
    if (spread.parts < 2 || !team_has_help(frame->seat))
        fn(work, 0, count);
    else
        team_for(frame->seat, spread.parts, run_part, &spread);
}
