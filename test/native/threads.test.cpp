// The CPU back end's thread pool and memory pool, for themselves and under several callers at once.
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "cpu/memory_pool.h"
#include "cpu/thread_pool.h"
#include "test.h"

using namespace whisper;
using namespace whisper::cpu;

TEST(parallel_for_visits_everything_once) {
  for (int64_t n : {0, 1, 7, 64, 1000})
    for (int64_t chunk : {1, 3, 64, 5000}) {
      std::vector<int> visits(static_cast<size_t>(n), 0);
      parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
        CHECK(begin % chunk == 0 && end - begin <= chunk);
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
      });
      for (int count : visits) CHECK(count == 1);
    }
}

TEST(parallel_for_throws_what_a_chunk_throws) {
  for (int round = 0; round < 50; ++round)
    CHECK_THROWS(InvalidArgument, "chunk", parallel_for(100, 1, [&](int64_t begin, int64_t) {
                   if (begin == round) fail(Code::InvalidArgument, "chunk ", begin);
                 }));
  std::atomic<int> sum{0};
  parallel_for(10, 1, [&](int64_t begin, int64_t) { sum += static_cast<int>(begin); });
  CHECK(sum == 45);
}

TEST(parallel_for_nests_and_is_shared_by_threads) {
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        parallel_for(8, 2, [&](int64_t begin, int64_t end) {
          parallel_for(end - begin, 1, [&](int64_t b, int64_t e) { total += e - b; });
        });
    });
  for (std::thread& t : callers) t.join();
  CHECK(total == 4 * 200 * 8);
}

TEST(thread_index_is_within_threads) {
  std::atomic<bool> ok{true};
  parallel_for(1000, 1, [&](int64_t, int64_t) {
    if (thread_index() < 0 || thread_index() >= threads()) ok = false;
  });
  CHECK(ok);
  CHECK(thread_index() == 0);
}

TEST(memory_pool_reuses_blocks_and_counts) {
  const auto pool = std::make_shared<MemoryPool>();
  void* first;
  {
    const auto block = pool->take(1000);
    first = block.get();
    CHECK(reinterpret_cast<uintptr_t>(first) % 64 == 0);
    std::memset(first, 1, 1000);
    CHECK(pool->live() >= 1000);
  }
  CHECK(pool->live() == 0);
  CHECK(pool->peak() >= 1000);
  const auto again = pool->take(1000);
  CHECK(again.get() == first);
  pool->reset_peak();
  CHECK(pool->peak() == pool->live());
}

TEST(memory_pool_outlives_its_owner) {
  std::shared_ptr<void> block;
  {
    const auto pool = std::make_shared<MemoryPool>();
    block = pool->take(64);
  }
  std::memset(block.get(), 0, 64);
}

TEST(memory_pool_says_when_there_is_no_memory) {
  const auto pool = std::make_shared<MemoryPool>();
  const auto held = pool->take(100);
  CHECK_THROWS(OutOfMemory, "cannot allocate", pool->take(size_t{1} << 60));
  CHECK_THROWS(OutOfMemory, "cannot allocate", pool->take(~size_t{0}));
}

TEST(memory_pool_is_shared_by_threads) {
  const auto pool = std::make_shared<MemoryPool>();
  std::vector<std::thread> takers;
  for (int t = 0; t < 4; ++t)
    takers.emplace_back([&, t] {
      for (size_t i = 0; i < 500; ++i) {
        const auto block = pool->take(64 * (1 + i % 5));
        std::memset(block.get(), t, 64);
      }
    });
  for (std::thread& t : takers) t.join();
  CHECK(pool->live() == 0);
}
