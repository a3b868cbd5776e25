# text: tokenizers, see text/tokenizer.h
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
add_library(text STATIC
  text/added_tokens.c text/byte_level.c text/decode.c text/decoders.c
  text/encode.c text/load.c text/load_bpe.c text/load_decoders.c
  text/load_model.c text/load_normalizers.c text/load_post.c
  text/load_pre_tokenizers.c text/load_tokens.c text/load_vocab.c text/model_bpe.c
  text/model_bpe_long.c text/model_bpe_queue.c
  text/model_unigram.c text/model_words.c
  text/normal_text.c text/normalize.c text/normalize_bert.c
  text/normalize_charsmap.c
  text/normalize_forms.c text/pattern.c text/pattern_words.c text/post.c
  text/split.c text/split_matches.c text/split_rewrite.c text/text.c
  text/tokenizer.c text/tokenizer_open.c text/trie.c text/unicode.c
  text/vocab.c)
target_include_directories(text PUBLIC text)
target_link_libraries(text PUBLIC base
  PRIVATE PkgConfig::JANSSON PkgConfig::UTF8PROC)
# gcc's -O2 keeps small loops rolled; these run per byte of text.
target_compile_options(text PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
