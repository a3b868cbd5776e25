/*
 * Fuse gelu: activations that exporters spell out become one operator.
 *
 *   x / 2 (1 + Erf(x / sqrt(2)))                             -> Gelu
 *   x / 2 (1 + Tanh(sqrt(2 / pi) (x + 0.044715 x^3)))        -> Gelu, tanh
 *   x Sigmoid(a x)                                           -> QuickGelu
 *   x Clip(x + 3, 0, 6) / 6                                  -> HardSwish
 *
 * There are many ways to write each. So an expression is not compared with a
 * list of them: it is multiplied out as a(x) + b(x) f, polynomials in x up to
 * the third power and f one function's result, and so is what f is taken of.
 */
#include <math.h>

#include "facts.h"
#include "passes.h"
#include "rewrite.h"

enum { DEGREE = 3, DEPTH = 8 };

/* a(x) + b(x) f */
struct form {
    float a[DEGREE + 1], b[DEGREE + 1];
};

/* What the letters stand for. */
struct terms {
    const struct rewrite *rw;
    uint32_t x, f; /* f: ENG_NO_VALUE inside f */
    int rank;      /* of x */
};

/* A constant that gives no more axes to what it meets than x has. */
static bool number_of(const struct terms *terms, uint32_t value, float *number)
{
    return rewrite_scalar(terms->rw, value, number) &&
           rewrite_constant(terms->rw, value)->rank <= terms->rank;
}

static bool multiply_add(const float *p, const float *q, float *sum)
{
    for (int i = 0; i <= DEGREE; i++) {
        for (int j = 0; j <= DEGREE; j++) {
            if (p[i] == 0 || q[j] == 0)
                continue;
            if (i + j > DEGREE)
                return false;
            sum[i + j] += p[i] * q[j];
        }
    }
    return true;
}

/* `to` may be neither of the others. There is no f^2. */
static bool multiply(const struct form *p, const struct form *q,
                     struct form *to)
{
    struct form square = {{0}, {0}};

    *to = square;
    if (!multiply_add(p->b, q->b, square.b))
        return false;
    for (int i = 0; i <= DEGREE; i++) {
        if (square.b[i] != 0)
            return false;
    }
    return multiply_add(p->a, q->a, to->a) && multiply_add(p->a, q->b, to->b) &&
           multiply_add(p->b, q->a, to->b);
}

static bool form_of(const struct terms *terms, uint32_t value, int depth,
                    struct form *form);

static bool form_of_sum(const struct terms *terms, const struct eng_node *node,
                        int depth, struct form *form)
{
    float sign = rewrite_is(node, "Sub") ? -1 : 1;
    struct form right;

    if (!form_of(terms, node->inputs[0], depth, form) ||
        !form_of(terms, node->inputs[1], depth, &right))
        return false;
    for (int i = 0; i <= DEGREE; i++) {
        form->a[i] += sign * right.a[i];
        form->b[i] += sign * right.b[i];
    }
    return true;
}

static bool form_of_product(const struct terms *terms,
                            const struct eng_node *node, int depth,
                            struct form *form)
{
    struct form left, right;

    return form_of(terms, node->inputs[0], depth, &left) &&
           form_of(terms, node->inputs[1], depth, &right) &&
           multiply(&left, &right, form);
}

static bool form_of_quotient(const struct terms *terms,
                             const struct eng_node *node, int depth,
                             struct form *form)
{
    float x;

    if (!number_of(terms, node->inputs[1], &x) ||
        !form_of(terms, node->inputs[0], depth, form))
        return false;
    for (int i = 0; i <= DEGREE; i++) {
        form->a[i] /= x;
        form->b[i] /= x;
    }
    return true;
}

static bool form_of_power(const struct terms *terms,
                          const struct eng_node *node, int depth,
                          struct form *form)
{
    struct form base, power;
    float x;

    if (!number_of(terms, node->inputs[1], &x) || (x != 2 && x != 3) ||
        !form_of(terms, node->inputs[0], depth, &base) ||
        !multiply(&base, &base, &power))
        return false;
    *form = power;
    return x == 2 || multiply(&power, &base, form);
}

