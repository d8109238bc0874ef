// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/head_loss.h"

#include <algorithm>

#include "framework/ops/matrix.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/elementwise/elementwise.h"

namespace peryton {
namespace {

constexpr std::int64_t kChunkBytes = 32 << 20;  // logits of one chunk, all terms together
// The products pack the head matrix twice a chunk and go over its gradient: with fewer rows than
// this they would wait for memory. Of one matrix of logits more fits.
constexpr std::int64_t fewest_rows(std::int64_t matrices) { return matrices == 1 ? 1024 : 512; }

// Everything of one term, in the compute dtype. Terms of the same hidden state and weight (a table
// that components share) are one: their coefficients add up.
struct Term {
  GradientSlot to_hidden, to_weight;
  Tensor hidden, weight;      // [tokens, d], [vocabulary, d]
  Tensor d_hidden, d_weight;  // undefined where no gradient is needed
  Tensor logits;              // [chunk, vocabulary], undefined when the term is not read
  double coefficient = 1;
};

// One term is mixed where its logits lie.
std::int64_t logits_matrices(std::int64_t terms) { return terms > 1 ? terms + 1 : 1; }

// Chunks are nearly equal multiples of 128 rows.
std::int64_t chunk_rows(std::int64_t tokens, std::int64_t vocabulary, std::int64_t terms,
                        DType dtype) {
  const std::int64_t matrices = logits_matrices(terms);
  const std::int64_t row_bytes = vocabulary * size_of(dtype) * matrices;
  const std::int64_t most = std::max(fewest_rows(matrices), kChunkBytes / row_bytes / 128 * 128);
  const std::int64_t chunks = std::max<std::int64_t>(1, kernels::divide_up(tokens, most));
  return std::min(tokens, kernels::divide_up(tokens, chunks * 128) * 128);
}

struct Chunk {
  std::int64_t begin, end;
  bool first;
  Tensor mixed;  // [rows, vocabulary]
  double* nll;
  std::vector<double>* d_coefficients;  // [K], or null
  bool gradient;
};

template <class T>
void softmax_chunk(const kernels::Context& context, const HeadLossArgs& args,
                   std::vector<Term>& terms, const Chunk& chunk) {
  const std::int64_t rows = chunk.end - chunk.begin;
  std::vector<const T*> logits;
  std::vector<std::int64_t> strides;
  std::vector<T> coefficients;
  for (const Term& term : terms) {
    logits.push_back(term.logits.defined() ? term.logits.template data<T>() : nullptr);
    strides.push_back(args.vocabulary);
    coefficients.push_back(static_cast<T>(term.coefficient));
  }
  std::vector<double> slopes;
  if (chunk.d_coefficients != nullptr) slopes.resize(static_cast<std::size_t>(rows) * terms.size());
  kernels::cpu::cross_entropy<T>(
      {.logits = logits.data(),
       .strides = strides.data(),
       .coefficients = coefficients.data(),
       .count = static_cast<std::int64_t>(terms.size()),
       .rows = rows,
       .vocabulary = args.vocabulary,
       .targets = args.targets.data<std::int32_t>() + chunk.begin,
       .weights = args.weights.defined() ? args.weights.data<float>() + chunk.begin : nullptr,
       .mixed = chunk.mixed.data<T>(),
       .nll = chunk.nll,
       .d_coefficients = slopes.empty() ? nullptr : slopes.data(),
       .gradient = chunk.gradient},
      context);
  for (std::size_t i = 0; i < slopes.size(); ++i)
    (*chunk.d_coefficients)[i % terms.size()] += slopes[i];
}

void run_chunk(const kernels::Context& context, const HeadLossArgs& args, std::vector<Term>& terms,
               const Chunk& chunk) {
  for (Term& term : terms) {
    if (!term.logits.defined()) continue;
    matrix_product(context, term.hidden.slice(0, chunk.begin, chunk.end), term.weight,
                   term.logits.slice(0, 0, chunk.end - chunk.begin), {.transpose_b = true});
  }
  dispatch_float(chunk.mixed.dtype(), "head_loss", [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, BFloat16>) softmax_chunk<T>(context, args, terms, chunk);
  });
  const Tensor d_mixed = chunk.mixed.slice(0, 0, chunk.end - chunk.begin);
  for (Term& term : terms) {
    if (term.coefficient == 0) continue;
    if (term.d_hidden.defined()) {
      matrix_product(context, d_mixed, term.weight, term.d_hidden.slice(0, chunk.begin, chunk.end),
                     {.alpha = term.coefficient * args.scale});
    }
    if (term.d_weight.defined()) {
      matrix_product(context, d_mixed, term.hidden.slice(0, chunk.begin, chunk.end), term.d_weight,
                     {.transpose_a = true,
                      .alpha = term.coefficient * args.scale,
                      .accumulate = !chunk.first});
    }
  }
}

Tensor scaled(Tensor tensor, double seed) {
  if (seed == 1.0) return tensor;
  dispatch_float(tensor.dtype(), "head_loss", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (T& value : tensor.values<T>()) {
      value = static_cast<T>(static_cast<compute_t<T>>(value) * static_cast<compute_t<T>>(seed));
    }
  });
  return tensor;
}

bool same_product(const HeadTerm& a, const HeadTerm& b) {
  return a.hidden.slot().same_target(b.hidden) && a.weight.slot().same_target(b.weight);
}

// For each term the index of the first one with the same product among those that come first.
std::vector<std::size_t> distinct_products(const std::vector<HeadTerm>& terms) {
  std::vector<std::size_t> first, term_of;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const auto found = std::ranges::find_if(
        first, [&](std::size_t other) { return same_product(terms[other], terms[k]); });
    term_of.push_back(static_cast<std::size_t>(found - first.begin()));
    if (found == first.end()) first.push_back(k);
  }
  return term_of;
}

