# The server's own parts, apart from bundles and pipeline.
unit_test(config
  SOURCES unit/test_config.c ${PROJECT_SOURCE_DIR}/server/config.c LIBS base)
target_include_directories(test_config PRIVATE ${PROJECT_SOURCE_DIR}/server)
