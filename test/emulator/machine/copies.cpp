// Asynchronous copies of a thread (cp.async): groups that land when they are waited for and no sooner, so that a kernel
// that reads before its wait reads the NaN that gpu/ptx.cuh leaves in the target.
#include "block.h"

namespace whisper::emulator {
namespace {

constexpr int most_copies = 256, most_groups = 64;

struct Copies {
  Copy list[most_copies];
  int begin, end;                        // those on the way: list[begin, end)
  int open;                              // the last of them, of no group yet
  int groups, group_sizes[most_groups];  // the oldest first
};
Copies copies[max_threads];

}  // namespace

void begin_copies(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) copies[i].begin = copies[i].end = copies[i].open = copies[i].groups = 0;
}

void end_copies() {
  const Copies& mine = copies[current->linear];
  if (mine.begin != mine.end)
    fail(mine.list[mine.begin].place,
         "ends with %d asynchronous copies that it has not waited for, the first from here", mine.end - mine.begin);
}

void start_copy(const Copy& copy) {
  Copies& mine = copies[current->linear];
  if (mine.end == most_copies) {
    if (mine.begin == 0) fail(copy.place, "more than %d copies on the way", most_copies);
    for (int i = mine.begin; i < mine.end; ++i) mine.list[i - mine.begin] = mine.list[i];
    mine.end -= mine.begin;
    mine.begin = 0;
  }
  mine.list[mine.end++] = copy;
  ++mine.open;
  ++statistics.copies;
}

void commit_copies() {
  Copies& mine = copies[current->linear];
  if (mine.groups == most_groups) fail("more than %d groups of copies on the way", most_groups);
  mine.group_sizes[mine.groups++] = mine.open;
  mine.open = 0;
}

int landing_copies(int pending, const Copy** landing) {
  Copies& mine = copies[current->linear];
  const int done = mine.groups > pending ? mine.groups - pending : 0;
  int count = 0;
  for (int i = 0; i < done; ++i) count += mine.group_sizes[i];
  for (int i = done; i < mine.groups; ++i) mine.group_sizes[i - done] = mine.group_sizes[i];
  mine.groups -= done;
  *landing = mine.list + mine.begin;
  mine.begin += count;
  if (mine.begin == mine.end) mine.begin = mine.end = 0;  // the caller reads what landed before it starts others
  return count;
}

}  // namespace whisper::emulator
