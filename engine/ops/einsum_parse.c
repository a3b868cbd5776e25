/*
 * Einsum equations: see einsum.h.
 */
#include "einsum.h"

#include <string.h>

struct parser {
    const char *text;
    size_t size, at;
    int uses[EINSUM_LABELS]; /* in the inputs */
    int ellipsis;            /* most dimensions that "..." stood for */
};

/* Next character but blanks; 0 = the end. */
static char peek(struct parser *parser)
{
    while (parser->at < parser->size && parser->text[parser->at] == ' ')
        parser->at++;
    if (parser->at == parser->size)
        return '\0';
    return parser->text[parser->at];
}

static int label_of(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    return letter >= 'a' && letter <= 'z' ? letter - 'a' + 26 : -1;
}

static bool take_dots(struct parser *parser)
{
    if (parser->size - parser->at < 3 ||
        memcmp(parser->text + parser->at, "...", 3) != 0)
        return false;
    parser->at += 3;
    return true;
}

/* The letters of a term and where "..." stands in it, -1 = nowhere. */
static bool read_letters(struct parser *parser, struct einsum_term *term,
                         int *dots, struct error *err)
{
    *dots = -1;
    term->rank = 0;
    for (char c = peek(parser); c && c != ',' && c != '-'; c = peek(parser)) {
        int label = label_of(c);

        if (c == '.' && *dots < 0 && take_dots(parser)) {
            *dots = term->rank;
            continue;
        }
        if (label < 0 || term->rank == ENG_RANK_MAX)
            return fail(err, ERR_MODEL_INVALID,
                        "the equation cannot be read at character %zu",
                        parser->at);
        term->label[term->rank++] = label;
        parser->at++;
    }
    return true;
}

/* Puts `count` labels where "..." stood. */
static bool put_dots(struct einsum_term *term, int dots, int count)
{
    if (dots < 0)
        return count == 0;
    if (count < 0 || term->rank + count > ENG_RANK_MAX)
        return false;
    for (int i = term->rank - 1; i >= dots; i--)
        term->label[i + count] = term->label[i];
    for (int i = 0; i < count; i++)
        term->label[dots + i] = EINSUM_LABELS - count + i;
    term->rank += count;
    return true;
}

static bool read_input(struct parser *parser, int rank,
                       struct einsum_term *term, struct error *err)
{
    int dots, letters;

    if (!read_letters(parser, term, &dots, err))
        return false;
    letters = term->rank;
    if (!put_dots(term, dots, rank - letters))
        return fail(err, ERR_MODEL_INVALID,
                    "a term of %d names for an input of rank %d", letters,
                    rank);
    if (rank - letters > parser->ellipsis)
        parser->ellipsis = rank - letters;
    for (int i = 0; i < term->rank; i++)
        parser->uses[term->label[i]]++;
    return true;
}

/* Behind "->": every label is an input's and stands once. */
static bool read_output(struct parser *parser, struct einsum_term *term,
                        struct error *err)
{
    int dots;

    if (!read_letters(parser, term, &dots, err))
        return false;
    if (dots >= 0 && !put_dots(term, dots, parser->ellipsis))
        return fail(err, ERR_MODEL_INVALID, "the output's rank is above %d",
                    ENG_RANK_MAX);
    for (int i = 0; i < term->rank; i++) {
        int *uses = &parser->uses[term->label[i]];

        if (*uses < 1)
            return fail(err, ERR_MODEL_INVALID,
                        "output dimension %d is no input's, or named twice", i);
        *uses = -1;
    }
    return true;
}

/* Without "->": "..." first, then what is used once. */
static bool imply_output(const struct parser *parser, struct einsum_term *term,
                         struct error *err)
{
    term->rank = 0;
    for (int label = 0; label < EINSUM_LETTERS; label++) {
        if (parser->uses[label] != 1)
            continue;
        if (term->rank == ENG_RANK_MAX)
            return fail(err, ERR_MODEL_INVALID, "the output's rank is above %d",
                        ENG_RANK_MAX);
        term->label[term->rank++] = label;
    }
    return put_dots(term, 0, parser->ellipsis) ||
           fail(err, ERR_MODEL_INVALID, "the output's rank is above %d",
                ENG_RANK_MAX);
}

static bool take_arrow(struct parser *parser)
{
    if (peek(parser) != '-' || parser->size - parser->at < 2 ||
        parser->text[parser->at + 1] != '>')
        return false;
    parser->at += 2;
    return true;
}

bool einsum_parse(const struct op_node *op, struct einsum_equation *equation,
                  struct error *err)
{
    const struct eng_attr *attr = op_attr(op, "equation");
    struct parser parser = {0};

    if (!attr || attr->type != ENG_ATTR_STRING)
        return fail(err, ERR_MODEL_INVALID, "there is no equation");
    parser.text = attr->s.text;
    parser.size = attr->s.size;
    for (size_t i = 0; i < op->in_count; i++) {
        if (i && peek(&parser) != ',')
            return fail(err, ERR_MODEL_INVALID,
                        "the equation has fewer terms than %zu inputs",
                        op->in_count);
        parser.at += i != 0;
        if (!read_input(&parser, op->in[i]->rank, &equation->in[i], err))
            return false;
    }
    if (!peek(&parser))
        return imply_output(&parser, &equation->out, err);
    if (!take_arrow(&parser))
        return fail(err, ERR_MODEL_INVALID,
                    "the equation cannot be read at character %zu", parser.at);
    return read_output(&parser, &equation->out, err) &&
           (!peek(&parser) || fail(err, ERR_MODEL_INVALID,
                                   "the equation goes on behind the output"));
}
