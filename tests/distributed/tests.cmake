# Programs under a real mpirun. Included by tests/CMakeLists.txt.
# peryton_add_mpi_test(<name> <ranks> <program> [EXIT_CODE n] [ARGUMENTS ...])
if(MPI_CXX_FOUND)
  function(peryton_add_mpi_test name ranks program)
    cmake_parse_arguments(ARG "" "EXIT_CODE" "ARGUMENTS" ${ARGN})
    if(NOT ARG_EXIT_CODE)
      set(ARG_EXIT_CODE 0)
    endif()
    add_test(NAME ${name}_${ranks}
             COMMAND sh -c "\"$@\"; test $? -eq ${ARG_EXIT_CODE}" sh ${MPIEXEC_EXECUTABLE}
             --allow-run-as-root --oversubscribe --bind-to none ${MPIEXEC_NUMPROC_FLAG} ${ranks}
             $<TARGET_FILE:${program}> ${ARG_ARGUMENTS})
    set_tests_properties(${name}_${ranks} PROPERTIES
                         LABELS "cpu;mpi" PROCESSORS ${ranks} TIMEOUT 120
                         ENVIRONMENT OMPI_MCA_btl_vader_single_copy_mechanism=none)
  endfunction()

  add_executable(mpi_collectives ${CMAKE_CURRENT_SOURCE_DIR}/distributed/mpi_collectives.cpp)
  target_link_libraries(mpi_collectives PRIVATE peryton_test_support)
  foreach(ranks 1 2 3 4)
    peryton_add_mpi_test(mpi_collectives ${ranks} mpi_collectives)
  endforeach()
  add_executable(mpi_training ${CMAKE_CURRENT_SOURCE_DIR}/distributed/mpi_training.cpp)
  target_link_libraries(mpi_training PRIVATE peryton_test_support)
  foreach(ranks 1 2 4)
    peryton_add_mpi_test(mpi_training ${ranks} mpi_training)
  endforeach()
  # A rank that throws takes the others with it; mpirun gives its error's exit code.
  peryton_add_mpi_test(mpi_throw 4 mpi_collectives EXIT_CODE 2 ARGUMENTS throw)
endif()
