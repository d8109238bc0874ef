// The plain recurrence and its adjoint: definition and test oracle. Also chunk tables.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd.h"

#include "kernels/common/argument_error.h"
#include "kernels/ssd/time_step.h"

namespace peryton::kernels {
namespace {

// Calls each(begin, end) for the documents of a row.
template <class F>
void for_each_document(std::int64_t tokens, const std::int32_t* document_start, F&& each) {
  std::int64_t begin = 0;
  for (std::int64_t t = 1; t <= tokens; ++t) {
    const bool ends =
        t == tokens || (document_start != nullptr && document_start[t] != document_start[t - 1]);
    if (!ends) continue;
    each(begin, t);
    begin = t;
  }
}

}  // namespace

std::int64_t ssd_count_chunks(std::int64_t tokens, std::int64_t chunk,
                              const std::int32_t* document_start) {
  std::int64_t count = 0;
  for_each_document(tokens, document_start, [&](std::int64_t begin, std::int64_t end) {
    count += divide_up(end - begin, chunk);
  });
  return count;
}

void ssd_fill_chunks(std::int64_t tokens, std::int64_t chunk, const std::int32_t* document_start,
                     bool has_initial_state, std::span<SsdChunk> chunks) {
  std::size_t next = 0;
  for_each_document(tokens, document_start, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; t += chunk) {
      const bool continues = t > begin || (t == 0 && has_initial_state);
      chunks[next++] = {t, std::min(chunk, end - t), continues};
    }
  });
  require(next == chunks.size(), "ssd", "chunk table of ", chunks.size(), " for ", next);
}

namespace cpu {
namespace {

// States of one (row, head): states[0] enters token 0, states[t + 1] leaves token t.
template <class T>
class Recurrence {
 public:
  Recurrence(const SsdArgs<T>& args, const std::int32_t* document_start, T* states,
             std::int64_t row, std::int64_t head)
      : args_(args), states_(states), row_(row), head_(head), a_(-std::exp(args.a_log[head])) {
    starts_ = document_start == nullptr ? nullptr : document_start + row * args.shape.tokens;
    const std::int64_t size = args.shape.state_elements();
    const T* initial = args.initial_state == nullptr
                           ? nullptr
                           : args.initial_state + (row * args.shape.heads + head) * size;
    for (std::int64_t i = 0; i < size; ++i) states[i] = initial == nullptr ? T(0) : initial[i];
    for (std::int64_t t = 0; t < args.shape.tokens; ++t) advance(t);
  }

  T a() const { return a_; }
  T pre_step(std::int64_t t) const { return args_.dt_at(row_, t, head_) + args_.dt_bias[head_]; }
  T step(std::int64_t t) const { return time_step(pre_step(t), args_.dt_min, args_.dt_max); }
  // Factor of the state that enters token t: 0 where a document starts.
  T decay(std::int64_t t) const {
    const bool resets = starts_ != nullptr && t > 0 && starts_[t] != starts_[t - 1];
    return resets ? T(0) : std::exp(step(t) * a_);
  }
  const T* entering(std::int64_t t) const { return states_ + t * args_.shape.state_elements(); }
  const T* leaving(std::int64_t t) const { return entering(t + 1); }

 private:
  void advance(std::int64_t t) {
    const SsdShape& shape = args_.shape;
    const T* in = entering(t);
    T* out = states_ + (t + 1) * shape.state_elements();
    const T *x = args_.x_at(row_, t, head_), *b = args_.b_at(row_, t, args_.group_of(head_));
    const T keep = decay(t), delta = step(t);
    for (std::int64_t n = 0; n < shape.state; ++n) {
      for (std::int64_t p = 0; p < shape.head_dim; ++p) {
        const std::int64_t i = n * shape.head_dim + p;
        out[i] = (keep == 0 ? T(0) : keep * in[i]) + delta * b[n] * x[p];
      }
    }
  }