double coefficient(const HeadLossArgs& args, std::size_t k) {
  if (!args.coefficients.defined()) return 1;
  const auto at = static_cast<std::int64_t>(k);
  return args.coefficients.value().slice(0, at, at + 1).item();
}

std::vector<Term> make_terms(const HeadLossArgs& args, const std::vector<std::size_t>& term_of,
                             DType dtype, std::int64_t tokens, bool record, std::int64_t chunk) {
  std::vector<Term> terms;
  for (std::size_t k = 0; k < args.terms.size(); ++k) {
    if (term_of[k] < terms.size()) continue;
    const auto& [hidden, weight] = args.terms[k];
    PERYTON_CHECK(weight.size(0) >= args.vocabulary && hidden.size(-1) == weight.size(1));
    PERYTON_CHECK(hidden.value().elements() / hidden.size(-1) == tokens);
    Term term;
    term.to_hidden = hidden;
    term.to_weight = weight;
    term.coefficient = 0;
    term.hidden = hidden.value().rows();  // the products widen bfloat16 by themselves
    term.weight = weight.value().slice(0, 0, args.vocabulary);
    if (dtype == DType::kFloat64) {
      term.hidden = term.hidden.to(dtype);
      term.weight = term.weight.to(dtype);
    }
    for (std::size_t other = k; other < term_of.size(); ++other) {
      if (term_of[other] == terms.size()) term.coefficient += coefficient(args, other);
    }
    const bool read = term.coefficient != 0 || args.coefficients.needs_gradient();
    if (read) term.logits = Tensor::empty(dtype, {chunk, args.vocabulary});
    if (record && term.coefficient != 0) {
      if (hidden.needs_gradient()) term.d_hidden = Tensor::empty(dtype, {tokens, hidden.size(-1)});
      if (weight.needs_gradient()) term.d_weight = Tensor::empty(dtype, term.weight.shape());
    }
    terms.push_back(std::move(term));
  }
  return terms;
}

}  // namespace

std::int64_t head_loss_bytes(std::int64_t tokens, std::int64_t vocabulary, std::int64_t products,
                             DType dtype) {
  return chunk_rows(tokens, vocabulary, products, dtype) * vocabulary * size_of(dtype) *
         logits_matrices(products);
}

HeadLoss head_loss(Tape& tape, const HeadLossArgs& args) {
  PERYTON_CHECK(!args.terms.empty() && (args.coefficients.defined() || args.terms.size() == 1));
  const DType dtype = compute_dtype(args.terms.front().hidden.dtype());
  const std::int64_t tokens = args.targets.elements();
  std::vector<Variable> inputs{args.coefficients};
  for (const HeadTerm& term : args.terms) inputs.insert(inputs.end(), {term.hidden, term.weight});
  const bool record = tape.recording() && std::ranges::any_of(inputs, &Variable::needs_gradient);

  const std::vector<std::size_t> term_of = distinct_products(args.terms);
  const auto count = static_cast<std::int64_t>(std::ranges::max(term_of) + 1);
  const std::int64_t rows = chunk_rows(tokens, args.vocabulary, count, dtype);
  std::vector<Term> terms = make_terms(args, term_of, dtype, tokens, record, rows);
  HeadLoss result;
  result.nll.resize(static_cast<std::size_t>(tokens));
  std::vector<double> slopes(terms.size());
  const bool in_place =
      terms.size() == 1 && terms.front().coefficient != 0 && dtype == DType::kFloat32;
  const Tensor mixed =
      in_place ? terms.front().logits : Tensor::empty(dtype, {rows, args.vocabulary});
  for (std::int64_t begin = 0; begin < tokens; begin += rows) {
    run_chunk(tape.context(), args, terms,
              {.begin = begin,
               .end = std::min(tokens, begin + rows),
               .first = begin == 0,
               .mixed = mixed,
               .nll = result.nll.data() + begin,
               .d_coefficients = record && args.coefficients.needs_gradient() ? &slopes : nullptr,
               .gradient = record});
  }
  double sum = 0;
  for (std::int64_t t = 0; t < tokens; ++t) {
    sum += (args.weights.defined() ? args.weights.data<float>()[t] : 1.0f) *
           result.nll[static_cast<std::size_t>(t)];
  }

  struct Target {
    GradientSlot hidden, weight;
    Tensor d_hidden, d_weight;
  };
  std::vector<Target> targets;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    targets.push_back(
        {terms[k].to_hidden, terms[k].to_weight, terms[k].d_hidden, terms[k].d_weight});
  }
  result.loss = tape.record(
      Tensor::full(dtype, {1}, sum * args.scale), inputs,
      [=, &tape, to_c = args.coefficients.slot(), scale = args.scale,
       vocabulary = args.vocabulary](const Tensor& d_loss) {
        const double seed = d_loss.item();
        for (const Target& target : targets) {
          if (target.d_hidden.defined()) {
            const Tensor d = scaled(target.d_hidden, seed).reshape(target.hidden.shape());
            tape.add_gradient(target.hidden, d.to(target.hidden.dtype()));
          }
          if (target.d_weight.defined()) {
            tape.add_gradient_rows(target.weight, scaled(target.d_weight, seed), vocabulary);
          }
        }
        if (!to_c.needs_gradient()) return;
        const Tensor d_c = Tensor::zeros(to_c.dtype(), to_c.shape());
        for (std::size_t k = 0; k < term_of.size(); ++k) {
          const auto at = static_cast<std::int64_t>(k);
          d_c.slice(0, at, at + 1).fill(slopes[term_of[k]] * scale * seed);
        }
        tape.add_gradient(to_c, d_c);
      });
  return result;
}

}  // namespace peryton
