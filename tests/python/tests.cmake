# Comparisons with transformers: slow, and skipped where the interpreter lacks the packages.
set(PERYTON_PYTHON python3 CACHE STRING "Interpreter with the packages of tests/python/requirements.txt")
add_test(NAME python.transformers COMMAND ${PERYTON_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/run.py $<TARGET_FILE:peryton>)
set_tests_properties(python.transformers PROPERTIES LABELS slow SKIP_RETURN_CODE 77 TIMEOUT 1800)
