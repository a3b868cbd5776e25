"""Texts that find faults: many scripts, emoji, marks, controls, spaces, code,
long runs, and code points from all of Unicode. Same seed, same texts."""
import random

SAMPLES = [
    "The quick brown fox jumps over the lazy dog. ", "don't we'll I'M they've ",
    "Größe, Straße, çà et là, naïve façade, œuvre. ", "İstanbul ıIiİ ǅ ŉ ß ẞ ",
    "Съешь же ещё этих мягких французских булок. ", "Ελλάδα, ΑΣΦΑΛΗΣ Σίσυφος ",
    "日本語のテキストを分かち書きする。", "中文分词测试，繁體字與简体字。", "한국어 토큰화 검사 각하 ",
    "नमस्ते दुनिया क्षत्रिय ", "สวัสดีชาวโลก ", "שלום עולם, שָׁלוֹם ", "مرحبا بالعالم ﷺ ﷲ ",
    "ქართული ენა ", "հայերեն ", "አማርኛ ", "தமிழ் மொழி ", "ភាសាខ្មែរ ", "བོད་སྐད་ ", "ไทย๑๒๓ ",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️‍🔥 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ", "½ ¼ ² ³ ① Ⅷ ㎏ ﬁ ﬂ ™ ℃ ㍿ ｆｕｌｌ ｗｉｄｔｈ ｶﾞ ",
    "for (int i = 0; i < n; ++i) { x[i] += 0x1F; } // done\n\tif (a&&b) return -1;\n",
    "def f(x: int) -> str:\n    return f'{x!r}'\n\n", '{"key": [1, 2.5e-3, null], "b": "\\u00e9"}',
    "https://example.org/a/b?c=d&e=%20f#g user@host ", "$1,234.56 10-20% 3.14159 1234567890 ",
    "CamelCaseWords andSnake_case_words HTMLParser XMLHttpRequest ", "a  b   c    d     ",
    "\r\n\r\n \n\t\n", "\u00a0\u2003\u3000\u200b\ufeff", "e\u0301 o\u0308\u0323 a\u0323\u0302 \u0344 \u212b ",
    "q\u0307\u0323\u0307\u0323 ", "\x00\x01\x1f\x7f\x85\u00ad", "\ufffd\uffff\U0010ffff ", "…—–‘’“”«»„ ",
    "[CLS] [SEP] [MASK] <s> </s> <unk> <pad> <mask> <|endoftext|> <extra_id_0> ",
    "▁ ▁▁ ## ##ing Ġ Ċ ", "'s 't 'RE 'Ll 'ſ 'x ' '' ",
]
ALPHABETS = [
    (0x20, 0x7F), (0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x250), (0x250, 0x530), (0x300, 0x370), (0x530, 0x700),
    (0x900, 0xE00), (0x1100, 0x1200), (0x1E00, 0x2070), (0x2000, 0x2070), (0x2100, 0x2200), (0x3040, 0x3100),
    (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xF900, 0xFE70), (0xFE00, 0x10000), (0x10000, 0x20000),
    (0x1F300, 0x1FB00), (0, 0x20), (0, 0x110000),
]


def character(rng, low, high):
    cp = rng.randrange(low, high)
    return chr(cp) if not 0xD800 <= cp < 0xE000 else "?"


def part(rng):
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(SAMPLES)
    if kind < 0.6:
        sample = rng.choice(SAMPLES)
        at = rng.randrange(len(sample))
        return sample[at:at + rng.randrange(1, 12)]
    if kind < 0.9:
        low, high = rng.choice(ALPHABETS)
        return "".join(character(rng, low, high)
                       for _ in range(rng.randrange(1, 12)))
    if kind < 0.95:
        return rng.choice("aA =-.\n\t0é中\u0301\u0323▁") * rng.randrange(1, 60)
    return " " * rng.randrange(1, 6)


def text(rng, size):
    """About `size` characters."""
    parts, length = [], 0
    while length < size:
        parts.append(part(rng))
        length += len(parts[-1])
    return "".join(parts)


def texts(seed, total_bytes, longest=2000):
    """Texts of all lengths, together at least `total_bytes` of UTF-8."""
    rng = random.Random(seed)
    found, size = ["", " ", "\n", "a"], 0
    while size < total_bytes:
        found.append(text(rng, int(longest ** rng.random())))
        size += len(found[-1].encode())
    return found
