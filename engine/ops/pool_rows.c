/*
 * MaxPool without indices over lines and planes of floats or bytes: see pool.c
 * for what it computes. A row of outputs is the largest of rows, one for each
 * tap, so that the loops run along rows.
 *
 *   source  as pool.c; a NaN counts as the lowest number
 */
#include <math.h>
#include <string.h>

#include "clones.h"
#include "pool.h"

/* Outputs [*first, end) have tap k inside the input; returns end. */
static int64_t inside(const struct op_side *side, int64_t k, int64_t *first)
{
    int64_t at = k * side->apart - side->before; /* where output 0 reads */
    int64_t end = at < side->in ? (side->in - 1 - at) / side->step + 1 : 0;

    *first = at < 0 ? (-at + side->step - 1) / side->step : 0;
    return end < side->out ? end : side->out;
}

/* Every output has a tap inside: it has one in its first tap's range, or in
 * that of a later one, and these are ranges without gaps between them. */
static bool has_taps(const struct op_side *side)
{
    int64_t covered = 0;

    for (int64_t k = side->kernel - 1; k >= 0; k--) {
        int64_t first, end = inside(side, k, &first);

        if (first <= covered && end > covered)
            covered = end;
    }
    return covered >= side->out;
}

static bool rows_accepts(const struct op_node *op)
{
    enum { TYPES = OP_TYPE(ENG_F32) | OP_TYPE(ENG_U8) | OP_TYPE(ENG_I8) };
    const struct op_pool_state *state = op->state;
    struct op_side rows, columns;

    if (!state->is_max || op->out_count > 1 || state->window.spatial > 2 ||
        !(TYPES >> op->in[0]->dtype & 1))
        return false;
    rows = op_window_side(&state->window, 0);
    columns = op_window_side(&state->window, 1);
    return has_taps(&rows) && has_taps(&columns);
}

/* y = max(y, every step-th x) */
#define MAX_ROW(name, T)                                                       \
    OP_CLONES                                                                  \
    static void name(T *restrict y, const T *restrict x, int64_t count,        \
                     int64_t step)                                             \
    {                                                                          \
        if (step == 1) {                                                       \
            for (int64_t i = 0; i < count; i++)                                \
                y[i] = x[i] > y[i] ? x[i] : y[i];                              \
        } else if (step == 2) {                                                \
            for (int64_t i = 0; i < count; i++)                                \
                y[i] = x[2 * i] > y[i] ? x[2 * i] : y[i];                      \
        } else {                                                               \
            for (int64_t i = 0; i < count; i++)                                \
                y[i] = x[step * i] > y[i] ? x[step * i] : y[i];                \
        }                                                                      \
    }

MAX_ROW(max_row_f32, float)
MAX_ROW(max_row_u8, uint8_t)
MAX_ROW(max_row_i8, int8_t)

static void max_row(enum eng_dtype dtype, void *y, const void *x, int64_t count,
                    int64_t step)
{
    if (dtype == ENG_F32)
        max_row_f32(y, x, count, step);
    else if (dtype == ENG_U8)
        max_row_u8(y, x, count, step);
    else
        max_row_i8(y, x, count, step);
}

static void fill_lowest(enum eng_dtype dtype, void *y, int64_t count)
{
    float *floats = y;

    if (dtype == ENG_F32) {
        for (int64_t i = 0; i < count; i++)
            floats[i] = -INFINITY;
    } else {
        memset(y, dtype == ENG_I8 ? INT8_MIN : 0, (size_t)count);
    }
}

struct work {
    enum eng_dtype dtype;
    size_t size; /* of an element */
    struct op_side rows, columns;
    const char *x;
    char *y;
};

/* Column k of the window, for all outputs of a plane. */
static void max_tap(const struct work *w, const char *x, char *y, int64_t k)
{
    const struct op_side *rows = &w->rows, *columns = &w->columns;
    int64_t left, right = inside(columns, k, &left);
    int64_t column =
        left * columns->step + k * columns->apart - columns->before;

    for (int64_t t = 0; t < rows->kernel && left < right; t++) {
        int64_t top, bottom = inside(rows, t, &top);

        for (int64_t r = top; r < bottom; r++) {
            int64_t row = r * rows->step + t * rows->apart - rows->before;

            max_row(w->dtype, y + (size_t)(r * columns->out + left) * w->size,
                    x + (size_t)(row * columns->in + column) * w->size,
                    right - left, columns->step);
        }
    }
}

static void run_plane(void *context, int64_t plane, int thread)
{
    const struct work *w = context;
    int64_t in = w->rows.in * w->columns.in;
    int64_t out = w->rows.out * w->columns.out;
    const char *x = w->x + (size_t)(plane * in) * w->size;
    char *y = w->y + (size_t)(plane * out) * w->size;

    (void)thread;
    fill_lowest(w->dtype, y, out);
    for (int64_t k = 0; k < w->columns.kernel; k++)
        max_tap(w, x, y, k);
}

static bool rows_run(const struct op_node *op, const struct op_frame *frame,
                     struct error *err)
{
    const struct op_pool_state *state = op->state;
    struct work w = {.dtype = op->out[0]->dtype,
                     .size = eng_dtype_size(op->out[0]->dtype),
                     .rows = op_window_side(&state->window, 0),
                     .columns = op_window_side(&state->window, 1),
                     .x = op_in(op, frame, 0),
                     .y = op_out(op, frame, 0)};

    (void)err;
    team_for(frame->seat, state->planes, run_plane, &w);
    return true;
}

const struct op_impl op_pool_rows = {.name = "pool.rows",
                                     .in_min = 1,
                                     .in_max = 1,
                                     .out_min = 1,
                                     .out_max = 2,
                                     .flags = OP_WIDEN,
                                     .infer = op_pool_infer,
                                     .accepts = rows_accepts,
                                     .run = rows_run};
