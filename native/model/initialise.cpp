// Parameters from scratch: transformers' initialisation, and one by fan-in under which small models learn to listen.
#include <algorithm>
#include <cmath>
#include <thread>

#include "core/random.h"
#include "model/whisper.h"

namespace whisper {

namespace {

// Whisper's sinusoids: row t is [sin(t·f₀..), cos(t·f₀..)] with f_i = exp(-i·ln(10000)/(width/2 - 1)); f32 as both
// reference implementations compute it (openai/whisper model.py: sinusoids).
std::vector<float> sinusoids(int64_t length, int64_t width, float scale = 1) {
  std::vector<float> table(static_cast<size_t>(length * width));
  const int64_t half = width / 2;
  const float increment = half > 1 ? std::log(10000.0f) / static_cast<float>(half - 1) : 0;
  for (int64_t t = 0; t < length; ++t)
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(t) * std::exp(-increment * static_cast<float>(i));
      table[t * width + i] = scale * std::sin(angle);
      table[t * width + half + i] = scale * std::cos(angle);
    }
  return table;
}

// The standard deviation of a weight under `fan_in`: 1/√fan_in keeps the variance of a signal, and the last projection
// of each residual branch is divided by the root of the number of branches, so that their sum keeps it too.
float fan_in_deviation(const Param& p, const Dims& dims) {
  const auto ends = [&](const char* suffix) { return p.name.ends_with(suffix); };
  if (ends("embed_tokens.weight")) return 1 / std::sqrt(static_cast<float>(dims.width));
  float deviation = 1 / std::sqrt(static_cast<float>(p.shape[1]));
  if (ends("out_proj.weight") || ends("fc2.weight")) {
    const bool two = p.part == Part::encoder || p.name.find("encoder_attn") != std::string::npos;
    const int branches = two ? 2 * dims.encoder_layers : 3 * dims.decoder_layers;
    deviation /= std::sqrt(static_cast<float>(branches));
  }
  return deviation;
}

// The first values.size() normal numbers of a stream, times the deviation. As each depends on its place alone, every
// thread draws a part of them: a billion takes one thread minutes.
void draw_normal(std::vector<float>& values, const Philox& random, uint64_t stream, float deviation) {
  constexpr size_t least = size_t{1} << 16;  // that are worth a thread
  const size_t parts =
      std::clamp<size_t>(values.size() / least, 1, static_cast<size_t>(std::max(1, device_info().threads)));
  const auto draw = [&](size_t part) {
    const size_t end = values.size() * (part + 1) / parts;
    for (size_t i = values.size() * part / parts; i < end; ++i) values[i] = deviation * random.normal(i, stream);
  };
  std::vector<std::thread> others;
  for (size_t part = 1; part < parts; ++part) others.emplace_back(draw, part);
  draw(0);
  for (std::thread& other : others) other.join();
}

}  // namespace

void Whisper::initialise(Initialisation scheme, uint64_t seed) {
  const Philox random(seed);
  for (const Param& p : params_.list()) {
    if (p.role == Role::adapter) continue;
    const auto ends = [&](const char* suffix) { return p.name.ends_with(suffix); };
    std::vector<float> values(static_cast<size_t>(p.shape.size()), 0.0f);
    if (p.part == Part::fixed) {
      values = sinusoids(p.shape[0], p.shape[1]);
    } else if (scheme == Initialisation::fan_in && ends("embed_positions.weight")) {
      values = sinusoids(p.shape[0], p.shape[1], 1.4f / std::sqrt(static_cast<float>(dims.width)));
    } else if (ends("layer_norm.weight")) {
      values.assign(values.size(), 1.0f);
    } else if (!ends(".bias")) {
      const float deviation = scheme == Initialisation::hf ? 0.02f : fan_in_deviation(p, dims);
      draw_normal(values, random, stream_of(p.name), deviation);
      if (scheme == Initialisation::hf && ends("embed_tokens.weight") && dims.padding >= 0)
        std::fill_n(values.begin() + static_cast<int64_t>(dims.padding) * dims.width, dims.width, 0.0f);
    }
    from_file_layout(*backend_, p, p.exact(), values.data());
  }
  params_.refresh(*backend_);
  backend_->synchronize();
}

}  // namespace whisper
