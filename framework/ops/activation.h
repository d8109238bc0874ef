// Pointwise activations on the tape; formulas in kernels/activation/activation.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "framework/autograd/tape.h"
#include "kernels/activation/activation.h"

namespace peryton {

using kernels::Activation;

// Same shape and dtype as `x`, which may have strided rows. Saves x; backward recomputes from it.
Variable activation(Tape& tape, const Variable& x, Activation kind);

// The activation that a Hugging Face config calls `name` ("gelu", "gelu_new", "silu", ...), if we
// have it.
std::optional<Activation> activation_named(std::string_view name);

}  // namespace peryton
