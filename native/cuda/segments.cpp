// See segments.h.
#include "cuda/segments.h"

#include <algorithm>

namespace whisper::cuda {
namespace {

constexpr size_t step = 512;                        // what blocks begin at and are rounded up to
constexpr size_t small = size_t{1} << 20;           // blocks below it are cut of a gap's end
constexpr size_t page = size_t{2} << 20;            // what the driver maps
constexpr size_t least_segment = size_t{64} << 20;  // but for a card that is nearly full

size_t rounded(size_t bytes, size_t to) { return (std::max<size_t>(bytes, 1) + to - 1) / to * to; }

}  // namespace

Segments::~Segments() {
  for (const auto& [address, span] : spans_)
    if (address == span.segment) device_->release(address);
}

void* Segments::take(size_t bytes, size_t most) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  bytes = rounded(bytes, step);
  auto gap = gaps_.lower_bound({bytes, nullptr});
  if (gap == gaps_.end()) {
    const size_t exact = rounded(bytes, page);
    if (held_ > most - std::min(exact, most)) trim(most - std::min(exact, most));
    if (!grow(next_segment(exact, most)) && !grow(exact)) {
      trim(0);
      if (!grow(exact)) return nullptr;
    }
    gap = gaps_.lower_bound({bytes, nullptr});
  }
  return cut(spans_.find(gap->second), bytes);
}

// Each an eighth of what is held at least, so that memory of any size is some dozens of segments.
size_t Segments::next_segment(size_t bytes, size_t most) const {
  const size_t wanted = std::max(least_segment, rounded(held_ / 8, page));
  const size_t room = most - std::min(held_, most);
  return std::max(bytes, std::min(wanted, room));
}

// A new segment, all of it a gap.
bool Segments::grow(size_t bytes) {
  auto* const segment = static_cast<std::byte*>(device_->allocate(bytes));
  if (!segment) return false;
  spans_[segment] = {bytes, segment, true};
  gaps_.insert({bytes, segment});
  held_ += bytes;
  ++count_;
  return true;
}

// Small blocks come of the end and large ones of the beginning, so that a small one that stays does not part the room
// of two large ones.
void* Segments::cut(Place gap, size_t bytes) {
  Span& span = gap->second;
  gaps_.erase({span.bytes, gap->first});
  const size_t rest = span.bytes - bytes;
  if (rest == 0) {
    span.gap = false;
    return gap->first;
  }
  std::byte* const block = bytes < small ? gap->first + rest : gap->first;
  std::byte* const gap_left = bytes < small ? gap->first : gap->first + bytes;
  std::byte* const segment = span.segment;
  spans_[block] = {bytes, segment, false};
  spans_[gap_left] = {rest, segment, true};
  gaps_.insert({rest, gap_left});
  return block;
}

void Segments::give_back(void* block) {
  Place span = spans_.find(static_cast<std::byte*>(block));
  span->second.gap = true;
  const Place next = std::next(span);
  if (next != spans_.end() && next->second.gap && next->second.segment == span->second.segment) {
    gaps_.erase({next->second.bytes, next->first});
    join(span, next);
  }
  if (span->first != span->second.segment && std::prev(span)->second.gap) {
    const Place before = std::prev(span);
    gaps_.erase({before->second.bytes, before->first});
    span = join(before, span);
  }
  gaps_.insert({span->second.bytes, span->first});
}

Segments::Place Segments::join(Place left, Place right) {
  left->second.bytes += right->second.bytes;
  spans_.erase(right);
  return left;
}

bool Segments::whole(Place span) const {
  if (!span->second.gap || span->first != span->second.segment) return false;
  const Place next = std::next(span);
  return next == spans_.end() || next->second.segment != span->second.segment;
}

void Segments::trim(size_t bytes) {
  for (auto gap = gaps_.end(); held_ > bytes && gap != gaps_.begin();) {
    --gap;
    const Place span = spans_.find(gap->second);
    if (!whole(span)) continue;
    held_ -= span->second.bytes;
    --count_;
    device_->release(span->first);
    spans_.erase(span);
    gap = gaps_.erase(gap);
  }
}

}  // namespace whisper::cuda
