# Benchmarks: kernel_benchmarks (Google Benchmark) and step_benchmark (what compare_pytorch.py runs).
if(PERYTON_BENCHMARKS)
  find_package(benchmark REQUIRED)
  file(GLOB kernel_benchmarks CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/kernels/*.cpp)
  add_executable(kernel_benchmarks ${kernel_benchmarks})
  target_compile_options(kernel_benchmarks PRIVATE -O3)
  target_link_libraries(kernel_benchmarks PRIVATE peryton_kernels PkgConfig::HWY benchmark::benchmark)
  add_executable(step_benchmark ${CMAKE_CURRENT_LIST_DIR}/step_benchmark.cpp
                                ${CMAKE_CURRENT_LIST_DIR}/kernels/peaks.cpp)
  target_compile_options(step_benchmark PRIVATE -O3)
  target_link_libraries(step_benchmark PRIVATE peryton_framework PkgConfig::HWY)
endif()
