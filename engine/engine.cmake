# engine: loads and runs models; engine.h is all that others see of it.
find_library(DNNL_LIBRARY dnnl REQUIRED)
# The OpenMP run time that Debian's oneDNN brings along; clang has no omp.h.
find_library(GOMP_LIBRARY NAMES libgomp.so.1 REQUIRED)

file(GLOB engine_ops CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/ops/*.c)
file(GLOB engine_onednn CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/onednn/*.c)
file(GLOB engine_passes CONFIGURE_DEPENDS
     ${CMAKE_CURRENT_SOURCE_DIR}/passes/*.c)

# The kernels: every file once for each instruction set, see kernel/kernel.h.
file(GLOB engine_kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernel/*.c)
list(FILTER engine_kernels EXCLUDE REGEX "/kernel\\.c$")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(isas sse2 avx2 avx512 avx512_vnni)
else()
  set(isas generic)
endif()
set(isa_avx2 -mavx2 -mfma)
set(isa_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
    -mprefer-vector-width=512)
set(isa_avx512_vnni ${isa_avx512} -mavx512vnni)
set(kernel_objects)
foreach(isa ${isas})
  add_library(kernel_${isa} OBJECT ${engine_kernels})
  target_compile_definitions(kernel_${isa} PRIVATE KERNEL_ISA=${isa})
  target_compile_options(kernel_${isa} PRIVATE ${isa_${isa}} -ffp-contract=fast
    $<$<NOT:$<CONFIG:Debug>>:-O3>)
  target_link_libraries(kernel_${isa} PRIVATE flags)
  list(APPEND kernel_objects $<TARGET_OBJECTS:kernel_${isa}>)
endforeach()

add_library(engine STATIC
  exec.c folder.c graph.c infer.c model.c onnx_load.c onnx_load_attr.c onnx_load_graph.c
  onnx_load_tensor.c onnx_load_wire.c plan.c plan_cache.c plan_layout.c precision.c
  ragged.c ragged_look.c ragged_meeting.c ragged_rules.c ragged_run.c
  ragged_survey.c runner.c team.c tensor.c
  hf/parts.c hf/config.c hf/families.c hf/heads.c
  hf/load.c hf/safetensors.c hf/weights.c kernel/kernel.c ${kernel_objects} ${engine_ops} ${engine_onednn} ${engine_passes})
# a * b + c may be one instruction: more exact, and twice as fast.
target_compile_options(engine PRIVATE -ffp-contract=fast)
# gcc's -O2 leaves loops of unknown length scalar.
target_compile_options(engine PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
target_include_directories(engine PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(engine
  PUBLIC base
  PRIVATE gen_onnx ${DNNL_LIBRARY} ${GOMP_LIBRARY})
