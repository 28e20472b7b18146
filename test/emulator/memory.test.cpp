// Memory of the GPU on the emulated one: segments and the pool made of them, and pinned memory on the way to and fro,
// whose copies land as late as they may.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "../native/test.h"
#include "core/random.h"
#include "cuda/cuda_backend.h"
#include "cuda/memory_pool.h"
#include "cuda/segments.h"
#include "cuda/staging.h"

namespace whisper::test {
namespace {

constexpr size_t MB = size_t{1} << 20;

// A card of so many bytes. Its memory is not touched, so that it costs nothing.
std::shared_ptr<gpu::Device> card(size_t bytes) {
  setenv("WHISPER_TUNE_EMULATOR_MEMORY", std::to_string(bytes).c_str(), 1);
  const auto device = std::make_shared<gpu::Device>(0);
  unsetenv("WHISPER_TUNE_EMULATOR_MEMORY");
  return device;
}

std::byte* at(void* block, size_t bytes) { return static_cast<std::byte*>(block) + bytes; }

}  // namespace

TEST(cuda_segments_cut_the_smallest_gap_that_has_room) {
  cuda::Segments segments(card(1024 * MB));
  void* const a = segments.take(8 * MB);
  void* const b = segments.take(4 * MB);
  void* const c = segments.take(6 * MB);
  void* const d = segments.take(4 * MB);
  CHECK(segments.held() == 64 * MB && segments.count() == 1);
  CHECK(b == at(a, 8 * MB) && c == at(b, 4 * MB) && d == at(c, 6 * MB));
  segments.give_back(a);
  segments.give_back(c);  // gaps of 8, 6 and 42 MB
  CHECK(segments.take(5 * MB) == c);
  CHECK(segments.take(7 * MB) == a);
  CHECK(segments.take(1 * MB) == at(a, 7 * MB));
  CHECK(segments.take(1 * MB) == at(c, 5 * MB));
}

TEST(cuda_segments_grow_whole_again) {
  cuda::Segments segments(card(1024 * MB));
  std::vector<void*> blocks;
  for (int i = 0; i < 16; ++i) blocks.push_back(segments.take(4 * MB));
  CHECK(segments.largest_gap() == 0 && segments.count() == 1);
  for (const int i : {1, 3, 2}) segments.give_back(blocks[i]);  // with the gap after it, before it, and on both sides
  CHECK(segments.largest_gap() == 12 * MB);
  CHECK(segments.take(12 * MB) == blocks[1]);
  segments.give_back(blocks[1]);
  for (int i = 0; i < 16; ++i)
    if (i < 1 || i > 3) segments.give_back(blocks[i]);
  CHECK(segments.largest_gap() == 64 * MB);
  segments.trim(0);
  CHECK(segments.held() == 0 && segments.count() == 0 && segments.largest_gap() == 0);
}

// Neighbours that the driver happens to put end to end stay two segments: each has to be released by itself.
TEST(cuda_segments_keep_their_ends) {
  const auto device = card(1024 * MB);
  cuda::Segments segments(device);
  std::vector<void*> blocks;
  for (int i = 0; i < 6; ++i) blocks.push_back(segments.take(64 * MB));
  CHECK(segments.count() == 6);
  for (void* block : blocks) segments.give_back(block);
  CHECK(segments.largest_gap() == 64 * MB);
  segments.trim(128 * MB);
  CHECK(segments.held() == 128 * MB && device->free_bytes() == (1024 - 128) * MB);
}

TEST(cuda_segments_part_small_from_large) {
  cuda::Segments segments(card(1024 * MB));
  void* const large = segments.take(16 * MB);
  void* const small = segments.take(1000);
  CHECK(small == at(large, 64 * MB - 1024));
  segments.give_back(large);
  CHECK(segments.take(60 * MB) == large && segments.count() == 1);
}

TEST(cuda_segments_sizes) {
  const auto device = card(4096 * MB);
  cuda::Segments segments(device);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{511}, size_t{513}, 3 * MB + 1}) {
    auto* const block = static_cast<std::byte*>(segments.take(bytes));
    std::memset(block, 0, bytes);  // a sanitizer sees what is not there
    CHECK((reinterpret_cast<uintptr_t>(block) & 511) == 0);
  }
  CHECK(segments.held() == 64 * MB);
  segments.take(1000 * MB + 1);  // a segment for itself, in whole pages
  CHECK(segments.held() == 1066 * MB);
  segments.take(70 * MB);  // an eighth of what is held
  CHECK(segments.held() == (1066 + 134) * MB && segments.count() == 3);
  CHECK(!segments.take(SIZE_MAX) && !segments.take(SIZE_MAX / 2));
}

