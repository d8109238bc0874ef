// Forward: keys and values are packed once for all their queries; then blocks of queries go over
// blocks of keys with a running softmax (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm
// 1). Blocks are cut by the shape alone and visited in order, so every sum has one order whatever
// the number of threads. Blocks that no query sees are skipped.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_blocks.h"
#include "kernels/common/argument_error.h"
#include "kernels/gemm/packing.h"
#include "kernels/gemm/panels.h"

namespace peryton::kernels {
namespace {

constexpr std::int64_t kQueryBlock = 24;          // whole panels of rows
constexpr std::int64_t kKeyBlock = 256;           // whole panels of columns
constexpr std::int64_t kStride = kKeyBlock + 16;  // rows of scores do not share lines of the cache
constexpr std::int64_t kFewQueries = 8;  // below this, packing keys costs more than it saves

// Of one head: columns are keys in the first part, elements of a value in the second.
std::int64_t packed_keys(const AttentionShape& s) {
  return round_up(s.keys(), cpu::kLargestPanel.columns) * s.width;
}
std::int64_t packed_values(const AttentionShape& s) {
  return s.keys() * round_up(s.width, cpu::kLargestPanel.columns);
}
std::int64_t scores_elements(const AttentionShape& s) {
  return kQueryBlock * kStride + cpu::kLargestPanel.rows * std::max(s.width, kKeyBlock);
}

// Where the panels of one head lie, and those of one block of keys in them.
struct Panels {
  const AttentionShape& shape;
  float *keys, *values;

  Panels(const AttentionShape& s, float* workspace, std::int64_t b, std::int64_t kv_head)
      : shape(s) {
    const std::int64_t keys_size = packed_keys(s), values_size = packed_values(s);
    keys = workspace + (b * s.kv_heads + kv_head) * (keys_size + values_size);
    values = keys + keys_size;
  }
  float* keys_of(std::int64_t key) const { return keys + key * shape.width; }
  float* values_of(std::int64_t key) const {
    return values + key * round_up(shape.width, cpu::panel_shape().columns);
  }
};

void pack_block(const AttentionForwardArgs<float>& a, std::int64_t b, std::int64_t kv_head,
                std::int64_t key) {
  const Panels panels(a.shape, a.workspace, b, kv_head);
  const std::int64_t keys = std::min(kKeyBlock, a.shape.keys() - key);
  const std::int64_t columns = cpu::panel_shape().columns;
  cpu::pack_panels<float>({a.k.at(b, kv_head) + key * a.k.token, a.k.token, 1}, keys, a.shape.width,
                          columns, panels.keys_of(key));
  cpu::pack_panels<float>({a.v.at(b, kv_head) + key * a.v.token, 1, a.v.token}, a.shape.width, keys,
                          columns, panels.values_of(key));
}

// A block of queries of one head on its way over the keys.
class QueryBlock {
 public:
  QueryBlock(const AttentionForwardArgs<float>& args, std::int64_t b, std::int64_t head,
             std::int64_t query, std::int64_t rows, float* scores)
      : a_(args), s_(args.shape), b_(b), head_(head), query_(query), rows_(rows), scores_(scores) {
    largest_.fill(-std::numeric_limits<float>::infinity());
    for (std::int64_t r = 0; r < rows; ++r) {
      first_key_ = std::min(first_key_, s_.first_key(b, query + r));
    }
  }

  void over_panels() {
    const Panels panels(s_, a_.workspace, b_, kv_head());
    for (std::int64_t block = first_key_ / kKeyBlock * kKeyBlock; block < last_key();
         block += kKeyBlock) {
      const std::int64_t packed = std::min(kKeyBlock, s_.keys() - block);
      // Whole panels that nobody sees are left out at both ends.
      const std::int64_t begin = std::max<std::int64_t>(first_key_ - block, 0) /
                                 cpu::kLargestPanel.columns * cpu::kLargestPanel.columns;
      const std::int64_t keys = std::min(kKeyBlock, last_key() - block) - begin;
      const std::int64_t columns = cpu::panel_shape().columns;
      cpu::multiply_rows({.a = queries(),
                          .a_stride = a_.q.token,
                          .b = panels.keys_of(block + begin),
                          .m = rows_,
                          .n = round_up(keys, columns),
                          .k = s_.width,
                          .alpha = 1,
                          .beta = 0,
                          .bias = nullptr,
                          .c = scores_,
                          .ldc = kStride},
                         remainder());
      soften(block + begin, keys);
      cpu::multiply_rows({.a = scores_,
                          .a_stride = kStride,
                          .b = panels.values_of(block) + begin * columns,
                          .m = rows_,
                          .n = s_.width,
                          .k = keys,
                          .alpha = 1,
                          .beta = first_ ? 0.0f : 1.0f,
                          .bias = nullptr,
                          .c = output(),
                          .ldc = a_.output.token,
                          .b_depth = packed},
                         remainder());
      first_ = false;
    }
  }

