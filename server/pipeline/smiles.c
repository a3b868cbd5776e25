/*
 * SMILES: one pass over the text with a stack of branches and a table of open
 * ring bonds.
 *
 * The grammar is OpenSMILES: a chain of atoms, each followed by its ring bonds
 * and then its branches, bonds between them, dots between unbonded parts.
 * Nothing is allocated; branches nest at most BRANCH_MAX deep.
 */
#include "smiles.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BRANCH_MAX = 256, RING_COUNT = 100, CHARGE_MAX = 15 };

enum { NO_ATOM = -1 };

static const char symbols[SMILES_ELEMENT_COUNT + 1][3] = {
    "*",  "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na",
    "Mg", "Al", "Si", "P",  "S",  "Cl", "Ar", "K",  "Ca", "Sc", "Ti", "V",
    "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br",
    "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag",
    "Cd", "In", "Sn", "Sb", "Te", "I",  "Xe", "Cs", "Ba", "La", "Ce", "Pr",
    "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu",
    "Hf", "Ta", "W",  "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi",
    "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U",  "Np", "Pu", "Am",
    "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh",
    "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og"};

/* What the last token was; decides what may come next. */
enum token { START, ATOM, RING, BOND, OPEN, CLOSE, DOT };

struct ring {
    int atom; /* NO_ATOM = not open */
    char bond;
    size_t at;
};

struct branch {
    int atom;
    size_t at;
};

struct parser {
    const char *text;
    size_t size, at;
    struct smiles_elements *found;
    struct smiles_fault *fault;
    enum token last;
    bool rings_follow; /* a ring bond may stand here: only its atom, other ring
                          bonds and a bond symbol came before */
    int atom;          /* the next bond starts here */
    int parent;        /* the atom before `atom` in its chain */
    int count;
    char bond; /* written and not yet used; 0 = none */
    struct branch branches[BRANCH_MAX];
    size_t depth;
    struct ring rings[RING_COUNT];
    int closed[RING_COUNT]; /* atoms that `atom` closed a ring with */
    size_t closed_count;
};

int smiles_element(const char *symbol, size_t size)
{
    for (int z = 1; size > 0 && size <= 2 && z <= SMILES_ELEMENT_COUNT; z++) {
        if (strlen(symbols[z]) == size && memcmp(symbols[z], symbol, size) == 0)
            return z;
    }
    return 0;
}

const char *smiles_symbol(int number)
{
    return number >= 0 && number <= SMILES_ELEMENT_COUNT ? symbols[number]
                                                         : "?";
}

void smiles_add(struct smiles_elements *set, int number)
{
    set->words[number / 64] |= UINT64_C(1) << (number % 64);
}

bool smiles_has(const struct smiles_elements *set, int number)
{
    return (set->words[number / 64] >> (number % 64) & 1) != 0;
}

/* ---- reading characters ---- */

