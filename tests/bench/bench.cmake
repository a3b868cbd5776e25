# What speed is measured with; see README.md. Nothing here is a test.
add_executable(bench_predict bench/bench_predict.c)
target_link_libraries(bench_predict PRIVATE engine text)
add_executable(bench_gemm_i8 bench/bench_gemm_i8.c)
target_link_libraries(bench_gemm_i8 PRIVATE engine)
add_executable(bench_gemm_f32 bench/bench_gemm_f32.c)
target_link_libraries(bench_gemm_f32 PRIVATE engine)