TEST(cuda_segments_on_a_full_card) {
  cuda::Segments segments(card(100 * MB));
  void* const a = segments.take(40 * MB);
  void* const b = segments.take(30 * MB);  // a segment of 64 MB has no room beside the first
  CHECK(segments.held() == (64 + 30) * MB);
  CHECK(!segments.take(50 * MB));
  segments.give_back(a);
  segments.give_back(b);
  CHECK(segments.take(98 * MB));  // both idle segments went back for it
  CHECK(segments.held() == 98 * MB && segments.count() == 1);
}

// Blocks of a training step: some stay, the others come in the same sizes again and again.
TEST(cuda_segments_settle) {
  cuda::Segments segments(card(size_t{1} << 36));
  const Philox random(1);
  std::vector<size_t> sizes(400);
  for (size_t i = 0; i < sizes.size(); ++i) sizes[i] = size_t{1} << (8 + random(i)[0] % 18);
  size_t held = 0;
  for (int step = 0; step < 4; ++step) {
    std::vector<void*> blocks;
    size_t live = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      blocks.push_back(segments.take(sizes[i]));
      live += sizes[i];
      if (i % 3 == 2) segments.give_back(blocks[i - 1]), live -= sizes[i - 1], blocks[i - 1] = nullptr;
    }
    if (step == 0) {
      held = segments.held();
      CHECK(held < live + live / 4 + 64 * MB);
    }
    CHECK(segments.held() == held);
    std::vector<std::pair<std::byte*, size_t>> places;
    for (size_t i = 0; i < sizes.size(); ++i)
      if (blocks[i]) places.emplace_back(static_cast<std::byte*>(blocks[i]), sizes[i]);
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i) CHECK(places[i - 1].first + places[i - 1].second <= places[i].first);
    for (void* block : blocks)
      if (block) segments.give_back(block);
  }
  segments.trim(0);
  CHECK(segments.held() == 0);
}

TEST(cuda_pool_counts_what_was_asked_for) {
  for (const bool in_segments : {false, true}) {
    const auto pool = std::make_shared<cuda::MemoryPool>(card(256 * MB), in_segments);
    std::shared_ptr<void> a = pool->take(1001), b = pool->take(0);
    CHECK(pool->live() == 1001 && pool->peak() == 1001);
    b = pool->take(500);
    a = nullptr;
    CHECK(pool->live() == 500 && pool->peak() == 1501);
    pool->reset_peak();
    CHECK(pool->peak() == 500);
    CHECK(pool->available() == 256 * MB - 500);
  }
}

TEST(cuda_pool_hands_out_again_what_was_released) {
  const auto device = card(256 * MB);
  const auto pool = std::make_shared<cuda::MemoryPool>(device, true);
  std::shared_ptr<void> first = pool->take(5 * MB), second = pool->take(5 * MB);
  void* const address = first.get();
  first = nullptr;
  CHECK(pool->take(5 * MB).get() == address);
  CHECK(device->free_bytes() == 192 * MB);
}

TEST(cuda_pool_outlives_its_owner_in_its_blocks) {
  auto pool = std::make_shared<cuda::MemoryPool>(card(256 * MB), true);
  const std::shared_ptr<void> block = pool->take(100);
  pool = nullptr;
  std::memset(block.get(), 1, 100);
}

TEST(cuda_pool_keeps_to_its_limit) {
  const auto device = card(1024 * MB);
  const auto pool = std::make_shared<cuda::MemoryPool>(device, true);
  pool->take(200 * MB);
  CHECK(device->free_bytes() == 824 * MB);
  pool->limit(100 * MB);  // what lies idle goes back
  CHECK(device->free_bytes() == 1024 * MB);
  const std::shared_ptr<void> a = pool->take(30 * MB), b = pool->take(30 * MB);
  CHECK(device->free_bytes() == 960 * MB);
  std::shared_ptr<void> c = pool->take(30 * MB);
  CHECK(device->free_bytes() == 924 * MB);  // of the limit, not of 64 MB, was the second segment made
  CHECK_THROWS(OutOfMemory,
               "cuda-emulator: 10.5 MB beside the 94.4 MB in use exceed the limit of 104.9 MB (the card has",
               pool->take(10 * MB + 1));
  CHECK_THROWS(OutOfMemory, "exceed the limit", pool->take(SIZE_MAX));
  c = nullptr;
  c = pool->take(40 * MB);  // for which the idle segment went back
  CHECK(device->free_bytes() == 920 * MB);
  pool->limit(0);
  pool->take(200 * MB);
}

