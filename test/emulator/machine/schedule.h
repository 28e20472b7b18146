// Which thread of a block runs next. A GPU promises nothing, so tests run in several orders: a missing barrier that one
// of them happens to heal shows in another.
#pragma once
#include <bit>
#include <cstdint>
#include <string>

namespace whisper::emulator {

enum class Order {
  lowest,   // the lowest warp runs as far as it can, then the next
  highest,  // the highest warp and lane first
  random,   // warps by random priorities, drawn anew now and then (probabilistic concurrency testing), and random lanes
  turns,    // warps in turn
};
struct Schedule {
  Order order = Order::lowest;
  uint64_t seed = 1;  // of `random`
};

// "lowest", "highest", "random", "random:7" with a seed, or "turns"; also 0 to 3. Throws InvalidArgument.
Schedule parse_schedule(const std::string& text);
// Launches from now on follow WHISPER_TUNE_EMULATOR_SCHEDULE, or the lowest where it is not set.
void choose_schedule();
extern Schedule schedule;

inline constexpr unsigned max_warps = 32;

// The threads of a block that can run.
class Ready {
 public:
  void begin(unsigned warps);  // none can
  void add(unsigned warp, uint32_t lanes) {
    lanes_[warp] |= lanes;
    warps_ |= 1u << warp;
  }
  bool any() const { return warps_ != 0; }
  // The next one, as 32·warp + lane. There is one.
  unsigned take() {
    if (schedule.order != Order::lowest) return take_otherwise();
    const unsigned warp = static_cast<unsigned>(std::countr_zero(warps_));
    return take(warp, static_cast<unsigned>(std::countr_zero(lanes_[warp])));
  }

 private:
  unsigned take(unsigned warp, unsigned lane) {
    lanes_[warp] &= ~(1u << lane);
    if (!lanes_[warp]) warps_ &= ~(1u << warp);
    return warp * 32 + lane;
  }
  unsigned take_otherwise();
  void draw_priorities();
  uint64_t random();

  uint32_t warps_ = 0, lanes_[max_warps] = {};  // bit by bit
  unsigned count_ = 0, last_ = 0;               // warps of the block, and the one that ran last
  unsigned priorities_[max_warps] = {};         // warps, the first to run first
  uint64_t state_ = 0;
};

}  // namespace whisper::emulator
