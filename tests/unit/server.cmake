# The server's own parts, apart from bundles and pipeline.
unit_test(config
  SOURCES unit/test_config.c ${PROJECT_SOURCE_DIR}/server/config.c LIBS base)
target_include_directories(test_config PRIVATE ${PROJECT_SOURCE_DIR}/server)

unit_test(banner
  SOURCES unit/test_banner.c ${PROJECT_SOURCE_DIR}/server/banner.c LIBS base)
target_include_directories(test_banner PRIVATE ${PROJECT_SOURCE_DIR}/server)

# The Open Inference Protocol's codecs.
unit_test(oip SOURCES unit/test_oip.c LIBS server_core)
fuzz_test(oip SOURCES fuzz/fuzz_oip.c LIBS server_core
          SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/data/oip/json
                ${CMAKE_CURRENT_SOURCE_DIR}/data/oip/binary
                ${CMAKE_CURRENT_SOURCE_DIR}/data/oip/strings)
