// SPDX-License-Identifier: Apache-2.0
#include "launch/cli/commands.h"

int main(int argc, char** argv) { return peryton::run_command_line({argv + 1, argv + argc}); }
