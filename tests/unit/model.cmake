# Tokenizer, SMILES and pipeline.
unit_test(tokenizer SOURCES unit/test_tokenizer.c
  LIBS text PkgConfig::JANSSON)
