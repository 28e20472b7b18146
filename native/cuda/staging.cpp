// See staging.h.
#include "cuda/staging.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace whisper::cuda {
namespace {

constexpr size_t line = 256;                       // what parts begin at
constexpr size_t least_ring = size_t{1} << 20;     // at first
constexpr size_t most_ring = size_t{64} << 20;     // at last
constexpr size_t most_piece = size_t{16} << 20;    // one is copied into the ring while the one before leaves it
constexpr size_t most_landing = size_t{16} << 20;  // both halves

size_t rounded(size_t bytes) { return (bytes + line - 1) / line * line; }

}  // namespace

// What is on its way may still be read.
Staging::~Staging() {
  try {
    device_->synchronize();
  } catch (const Error&) {  // of a GPU that failed, on which nothing is on its way any more
  }
  if (ring_) device_->release_pinned(ring_);
  if (landing_) device_->release_pinned(landing_);
}

void Staging::upload(void* to, const void* host, size_t bytes) {
  for (size_t done = 0; done < bytes; done += most_piece)
    upload_piece(static_cast<std::byte*>(to) + done, static_cast<const std::byte*>(host) + done,
                 std::min(most_piece, bytes - done));
}

void Staging::upload_piece(void* to, const void* host, size_t bytes) {
  std::byte* const pinned = reserve(rounded(bytes));
  std::memcpy(pinned, host, bytes);
  device_->upload(to, pinned, bytes);
  parts_.push_back({head_ - rounded(bytes), device_->mark()});
}

// Room that nothing reads any more.
std::byte* Staging::reserve(size_t bytes) {
  while (!place(bytes)) {
    if (!parts_.empty() && device_->done(parts_.front().mark))
      parts_.pop_front();
    else if (!grow(bytes))
      wait_for_oldest();
  }
  return ring_ + head_ - bytes;
}

// Moves the head past a free part of so many bytes, if there is one: behind the newest part, or from the ring's
// beginning on, up to the oldest.
bool Staging::place(size_t bytes) {
  if (parts_.empty()) head_ = 0;
  const size_t oldest = parts_.empty() ? ring_bytes_ : parts_.front().begin;
  const bool around = !parts_.empty() && parts_.back().begin < parts_.front().begin;
  size_t begin = head_;
  if (!around && !parts_.empty() && begin + bytes > ring_bytes_) begin = 0;
  const size_t end = around || begin < head_ ? oldest : ring_bytes_;
  if (begin + bytes > end) return false;
  head_ = begin + bytes;
  return true;
}

// A larger ring, unless it is as large as it gets, at the price of waiting for what is in the old one: a few times in
// the life of a model.
bool Staging::grow(size_t bytes) {
  if (ring_bytes_ >= most_ring) return false;
  while (!parts_.empty()) wait_for_oldest();
  if (ring_) device_->release_pinned(ring_);
  ring_ = nullptr;
  const size_t size = std::clamp(2 * std::max(std::exchange(ring_bytes_, 0), bytes), least_ring, most_ring);
  ring_ = static_cast<std::byte*>(device_->allocate_pinned(size));
  ring_bytes_ = size;
  return true;
}

void Staging::wait_for_oldest() {
  device_->wait(parts_.front().mark);
  parts_.pop_front();
}

// While one half is copied to where it belongs, the next piece arrives in the other.
void Staging::download(void* host, const void* from, size_t bytes) {
  std::byte* const pinned = landing(bytes);
  const size_t half = landing_bytes_ / 2;
  gpu::Device::Mark arrived[2];
  const auto start = [&](size_t at) {
    const size_t which = at / half % 2;
    device_->download(pinned + which * half, static_cast<const std::byte*>(from) + at, std::min(half, bytes - at));
    arrived[which] = device_->mark();
  };
  start(0);
  for (size_t at = 0; at < bytes; at += half) {
    if (at + half < bytes) start(at + half);
    const size_t which = at / half % 2;
    device_->wait(arrived[which]);
    std::memcpy(static_cast<std::byte*>(host) + at, pinned + which * half, std::min(half, bytes - at));
  }
}

// Large enough to take all in one half, up to the most there is.
std::byte* Staging::landing(size_t bytes) {
  const size_t wanted = std::clamp(2 * rounded(bytes), 2 * line, most_landing);
  if (landing_bytes_ >= wanted) return landing_;
  size_t size = 64 << 10;
  while (size < wanted) size *= 2;
  if (landing_) device_->release_pinned(landing_);
  landing_ = nullptr;
  landing_bytes_ = 0;
  landing_ = static_cast<std::byte*>(device_->allocate_pinned(size));
  landing_bytes_ = size;
  return landing_;
}

}  // namespace whisper::cuda