  // For a few queries: keys and values are read where they lie.
  void over_rows() {
    const float* k = a_.k.at(b_, kv_head());
    const float* v = a_.v.at(b_, kv_head());
    for (std::int64_t key = first_key_; key < last_key(); key += kKeyBlock) {
      const std::int64_t keys = std::min(kKeyBlock, last_key() - key);
      for (std::int64_t j = 0; j < keys; ++j) {
        for (std::int64_t r = 0; r < rows_; ++r) {
          scores_[r * kStride + j] =
              dot_of_rows(queries() + r * a_.q.token, k + (key + j) * a_.k.token, s_.width);
        }
      }
      soften(key, keys);
      for (std::int64_t r = 0; r < rows_; ++r) {
        float* row = output() + r * a_.output.token;
        if (first_) std::fill_n(row, s_.width, 0.0f);
        add_weighted_rows(scores_ + r * kStride, keys, v + key * a_.v.token, a_.v.token, row,
                          s_.width);
      }
      first_ = false;
    }
  }

  void finish() {
    divide_block_by_sum(part(0));
    if (a_.log_sum == nullptr) return;
    float* log_sum = a_.log_sum + (b_ * s_.heads + head_) * s_.queries + query_;
    for (std::int64_t r = 0; r < rows_; ++r) log_sum[r] = largest_[r] + std::log(sum_[r]);
  }

 private:
  std::int64_t kv_head() const { return head_ / (s_.heads / s_.kv_heads); }
  std::int64_t last_key() const { return s_.past + query_ + rows_; }
  const float* queries() const { return a_.q.at(b_, head_) + query_ * a_.q.token; }
  float* output() const { return a_.output.at(b_, head_) + query_ * a_.output.token; }
  float* remainder() const { return scores_ + kQueryBlock * kStride; }

  SoftmaxBlock part(std::int64_t keys) {
    return {.scores = scores_,
            .rows = rows_,
            .keys = keys,
            .stride = kStride,
            .visible = visible_.data(),
            .scale = static_cast<float>(s_.scale),
            .largest = largest_.data(),
            .sum = sum_.data(),
            .output = output(),
            .output_stride = a_.output.token,
            .width = s_.width,
            .first = first_};
  }

  void soften(std::int64_t key, std::int64_t keys) {
    for (std::int64_t r = 0; r < rows_; ++r) {
      const std::int64_t begin = s_.first_key(b_, query_ + r) - key;
      visible_[r].end = std::clamp<std::int64_t>(s_.past + query_ + r + 1 - key, 0, keys);
      visible_[r].begin = std::clamp<std::int64_t>(begin, 0, visible_[r].end);
    }
    soften_block(part(keys));
  }

  const AttentionForwardArgs<float>& a_;
  const AttentionShape& s_;
  std::int64_t b_, head_, query_, rows_;
  float* scores_;
  std::int64_t first_key_ = std::numeric_limits<std::int64_t>::max();
  bool first_ = true;
  std::array<float, kQueryBlock> largest_, sum_{};
  std::array<Visible, kQueryBlock> visible_;
};

bool packs(const AttentionShape& s) { return s.queries >= kFewQueries; }

std::int64_t all_panels(const AttentionShape& s) {
  return packs(s) ? s.batch * s.kv_heads * (packed_keys(s) + packed_values(s)) : 0;
}

}  // namespace

void check_attention(const AttentionShape& s) {
  require(s.kv_heads > 0 && s.heads % s.kv_heads == 0, "attention", s.heads, " heads share ",
          s.kv_heads, " heads of keys");
  require(s.scale > 0, "attention", "scale ", s.scale, " is not positive");
  require(s.document_start == nullptr || s.past == 0, "attention", "documents and a past together");
}

std::int64_t attention_forward_workspace(const AttentionShape& shape, int threads) {
  return all_panels(shape) + std::max(1, threads) * scores_elements(shape);
}

namespace cpu {

template <>
void attention_forward(const AttentionForwardArgs<float>& args, const Context& context) {
  const AttentionShape& s = args.shape;
  check_attention(s);
  const bool panels = packs(s);
  if (panels) {
    const std::int64_t blocks = divide_up(s.keys(), kKeyBlock);
    parallel_for(context, s.batch * s.kv_heads * blocks, [&](std::int64_t task) {
      const std::int64_t pair = task / blocks;
      pack_block(args, pair / s.kv_heads, pair % s.kv_heads, task % blocks * kKeyBlock);
    });
  }
  const std::int64_t blocks = divide_up(s.queries, kQueryBlock);
  float* scores = args.workspace + all_panels(s);
  parallel_for_worker(context, s.batch * s.heads * blocks, [&](std::int64_t task, int worker) {
    const std::int64_t pair = task / blocks, query = task % blocks * kQueryBlock;
    QueryBlock block(args, pair / s.heads, pair % s.heads, query,
                     std::min(kQueryBlock, s.queries - query),
                     scores + worker * scores_elements(s));
    panels ? block.over_panels() : block.over_rows();
    block.finish();
  });
}

template <>
void attention_forward(const AttentionForwardArgs<double>& args, const Context& context) {
  check_attention(args.shape);
  reference::attention_forward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
