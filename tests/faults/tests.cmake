# Kills of a tiny pipeline: all of them are slow, a few run always. Included by tests/CMakeLists.txt.
if(MPI_CXX_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/configs/tiny.yaml)
  set(fault_script ${CMAKE_CURRENT_SOURCE_DIR}/faults/run.sh --program $<TARGET_FILE:peryton>)
  add_test(NAME faults_all COMMAND ${fault_script} --kills 20 --saves 10)
  add_test(NAME faults_some COMMAND ${fault_script} --kills 3 --saves 2)
  set_tests_properties(faults_some PROPERTIES LABELS "cpu;mpi" RUN_SERIAL ON TIMEOUT 900)
  set_tests_properties(faults_all PROPERTIES LABELS "slow" RUN_SERIAL ON TIMEOUT 7200)
endif()
