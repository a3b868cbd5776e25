# The server's own parts, apart from bundles and pipeline.
unit_test(config
  SOURCES unit/test_config.c ${PROJECT_SOURCE_DIR}/server/config.c LIBS base)
target_include_directories(test_config PRIVATE ${PROJECT_SOURCE_DIR}/server)

unit_test(banner
  SOURCES unit/test_banner.c ${PROJECT_SOURCE_DIR}/server/banner.c LIBS base)
target_include_directories(test_banner PRIVATE ${PROJECT_SOURCE_DIR}/server)
