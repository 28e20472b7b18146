// The optimizers' files: a resumed run goes on as if it had never stopped, a file of another run or a damaged one is
// refused and changes nothing, and 8-bit codes that came otherwise are coded anew.
#include "optim/optimizer_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/dynamic_map.h"
#include "folder.h"
#include "optim/training.h"
#include "small_model.h"
#include "test.h"

using namespace whisper;
using namespace whisper::test;
using Name = OptimizerOptions::Name;

namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// With a bias of as many elements as its codes, and no more.
Dims dims() {
  Dims d = small();
  d.decoder_layers = 1, d.decoder_ffn = 4096;
  return d;
}

// A small model in training. With dropout and LayerDrop, so that the place in the random numbers matters.
struct Run {
  Whisper model;
  Training training;

  explicit Run(const TrainingOptions& options, Precision precision = Precision::f32)
      : model(open_backend("cpu"), dims(), precision), training(filled(), options) {}
  Whisper& filled() {
    model.initialise(Whisper::Initialisation::fan_in, 3);
    return model;
  }

  void steps(int count) {
    StepOptions o;
    o.scales = {0.05f, 0.05f};
    o.hyperparameters.encoder_rate = 2e-3, o.hyperparameters.decoder_rate = 1e-3;
    o.hyperparameters.weight_decay = 0.1;
    for (int i = 0; i < count; ++i)
      CHECK(training.step({clips(model.dims, 2), clips(model.dims, 1)}, o, Cancel()).finite);
  }
  std::vector<float> weights() {
    std::vector<float> host(static_cast<size_t>(model.params().masters().shape.size()));
    model.backend().download(host.data(), model.params().masters().address, host.size() * sizeof(float));
    return host;
  }
};

TrainingOptions options_of(Name name) {
  TrainingOptions o;
  o.optimizer.name = name;
  o.regularization = {.dropout = 0.1f, .activation_dropout = 0.1f, .encoder_layerdrop = 0.3f};
  return o;
}

// What is in a file, to be changed and written again.
struct Contents {
  struct Entry {
    std::string dtype;
    std::vector<int64_t> shape;
    std::string data;

    float* numbers() { return reinterpret_cast<float*>(data.data()); }
  };
  Metadata metadata;
  std::map<std::string, Entry> tensors;

  explicit Contents(const std::string& path) {
    const Safetensors file(path);
    metadata = file.metadata();
    for (const auto& [name, e] : file.entries())
      tensors[name] = {e.dtype, e.shape, {reinterpret_cast<const char*>(e.data), e.bytes}};
  }
  void write(const std::string& path) const {
    std::vector<NamedTensor> list;
    for (const auto& [name, e] : tensors) list.push_back({name, e.dtype, e.shape, e.data.data(), e.data.size()});
    save_safetensors(path, list, metadata);
  }
};

// 36·3·80 elements: 34 blocks, of which the last is not full.
const std::string conv = "model.encoder.conv1.weight";

}  // namespace

TEST(optimizer_file_resumes_every_optimizer) {
  const Folder folder;
  const std::string weights = folder.file("model"), state = folder.file("state"), again = folder.file("again");
  for (const auto& [spelling, name] : Spellings<Name>::list) {
    const TrainingOptions options = options_of(name);
    Run whole(options), first(options), second(options);
    whole.steps(5);
    first.steps(3);
    first.model.save(weights, {});
    first.training.save(state);
    second.model.load({weights});
    second.training.load(state);
    second.training.save(again);
    CHECK(bytes_of(again) == bytes_of(state));
    CHECK(second.training.steps_done() == 3);
    second.steps(2);
    CHECK(second.weights() == whole.weights());
  }
}

