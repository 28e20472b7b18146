// The parameters of a model: named views into flat buffers of masters, compute copies and gradients.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "backend.h"
#include "core/spellings.h"

namespace whisper {

// The dtype in which weights are multiplied and activations are stored; masters, gradients and statistics are f32.
// f32_fast stores f32 and may round the factors of products (backend.h: fast_products).
enum class Precision { f32, f32_fast, f16, bf16 };
template <>
struct Spellings<Precision> {
  static constexpr std::pair<const char*, Precision> list[] = {
      {"f32", Precision::f32}, {"f32-fast", Precision::f32_fast}, {"f16", Precision::f16}, {"bf16", Precision::bf16}};
};

constexpr DType dtype_of(Precision precision) {
  return precision == Precision::f16 ? DType::F16 : precision == Precision::bf16 ? DType::BF16 : DType::F32;
}

// Which part of the model a parameter belongs to: what freezing speaks of. `fixed` are the encoder's positions, which
// are trained only where that is asked for by itself.
enum class Part { encoder, decoder, fixed };

// What a parameter is for: the factor of products; token vectors, looked up and the factor of the tied projection; a
// factor of a low-rank adapter; position vectors, looked up; the bias of a linear layer or a parameter of a layer norm.
enum class Role { weight, embedding, adapter, positions, vector };

// How a parameter lies in the checkpoint. `taps` is a convolution's weight: [out, in, 3] in the file and
// [out, 3·in] in memory, tap by tap, so that a window of three rows is one row of a product. `transposed` is [m, n] in
// the file and [n, m] in memory.
enum class Layout { same, taps, transposed };

struct Param {
  std::string name;  // the Hugging Face checkpoint's
  Shape shape;       // in memory
  Part part;
  Role role;
  Layout layout = Layout::same;
  Tensor master;  // f32: what is trained; absent of factors in 16 bits that will not be
  Tensor value;   // what layers compute with: of factors a copy in the compute dtype, else the master itself
  Tensor grad;    // f32; absent while the parameter is not trained

  bool decay() const { return role != Role::vector; }                        // weight decay applies
  const Tensor& exact() const { return master ? master : value; }            // what is loaded, saved and looked up
  bool copied() const { return master && value.address != master.address; }  // into a value of another dtype
  bool factor() const { return role == Role::weight || role == Role::embedding || role == Role::adapter; }
  std::vector<int64_t> file_shape() const;
};

// Which linear layers have a low-rank adapter (model/lora.h). With a rank only the adapters are trained.
struct Lora {
  int rank = 0;  // 0: no adapters
  float scale = 1;
  float dropout = 0;                 // of what goes into A, in training
  std::vector<std::string> modules;  // names of linear layers: "model.encoder.layers.0.self_attn.q_proj"
};

struct Adapter {
  Param& weight;
  Param& a;  // [rank, in]
  Param& b;  // [rank, out]; [out, rank] in files
  float scale, dropout;
  bool merged = false;  // its product is in the weight
};

// Every parameter of a model, in the order in which the layers asked for them. In memory they are grouped by part and
// role, each starting at a multiple of 256 elements, so that zeroing, norm, casts and optimizer are a few runs over
// flat arrays.
class Params {
 public:
  static constexpr int64_t alignment = 256;

  // Throws InvalidArgument for a rank, a scale or a dropout that makes no sense.
  explicit Params(const Lora& lora = {});

  Param& add(std::string name, Shape shape, Part part, Role role, Layout layout = Layout::same);
  // Whether the linear layer of this name is to have an adapter, and the parameters of one.
  bool adapts(const std::string& name) const;
  const Adapter& adapt(const std::string& name, Param& weight, Part part);
  // Once, after all are added. Without `masters` the model cannot be trained, and factors of 16 bits take 2 bytes
  // instead of 6 per element. Beside adapters, which always have masters, no other factor of 16 bits has one. Throws
  // InvalidArgument for modules of the adapters that nobody asked for.
  void materialise(Backend& backend, DType compute, bool masters);
  // Makes the compute copies anew, after loading. Updates of the masters make their own.
  void refresh(Backend& backend);

  // Gives gradients to the parts that are trained and takes them from the others. Where there are adapters, these are
  // all that is trained.
  void train(Backend& backend, bool encoder, bool decoder, bool fixed);
  void end_training();
  bool trained(Part part) const;

  std::deque<Param>& list() { return list_; }
  std::deque<Adapter>& adapters() { return adapters_; }
  Param& find(const std::string& name);  // throws InvalidArgument
  int64_t count() const;                 // elements, without alignment
  int64_t trainable() const;             // elements that have a gradient
  bool lora() const { return lora_.rank > 0; }

  // Those that have a gradient, one behind the other in masters() and in grads() alike.
  std::vector<Param*> trained_in_memory_order();
  Tensor masters() const { return masters_; }
  Tensor copies() const { return copies_; }  // absent in f32
  Tensor grads() const { return grads_; }    // absent when nothing is trained
  // Elements from the start of masters(), grads() and copies() to this parameter's.
  int64_t master_offset(const Param& p) const;
  int64_t grad_offset(const Param& p) const;
  int64_t copy_offset(const Param& p) const;
  static int64_t aligned(int64_t elements) { return (elements + alignment - 1) / alignment * alignment; }

 private:
  // Masters that lie together, and where their copies do.
  struct Stretch {
    int64_t master, copy, size;
  };
  std::vector<Param*> in_memory_order();
  const Lora lora_;
  std::deque<Param> list_;  // a deque: layers keep references
  std::deque<Adapter> adapters_;
  Tensor masters_, copies_, grads_;
  std::vector<Stretch> copied_;
};

// A parameter-shaped tensor of any float dtype between the device and the checkpoint's layout, f32, in host memory.
std::vector<float> to_file_layout(Backend& backend, const Param& param, const Tensor& tensor);
void from_file_layout(Backend& backend, const Param& param, const Tensor& tensor, const float* data);

}  // namespace whisper
