// Stacks, and the switch from one to another.
#pragma once
#include <cstddef>

#include "../emulator.h"
#include "sanitizer.h"

namespace whisper::emulator {

// Where the execution of a thread, or of the launcher, goes on.
struct Context {
  void* stack_pointer = nullptr;
  const char* stack = nullptr;  // its low end
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
  void* fiber = nullptr;       // ThreadSanitizer's
};

// What a kernel's thread has of a stack. AddressSanitizer widens frames; ThreadSanitizer forgets a stack by its pages,
// which takes as long as there are many.
inline constexpr size_t stack_bytes = (sanitizer::watches_threads ? 64 : 256) * 1024;
inline constexpr size_t scratch_bytes = 16 * 1024;  // of the low end, for fiber_scratch()

// Has the context begin with entry(), which never returns, on a stack of its own.
void begin(Context& context, void (*entry)());
// Of a context that goes on no more. It may still run on its stack until it leaves.
void give_stack_back(Context& context);
// Has `to` go on where `from` does on its stack: a thread that ends makes room for another.
void hand_stack_over(Context& from, Context& to);

// Saves the registers that a function keeps for its caller and the place of the stack, and takes others. Kernels leave
// the modes of floating point alone, so these need not be saved. (swapcontext() would do, but calls the system.)
extern "C" void whisper_emulator_switch(void** save, void* load);

// Leaves `from` until somebody switches to it again, or for good.
inline void switch_context(Context& from, Context& to, bool for_good = false) {
  ++statistics.switches;
  sanitizer::leave(for_good ? nullptr : &from.fake_stack, to.stack, to.stack_bytes, to.fiber);
  whisper_emulator_switch(&from.stack_pointer, to.stack_pointer);
  sanitizer::arrive(from.fake_stack, nullptr, nullptr);
}

}  // namespace whisper::emulator
