// See schedule.h.
#include "schedule.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "core/error.h"

namespace whisper::emulator {

Schedule schedule;

Schedule parse_schedule(const std::string& text) {
  static constexpr const char* names[] = {"lowest", "highest", "random", "turns"};
  for (int i = 0; i < 4; ++i)
    if (text == names[i] || text == std::to_string(i)) return {static_cast<Order>(i)};
  if (text.starts_with("random:")) {
    uint64_t seed = 0;
    const char *begin = text.data() + 7, *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, seed);
    if (error == std::errc{} && stop == end) return {Order::random, seed};
  }
  whisper::fail(Code::InvalidArgument,
                "WHISPER_TUNE_EMULATOR_SCHEDULE: expected lowest, highest, random, random:SEED or turns, got \"", text,
                "\"");
}

void choose_schedule() {
  const char* text = std::getenv("WHISPER_TUNE_EMULATOR_SCHEDULE");
  schedule = text ? parse_schedule(text) : Schedule{};
}

void Ready::begin(unsigned warps) {
  count_ = warps;
  last_ = warps - 1;
  warps_ = 0;
  std::fill(std::begin(lanes_), std::end(lanes_), 0u);
  if (schedule.order != Order::random) return;
  if (!state_) state_ = schedule.seed * 0x9e3779b97f4a7c15u | 1;
  draw_priorities();
}

void Ready::draw_priorities() {
  for (unsigned i = 0; i < count_; ++i) priorities_[i] = i;
  for (unsigned i = count_; i > 1; --i) std::swap(priorities_[i - 1], priorities_[random() % i]);
}

uint64_t Ready::random() {  // xorshift64
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_;
}

unsigned Ready::take_otherwise() {
  unsigned warp = 0, lane = 0;
  if (schedule.order == Order::highest) {
    warp = 31u - static_cast<unsigned>(std::countl_zero(warps_));
    lane = 31u - static_cast<unsigned>(std::countl_zero(lanes_[warp]));
  } else if (schedule.order == Order::turns) {
    const uint32_t above = last_ == 31 ? 0 : warps_ & ~0u << (last_ + 1);
    warp = static_cast<unsigned>(std::countr_zero(above ? above : warps_));
    lane = static_cast<unsigned>(std::countr_zero(lanes_[warp]));
  } else {
    if (random() % 1024 == 0) draw_priorities();
    for (unsigned i = 0; !(warps_ >> (warp = priorities_[i]) & 1); ++i) {
    }
    const uint32_t above = lanes_[warp] & ~0u << random() % 32;
    lane = static_cast<unsigned>(std::countr_zero(above ? above : lanes_[warp]));
  }
  last_ = warp;
  return take(warp, lane);
}

}  // namespace whisper::emulator
