#Rules of the repository : layout, layers, file lengths, format, links, machine paths.
peryton_add_tests(test_repo repo)
