// See loss_scaler.h.
#include "optim/loss_scaler.h"

#include "core/error.h"

namespace whisper {

LossScaler::LossScaler(const LossScaling& options)
    : options_(options),
      scale_(options.kind == LossScaling::Kind::none ? 1.0f : static_cast<float>(options.initial)),
      hysteresis_(options.hysteresis) {}

void LossScaler::update(bool overflow) {
  if (options_.kind == LossScaling::Kind::none) return;
  if (overflow) scale_ /= 2;
}

std::map<std::string, std::string> LossScaler::save() const { return {}; }
void LossScaler::load(const std::map<std::string, std::string>&, const std::string&) {}

}  // namespace whisper