static bool form_of(const struct terms *terms, uint32_t value, int depth,
                    struct form *form)
{
    static const struct kind {
        const char *op;
        bool (*fn)(const struct terms *terms, const struct eng_node *node,
                   int depth, struct form *form);
    } kinds[] = {{"Add", form_of_sum},
                 {"Sub", form_of_sum},
                 {"Mul", form_of_product},
                 {"Div", form_of_quotient},
                 {"Pow", form_of_power}};

    *form = (struct form){{0}, {0}};
    if (value == terms->x) {
        form->a[1] = 1;
        return true;
    }
    if (value == terms->f) {
        form->b[0] = 1;
        return value != ENG_NO_VALUE;
    }
    if (number_of(terms, value, &form->a[0]))
        return true;
    for (size_t i = 0; depth && i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct eng_node *node =
            rewrite_maker(terms->rw, value, kinds[i].op);

        if (node)
            return kinds[i].fn(terms, node, depth - 1, form);
    }
    return false;
}

static bool is_near(const float *p, const float *want)
{
    for (int i = 0; i <= DEGREE; i++) {
        if (!(fabsf(p[i] - want[i]) <= 1e-5F * fabsf(want[i])))
            return false;
    }
    return true;
}

/* --- finding f and x --- */

static const char *const functions[] = {"Erf", "Tanh", "Sigmoid", "Clip"};

static bool is_function(const struct eng_node *node)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (rewrite_is(node, functions[i]))
            return true;
    }
    return false;
}

static const struct eng_node *maker(const struct rewrite *rw, uint32_t value)
{
    uint32_t producer =
        value == ENG_NO_VALUE ? value : rw->graph->values[value].producer;

    return producer == ENG_NO_VALUE ? NULL : &rw->graph->nodes[producer];
}

static bool is_arithmetic(const struct eng_node *node)
{
    return rewrite_is(node, "Add") || rewrite_is(node, "Sub") ||
           rewrite_is(node, "Mul") || rewrite_is(node, "Div") ||
           rewrite_is(node, "Pow");
}

/* The function that the expression above `node` contains. */
static const struct eng_node *
find_function(const struct rewrite *rw, const struct eng_node *node, int depth)
{
    for (size_t i = 0; i < 2; i++) {
        const struct eng_node *inner = maker(rw, node->inputs[i]);
        const struct eng_node *found = NULL;

        if (!inner || !rewrite_is_private(rw, node->inputs[i]))
            continue;
        if (is_function(inner))
            return inner;
        if (depth && is_arithmetic(inner))
            found = find_function(rw, inner, depth - 1);
        if (found)
            return found;
    }
    return NULL;
}

/* x is read more than once; what lies between it and f is not. */
static uint32_t find_x(const struct rewrite *rw, uint32_t value, int depth)
{
    const struct eng_node *node = maker(rw, value);

    if (rewrite_constant(rw, value))
        return ENG_NO_VALUE;
    if (!rewrite_is_private(rw, value))
        return value;
    for (size_t i = 0; depth && node && is_arithmetic(node) && i < 2; i++) {
        uint32_t x = find_x(rw, node->inputs[i], depth - 1);

        if (x != ENG_NO_VALUE)
            return x;
    }
    return ENG_NO_VALUE;
}

/* --- the four --- */

struct match {
    uint32_t x;
    const char *domain, *op;
    int64_t version;
    struct eng_attr attr;
    size_t attr_count;
};

static bool is_gelu(const struct form *outer)
{
    static const float half[] = {0, 0.5F, 0, 0};

    return is_near(outer->a, half) && is_near(outer->b, half);
}

/* x f, times `factor` */
static bool is_gate(const struct form *outer, float factor)
{
    static const float zero[DEGREE + 1];
    const float want[] = {0, factor, 0, 0};

    return is_near(outer->a, zero) && is_near(outer->b, want);
}

