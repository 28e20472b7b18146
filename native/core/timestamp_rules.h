// Which tokens may follow where text comes with timestamps (openai/whisper decoding.py: ApplyTimestampRules).
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/error.h"

namespace whisper {

// The vocabulary is text from 0 to before `begin`, the special tokens among it, and timestamps from there on.
struct TimestampRules {
  int32_t begin = 0;          // the first timestamp, <|0.00|>
  int32_t end_of_text = 0;    // the first of the special tokens
  int32_t no_timestamps = 0;  // never comes
  int32_t max_initial = -1;   // the last timestamp that the first token can be, counted from `begin`; -1: any

  // Text from `text` to before `begin` and timestamps from `first` to before `last`.
  struct Allowed {
    int64_t text, first, last;
  };
  // `past` is the `length` tokens so far, and `latest` where the last timestamp among them stands, -1 if there is none.
  constexpr Allowed allowed(const int32_t* past, int64_t length, int64_t latest, int64_t vocab) const {
    // Nothing but a timestamp comes first.
    if (length == 0) return {begin, begin, max_initial < 0 ? vocab : std::min(vocab, int64_t{begin} + max_initial + 1)};
    if (latest < 0) return {0, begin, vocab};
    const bool stands_last = latest == length - 1, behind_another = length < 2 || past[length - 2] >= begin;
    // Behind the timestamp that ends a segment comes the one that begins the next, which may be the same, or the end.
    if (stands_last && !behind_another) return {end_of_text, std::min<int64_t>(vocab, past[latest]), vocab};
    // Behind the one that begins a segment comes text.
    if (stands_last) return {0, vocab, vocab};
    // Time goes on, and segments are not empty.
    return {0, std::min(vocab, int64_t{past[latest]} + 1), vocab};
  }
  void check(int64_t vocab) const {
    if (begin < 1 || begin >= vocab)
      fail(Code::InvalidArgument, "timestamp_rules: begin is ", begin, ", expected at least 1 and below ", vocab);
    token("end_of_text", end_of_text);
    token("no_timestamps", no_timestamps);
    if (max_initial < -1)
      fail(Code::InvalidArgument, "timestamp_rules: max_initial is ", max_initial, ", expected at least -1");
  }

 private:
  void token(const char* name, int32_t id) const {
    if (id < 0 || id >= begin)
      fail(Code::InvalidArgument, "timestamp_rules: ", name, " is ", id, ", expected at least 0 and below ", begin);
  }
};

}  // namespace whisper
