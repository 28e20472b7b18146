// The parameters of a model: named views into flat buffers of values and gradients.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "backend.h"

namespace whisper {

// The dtype in which weights are multiplied and activations are stored; masters, gradients and statistics are f32.
enum class Precision { f32, f16, bf16 };

// Which part of the model a parameter belongs to: what freezing speaks of. `fixed` is never trained.
enum class Part { encoder, decoder, fixed };

// How a parameter lies in the checkpoint. `taps` is a convolution's weight: [out, in, 3] in the file and
// [out, 3·in] in memory, tap by tap, so that a window of three rows is one row of a product.
enum class Layout { same, taps };

struct Param {
  std::string name;  // the Hugging Face checkpoint's
  Shape shape;       // in memory
  Part part;
  bool decay;  // weight decay applies: not to biases and layer norms
  Layout layout = Layout::same;
  Tensor value;
  Tensor grad;  // absent while the parameter is not trained

  std::vector<int64_t> file_shape() const;
};

// A run of trained elements that the optimizer treats alike, in the buffers of values and of gradients.
struct Range {
  int64_t value_offset, grad_offset, size;
  bool decay;
};

// Every parameter of a model, in the order in which the layers asked for them. In memory they are grouped by part and
// decay, each starting at a multiple of 256 elements, so that zeroing, norm and optimizer are a few runs over flat
// arrays.
class Params {
 public:
  static constexpr int64_t alignment = 256;

  Param& add(std::string name, Shape shape, Part part, bool decay, Layout layout = Layout::same);
  void materialise(Backend& backend);  // once, after all are added

  // Gives gradients to the parts that are trained and takes them from the others.
  void train(Backend& backend, bool encoder, bool decoder);
  void end_training();
  bool trained(Part part) const;

  std::deque<Param>& list() { return list_; }
  Param& find(const std::string& name);  // throws InvalidArgument
  int64_t count() const;                 // elements, without alignment
  int64_t trainable() const;             // elements that have a gradient

  Tensor values() const { return values_; }
  Tensor grads() const { return grads_; }  // absent when nothing is trained
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::deque<Param> list_;  // a deque: layers keep references
  std::vector<Param*> in_memory_order();
  Tensor values_, grads_;
  std::vector<Range> ranges_;
};

// A parameter-shaped tensor between the device and the checkpoint's layout in host memory.
std::vector<float> to_file_layout(Backend& backend, const Param& param, const Tensor& tensor);
void from_file_layout(Backend& backend, const Param& param, const Tensor& tensor, const float* data);

}  // namespace whisper
