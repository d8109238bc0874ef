// Backward: a worker takes one head of keys and values with all its query heads. Scores lie
// transposed, [keys, queries], so that the left operand of every product but one is read where it
// lies: keys and values for the scores, the scores themselves for d_k and d_v. Blocks are cut by
// the shape alone and visited in order, so every sum has one order whatever the number of threads.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_blocks.h"
#include "kernels/common/argument_error.h"
#include "kernels/gemm/packing.h"
#include "kernels/gemm/panels.h"

namespace peryton::kernels {
namespace {

constexpr std::int64_t kQueries = 64;  // of a block: whole panels of columns
constexpr std::int64_t kKeys = 240;    // of a block: whole panels of rows
constexpr std::int64_t kScoreStride = kQueries + 16;
constexpr std::int64_t kScoreElements = kKeys * kScoreStride;

// Scratch memory of one worker.
struct Scratch {
  float *scores, *d_scores;               // [keys][kScoreStride]
  float* d_scores_packed;                 // panels of rows: queries
  float* remainder;                       // of multiply_rows
  float *q_columns, *d_output_columns;    // panels whose columns are queries
  float *q_elements, *d_output_elements;  // panels whose columns are elements of a head
  float* k_elements;                      // the same of all keys, block after block

  // Lays the parts out from `at` and returns their end: the size, from null.
  static std::int64_t elements(const AttentionShape& s, float* at, Scratch* scratch) {
    const std::int64_t width = round_up(s.width, cpu::kLargestPanel.columns);
    const std::int64_t rows = cpu::kLargestPanel.rows;
    const std::int64_t sizes[] = {kScoreElements,
                                  kScoreElements,
                                  round_up(kQueries, rows) * kKeys,
                                  rows * std::max(s.width, kQueries),
                                  kQueries * s.width,
                                  kQueries * s.width,
                                  kQueries * width,
                                  kQueries * width,
                                  s.keys() * width};
    float** parts[] = {
        &scratch->scores,     &scratch->d_scores,          &scratch->d_scores_packed,
        &scratch->remainder,  &scratch->q_columns,         &scratch->d_output_columns,
        &scratch->q_elements, &scratch->d_output_elements, &scratch->k_elements};
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < std::size(sizes); ++i) {
      if (at != nullptr) *parts[i] = at + sum;
      sum += sizes[i];
    }
    return sum;
  }
};

// All queries of one query head against one head of keys, block by block.
class QueryHead {
 public:
  QueryHead(const AttentionBackwardArgs<float>& args, std::int64_t b, std::int64_t head,
            const Scratch& scratch)
      : a_(args), s_(args.shape), b_(b), head_(head), t_(scratch) {}

  // Overwrites the block's d_q, adds to d_k and d_v.
  void block(std::int64_t query) {
    query_ = query;
    rows_ = std::min(kQueries, s_.queries - query);
    pack_queries();
    std::int64_t first_key = query;
    for (std::int64_t r = 0; r < rows_; ++r) {
      first_[r] = s_.first_key(b_, query + r);
      first_key = std::min(first_key, first_[r]);
      shared_[r] = dot_of_rows(at(a_.output) + r * a_.output.token,
                               at(a_.d_output) + r * a_.d_output.token, s_.width);
    }
    bool first = true;
    for (std::int64_t key = first_key / kKeys * kKeys; key < query + rows_; key += kKeys) {
      const std::int64_t begin = std::max(first_key, key);
      const std::int64_t keys = std::min(key + kKeys, query + rows_) - begin;
      scores(begin, keys);
      add_to_keys(begin, keys);
      add_to_queries(key, begin, keys, first);
      first = false;
    }
  }

 private:
  std::int64_t kv_head() const { return head_ / (s_.heads / s_.kv_heads); }
  template <class T>
  T* at(const HeadView<T>& queries) const {
    return queries.at(b_, head_) + query_ * queries.token;
  }
  template <class T>
  T* at(const HeadView<T>& keys, std::int64_t key) const {
    return keys.at(b_, kv_head()) + key * keys.token;
  }

  void pack_queries() const {
    const std::int64_t columns = cpu::panel_shape().columns;
    const std::int64_t q = a_.q.token, d = a_.d_output.token;
    cpu::pack_panels<float>({at(a_.q), q, 1}, rows_, s_.width, columns, t_.q_columns);
    cpu::pack_panels<float>({at(a_.d_output), d, 1}, rows_, s_.width, columns, t_.d_output_columns);
    cpu::pack_panels<float>({at(a_.q), 1, q}, s_.width, rows_, columns, t_.q_elements);
    cpu::pack_panels<float>({at(a_.d_output), 1, d}, s_.width, rows_, columns,
                            t_.d_output_elements);
  }

  // target [keys, queries] = lines . queries
  void scores_of(const HeadView<const float>& lines, std::int64_t key, std::int64_t keys,
                 const float* queries, float* target) const {
    cpu::multiply_rows({.a = at(lines, key),
                        .a_stride = lines.token,
                        .b = queries,
                        .m = keys,
                        .n = round_up(rows_, cpu::panel_shape().columns),
                        .k = s_.width,
                        .alpha = 1,
                        .beta = 0,
                        .bias = nullptr,
                        .c = target,
                        .ldc = kScoreStride},
                       t_.remainder);
  }