  const SsdArgs<T>& args_;
  const std::int32_t* starts_;
  T* states_;
  std::int64_t row_, head_;
  T a_;
};

template <class T>
void forward_head(const SsdForwardArgs<T>& args, const std::int32_t* document_start, T* states,
                  std::int64_t row, std::int64_t head) {
  const SsdShape& shape = args.shape;
  const Recurrence<T> scan(args, document_start, states, row, head);
  for (std::int64_t t = 0; t < shape.tokens; ++t) {
    const T *x = args.x_at(row, t, head), *c = args.c_at(row, t, args.group_of(head));
    T* y = args.y + row * args.y_strides.batch + t * args.y_strides.token + head * shape.head_dim;
    for (std::int64_t p = 0; p < shape.head_dim; ++p) {
      T sum = args.d[head] * x[p];
      for (std::int64_t n = 0; n < shape.state; ++n) {
        sum += c[n] * scan.leaving(t)[n * shape.head_dim + p];
      }
      y[p] = sum;
    }
  }
  if (args.final_state == nullptr) return;
  const T* last = scan.entering(shape.tokens);
  std::copy(last, last + shape.state_elements(),
            args.final_state + (row * shape.heads + head) * shape.state_elements());
}

// Adds to d_b, d_c, d_a_log, d_dt_bias and d_d, which several heads or rows share.
template <class T>
void backward_head(const SsdBackwardArgs<T>& args, const std::int32_t* document_start, T* states,
                   std::int64_t row, std::int64_t head) {
  const SsdShape& shape = args.shape;
  const std::int64_t size = shape.state_elements(), width = shape.head_dim;
  const std::int64_t group = args.group_of(head);
  const Recurrence<T> scan(args, document_start, states, row, head);
  // The gradient of the state that leaves token t overwrites the state itself, which is then done
  // with.
  T* g = states + shape.tokens * size;
  T d_a = 0, d_bias = 0, d_d = 0;
  for (std::int64_t t = shape.tokens - 1; t >= 0; --t) {
    const T *x = args.x_at(row, t, head), *b = args.b_at(row, t, group);
    const T* c = args.c_at(row, t, group);
    const T* d_y =
        args.d_y + row * args.d_y_strides.batch + t * args.d_y_strides.token + head * width;
    T* d_x = args.d_x + row * args.d_x_strides.batch + t * args.d_x_strides.token + head * width;
    T* d_b =
        args.d_b + row * args.d_b_strides.batch + t * args.d_b_strides.token + group * shape.state;
    T* d_c =
        args.d_c + row * args.d_c_strides.batch + t * args.d_c_strides.token + group * shape.state;
    const T delta = scan.step(t), keep = scan.decay(t);
    T* entering = states + t * size;
    const T* later = args.d_final_state == nullptr
                         ? nullptr
                         : args.d_final_state + (row * shape.heads + head) * size;
    for (std::int64_t p = 0; p < width; ++p) {
      d_x[p] = args.d[head] * d_y[p];
      d_d += d_y[p] * x[p];
    }
    T d_delta = 0, d_log = 0;
    for (std::int64_t n = 0; n < shape.state; ++n) {
      for (std::int64_t p = 0; p < width; ++p) {
        const std::int64_t i = n * width + p;
        d_c[n] += g[i] * d_y[p];  // g still holds the state that leaves t
        T after = T(0);           // what later tokens send back
        if (t < shape.tokens - 1) {
          after = g[size + i];
        } else if (later != nullptr) {
          after = later[i];
        }
        g[i] = after + d_y[p] * c[n];
        d_x[p] += delta * g[i] * b[n];
        d_b[n] += delta * g[i] * x[p];
        d_delta += g[i] * x[p] * b[n];
        if (keep != 0) d_log += keep * g[i] * entering[i];
      }
    }
    // Hand on keep * g: stored over g itself, read by the next step as g[size + i].
    for (std::int64_t i = 0; i < size; ++i) g[i] = keep == 0 ? T(0) : keep * g[i];
    d_a += delta * d_log;
    const T d_v =
        (d_delta + scan.a() * d_log) * time_step_slope(scan.pre_step(t), args.dt_min, args.dt_max);
    args.d_dt[row * args.d_dt_strides.batch + t * args.d_dt_strides.token + head] = d_v;
    d_bias += d_v;
    g -= size;
  }
  if (args.d_initial_state != nullptr) {
    std::copy(g + size, g + 2 * size, args.d_initial_state + (row * shape.heads + head) * size);
  }
  if (args.d_a_log != nullptr) args.d_a_log[head] += scan.a() * d_a;
  if (args.d_dt_bias != nullptr) args.d_dt_bias[head] += d_bias;
  if (args.d_d != nullptr) args.d_d[head] += d_d;
}

template <class T>
void clear(const SsdBackwardArgs<T>& args) {
  const SsdShape& shape = args.shape;
  for (T* sum : {args.d_a_log, args.d_dt_bias, args.d_d}) {
    if (sum != nullptr) std::fill_n(sum, shape.heads, T(0));
  }
  for (std::int64_t row = 0; row < shape.batch; ++row) {
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
      std::fill_n(args.d_b + row * args.d_b_strides.batch + t * args.d_b_strides.token,
                  shape.groups * shape.state, T(0));
      std::fill_n(args.d_c + row * args.d_c_strides.batch + t * args.d_c_strides.token,
                  shape.groups * shape.state, T(0));
    }
  }
}

}  // namespace

template <class T>
void reference::ssd_forward(const SsdForwardArgs<T>& args, const std::int32_t* document_start,
                            T* states) {
  for (std::int64_t row = 0; row < args.shape.batch; ++row) {
    for (std::int64_t head = 0; head < args.shape.heads; ++head) {
      forward_head(args, document_start, states, row, head);
    }
  }
}

template <class T>
void reference::ssd_backward(const SsdBackwardArgs<T>& args, const std::int32_t* document_start,
                             T* states) {
  clear(args);
  for (std::int64_t row = 0; row < args.shape.batch; ++row) {
    for (std::int64_t head = 0; head < args.shape.heads; ++head) {
      backward_head(args, document_start, states, row, head);
    }
  }
}

#define PERYTON_INSTANTIATE(T)                                                                \
  template void reference::ssd_forward<T>(const SsdForwardArgs<T>&, const std::int32_t*, T*); \
  template void reference::ssd_backward<T>(const SsdBackwardArgs<T>&, const std::int32_t*, T*);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace cpu
}  // namespace peryton::kernels