TEST(optimizer_file_has_torchs_names_and_shapes) {
  const Folder folder;
  const std::string path = folder.file("state"), table = "model.decoder.embed_tokens.weight",
                    bias = "model.encoder.conv1.bias";
  const auto saved = [&](Name name) {
    Run run(options_of(name));
    run.steps(1);
    run.training.save(path);
    return Contents(path);
  };
  const auto is = [](const Contents& file, const std::string& name, const char* dtype, std::vector<int64_t> shape) {
    const auto found = file.tensors.find(name);
    return found != file.tensors.end() && found->second.dtype == dtype && found->second.shape == shape;
  };

  const Contents adamw = saved(Name::adamw_torch);
  CHECK(is(adamw, "exp_avg." + conv, "F32", {36, 80, 3}) && is(adamw, "exp_avg_sq." + conv, "F32", {36, 80, 3}));
  CHECK(is(adamw, "exp_avg." + table, "F32", {61, 36}) && is(adamw, "exp_avg_sq." + bias, "F32", {36}));
  CHECK(adamw.metadata == Metadata{{"format", "pt"},
                                   {"optimizer", "adamw_torch"},
                                   {"precision", "f32"},
                                   {"trained", "all"},
                                   {"step", "1"},
                                   {"batches", "2"},
                                   {"loss_scaler", "none"},
                                   {"loss_scale", "1"},
                                   {"loss_scale_clean_steps", "0"},
                                   {"loss_scale_hysteresis", "0"}});

  const Contents eight = saved(Name::adamw_bnb_8bit);
  for (const std::string n : {"1", "2"}) {
    CHECK(is(eight, "state" + n + "." + conv, "U8", {36, 3, 80}) && is(eight, "absmax" + n + "." + conv, "F32", {34}));
    CHECK(is(eight, "state" + n + "." + table, "F32", {61, 36}) && is(eight, "state" + n + "." + bias, "F32", {36}));
  }
  const std::string wide = "model.decoder.layers.0.fc1.bias";
  CHECK(is(eight, "state2." + wide, "U8", {4096}) && is(eight, "absmax2." + wide, "F32", {16}));
  CHECK(is(eight, "qmap1", "F32", {256}) && is(eight, "qmap2", "F32", {256}));
  CHECK(eight.metadata.at("eight_bit_embeddings") == "false");

  const Contents adafactor = saved(Name::adafactor);
  CHECK(is(adafactor, "exp_avg_sq_row." + conv, "F32", {36, 80}));
  CHECK(is(adafactor, "exp_avg_sq_col." + conv, "F32", {36, 3}));
  CHECK(is(adafactor, "exp_avg_sq_row." + table, "F32", {61}) && is(adafactor, "exp_avg_sq_col." + table, "F32", {36}));
  CHECK(is(adafactor, "exp_avg_sq." + bias, "F32", {36}));

  CHECK(saved(Name::sgd).tensors.empty());
}

TEST(optimizer_file_of_another_run_is_refused) {
  const Folder folder;
  const std::string path = folder.file("state");
  TrainingOptions options = options_of(Name::adamw_torch);
  options.loss_scaling.kind = LossScaling::Kind::torch;
  Run(options).training.save(path);
  const std::string rest =
      ", or start a new run from the checkpoint's weights with --model_name_or_path and another --output_dir";
  const auto refused = [&](const std::string& message, auto change, Precision precision = Precision::f32) {
    TrainingOptions other = options;
    change(other);
    Run run(other, precision);
    CHECK_THROWS(InvalidArgument, path + ": " + message + rest, run.training.load(path));
  };
  refused("optimizer was adamw_torch and is sgd now: resume with --optim adamw_torch",
          [](TrainingOptions& o) { o.optimizer.name = Name::sgd; });
  refused(
      "precision was f32 and is bf16 now: resume with --precision f32", [](TrainingOptions&) {}, Precision::bf16);
  refused("trained was all and is decoder now: resume without frozen parts",
          [](TrainingOptions& o) { o.freeze_encoder = true; });
  refused("loss_scaler was torch and is none now: resume with --loss_scaler torch",
          [](TrainingOptions& o) { o.loss_scaling.kind = LossScaling::Kind::none; });

  options = options_of(Name::adamw_bnb_8bit);
  Run(options).training.save(path);
  refused("eight_bit_embeddings was false and is true now: resume without --optim_8bit_embeddings",
          [](TrainingOptions& o) { o.optimizer.eight_bit_embeddings = true; });
}

