// Keeps the destructors of this addon's static objects from running when the process exits.
//
// process.exit() ends in C's exit(), which destroys static objects while the lanes of models may be in the middle of a
// step: tables that the kernels read would vanish under them. Nothing can be waited for there, a step may take a
// minute, and nothing needs to be destroyed: the system takes everything back. Destructors of static objects are
// registered by calling __cxa_atexit (Itanium C++ ABI, 3.3.6.3), so the addon has one of its own, hidden from everybody
// else, that forgets them. The addon is never unloaded before (binding.gyp: nodelete). Clang can do without
// (-fno-c++-static-destructors), GCC cannot.

extern "C" __attribute__((visibility("hidden"))) int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
