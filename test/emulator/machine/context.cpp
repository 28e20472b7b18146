// See context.h.
#include "context.h"

#include <cstdint>
#include <vector>

#if !defined(__x86_64__) || defined(_WIN32)
#error \
    "The emulator's context switch is written for x86-64 with the System V calling convention; there is none for this target."
#endif

namespace whisper::emulator {
namespace {

constexpr size_t page = 4096;

std::vector<char*> unused;  // the one used last at the end: its top is still in the cache
size_t made = 0;

char* make_stack() {
  char* pages = sanitizer::map(page + stack_bytes);
  if (mprotect(pages, page, PROT_NONE)) std::abort();  // what runs over the low end faults
  ++made;
  unused.reserve(made);
  return pages + page;
}

}  // namespace

asm(R"(
.text
.globl whisper_emulator_switch
.hidden whisper_emulator_switch
.type whisper_emulator_switch, @function
whisper_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size whisper_emulator_switch, . - whisper_emulator_switch
)");

void begin(Context& context, void (*entry)()) {
  // ThreadSanitizer's threads keep theirs, and it is made to forget what their last owner, of the block before, did
  // there.
  if (sanitizer::watches_threads && context.stack) {
    sanitizer::map(stack_bytes, const_cast<char*>(context.stack));
  } else if (unused.empty()) {
    context.stack = make_stack();
  } else {
    context.stack = unused.back();
    unused.pop_back();
  }
  context.stack_bytes = stack_bytes;
  context.fake_stack = nullptr;
  // Stacks begin at multiples of a page, and their tops, which are what a kernel uses, would share a few sets of the
  // cache; so each begins some lines further down.
  const size_t colour = reinterpret_cast<uintptr_t>(context.stack) / (page + stack_bytes) * 7 % 32;
  auto* top = reinterpret_cast<uint64_t*>(const_cast<char*>(context.stack) + stack_bytes - colour * 128);
  *--top = 0;  // entry() has nowhere to return to
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = 0;
  context.stack_pointer = top;
}

void give_stack_back(Context& context) {
  if (sanitizer::watches_threads) return;
  unused.push_back(const_cast<char*>(context.stack));
  context.stack = nullptr;
}

void hand_stack_over(Context& from, Context& to) {
  to.stack = from.stack;
  to.stack_bytes = from.stack_bytes;
  to.fake_stack = nullptr;
  from.stack = nullptr;
}

}  // namespace whisper::emulator
