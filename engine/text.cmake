# text: tokenizers, see text/tokenizer.h
add_library(text STATIC
  text/tokenizer.c text/tokenizer_load.c text/tokenizer_open.c)
target_include_directories(text PUBLIC text)
target_link_libraries(text PUBLIC base PRIVATE PkgConfig::JANSSON)
