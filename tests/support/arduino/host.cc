// Runs a sketch on the host: `sketch PLAN SEED LOOPS`. The plan is text, a line each:
//
//   schema VERSION            the version in the model
//   arena BYTES               what the model needs
//   operator METHOD           an operator that the model needs, by the resolver's method
//   model HEX                 the flatbuffer
//   input|output TYPE SCALE ZERO_POINT DIMENSIONS…
//   answer HEX HEX            an input and the output that belongs to it
//   fail invoke|reset         what goes wrong
//
// As in the real interpreter the input does not survive a reset, and an invoke without one goes
// on from the state before: here it answers with its bytes reversed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "Arduino.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace {

typedef std::vector<unsigned char> Bytes;

struct Plan {
  uint32_t schema = 0;
  size_t arena = 0;
  std::set<std::string> operators;
  Bytes model;
  std::map<Bytes, Bytes> answers;
  std::set<std::string> failures;
  TfLiteTensor tensors[2] = {};
  TfLiteIntArray shapes[2] = {};
  Bytes contents[2];
};

Plan plan;
tflite::Model model;
unsigned long now_microseconds = 0;
uint32_t generator = 0;

Bytes FromHex(const std::string& text) {
  Bytes found;
  for (size_t k = 0; k + 1 < text.size(); k += 2) {
    found.push_back(static_cast<unsigned char>(strtoul(text.substr(k, 2).c_str(), nullptr, 16)));
  }
  return found;
}

void ReadTensor(int which, std::istringstream* words) {
  int type = 0;
  TfLiteTensor* tensor = &plan.tensors[which];
  TfLiteIntArray* shape = &plan.shapes[which];
  std::string scale;
  *words >> type >> scale >> tensor->params.zero_point;
  tensor->type = static_cast<TfLiteType>(type);
  tensor->params.scale = strtof(scale.c_str(), nullptr);
  tensor->bytes = type == kTfLiteFloat32 || type == kTfLiteInt32 ? 4 : type == kTfLiteInt16 ? 2 : 1;
  int size = 0;
  while (*words >> size) {
    shape->data[shape->size++] = size;
    tensor->bytes *= static_cast<size_t>(size);
  }
  plan.contents[which].assign(tensor->bytes, 0);
  tensor->dims = shape;
  tensor->data.data = plan.contents[which].data();
}

void ReadPlan(const char* path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string key, first, second;
    words >> key;
    if (key == "schema") words >> plan.schema;
    if (key == "arena") words >> plan.arena;
    if (key == "input") ReadTensor(0, &words);
    if (key == "output") ReadTensor(1, &words);
    if (key == "operator" && words >> first) plan.operators.insert(first);
    if (key == "model" && words >> first) plan.model = FromHex(first);
    if (key == "fail" && words >> first) plan.failures.insert(first);
    if (key == "answer" && words >> first >> second) plan.answers[FromHex(first)] = FromHex(second);
  }
}

}  // namespace

HostSerial Serial;

int analogRead(int) { return 0; }
void delay(unsigned long milliseconds) { now_microseconds += 1000 * milliseconds; }
unsigned long micros() { return now_microseconds; }
unsigned long millis() { return now_microseconds += 1000, now_microseconds / 1000; }
void randomSeed(unsigned long seed) { generator += static_cast<uint32_t>(seed); }

long random(long end) {
  generator = generator * 1664525u + 1013904223u;
  return static_cast<long>((generator >> 16) % static_cast<unsigned long>(end));
}

void HostSerial::begin(unsigned long baud) {
  baud_ = baud;
  printf("baud %lu\n", baud);
}
HostSerial::operator bool() const { return baud_ != 0; }
void HostSerial::print(const char* text) { printf("%s", text); }
void HostSerial::print(int value) { printf("%d", value); }
void HostSerial::print(unsigned int value) { printf("%u", value); }
void HostSerial::print(long value) { printf("%ld", value); }
void HostSerial::print(unsigned long value) { printf("%lu", value); }
void HostSerial::print(double value, int digits) { printf("%.*f", digits, value); }
void HostSerial::println(const char* text) { printf("%s\n", text); }
void HostSerial::println(unsigned long value) { printf("%lu\n", value); }

namespace tflite {

const Model* GetModel(const void* start) {
  model.start = static_cast<const unsigned char*>(start);
  model.version_ = plan.schema;
  return &model;
}

MicroInterpreter::MicroInterpreter(const Model* model, const MicroOpResolver& resolver,
                                   uint8_t* arena, size_t arena_bytes)
    : model_(model), resolver_(resolver), arena_(arena), arena_bytes_(arena_bytes) {}

TfLiteStatus MicroInterpreter::AllocateTensors() {
  for (const std::string& name : plan.operators) {
    if (!resolver_.names().count(name)) return kTfLiteError;
  }
  if (arena_bytes_ < plan.arena || reinterpret_cast<uintptr_t>(arena_) % 16) return kTfLiteError;
  if (reinterpret_cast<uintptr_t>(model_->start) % 16) return kTfLiteError;
  if (memcmp(model_->start, plan.model.data(), plan.model.size())) return kTfLiteError;
  memset(arena_, 0x5a, arena_bytes_);  // it is ours to use
  allocated_ = true;
  return kTfLiteOk;
}

TfLiteStatus MicroInterpreter::Reset() {
  if (!allocated_ || plan.failures.count("reset")) return kTfLiteError;
  plan.contents[0].assign(plan.contents[0].size(), 0x5a);
  fresh_ = true;
  return kTfLiteOk;
}

TfLiteStatus MicroInterpreter::Invoke() {
  if (!allocated_ || plan.failures.count("invoke")) return kTfLiteError;
  printf("input ");
  for (unsigned char byte : plan.contents[0]) printf("%02x", byte);
  printf("\n");
  std::map<Bytes, Bytes>::const_iterator found = plan.answers.find(plan.contents[0]);
  if (found == plan.answers.end()) return kTfLiteError;
  Bytes& output = plan.contents[1];
  output.assign(found->second.begin(), found->second.end());
  if (!fresh_) output.assign(found->second.rbegin(), found->second.rend());
  fresh_ = false;
  return kTfLiteOk;
}

TfLiteTensor* MicroInterpreter::input(size_t index) { return index ? nullptr : &plan.tensors[0]; }
TfLiteTensor* MicroInterpreter::output(size_t index) { return index ? nullptr : &plan.tensors[1]; }

}  // namespace tflite

int main(int count, char** words) {
  if (count != 4) return 2;
  ReadPlan(words[1]);
  generator = static_cast<uint32_t>(strtoul(words[2], nullptr, 10));
  setup();
  for (long k = 0; k < strtol(words[3], nullptr, 10); ++k) loop();
  return 0;
}
