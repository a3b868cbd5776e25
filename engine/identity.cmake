# identity: digests of a bundle, see base/identity.h
add_library(identity STATIC base/identity.c base/onnx_files.c base/sha256.c)
target_link_libraries(identity PUBLIC doc base PRIVATE PkgConfig::NETTLE)
