# The engine: unit tests, operators against ONNX's own cases, whole models.
unit_test(half SOURCES unit/test_half.c LIBS base)
unit_test(team SOURCES unit/test_team.c LIBS engine)
unit_test(kernel_rows SOURCES unit/test_kernel_rows.c LIBS engine)
unit_test(kernel_map SOURCES unit/test_kernel_map.c LIBS engine)
unit_test(kernel_gemm_f32 SOURCES unit/test_kernel_gemm_f32.c LIBS engine)
unit_test(kernel_gemm_i8 SOURCES unit/test_kernel_gemm_i8.c LIBS engine)
unit_test(kernel_depth_i8 SOURCES unit/test_kernel_depth_i8.c LIBS engine)
unit_test(kernel_head SOURCES unit/test_kernel_head.c LIBS engine)
unit_test(kernel_blocked SOURCES unit/test_kernel_blocked.c LIBS engine)
unit_test(ragged SOURCES unit/test_ragged.c LIBS engine)
unit_test(passes SOURCES unit/test_passes.c unit/graph_text.c LIBS engine)
unit_test(engine SOURCES unit/test_engine.c LIBS engine)
unit_test(hf SOURCES unit/test_hf.c LIBS engine)
unit_test(engine_int8 SOURCES unit/test_engine_int8.c LIBS engine)
scarce_test(engine_memory SOURCES unit/test_engine_memory.c LIBS engine)
unit_test(engine_pack SOURCES unit/test_engine_pack.c LIBS engine)
unit_test(engine_conv SOURCES unit/test_engine_conv.c LIBS engine)
unit_test(engine_blocked SOURCES unit/test_engine_blocked.c LIBS engine)

add_executable(engine_check unit/engine_check.c
  ${PROJECT_SOURCE_DIR}/server/commands/check.c)
target_include_directories(engine_check PRIVATE ${PROJECT_SOURCE_DIR}/server)
target_link_libraries(engine_check PRIVATE engine)

if(NOT SANITIZE STREQUAL "thread") # one thread each
  file(GLOB op_folders CONFIGURE_DEPENDS LIST_DIRECTORIES true
       ${CMAKE_CURRENT_SOURCE_DIR}/ops/*)
  foreach(folder ${op_folders})
    get_filename_component(op ${folder} NAME)
    if(IS_DIRECTORY ${folder})
      add_test(NAME ops.${op} COMMAND engine_check ${folder})
    endif()
  endforeach()
  add_test(NAME ops.models
           COMMAND engine_check ${CMAKE_CURRENT_SOURCE_DIR}/data/models)
  add_test(NAME ops.hf COMMAND engine_check --rtol 4e-6
           ${CMAKE_CURRENT_SOURCE_DIR}/data/hf)
  script_test(ops.conformance python3
    ${CMAKE_CURRENT_SOURCE_DIR}/conformance/run.py $<TARGET_FILE:engine_check>)
endif()

file(GLOB seeds data/malformed/*.onnx data/models/*/model.onnx
     ops/if/*/model.onnx ops/loop/*/model.onnx ops/scan/*/model.onnx)
fuzz_test(onnx SOURCES fuzz/fuzz_onnx.c LIBS engine SEEDS ${seeds})
file(GLOB hf_seeds data/hf_seeds/*)
fuzz_test(hf SOURCES fuzz/fuzz_hf.c LIBS engine SEEDS ${hf_seeds})