static bool bad(struct parser *p, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool bad(struct parser *p, size_t at, const char *format, ...)
{
    va_list args;

    p->fault->position = at + 1;
    va_start(args, format);
    (void)vsnprintf(p->fault->text, sizeof(p->fault->text), format, args);
    va_end(args);
    return false;
}

/* "'h' is not an atom ..." without printing bytes that are not ASCII. */
static bool bad_char(struct parser *p, size_t at, const char *what)
{
    unsigned char c = (unsigned char)p->text[at];

    if (c > 0x20 && c < 0x7f)
        return bad(p, at, "'%c' is %s", c, what);
    return bad(p, at, "byte 0x%02x is %s", c, what);
}

static char peek(const struct parser *p, size_t ahead)
{
    if (p->at + ahead >= p->size)
        return '\0';
    return p->text[p->at + ahead];
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool take(struct parser *p, char c)
{
    if (peek(p, 0) != c || c == '\0')
        return false;
    p->at++;
    return true;
}

/* Takes up to `most` digits; -1 if there is none. */
static int take_number(struct parser *p, int most)
{
    int value = -1;

    for (; most > 0 && is_digit(peek(p, 0)); most--)
        value = (value < 0 ? 0 : value * 10) + (p->text[p->at++] - '0');
    return value;
}

/* ---- atoms ---- */

/* A new atom is bound to the one before, if there is one. */
static void add_atom(struct parser *p, int number)
{
    smiles_add(p->found, number);
    p->parent = p->atom;
    p->atom = p->count++;
    p->bond = 0;
    p->closed_count = 0;
    p->rings_follow = true;
    p->last = ATOM;
}

/* Aromatic symbols of brackets; the one-letter ones also stand alone. */
static int take_aromatic(struct parser *p, bool in_bracket)
{
    static const struct {
        char text[3];
        char symbol[3];
    } table[] = {{"se", "Se"}, {"as", "As"}, {"b", "B"}, {"c", "C"},
                 {"n", "N"},   {"o", "O"},   {"p", "P"}, {"s", "S"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t length = strlen(table[i].text);

        if ((length > 1 && !in_bracket) || p->size - p->at < length ||
            memcmp(p->text + p->at, table[i].text, length) != 0)
            continue;
        p->at += length;
        return smiles_element(table[i].symbol, length);
    }
    return 0;
}

/* Atoms without brackets: B C N O P S F Cl Br I, aromatic ones, `*`. */
static bool parse_organic(struct parser *p)
{
    size_t length = 1;
    int number;

    if (take(p, '*')) {
        add_atom(p, 0);
        return true;
    }
    number = take_aromatic(p, false);
    if (number == 0 && strchr("BCNOPSFI", peek(p, 0))) {
        if ((peek(p, 0) == 'C' && peek(p, 1) == 'l') ||
            (peek(p, 0) == 'B' && peek(p, 1) == 'r'))
            length = 2;
        number = smiles_element(p->text + p->at, length);
        p->at += length;
    }
    if (number == 0 && smiles_element(p->text + p->at, 1) > 0)
        return bad_char(p, p->at, "an atom that needs brackets");
    if (number == 0)
        return bad_char(p, p->at, "not part of a SMILES");
    add_atom(p, number);
    return true;
}

/* The element inside a bracket: two letters if they are one, else one. */
static int take_symbol(struct parser *p)
{
    int number = 0;

    if (is_lower(peek(p, 0)))
        return take_aromatic(p, true);
    if (is_lower(peek(p, 1)) && (number = smiles_element(p->text + p->at, 2))) {
        p->at += 2;
        return number;
    }
    if (p->at < p->size && (number = smiles_element(p->text + p->at, 1)))
        p->at++;
    return number;
}

/* @, @@, or a class and its number: @TH1 @AL2 @SP3 @TB20 @OH30. */
static bool parse_chirality(struct parser *p)
{
    static const struct {
        char text[3];
        int most;
    } table[] = {{"TH", 2}, {"AL", 2}, {"SP", 3}, {"TB", 20}, {"OH", 30}};
    size_t start = p->at;

    if (!take(p, '@') || take(p, '@'))
        return true;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int number;

        /* "@H" is a chiral atom with a hydrogen; "@OH1" is octahedral. */
        if (peek(p, 0) != table[i].text[0] || peek(p, 1) != table[i].text[1])
            continue;
        p->at += 2;
        number = take_number(p, 2);
        if (number < 1 || number > table[i].most)
            return bad(p, start, "chirality @%s needs a number from 1 to %d",
                       table[i].text, table[i].most);
        break;
    }
    return true;
}

/* +, ++, +2, and the same with -. */
static bool parse_charge(struct parser *p)
{
    size_t start = p->at;
    char sign = peek(p, 0);
    int charge = 1;

    if (sign != '+' && sign != '-')
        return true;
    p->at++;
    if (is_digit(peek(p, 0))) {
        charge = take_number(p, 2);
    } else {
        while (take(p, sign))
            charge++;
    }
    if (charge > CHARGE_MAX)
        return bad(p, start, "the charge is beyond %d", CHARGE_MAX);
    return true;
}

/* [isotope? symbol chirality? hydrogens? charge? class?] */
static bool parse_bracket(struct parser *p)
{
    size_t open = p->at, symbol_at;
    int number = 0;

    p->at++;
    (void)take_number(p, 3);
    symbol_at = p->at;
    if (!take(p, '*') && (number = take_symbol(p)) == 0) {
        if (symbol_at >= p->size)
            return bad(p, open, "the bracket is never closed");
        return bad_char(p, symbol_at, "not the symbol of an element");
    }
    if (!parse_chirality(p))
        return false;
    if (take(p, 'H'))
        (void)take_number(p, 1);
    if (!parse_charge(p))
        return false;
    if (take(p, ':') && take_number(p, 4) < 0)
        return bad(p, p->at, "an atom class needs a number");
    if (p->at >= p->size)
        return bad(p, open, "the bracket is never closed");
    if (!take(p, ']'))
        return bad_char(p, p->at, "not possible here inside a bracket");
    add_atom(p, number);
    return true;
}

/* ---- bonds between them ---- */

static bool ends_atom(enum token token)
{
    return token == ATOM || token == RING || token == CLOSE;
}

static bool parse_bond(struct parser *p)
{
    if (!ends_atom(p->last) && p->last != OPEN)
        return bad_char(p, p->at, "a bond without an atom before it");
    p->bond = p->text[p->at++];
    p->last = BOND;
    return true;
}

static bool parse_open(struct parser *p)
{
    if (!ends_atom(p->last))
        return bad(p, p->at, "a branch opens without an atom before it");
    if (p->depth == BRANCH_MAX)
        return bad(p, p->at, "branches nest deeper than %d", BRANCH_MAX);
    p->branches[p->depth++] = (struct branch){p->atom, p->at};
    p->at++;
    p->rings_follow = false;
    p->last = OPEN;
    return true;
}

static bool parse_close(struct parser *p)
{
    if (p->depth == 0)
        return bad(p, p->at, "a branch closes that was never opened");
    if (!ends_atom(p->last))
        return bad(p, p->at, "a branch closes without an atom before");
    p->atom = p->branches[--p->depth].atom;
    p->at++;
    p->rings_follow = false;
    p->last = CLOSE;
    return true;
}

static bool parse_dot(struct parser *p)
{
    if (!ends_atom(p->last) && p->last != OPEN)
        return bad(p, p->at, "a dot without an atom before it");
    p->at++;
    p->atom = NO_ATOM;
    p->rings_follow = false;
    p->last = DOT;
    return true;
}

/* The same bond from both sides; / and \ differ by the side they look from. */
static bool bonds_agree(char a, char b)
{
    bool both_directed = (a == '/' || a == '\\') && (b == '/' || b == '\\');

    return a == 0 || b == 0 || a == b || both_directed;
}

/* A second bond between two atoms, or one from an atom to itself? */
static bool already_bound(const struct parser *p, int other)
{
    if (other == p->atom || other == p->parent)
        return true;
    for (size_t i = 0; i < p->closed_count; i++) {
        if (p->closed[i] == other)
            return true;
    }
    return false;
}

static bool close_ring(struct parser *p, int number, size_t at)
{
    struct ring *ring = &p->rings[number];

    if (already_bound(p, ring->atom))
        return bad(p, at, "ring bond %d joins atoms that are already joined",
                   number);
    if (!bonds_agree(ring->bond, p->bond))
        return bad(p, at, "ring bond %d is '%c' here and '%c' where it opens",
                   number, p->bond, ring->bond);
    p->closed[p->closed_count++] = ring->atom;
    ring->atom = NO_ATOM;
    return true;
}

/* 1 ... 9, 0, or %10 ... %99: the first opens, the second closes. */
static bool parse_ring(struct parser *p)
{
    size_t at = p->at;
    int number;

    if (!p->rings_follow)
        return bad(p, at, "a ring bond must directly follow its atom");
    if (take(p, '%')) {
        if (!is_digit(peek(p, 0)) || !is_digit(peek(p, 1)))
            return bad(p, at, "%% needs two digits");
        number = take_number(p, 2);
    } else {
        number = take_number(p, 1);
    }
    if (p->rings[number].atom == NO_ATOM)
        p->rings[number] = (struct ring){p->atom, p->bond, at};
    else if (!close_ring(p, number, at))
        return false;
    p->bond = 0;
    p->last = RING;
    return true;
}

/* ---- the whole ---- */

static bool parse_token(struct parser *p)
{
    char c = p->text[p->at];

    if (c == '\0')
        return bad_char(p, p->at, "not part of a SMILES");
    if (c == '[')
        return parse_bracket(p);
    if (c == '(')
        return parse_open(p);
    if (c == ')')
        return parse_close(p);
    if (c == '.')
        return parse_dot(p);
    if (is_digit(c) || c == '%')
        return parse_ring(p);
    if (strchr("-=#$:/\\", c))
        return parse_bond(p);
    return parse_organic(p);
}

static bool check_end(struct parser *p)
{
    if (p->last == START)
        return bad(p, 0, "the text is empty");
    if (p->last == BOND)
        return bad(p, p->size - 1, "a bond without an atom after it");
    if (p->last == DOT)
        return bad(p, p->size - 1, "a dot without an atom after it");
    if (p->depth > 0)
        return bad(p, p->branches[p->depth - 1].at,
                   "the branch is never closed");
    for (int i = 0; i < RING_COUNT; i++) {
        if (p->rings[i].atom != NO_ATOM)
            return bad(p, p->rings[i].at, "ring bond %d is never closed", i);
    }
    return true;
}

bool smiles_check(const char *text, size_t size, struct smiles_elements *found,
                  struct smiles_fault *fault)
{
    struct smiles_elements elements = {{0}};
    struct parser p = {.text = text,
                       .size = size,
                       .found = &elements,
                       .fault = fault,
                       .atom = NO_ATOM,
                       .parent = NO_ATOM};

    for (size_t i = 0; i < RING_COUNT; i++)
        p.rings[i].atom = NO_ATOM;
    while (p.at < p.size) {
        if (!parse_token(&p))
            return false;
    }
    if (!check_end(&p))
        return false;
    *found = elements;
    return true;
}
