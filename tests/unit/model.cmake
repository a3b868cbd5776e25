# Tokenizer, SMILES and pipeline.
unit_test(tokenizer SOURCES unit/test_tokenizer.c
  LIBS text PkgConfig::JANSSON)

set(SERVER ${PROJECT_SOURCE_DIR}/server)
unit_test(bpe_queue SOURCES unit/test_bpe_queue.c LIBS text)
unit_test(smiles SOURCES unit/test_smiles.c ${SERVER}/pipeline/smiles.c
  LIBS base)
target_include_directories(test_smiles PRIVATE ${SERVER}/pipeline)

# The pipeline and the bundles it is made from, without the rest of the server.
file(GLOB BUNDLE_SOURCES CONFIGURE_DEPENDS ${SERVER}/bundle*.c)
file(GLOB PIPELINE_SOURCES CONFIGURE_DEPENDS ${SERVER}/pipeline/*.c)
add_library(pipeline_only STATIC
  ${SERVER}/pipeline.c ${SERVER}/ports.c ${PIPELINE_SOURCES} ${BUNDLE_SOURCES})
target_include_directories(pipeline_only
  PUBLIC ${SERVER} ${SERVER}/door ${PROJECT_SOURCE_DIR}/engine)
target_link_libraries(pipeline_only PUBLIC doc identity text image wire gen base)

unit_test(pipeline SOURCES unit/test_pipeline.c unit/pipeline_fixture.c
  unit/fake_engine.c unit/fake_solubility.c LIBS pipeline_only)
unit_test(feed SOURCES unit/test_feed.c unit/pipeline_fixture.c
  unit/fake_engine.c LIBS pipeline_only)
unit_test(columns SOURCES unit/test_columns.c unit/pipeline_fixture.c
  unit/fake_engine.c LIBS pipeline_only)
unit_test(image SOURCES unit/test_image.c LIBS image)
file(GLOB seeds data/images/*.png data/images/*.jpg)
fuzz_test(image SOURCES fuzz/fuzz_image.c LIBS image ZLIB::ZLIB SEEDS ${seeds})
unit_test(steps SOURCES unit/test_steps.c unit/pipeline_fixture.c
  unit/fake_engine.c LIBS pipeline_only)

unit_test(tokenize_command
  SOURCES unit/test_tokenize_command.c ${SERVER}/commands/tokenize.c
  LIBS text PkgConfig::JANSSON)
target_include_directories(test_tokenize_command PRIVATE ${SERVER})

unit_test(tokenizer_use SOURCES unit/test_tokenizer_use.c LIBS text)

file(GLOB seeds CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/tokenizers/*)
fuzz_test(tokenizer SOURCES fuzz/fuzz_tokenizer.c LIBS text SEEDS ${seeds})

# Reference tokenizers: stored vectors, and random texts against the original.
if(NOT SANITIZE STREQUAL "thread") # they are one thread's work
  script_test(e2e.tokenizer_vectors ${PYTHON}
    ${CMAKE_CURRENT_SOURCE_DIR}/tokenizers/vectors.py)
endif()
if(SANITIZE STREQUAL "")
  script_test(e2e.tokenizer_differential ${PYTHON}
    ${CMAKE_CURRENT_SOURCE_DIR}/tokenizers/differential.py)
endif()
