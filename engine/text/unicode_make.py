#!/usr/bin/env python3
"""Writes unicode_bits.inc and unicode_table.inc: what Hugging Face's library thinks of every code
point, asked of the library itself.

Its parts carry Unicode tables of different ages (its categories are of
Unicode 8, its normalization of 12, its regular expressions of 16), so no one
library has them all. Here each property is asked of the component that uses
it, for all of Unicode, once; needs `tokenizers` (see tests/bench/requirements.txt)
and libutf8proc, against which normalization is compared.

    python3 unicode_make.py
"""
import ctypes
import pathlib
import sys

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
BLOCK = 128

utf8proc = ctypes.CDLL("libutf8proc.so.2")
utf8proc.utf8proc_unicode_version.restype = ctypes.c_char_p
utf8proc.utf8proc_decompose_char.restype = ctypes.c_ssize_t


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_uint16), ("ccc", ctypes.c_uint16)]


utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)
utf8proc.utf8proc_grapheme_break.restype = ctypes.c_bool


def where(ask):
    """The code points for which ask(character) holds."""
    return {c for c in ALL if ask(chr(c))}


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False,
               strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **on}).normalize_str


def splits(pre):
    """Does the pre-tokenizer cut the character off a letter?"""
    return where(lambda c: len(pre.pre_tokenize_str("a" + c)) == 2)


def joins(pre):
    def ask(c):
        parts = pre.pre_tokenize_str("a" + c)
        return len(parts) == 1 and len(parts[0][0]) == 2
    return where(ask)


def drops(pre):
    def ask(c):
        parts = pre.pre_tokenize_str("a" + c)
        return len(parts) == 1 and len(parts[0][0]) == 1
    return where(ask)


def regex(cls):
    """The members of a class of the library's regular expressions."""
    pre = pre_tokenizers.Split(Regex(cls + "+"), "removed", invert=True)
    found = set()
    for i in range(0, len(ALL), 5000):
        text = "".join(map(chr, ALL[i:i + 5000]))
        for part, _ in pre.pre_tokenize_str(text):
            found.update(map(ord, part))
    return found


def decomposed(c, compatible):
    room = (ctypes.c_int32 * 32)()
    state = ctypes.c_int(0)
    options = (1 << 4) | ((1 << 2) if compatible else 0)
    size = utf8proc.utf8proc_decompose_char(c, room, 32, options,
                                            ctypes.byref(state))
    return "".join(chr(room[i]) for i in range(size))


def combining_class(c):
    return utf8proc.utf8proc_get_property(c).contents.ccc


def forms():
    """NFD ... of each character, and the characters that are newer than the
    library's normalization: those it leaves alone, utf8proc does not."""
    d, c, kd, kc = (f().normalize_str for f in (
        normalizers.NFD, normalizers.NFC, normalizers.NFKD, normalizers.NFKC))
    newer = where(lambda x: d(x) == x and decomposed(ord(x), False) != x or
                  kd(x) == x and decomposed(ord(x), True) != x)
    for x in ALL:
        if d(chr(x)) != chr(x) and d(chr(x)) != decomposed(x, False) or \
                kd(chr(x)) != chr(x) and kd(chr(x)) != decomposed(x, True):
            sys.exit(f"U+{x:04X} decomposes to something else")
        # U+0334 has class 1, U+0345 class 240: one of them moves.
        if combining_class(x) and d(chr(x)) == chr(x):
            low, high = "a" + chr(x) + "\u0334", "a\u0345" + chr(x)
            if d(low) == low and d(high) == high:
                newer.add(x)
    marks = {x for x in ALL if combining_class(x) and x not in newer}
    trailing = {ord(d(chr(x))[-1]) for x in ALL if len(d(chr(x))) > 1}
    trailing |= set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    return newer, {
        "NFD": where(lambda x: d(x) != x) | marks,
        "NFC": where(lambda x: c(x) != x) | marks | trailing,
        "NFKD": where(lambda x: kd(x) != x) | marks,
        "NFKC": where(lambda x: kc(x) != x) | marks | trailing}


def graphemes():
    """Which characters continue, open or end a grapheme cluster: utf8proc's
    (Unicode 15) and those that came since."""
    br = utf8proc.utf8proc_grapheme_break
    extend = {c for c in ALL if c >= 0x80 and not br(0xAA, c)}
    extend |= {0x897, *range(0x1ACF, 0x1ADE), *range(0x1AE0, 0x1AEC)}
    prepend = {c for c in ALL if not br(c, 0x41)} - {0x11A3A} | {0x113D1}
    return extend, prepend, {c for c in ALL if br(c, 0x301)}


