// Device memory in segments: large pieces of the driver's, of which blocks are cut, and which grow whole again as
// neighbours are given back. Nothing here touches the memory itself.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "cuda/device.h"

namespace whisper::cuda {

class Segments {
 public:
  explicit Segments(std::shared_ptr<gpu::Device> device) : device_(std::move(device)) {}
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;
  ~Segments();

  // A block of at least `bytes`, at a multiple of 512 of its segment: of the smallest gap that has room, else of a new
  // segment, which is made no larger than the block needs where more than `most` bytes would be held. Null when the
  // card has no room either, though all that lies idle in whole segments was given back.
  void* take(size_t bytes, size_t most = SIZE_MAX);
  void give_back(void* block);

  size_t held() const { return held_; }    // of the driver
  size_t count() const { return count_; }  // segments
  size_t largest_gap() const { return gaps_.empty() ? 0 : gaps_.rbegin()->first; }
  // Gives idle segments back to the driver, the largest first, until at most `bytes` are held or none is idle.
  void trim(size_t bytes);

 private:
  // A stretch of a segment: a block, or the gap between two. The spans of a segment lie end to end, and no gap is
  // beside another.
  struct Span {
    size_t bytes;
    std::byte* segment;  // where its segment begins
    bool gap;
  };
  using Place = std::map<std::byte*, Span>::iterator;

  bool grow(size_t bytes);
  size_t next_segment(size_t bytes, size_t most) const;
  void* cut(Place gap, size_t bytes);
  bool whole(Place span) const;  // whether it is all of its segment
  Place join(Place left, Place right);

  std::shared_ptr<gpu::Device> device_;
  std::map<std::byte*, Span> spans_;
  std::set<std::pair<size_t, std::byte*>> gaps_;
  size_t held_ = 0, count_ = 0;
};

}  // namespace whisper::cuda
