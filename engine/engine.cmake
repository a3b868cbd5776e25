# engine: loads and runs models; engine.h is all that others see of it.
find_library(DNNL_LIBRARY dnnl REQUIRED)
# The OpenMP run time that Debian's oneDNN brings along; clang has no omp.h.
find_library(GOMP_LIBRARY NAMES libgomp.so.1 REQUIRED)

file(GLOB engine_ops CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/ops/*.c)
file(GLOB engine_onednn CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/onednn/*.c)
file(GLOB engine_passes CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/passes/*.c)

add_library(engine STATIC
  exec.c graph.c infer.c model.c onnx_load.c onnx_load_graph.c
  onnx_load_tensor.c onnx_load_wire.c plan.c plan_cache.c plan_layout.c
  tensor.c ${engine_ops} ${engine_onednn} ${engine_passes})
# a * b + c may be one instruction: more exact, and twice as fast.
target_compile_options(engine PRIVATE -ffp-contract=fast)
# gcc's -O2 leaves loops of unknown length scalar.
target_compile_options(engine PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
target_include_directories(engine PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(engine
  PUBLIC base
  PRIVATE gen_onnx ${DNNL_LIBRARY} ${GOMP_LIBRARY})