def lower():
    low = normalizers.Lowercase().normalize_str
    plain = {c: low(chr(c)) for c in ALL}
    cased = {c for c in ALL if plain[c] != chr(c)}
    newer = [(c, ord(plain[c])) for c in sorted(cased)
             if len(plain[c]) == 1 and
             ord(plain[c]) != utf8proc.utf8proc_tolower(c)]
    if [c for c in cased if len(plain[c]) > 1] != [0x130]:
        sys.exit("another letter than U+0130 has a long lower case")
    return cased, newer


def properties():
    newer, form = forms()
    extend, prepend, breaks = graphemes()
    cased, pairs = lower()
    clean = bert(clean_text=True)
    return pairs, [
        ("LETTER", r"\p{L} of regular expressions", regex(r"\p{L}")),
        ("NUMBER", r"\p{N} of regular expressions", regex(r"\p{N}")),
        ("DIGIT", r"\d of regular expressions", regex(r"\d")),
        ("SPACE", r"White_Space, \s",
         drops(pre_tokenizers.WhitespaceSplit())),
        ("CONTROL", "dropped by BertNormalizer",
         where(lambda c: clean(c) == "")),
        ("PUNCT", "Punctuation and BertPreTokenizer",
         splits(pre_tokenizers.Punctuation())),
        ("NONSPACING", "Mn of BertNormalizer",
         where(lambda c: bert(strip_accents=True)(c) == "")),
        ("MARK", "M of StripAccents",
         where(lambda c: normalizers.StripAccents().normalize_str(c) == "")),
        ("CJK", "spaced out by BertNormalizer",
         where(lambda c: bert(handle_chinese_chars=True)(c) != c)),
        ("NUMERIC", "Digits", splits(pre_tokenizers.Digits())),
        ("WORD", r"\w of Whitespace and single_word",
         joins(pre_tokenizers.Whitespace())),
        ("UPPER", r"\p{Lu}, \p{Lt}", regex(r"[\p{Lu}\p{Lt}]")),
        ("LOWER", r"\p{Ll}", regex(r"\p{Ll}")),
        ("REGEX_MARK", r"\p{M}", regex(r"\p{M}")),
        ("REGEX_PUNCT", r"\p{P}", regex(r"\p{P}")),
        ("REGEX_SYMBOL", r"\p{S}", regex(r"\p{S}")),
        ("NEWER", "normalization does not know it", newer),
        ("EXTEND", "continues a grapheme cluster", extend),
        ("PREPEND", "draws the next character into its cluster", prepend),
        ("BREAK", "nothing continues it", breaks),
        ("CASED", "has another lower case", cased),
        ("NFD", "NFD must look at it", form["NFD"]),
        ("NFC", "NFC must look at it", form["NFC"]),
        ("NFKD", "NFKD must look at it", form["NFKD"]),
        ("NFKC", "NFKC must look at it", form["NFKC"]),
    ]


def rows(numbers, form, each):
    return "\n".join("    " + " ".join(form % n for n in numbers[i:i + each])
                     for i in range(0, len(numbers), each))


def write(name, text):
    head = f"""/*
 * Made by unicode_make.py from tokenizers {tokenizers.__version__} and utf8proc of
 * Unicode {utf8proc.utf8proc_unicode_version().decode()}; do not edit.
 */
"""
    pathlib.Path(__file__).with_name(name).write_text(head + text)


def tables(pairs, value):
    combos = sorted(set(value))
    number = {v: i for i, v in enumerate(combos)}
    blocks, index = {}, []
    for i in range(0, len(value), BLOCK):
        block = tuple(number[v] for v in value[i:i + BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    if len(combos) > 256 or len(blocks) > 0xFFFF:
        sys.exit("the tables need wider types")
    lines = "\n".join("    {" + ",".join(map(str, b)) + "}," for b in blocks)
    lower_case = "\n".join(f"    {{0x{c:x}, 0x{l:x}}}," for c, l in pairs)
    return f"""const uint32_t uc_combos[] = {{
{rows(combos, "0x%x,", 7)}
}};

const uint16_t uc_index[] = {{
{rows(index, "%d,", 14)}
}};

const uint8_t uc_blocks[][{BLOCK}] = {{
{lines}
}};

/* Lower case that utf8proc does not have. */
static const uint32_t uc_lower_newer[][2] = {{
{lower_case}
}};
"""


def main():
    pairs, table = properties()
    value = [0] * 0x110000
    for bit, (_, _, members) in enumerate(table):
        for c in members:
            value[c] |= 1 << bit
    bits = "\n".join(f"    UC_{name} = 1 << {bit}, /* {says} */"
                     for bit, (name, says, _) in enumerate(table))
    write("unicode_bits.inc", f"enum uc_bit {{\n{bits}\n}};\n")
    write("unicode_table.inc", tables(pairs, value))


if __name__ == "__main__":
    main()