  // P and dS of a block of keys. Query r sees the keys from first_[r] to itself; both bounds grow
  // with r, so the queries that see a key lie together.
  void scores(std::int64_t key, std::int64_t keys) {
    scores_of(a_.k, key, keys, t_.q_columns, t_.scores);
    scores_of(a_.v, key, keys, t_.d_output_columns, t_.d_scores);
    std::int64_t end = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      while (end < rows_ && first_[end] <= key + j) ++end;
      const std::int64_t begin = std::max<std::int64_t>(key + j - query_, 0);
      visible_[j] = {std::min(begin, end), end};
    }
    soften_block_backward({.scores = t_.scores,
                           .d_scores = t_.d_scores,
                           .keys = keys,
                           .rows = rows_,
                           .stride = kScoreStride,
                           .visible = visible_.data(),
                           .scale = static_cast<float>(s_.scale),
                           .log_sum = a_.log_sum + (b_ * s_.heads + head_) * s_.queries + query_,
                           .shared = shared_.data()});
  }

  void add_to(const HeadView<float>& target, std::int64_t key, std::int64_t keys,
              const float* weights, const float* elements) const {
    cpu::multiply_rows({.a = weights,
                        .a_stride = kScoreStride,
                        .b = elements,
                        .m = keys,
                        .n = s_.width,
                        .k = rows_,
                        .alpha = 1,
                        .beta = 1,
                        .bias = nullptr,
                        .c = at(target, key),
                        .ldc = target.token},
                       t_.remainder);
  }

  void add_to_keys(std::int64_t key, std::int64_t keys) const {
    add_to(a_.d_v, key, keys, t_.scores, t_.d_output_elements);
    add_to(a_.d_k, key, keys, t_.d_scores, t_.q_elements);
  }

  // The keys from `key` on, of the block that begins at `block`.
  void add_to_queries(std::int64_t block, std::int64_t key, std::int64_t keys, bool first) const {
    const auto [height, columns] = cpu::panel_shape();
    cpu::pack_panels<float>({t_.d_scores, 1, kScoreStride}, rows_, keys, height,
                            t_.d_scores_packed);
    cpu::multiply_panels(
        {.a = t_.d_scores_packed,
         .a_stride = 0,
         .b = t_.k_elements + block * round_up(s_.width, columns) + (key - block) * columns,
         .m = rows_,
         .n = s_.width,
         .k = keys,
         .alpha = 1,
         .beta = first ? 0.0f : 1.0f,
         .bias = nullptr,
         .c = at(a_.d_q),
         .ldc = a_.d_q.token,
         .b_depth = std::min(kKeys, s_.keys() - block)});
  }

  const AttentionBackwardArgs<float>& a_;
  const AttentionShape& s_;
  std::int64_t b_, head_, query_ = 0, rows_ = 0;
  const Scratch& t_;
  std::array<std::int64_t, kQueries> first_;
  std::array<float, kQueries> shared_;
  std::array<Visible, kKeys> visible_;
};

void start_keys(const AttentionBackwardArgs<float>& a, std::int64_t b, std::int64_t kv_head,
                const Scratch& scratch) {
  const AttentionShape& s = a.shape;
  for (std::int64_t j = 0; j < s.keys(); ++j) {
    std::fill_n(a.d_k.at(b, kv_head) + j * a.d_k.token, s.width, 0.0f);
    std::fill_n(a.d_v.at(b, kv_head) + j * a.d_v.token, s.width, 0.0f);
  }
  const std::int64_t columns = cpu::panel_shape().columns;
  for (std::int64_t key = 0; key < s.keys(); key += kKeys) {
    cpu::pack_panels<float>({a.k.at(b, kv_head) + key * a.k.token, 1, a.k.token}, s.width,
                            std::min(kKeys, s.keys() - key), columns,
                            scratch.k_elements + key * round_up(s.width, columns));
  }
}

}  // namespace

std::int64_t attention_backward_workspace(const AttentionShape& shape, int threads) {
  Scratch none;
  return std::max(1, threads) * Scratch::elements(shape, nullptr, &none);
}

namespace cpu {

template <>
void attention_backward(const AttentionBackwardArgs<float>& args, const Context& context) {
  const AttentionShape& s = args.shape;
  check_attention(s);
  require(s.past == 0, "attention", "no backward through a past");
  const std::int64_t group = s.heads / s.kv_heads;
  const std::int64_t each = attention_backward_workspace(s, 1);
  parallel_for_worker(context, s.batch * s.kv_heads, [&](std::int64_t task, int worker) {
    const std::int64_t b = task / s.kv_heads, kv_head = task % s.kv_heads;
    Scratch scratch;
    Scratch::elements(s, args.workspace + worker * each, &scratch);
    start_keys(args, b, kv_head, scratch);
    for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      QueryHead queries(args, b, head, scratch);
      for (std::int64_t query = 0; query < s.queries; query += kQueries) queries.block(query);
    }
  });
}

template <>
void attention_backward(const AttentionBackwardArgs<double>& args, const Context& context) {
  check_attention(args.shape);
  require(args.shape.past == 0, "attention", "no backward through a past");
  reference::attention_backward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
