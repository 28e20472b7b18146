// The version of the package that this addon was built for.
#pragma once

// The build passes the version as bare characters: quotes do not survive every shell and generator on the way.
#define WHISPER_TUNE_TEXT(x) #x
#define WHISPER_TUNE_SPELT(x) WHISPER_TUNE_TEXT(x)

namespace whisper::js {
inline constexpr const char* version = WHISPER_TUNE_SPELT(WHISPER_TUNE_VERSION);
}