TEST(optimizer_file_that_is_damaged_is_refused_and_changes_nothing) {
  const Folder folder;
  const std::string good = folder.file("good"), bad = folder.file("bad"), after = folder.file("after");
  Run run(options_of(Name::adamw_bnb_8bit));
  run.steps(1);
  run.training.save(good);
  run.steps(1);
  run.training.save(after);
  const std::string before = bytes_of(after);
  const auto changed = [&](auto change) {
    Contents contents(good);
    change(contents);
    contents.write(bad);
    run.training.load(bad);
  };
  const auto key = [&](const char* name, const char* value) {
    changed([&](Contents& c) { c.metadata[name] = value; });
  };
  CHECK_THROWS(CorruptFile, "bad: the metadata have no 'optimizer'; is it an optimizer's file?",
               changed([](Contents& c) { c.metadata.clear(); }));
  CHECK_THROWS(CorruptFile, "metadata 'step': expected a whole number up to 2147483647, got '-1'", key("step", "-1"));
  CHECK_THROWS(CorruptFile, "got '2147483648'", key("step", "2147483648"));
  CHECK_THROWS(CorruptFile, "metadata 'batches'", key("batches", "99999999999999999999"));
  CHECK_THROWS(CorruptFile, "metadata 'loss_scale': expected a positive number, got '0'", key("loss_scale", "0"));
  CHECK_THROWS(CorruptFile, "got '1 2'", key("loss_scale", "1 2"));
  CHECK_THROWS(CorruptFile, "got 'inf'", key("loss_scale", "inf"));
  CHECK_THROWS(CorruptFile, "bad: tensor state1." + conv + " is missing",
               changed([](Contents& c) { c.tensors.erase("state1." + conv); }));
  CHECK_THROWS(CorruptFile, "tensor absmax2." + conv + " is missing",
               changed([](Contents& c) { c.tensors.erase("absmax2." + conv); }));
  CHECK_THROWS(CorruptFile, "tensor qmap1 is missing", changed([](Contents& c) { c.tensors.erase("qmap1"); }));
  CHECK_THROWS(CorruptFile, "tensor state3.x belongs to no parameter's state", changed([](Contents& c) {
                 c.tensors["state3.x"] = {"U8", {1}, "x"};
               }));
  CHECK_THROWS(CorruptFile, "tensor state1." + conv + " is I8, expected U8",
               changed([](Contents& c) { c.tensors.at("state1." + conv).dtype = "I8"; }));
  CHECK_THROWS(ShapeMismatch, "tensor state2." + conv + " has shape [80, 36, 3], expected [36, 3, 80]",
               changed([](Contents& c) {
                 c.tensors.at("state2." + conv).shape = {80, 36, 3};
               }));
  CHECK_THROWS(ShapeMismatch, "tensor absmax1." + conv + " has shape [33], expected [34]", changed([](Contents& c) {
                 auto& absmax = c.tensors.at("absmax1." + conv);
                 absmax.shape = {33}, absmax.data.resize(33 * sizeof(float));
               }));
  CHECK_THROWS(ShapeMismatch, "tensor qmap2 has shape [255], expected [256]", changed([](Contents& c) {
                 c.tensors.at("qmap2").shape = {255}, c.tensors.at("qmap2").data.resize(255 * sizeof(float));
               }));
  CHECK_THROWS(ShapeMismatch, "tensor state1.model.encoder.conv1.bias has shape [6, 6], expected [36]",
               changed([](Contents& c) {
                 c.tensors.at("state1.model.encoder.conv1.bias").shape = {6, 6};
               }));
  run.training.save(after);
  CHECK(bytes_of(after) == before);
}

