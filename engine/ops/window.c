/*
 * Window: see window.h.
 */
#include "window.h"

/* Larger numbers cannot be meant, and their products would overflow. */
enum { WINDOW_MAX = 1 << 20 };

bool op_auto_pad_read(const struct op_node *op, int *mode, struct error *err)
{
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER",
                                        "VALID", NULL};

    *mode = OP_NOTSET;
    return op_attr_word(op, "auto_pad", words, mode, err);
}

/* A list attribute of `count` numbers in [low, WINDOW_MAX]. */
static bool read_list(const struct op_node *op, const char *name, size_t count,
                      int64_t low, int64_t *to, struct error *err)
{
    const int64_t *list = NULL;
    size_t n = 0;

    if (!op_attr_ints(op, name, &list, &n, err))
        return false;
    if (!n)
        return true;
    if (n != count)
        return fail(err, ERR_MODEL_INVALID,
                    "'%s' has %zu numbers, expected %zu", name, n, count);
    for (size_t i = 0; i < n; i++) {
        if (list[i] < low || list[i] > WINDOW_MAX)
            return fail(err, ERR_MODEL_INVALID,
                        "'%s' is %lld, outside [%lld, %d]", name,
                        (long long)list[i], (long long)low, WINDOW_MAX);
        to[i] = list[i];
    }
    return true;
}

static bool check_input(const struct op_node *op, struct op_window *window,
                        struct error *err)
{
    const struct eng_tensor *x = op->in[0];
    int spatial = x->rank - 2;

    if (spatial < 1)
        return fail(err, ERR_MODEL_INVALID,
                    "input 0 has rank %d, expected 3 to 5", x->rank);
    if (spatial > OP_SPATIAL_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "%d spatial dimensions",
                    spatial);
    window->spatial = spatial;
    for (int i = 0; i < spatial; i++) {
        window->in[i] = x->dims[2 + i];
        window->stride[i] = 1;
        window->dilation[i] = 1;
        if (window->in[i] > INT32_MAX)
            return fail(err, ERR_MODEL_INVALID, "dimension %d is too large",
                        2 + i);
    }
    return true;
}

static bool check_kernel(const struct op_node *op, const int64_t *kernel,
                         struct op_window *window, struct error *err)
{
    size_t spatial = (size_t)window->spatial;

    if (!read_list(op, "kernel_shape", spatial, 1, window->kernel, err))
        return false;
    for (size_t i = 0; i < spatial; i++) {
        if (!window->kernel[i] && kernel)
            window->kernel[i] = kernel[i];
        if (kernel && window->kernel[i] != kernel[i])
            return fail(err, ERR_MODEL_INVALID,
                        "kernel_shape differs from the weights'");
        if (window->kernel[i] < 1 || window->kernel[i] > WINDOW_MAX)
            return fail(err, ERR_MODEL_INVALID, "the kernel has size %lld",
                        (long long)window->kernel[i]);
    }
    return true;
}

bool op_window_attrs(const struct op_node *op, const int64_t *kernel,
                     struct op_window *window, struct error *err)
{
    int64_t pads[2 * OP_SPATIAL_MAX] = {0};
    size_t spatial;

    *window = (struct op_window){0};
    if (!check_input(op, window, err) || !check_kernel(op, kernel, window, err))
        return false;
    spatial = (size_t)window->spatial;
    if (!read_list(op, "strides", spatial, 1, window->stride, err) ||
        !read_list(op, "dilations", spatial, 1, window->dilation, err) ||
        !read_list(op, "pads", 2 * spatial, 0, pads, err) ||
        !op_attr_bool(op, "ceil_mode", &window->ceil, err))
        return false;
    for (size_t i = 0; i < spatial; i++) {
        window->pad[i] = pads[i];
        window->pad_end[i] = pads[spatial + i];
    }
    return true;
}

/* SAME: the output has in / stride elements, rounded up. */
static void same_pads(struct op_window *window, int i, bool upper)
{
    int64_t extent = (window->kernel[i] - 1) * window->dilation[i] + 1;
    int64_t out = (window->in[i] + window->stride[i] - 1) / window->stride[i];
    int64_t total = (out - 1) * window->stride[i] + extent - window->in[i];

    if (total < 0)
        total = 0;
    window->pad[i] = upper ? total / 2 : total - total / 2;
    window->pad_end[i] = total - window->pad[i];
}

static bool output_size(struct op_window *window, int i, struct error *err)
{
    int64_t extent = (window->kernel[i] - 1) * window->dilation[i] + 1;
    int64_t padded = window->in[i] + window->pad[i] + window->pad_end[i];
    int64_t room = padded - extent;

    if (room < 0)
        return fail(err, ERR_MODEL_INVALID,
                    "a window of %lld is larger than the input of %lld",
                    (long long)extent, (long long)padded);
    window->out[i] = room / window->stride[i] + 1;
    /* A window that would start behind the input is not counted. */
    if (window->ceil && room % window->stride[i] &&
        window->out[i] * window->stride[i] < window->in[i] + window->pad[i])
        window->out[i]++;
    return true;
}

bool op_window_read(const struct op_node *op, const int64_t *kernel,
                    struct op_window *window, struct error *err)
{
    int mode;

    if (!op_window_attrs(op, kernel, window, err) ||
        !op_auto_pad_read(op, &mode, err))
        return false;
    for (int i = 0; i < window->spatial; i++) {
        if (mode == OP_VALID)
            window->pad[i] = window->pad_end[i] = 0;
        else if (mode != OP_NOTSET)
            same_pads(window, i, mode == OP_SAME_UPPER);
        if (!output_size(window, i, err))
            return false;
    }
    return true;
}

static int64_t product(const int64_t *dims, int count)
{
    int64_t result = 1;

    for (int i = 0; i < count; i++)
        result *= dims[i];
    return result;
}

struct op_side op_window_side(const struct op_window *window, int i)
{
    int from = i - (2 - window->spatial);

    if (from < 0)
        return (struct op_side){1, 1, 1, 1, 1, 0, 0};
    return (struct op_side){.in = window->in[from],
                            .out = window->out[from],
                            .kernel = window->kernel[from],
                            .step = window->stride[from],
                            .apart = window->dilation[from],
                            .before = window->pad[from],
                            .after = window->pad_end[from]};
}

int64_t op_window_in(const struct op_window *window)
{
    return product(window->in, window->spatial);
}

int64_t op_window_out(const struct op_window *window)
{
    return product(window->out, window->spatial);
}

void op_window_unflatten(int spatial, const int64_t *dims, int64_t flat,
                         int64_t index[OP_SPATIAL_MAX])
{
    for (int i = spatial - 1; i >= 0; i--) {
        index[i] = flat % dims[i];
        flat /= dims[i];
    }
}

int64_t op_window_tap(const struct op_window *window, const int64_t *out,
                      const int64_t *k)
{
    int64_t at = 0;

    for (int i = 0; i < window->spatial; i++) {
        int64_t in = out[i] * window->stride[i] + k[i] * window->dilation[i] -
                     window->pad[i];

        if (in < 0 || in >= window->in[i])
            return -1;
        at = at * window->in[i] + in;
    }
    return at;
}
