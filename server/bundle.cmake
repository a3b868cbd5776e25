# bundle: a model's documents; see bundle.h
add_library(bundle STATIC
  ${CMAKE_CURRENT_LIST_DIR}/bundle.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_check.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_check_examples.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_check_files.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_check_signature.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_fields.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_files.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_load.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_model.c
  ${CMAKE_CURRENT_LIST_DIR}/bundle_read.c)
target_include_directories(bundle PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(bundle PUBLIC doc engine PRIVATE gen)
