# The gRPC door and the protobuf codec.
unit_test(wire_scan SOURCES unit/test_wire_scan.c LIBS door gen_onnx)
unit_test(codec_proto SOURCES unit/test_codec_proto.c LIBS door)

# The HTTP/2 guard, without sockets.
add_library(h2_frames STATIC unit/h2_frames.c)
target_include_directories(h2_frames PUBLIC unit)
target_link_libraries(h2_frames PUBLIC door)
unit_test(h2_guard SOURCES unit/test_h2_guard.c unit/h2_fixture.c LIBS h2_frames)
unit_test(h2_answer SOURCES unit/test_h2_answer.c unit/h2_fixture.c
          LIBS h2_frames)

# A client of gRPC Core in front of the door, the real queue behind it.
add_library(grpc_probe STATIC unit/grpc_probe.c unit/grpc_client.c)
target_include_directories(grpc_probe PUBLIC unit)
target_link_libraries(grpc_probe PUBLIC door PkgConfig::GRPC PkgConfig::CMOCKA)
unit_test(grpc_call SOURCES unit/test_grpc_call.c LIBS grpc_probe)
unit_test(grpc_stream SOURCES unit/test_grpc_stream.c LIBS grpc_probe)

# What the door's speed is compared with; see bench/doors.py.
add_executable(bare_grpc bench/bare_grpc.c)
target_link_libraries(bare_grpc PRIVATE flags PkgConfig::GRPC)

fuzz_test(wire SOURCES fuzz/fuzz_wire.c LIBS door gen_onnx)
fuzz_test(h2 SOURCES fuzz/fuzz_h2.c LIBS h2_frames)
script_test(e2e.bad_grpc ${PYTHON} tests/e2e/bad_grpc.py
            --start $<TARGET_FILE:door_demo>)
