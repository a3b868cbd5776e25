# The engine: unit tests, operators against ONNX's own cases, whole models.
add_executable(engine_check unit/engine_check.c
  ${PROJECT_SOURCE_DIR}/server/commands/check.c)
target_include_directories(engine_check PRIVATE ${PROJECT_SOURCE_DIR}/server)
target_link_libraries(engine_check PRIVATE engine)
