/*
 * Names: see names.h.
 */
#include "names.h"

#include <ctype.h>
#include <string.h>

/* Words that protoc-c appends "_" to. `restrict` is not among them, which is
 * why cg_name_hazard() refuses it. */
static const char *const keywords[] = {
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "const_cast",
    "continue",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "not",
    "not_eq",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

/* Taken by protoc-c's structs, by C or by errno.h. */
static const char *const hazards[] = {
    "base",  "restrict", "errno", "descriptor", "unknown_fields",
    "linux", "unix",     "self",  "none",
};

static bool is_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* ASCII only, whatever the locale. */
static char to_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        c |= 0x20;
    return c;
}

static char to_upper(char c)
{
    if (c >= 'a' && c <= 'z')
        c &= ~0x20;
    return c;
}

/* A "_" goes before an upper-case letter that follows another character. */
static char *split(struct cg_ir *ir, const char *name, char (*change)(char))
{
    char *out = cg_zalloc(ir, 2 * strlen(name) + 1, 1);
    bool was_upper = true; /* no "_" at the start */
    size_t at = 0;

    for (; *name; name++) {
        bool upper = to_lower(*name) != *name;

        if (upper && !was_upper)
            out[at++] = '_';
        out[at++] = change(*name);
        was_upper = upper;
    }
    return out;
}

char *cg_snake(struct cg_ir *ir, const char *name)
{
    return split(ir, name, to_lower);
}

char *cg_upper(struct cg_ir *ir, const char *name)
{
    return split(ir, name, to_upper);
}

char *cg_pascal(struct cg_ir *ir, const char *name)
{
    char *out = cg_zalloc(ir, strlen(name) + 1, 1);
    bool up = true;
    size_t at = 0;

    for (; *name; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        out[at] = *name;
        if (up)
            out[at] = to_upper(*name);
        at++;
        up = false;
    }
    return out;
}

char *cg_camel(struct cg_ir *ir, const char *name)
{
    char *out = cg_pascal(ir, name);

    if (name[0] != '_')
        out[0] = name[0];
    return out;
}

char *cg_word(struct cg_ir *ir, const char *text)
{
    char *out = cg_text(ir, "%s", text);

    for (char *c = out; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    return out;
}

/* Applies `change` to each part between dots and joins them with "__". */
static char *join_parts(struct cg_ir *ir, const char *full,
                        char *(*change)(struct cg_ir *, const char *))
{
    const char *dot = strchr(full, '.');

    if (!dot)
        return change(ir, full);
    return cg_text(ir, "%s__%s",
                   change(ir, cg_text(ir, "%.*s", (int)(dot - full), full)),
                   join_parts(ir, dot + 1, change));
}

char *cg_c_type(struct cg_ir *ir, const char *full)
{
    return join_parts(ir, full, cg_pascal);
}

char *cg_c_base(struct cg_ir *ir, const char *full)
{
    return join_parts(ir, full, cg_snake);
}

char *cg_c_upper(struct cg_ir *ir, const char *full)
{
    return join_parts(ir, full, cg_upper);
}

char *cg_c_member(struct cg_ir *ir, const char *name)
{
    char *lower = cg_text(ir, "%s", name);

    for (char *c = lower; *c; c++)
        *c = to_lower(*c);
    if (is_in(keywords, sizeof keywords / sizeof *keywords, lower))
        return cg_text(ir, "%s_", lower);
    return lower;
}

char *cg_c_identifier(struct cg_ir *ir, const char *name)
{
    static const char *const macros[] = {
        "restrict", "errno", "NULL", "offsetof", "stdin",  "stdout",
        "stderr",   "_Bool", "unix", "linux",    "assert", "EOF"};
    bool taken = is_in(keywords, sizeof keywords / sizeof *keywords, name) ||
                 is_in(macros, sizeof macros / sizeof *macros, name);

    return cg_text(ir, "%s%s", name, taken ? "_" : "");
}

/* Keywords of Python that are lower case, and what our own classes define. */
static const char *const python_words[] = {
    "and",      "as",    "assert", "async",     "await",  "break",   "class",
    "continue", "def",   "del",    "elif",      "else",   "except",  "extra",
    "finally",  "for",   "from",   "from_json", "global", "if",      "import",
    "in",       "is",    "lambda", "nonlocal",  "not",    "options", "or",
    "pass",     "raise", "raw",    "return",    "self",   "to_json", "try",
    "while",    "with",  "yield",
};

char *cg_py_member(struct cg_ir *ir, const char *name)
{
    if (is_in(python_words, sizeof python_words / sizeof *python_words, name))
        return cg_text(ir, "%s_", name);
    return cg_word(ir, name);
}

char *cg_error_class(struct cg_ir *ir, const char *code)
{
    static const char tail[] = "_error";
    char *lower = cg_text(ir, "%s", code);
    size_t length = strlen(lower);

    for (char *c = lower; *c; c++)
        *c = to_lower(*c);
    if (length >= sizeof tail &&
        strcmp(lower + length - (sizeof tail - 1), tail) == 0)
        lower[length - (sizeof tail - 1)] = '\0';
    return cg_text(ir, "%sError", cg_pascal(ir, lower));
}

/* "v1", "v2beta1": a version, as the last part of a package. */
static bool is_version(const char *part)
{
    return part[0] == 'v' && isdigit((unsigned char)part[1]);
}

char *cg_proto_path(struct cg_ir *ir, const char *package, const char *file)
{
    const char *last = strrchr(package, '.');
    const char *name = last;
    char *folder;

    if (!last || !is_version(last + 1))
        return cg_text(ir, "%s", file);
    while (name > package && name[-1] != '.')
        name--;
    folder = cg_text(ir, "%s", package);
    for (char *c = folder; *c; c++)
        if (*c == '.')
            *c = '/';
    return cg_text(ir, "%s/%.*s.proto", folder, (int)(last - name), name);
}

bool cg_is_snake(const char *name)
{
    if (!islower((unsigned char)*name))
        return false;
    for (; *name; name++) {
        if (*name == '_' && (name[1] == '_' || !name[1]))
            return false;
        if (*name != '_' && !islower((unsigned char)*name) &&
            !isdigit((unsigned char)*name))
            return false;
    }
    return true;
}

bool cg_is_pascal(const char *name)
{
    if (!isupper((unsigned char)*name))
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name))
            return false;
    return true;
}

const char *cg_name_hazard(const char *name)
{
    if (is_in(hazards, sizeof hazards / sizeof *hazards, name))
        return "is taken in the generated code";
    if (strncmp(name, "n_", 2) == 0 || strncmp(name, "has_", 4) == 0)
        return "looks like a counter or presence flag of protoc-c";
    return NULL;
}