static bool take_gelu(const struct form *outer, const struct form *inner,
                      bool is_tanh, struct match *match)
{
    static const float erf_of[] = {0, 0.70710678F, 0, 0};
    static const float tanh_of[] = {0, 0.79788456F, 0, 0.035677408F};

    if (!is_gelu(outer) || !is_near(inner->a, is_tanh ? tanh_of : erf_of))
        return false;
    match->domain = "";
    match->op = "Gelu";
    match->version = 20;
    match->attr = (struct eng_attr){
        "approximate", ENG_ATTR_STRING, 1, {.s = {"tanh", 4}}};
    match->attr_count = is_tanh;
    return true;
}

static bool take_swish(const struct form *outer, const struct form *inner,
                       struct match *match)
{
    const float want[] = {0, inner->a[1], 0, 0};

    if (!is_gate(outer, 1) || !is_near(inner->a, want))
        return false;
    match->domain = "com.microsoft";
    match->op = "QuickGelu";
    match->version = 1;
    match->attr =
        (struct eng_attr){"alpha", ENG_ATTR_FLOAT, 1, {.f = inner->a[1]}};
    match->attr_count = 1;
    return true;
}

static bool clips_to_six(const struct rewrite *rw, const struct eng_node *clip)
{
    const struct eng_attr *min = rewrite_attr(clip, "min");
    const struct eng_attr *max = rewrite_attr(clip, "max");
    float low = -1, high = -1;

    if (clip->version < 11)
        return min && max && min->f == 0 && max->f == 6;
    return clip->input_count == 3 &&
           rewrite_scalar(rw, clip->inputs[1], &low) &&
           rewrite_scalar(rw, clip->inputs[2], &high) && low == 0 && high == 6;
}

static bool take_hard_swish(const struct form *outer, const struct form *inner,
                            struct match *match)
{
    static const float want[] = {3, 1, 0, 0};

    if (!is_gate(outer, 1.0F / 6) || !is_near(inner->a, want))
        return false;
    match->domain = "";
    match->op = "HardSwish";
    match->version = 14;
    match->attr_count = 0;
    return true;
}

static bool find(const struct rewrite *rw, const struct facts *facts,
                 const struct eng_node *node, struct match *match)
{
    const struct eng_node *f;
    struct form outer, inner;
    struct terms terms = {.rw = rw};

    if (!rewrite_is(node, "Mul") && !rewrite_is(node, "Div"))
        return false;
    f = find_function(rw, node, DEPTH);
    if (!f)
        return false;
    terms.x = find_x(rw, f->inputs[0], DEPTH);
    if (terms.x == ENG_NO_VALUE || facts_dtype(facts, terms.x) != ENG_F32)
        return false;
    match->x = terms.x;
    terms.rank = facts_rank(facts, terms.x);
    if (terms.rank < 0)
        terms.rank = 0; /* not known */
    terms.f = ENG_NO_VALUE;
    if (!form_of(&terms, f->inputs[0], DEPTH, &inner))
        return false;
    terms.f = f->outputs[0];
    if (!form_of(&terms, node->outputs[0], DEPTH, &outer))
        return false;
    if (rewrite_is(f, "Sigmoid"))
        return take_swish(&outer, &inner, match);
    if (rewrite_is(f, "Clip"))
        return clips_to_six(rw, f) && take_hard_swish(&outer, &inner, match);
    return take_gelu(&outer, &inner, rewrite_is(f, "Tanh"), match);
}

static bool fuse_one(struct rewrite *rw, const struct facts *facts,
                     struct eng_node *node, struct error *err)
{
    struct match m;

    if (!find(rw, facts, node, &m))
        return true;
    return rewrite_replace(rw, node,
                           &(struct rewrite_spec){.domain = m.domain,
                                                  .op = m.op,
                                                  .version = m.version,
                                                  .inputs = &m.x,
                                                  .input_count = 1,
                                                  .attrs = &m.attr,
                                                  .attr_count = m.attr_count},
                           err);
}

bool pass_fuse_gelu(struct eng_graph *graph, struct op_packs *packs,
                    struct error *err)
{
    (void)packs;
    return facts_each(graph, fuse_one, err);
}
