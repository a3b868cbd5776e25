# What speed is measured with; see README.md.
add_executable(bench_predict bench/bench_predict.c)
target_link_libraries(bench_predict PRIVATE engine text)
add_executable(bench_tokenizers bench/bench_tokenizers.c)
target_link_libraries(bench_tokenizers PRIVATE text)
add_executable(bench_gemm_i8 bench/bench_gemm_i8.c)
target_link_libraries(bench_gemm_i8 PRIVATE engine)
add_executable(bench_gemm_f32 bench/bench_gemm_f32.c)
target_link_libraries(bench_gemm_f32 PRIVATE engine)

# In small numbers a test: memory stays flat over shapes, runs and loads.
add_executable(bench_steady bench/bench_steady.c)
target_link_libraries(bench_steady PRIVATE engine)
if(SANITIZE STREQUAL "")
  script_test(unit.engine_steady bench_steady
    ${PROJECT_SOURCE_DIR}/models/solubility/model.onnx 200 6000 40)
endif()
add_executable(bench_beside bench/bench_beside.c)
target_link_libraries(bench_beside PRIVATE engine)
add_executable(bench_ragged bench/bench_ragged.c)
target_link_libraries(bench_ragged PRIVATE engine)