namespace {

// The numbers that the codes of conv1's moment stand for.
std::vector<float> decoded(Contents& file, const std::string& moment, int64_t block) {
  const std::string& codes = file.tensors.at("state" + moment + "." + conv).data;
  const float *absmax = file.tensors.at("absmax" + moment + "." + conv).numbers(),
              *map = file.tensors.at("qmap" + moment).numbers();
  std::vector<float> numbers(codes.size());
  for (size_t i = 0; i < codes.size(); ++i)
    numbers[i] = map[static_cast<uint8_t>(codes[i])] * absmax[i / static_cast<size_t>(block)];
  return numbers;
}

// Whether the codes of conv1's moment are what the numbers have to become, in blocks of 256.
void check_coded(Contents& file, const std::string& moment, const std::vector<float>& numbers) {
  const auto& map = moment == "1" ? signed_dynamic_map : unsigned_dynamic_map;
  CHECK(std::memcmp(file.tensors.at("qmap" + moment).data.data(), map.data(), sizeof map) == 0);
  const std::vector<float> got = decoded(file, moment, 256);
  CHECK(got.size() == numbers.size());
  for (size_t begin = 0; begin < numbers.size(); begin += 256) {
    const size_t end = std::min(begin + 256, numbers.size());
    float absmax = 0;
    for (size_t i = begin; i < end; ++i) absmax = std::max(absmax, std::fabs(numbers[i]));
    CHECK(file.tensors.at("absmax" + moment + "." + conv).numbers()[begin / 256] == absmax);
    for (size_t i = begin; i < end; ++i) {
      float nearest = std::numeric_limits<float>::infinity();
      for (const float m : map) nearest = std::min(nearest, std::fabs(m * absmax - numbers[i]));
      CHECK(std::fabs(got[i] - numbers[i]) <= nearest + absmax * 1e-7f);
    }
  }
}

}  // namespace

TEST(optimizer_file_codes_anew_what_is_coded_otherwise) {
  const Folder folder;
  const std::string good = folder.file("good"), other = folder.file("other"), again = folder.file("again");
  const TrainingOptions options = options_of(Name::adamw_bnb_8bit);
  Run first(options);
  first.steps(3);
  first.training.save(good);
  // The codes that change() makes, after a load and a save, and the numbers that it says they stand for.
  const auto check = [&](auto change) {
    Contents file(good);
    std::map<std::string, std::vector<float>> numbers;
    for (const std::string moment : {"1", "2"}) numbers[moment] = change(file, moment);
    file.write(other);
    Run run(options);
    run.training.load(other);
    run.training.save(again);
    Contents got(again);
    for (const std::string moment : {"1", "2"}) check_coded(got, moment, numbers[moment]);
    run.steps(1);
  };

  check([](Contents& file, const std::string& moment) {  // blocks of 2048 elements, of which there are five
    auto& absmax = file.tensors.at("absmax" + moment + "." + conv);
    absmax.shape = {5};
    absmax.data.resize(5 * sizeof(float));
    return decoded(file, moment, 2048);
  });
  check([](Contents& file, const std::string& moment) {  // another map
    float* map = file.tensors.at("qmap" + moment).numbers();
    for (int i = 0; i < 256; ++i) map[i] = static_cast<float>(i - (moment == "1" ? 127 : 0)) / 255;
    return decoded(file, moment, 256);
  });
  check([](Contents& file, const std::string& moment) {  // in torch's order
    file.tensors.at("state" + moment + "." + conv).shape = {36, 80, 3};
    const std::vector<float> numbers = decoded(file, moment, 256);
    std::vector<float> moved(numbers.size());
    for (size_t o = 0; o < 36; ++o)
      for (size_t i = 0; i < 80; ++i)
        for (size_t tap = 0; tap < 3; ++tap) moved[(o * 3 + tap) * 80 + i] = numbers[(o * 80 + i) * 3 + tap];
    return moved;
  });
}
