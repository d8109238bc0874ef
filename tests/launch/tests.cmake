# The program that trials of signals and kills start.
add_executable(peryton_stand_in launch/worker/stand_in.cpp)
target_link_libraries(peryton_stand_in PRIVATE peryton_launch)
target_compile_definitions(test_launch PRIVATE PERYTON_STAND_IN="$<TARGET_FILE:peryton_stand_in>")
add_dependencies(test_launch peryton_stand_in)
