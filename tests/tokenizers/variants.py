"""Tokenizer files put together from all components, on the reference files'
vocabularies: what those six do not use themselves."""
import copy
import json

CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = CL100K.replace("{1,3}", "")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+",
    r"\s+(?!\S)", r"\s+"])
BYTES = {"type": "ByteLevel", "add_prefix_space": False,
         "trim_offsets": True, "use_regex": False}


def sequence(key, *steps):
    return {"type": "Sequence", key: list(steps)}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior,
            "invert": invert}


def metaspace(**options):
    return {"type": "Metaspace", "replacement": "▁",
            "prepend_scheme": "always", "split": True, **options}


def added(file, content, **options):
    """Adds a token with its id in the vocabulary, or the next free one."""
    model = file["model"]["vocab"]
    used = max([len(model) - 1] + [t["id"] for t in file["added_tokens"]])
    file["added_tokens"].append({
        "id": model.get(content, used + 1), "content": content, "single_word": False,
        "lstrip": False, "rstrip": False, "normalized": True,
        "special": False, **options})


def bert_variants(base):
    norms = {
        "nfd-accents-lower": sequence(
            "normalizers", {"type": "NFD"}, {"type": "StripAccents"},
            {"type": "Lowercase"}),
        "nfc": {"type": "NFC"}, "nfkc": {"type": "NFKC"},
        "nfkd": {"type": "NFKD"}, "nmt": {"type": "Nmt"},
        "nfkc-lower-nfd": sequence(
            "normalizers", {"type": "NFKC"}, {"type": "Lowercase"},
            {"type": "NFD"}),
        "strip": {"type": "Strip", "strip_left": True, "strip_right": True},
        "prepend": {"type": "Prepend", "prepend": "xé"},
        "replace": sequence(
            "normalizers",
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "é"},
            {"type": "Replace", "pattern": {"String": "the"}, "content": ""},
            {"type": "Replace", "pattern": {"Regex": r"\d"}, "content": "00"}),
        "bert-no-clean": {"type": "BertNormalizer", "clean_text": False,
                          "handle_chinese_chars": True, "strip_accents": True,
                          "lowercase": False},
        "bert-accents-kept": {
            "type": "BertNormalizer", "clean_text": True,
            "handle_chinese_chars": False, "strip_accents": False,
            "lowercase": True},
    }
    for name, norm in norms.items():
        yield "bert " + name, {**base, "normalizer": norm}
    pres = {
        "whitespace": {"type": "Whitespace"},
        "whitespace-split": {"type": "WhitespaceSplit"},
        "digits": sequence("pretokenizers", {"type": "WhitespaceSplit"},
                           {"type": "Digits", "individual_digits": False}),
        "digits-each": sequence("pretokenizers",
                                {"type": "Digits", "individual_digits": True},
                                {"type": "BertPreTokenizer"}),
        "delimiter": {"type": "CharDelimiterSplit", "delimiter": "e"},
        "length": {"type": "FixedLength", "length": 3},
    }
    for behavior in ("Isolated", "Removed", "Contiguous",
                     "MergedWithPrevious", "MergedWithNext"):
        pres["punctuation " + behavior] = {"type": "Punctuation",
                                           "behavior": behavior}
        pres["split " + behavior] = split({"String": "e"}, behavior)
        pres["split spaces " + behavior] = split({"Regex": r"\s+"}, behavior)
        pres["split inverted " + behavior] = split(
            {"Regex": r"[a-zé\p{N}]+"}, behavior, True)
    for name, pre in pres.items():
        yield "bert " + name, {**base, "pre_tokenizer": pre}
    yield "bert processing", {**base, "post_processor": {
        "type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}}
    yield "bert no processor", {**base, "post_processor": None,
                                "decoder": None}
    for strategy in ("LongestFirst", "OnlyFirst"):
        for direction in ("Left", "Right"):
            yield f"bert cut {strategy} {direction}", {**base, "truncation": {
                "direction": direction, "max_length": 300 if strategy ==
                "OnlyFirst" else 20, "strategy": strategy, "stride": 3}}
    file = copy.deepcopy(base)
    added(file, "Brown fox")
    added(file, "dog", single_word=True, normalized=False)
    added(file, "jump", lstrip=True, rstrip=True)
    added(file, "<sep>", special=True, normalized=False, lstrip=True)
    added(file, "é", rstrip=True)
    yield "bert added", file


def level_variants(base):
    """WordLevel, on the words of BERT."""
    words = [w for w in base["model"]["vocab"] if not w.startswith("##")]
    model = {"type": "WordLevel", "unk_token": "[UNK]",
             "vocab": {w: i for i, w in enumerate(words)}}
    tokens = [{**t, "id": model["vocab"][t["content"]]}
              for t in base["added_tokens"]]
    yield "wordlevel", {**base, "model": model, "added_tokens": tokens,
                        "post_processor": None}


def byte_variants(base):
    for name, regex in (("cl100k", CL100K), ("qwen2", QWEN2),
                        ("o200k", O200K)):
        yield "gpt2 " + name, {**base, "normalizer": {"type": "NFC"},
                               "pre_tokenizer": sequence(
            "pretokenizers", split({"Regex": regex}), BYTES)}
    yield "gpt2 prefix", {**base, "pre_tokenizer": {
        **BYTES, "add_prefix_space": True, "use_regex": True}}
    yield "gpt2 no regex", {**base, "pre_tokenizer": BYTES}
    yield "gpt2 digits", {**base, "pre_tokenizer": sequence(
        "pretokenizers", {"type": "Digits", "individual_digits": True},
        {**BYTES, "use_regex": True})}
    yield "gpt2 bytes in the middle", {**base, "pre_tokenizer": sequence(
        "pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"},
        {**BYTES, "use_regex": True},
        {"type": "Digits", "individual_digits": False},
        split({"Regex": "[0-9][0-9][0-9]"}))}
    yield "gpt2 prefix in the middle", {**base, "pre_tokenizer": sequence(
        "pretokenizers",
        {**BYTES, "use_regex": True, "add_prefix_space": True},
        {"type": "Digits", "individual_digits": False})}
    yield "gpt2 normalizer", {**base, "normalizer": {"type": "ByteLevel"},
                              "pre_tokenizer": None}
    yield "gpt2 ignore merges", {**base, "model": {
        **base["model"], "ignore_merges": True}}
    for trim in (False, True):
        for prefix in (False, True):
            yield f"gpt2 trim {trim} {prefix}", {**base, "post_processor": {
                "type": "Sequence", "processors": [
                    {"type": "ByteLevel", "trim_offsets": trim,
                     "add_prefix_space": prefix, "use_regex": True},
                    {"type": "TemplateProcessing",
                     "single": [{"SpecialToken": {"id": "x", "type_id": 3}},
                                {"Sequence": {"id": "A", "type_id": 0}}],
                     "pair": [{"Sequence": {"id": "B", "type_id": 1}},
                              {"SpecialToken": {"id": "x", "type_id": 2}},
                              {"Sequence": {"id": "A", "type_id": 0}}],
                     "special_tokens": {"x": {
                         "id": "x", "ids": [50256, 5],
                         "tokens": ["<|endoftext|>", "&"]}}}]}}


def space_variants(t5, phi):
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"t5 metaspace {scheme} {cut}", {
                **t5, "normalizer": None, "pre_tokenizer": metaspace(
                    prepend_scheme=scheme, split=cut),
                "decoder": metaspace(prepend_scheme=scheme, split=cut)}
    yield "t5 first in sequence", {**t5, "pre_tokenizer": sequence(
        "pretokenizers", {"type": "WhitespaceSplit"},
        metaspace(prepend_scheme="first"))}
    vocab = t5["model"]["vocab"] + [[f"<0x{b:02X}>", -20.0]
                                    for b in range(256)]
    tokens = [t for t in t5["added_tokens"] if t["id"] < len(
        t5["model"]["vocab"])]
    yield "t5 fallback", {**t5, "added_tokens": tokens, "model": {
        "type": "Unigram", "unk_id": 2, "vocab": vocab,
        "byte_fallback": True}, "decoder": sequence(
        "decoders", {"type": "ByteFallback"}, metaspace())}
    yield "phi no fallback", {**phi, "model": {
        **phi["model"], "byte_fallback": False}}
    yield "phi unknown", {**phi, "model": {
        **phi["model"], "byte_fallback": False, "fuse_unk": False}}
    yield "phi metaspace", {**phi, "normalizer": None,
                            "pre_tokenizer": metaspace(split=False,
                                                       prepend_scheme="first")}
    for start, stop in ((2, 0), (0, 1)):
        yield f"phi strip {start} {stop}", {**phi, "decoder": {
            "type": "Strip", "content": "▁", "start": start, "stop": stop}}


def small_variants():
    """BPE with what is put around characters, and the decoders for it."""
    chars = "abcdefghijklmnopqrstuvwxyz"
    vocab = ["<unk>"] + list(chars) + [c + "</w>" for c in chars]
    merges = []
    for a, b in [("t", "h"), ("th", "e</w>"), ("i", "n"), ("e", "r</w>"),
                 ("o", "v"), ("ov", "er</w>"), ("q", "u"), ("o", "w"),
                 ("ow", "n</w>"), ("b", "r"), ("br", "own</w>")]:
        merges.append([a, b])
        vocab.append(a + b)
    base = {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [], "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
            "decoder": {"type": "BPEDecoder", "suffix": "</w>"}}
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>",
             "continuing_subword_prefix": None, "end_of_word_suffix": "</w>",
             "fuse_unk": False, "byte_fallback": False,
             "vocab": {t: i for i, t in enumerate(vocab)}, "merges": merges}
    yield "bpe suffix", {**base, "model": model}
    yield "bpe suffix fused", {**base, "model": {**model, "fuse_unk": True}}
    vocab = ["<unk>"] + list(chars) + ["@" + c for c in chars]
    merges = [["t", "@h"], ["th", "@e"], ["@o", "@w"], ["@ow", "@n"],
              ["o", "@v"], ["ov", "@e"]]
    vocab += ["th", "the", "@ow", "@own", "ov", "ove"]
    yield "bpe prefix", {**base, "decoder": {
        "type": "WordPiece", "prefix": "@", "cleanup": False}, "model": {
        **model, "continuing_subword_prefix": "@", "end_of_word_suffix": None,
        "vocab": {t: i for i, t in enumerate(vocab)}, "merges": merges}}
    yield "ctc", {**base, "model": model, "decoder": {
        "type": "CTC", "pad_token": "<unk>", "word_delimiter_token": "a",
        "cleanup": True}}


def all_variants(root):
    files = {name: json.loads((root / name / "tokenizer.json")
                              .read_text("utf-8"))
             for name in ("bert-base-uncased", "gpt2", "t5-small",
                          "phi-3-mini")}
    yield from bert_variants(files["bert-base-uncased"])
    yield from level_variants(files["bert-base-uncased"])
    yield from byte_variants(files["gpt2"])
    yield from space_variants(files["t5-small"], files["phi-3-mini"])
    yield from small_variants()