TEST(cuda_pool_says_what_there_is) {
  for (const bool in_segments : {false, true}) {
    const auto pool = std::make_shared<cuda::MemoryPool>(card(100'000'000), in_segments);
    const std::shared_ptr<void> block = pool->take(20'000'000);
    const std::string has = in_segments
                                ? "the card has 32.9 MB of 100.0 MB free, the pool keeps 67.1 MB, the largest gap in "
                                  "it is 47.1 MB)"
                                : "the card has 80.0 MB of 100.0 MB free)";
    CHECK_THROWS(OutOfMemory, "cuda-emulator: 1.50 GB beside the 20.0 MB in use cannot be had (" + has,
                 pool->take(1'500'000'000));
    CHECK_THROWS(OutOfMemory, "cannot be had", pool->take(SIZE_MAX));
    CHECK(pool->live() == 20'000'000);
  }
}

// The emulator's blocks end where the tensor does: a sanitizer sees a byte too many.
TEST(cuda_blocks_are_exact_on_the_emulator) {
  const auto device = card(MB);
  CHECK(device->properties().exact_blocks);
  void* const block = device->allocate(1000);
  CHECK(device->free_bytes() == MB - 1000);
  CHECK(reinterpret_cast<uintptr_t>(block) % 512 == 0);
  CHECK(!device->allocate(MB));
  device->release(block);
  CHECK(device->free_bytes() == MB);
}

TEST(cuda_staging_uploads_and_downloads) {
  const auto device = card(size_t{1} << 30);
  cuda::Staging staging(device);
  for (const size_t bytes : {size_t{1}, size_t{1000}, MB + 3, 17 * MB + 1, 130 * MB + 7}) {
    std::vector<std::byte> host(bytes), back(bytes);
    for (size_t i = 0; i < bytes; ++i) host[i] = static_cast<std::byte>(i * 7 + i / 1000);
    void* const block = device->allocate(bytes);
    staging.upload(block, host.data(), bytes);
    std::vector<std::byte> kept = host;
    std::fill(host.begin(), host.end(), std::byte{0});  // an upload leaves the host's memory alone once it has returned
    staging.download(back.data(), block, bytes);
    CHECK(back == kept);
    device->release(block);
  }
  CHECK(staging.ring_bytes() == 64 * MB);
}

// Uploads that nothing has waited for may all be on their way still: none may be written over by a later one.
TEST(cuda_staging_ring_goes_around) {
  const auto device = card(size_t{1} << 30);
  cuda::Staging staging(device);
  const Philox random(2);
  std::vector<std::byte*> blocks;
  std::vector<size_t> sizes;
  for (int i = 0; i < 300; ++i) {
    const size_t bytes = 1 + random(i)[0] % (i % 20 == 0 ? 20 * MB : 600'000);
    blocks.push_back(static_cast<std::byte*>(device->allocate(bytes)));
    sizes.push_back(bytes);
    const std::vector<std::byte> host(bytes, static_cast<std::byte>(i));
    staging.upload(blocks.back(), host.data(), bytes);
    if (i % 50 == 49) device->synchronize();
  }
  device->synchronize();
  for (size_t i = 0; i < blocks.size(); ++i) {
    CHECK(std::all_of(blocks[i], blocks[i] + sizes[i], [&](std::byte b) { return b == static_cast<std::byte>(i); }));
    device->release(blocks[i]);
  }
  CHECK(staging.ring_bytes() <= 64 * MB);
}

// In steady state the ring is as large as what waits in it, and stays so.
TEST(cuda_staging_ring_settles) {
  const auto device = card(size_t{1} << 30);
  cuda::Staging staging(device);
  void* const block = device->allocate(3 * MB);
  const std::vector<std::byte> host(3 * MB);
  size_t settled = 0;
  for (int step = 0; step < 20; ++step) {
    for (int i = 0; i < 3; ++i) staging.upload(block, host.data(), host.size());
    device->synchronize();
    if (step == 2) settled = staging.ring_bytes();
  }
  CHECK(staging.ring_bytes() == settled && settled <= 32 * MB);
  device->release(block);
}

TEST(cuda_backend_memory) {
  CudaBackend backend(0);
  const size_t own = backend.live_bytes();
  {
    const std::vector<float> host{1, 2, 3};
    const Tensor a = backend.from_host(host.data(), {3}), b = backend.zeros({3});
    CHECK(backend.live_bytes() == own + 24);
    std::vector<float> back(3);
    backend.copy(b.address, a.address, 12);
    backend.download(back.data(), b.address, 12);
    CHECK(back == host);
    backend.zero(b.address, 8);
    backend.download(back.data(), b.address, 12);
    CHECK(back == std::vector<float>({0, 0, 3}));
    backend.upload(a.address, nullptr, 0);
    backend.synchronize();
  }
  CHECK(backend.live_bytes() == own);
  CHECK(backend.available_bytes() > 0);
  CHECK(backend.name() == "cuda-emulator (emulated sm_90a)");
}

}  // namespace whisper::test
