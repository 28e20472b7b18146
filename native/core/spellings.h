// How the values of an enumeration are spelt in options and in files: one list, beside the enumeration.
#pragma once

namespace whisper {

// Specialise with `list`, an array of pairs of spelling and value.
template <class E>
struct Spellings;

template <class E>
constexpr const char* spelling_of(E value) {
  for (const auto& [spelling, listed] : Spellings<E>::list)
    if (listed == value) return spelling;
  return "?";
}

}  // namespace whisper
