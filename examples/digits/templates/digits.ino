// $title on a microcontroller: takes one of ten embedded handwritten digits at random,
// predicts it, and prints both at 115200 baud. Written by python -m examples.digits.sketch;
// change the template examples/digits/templates/digits.ino instead.
//
// Needs the library of <$library> (TensorFlow Lite Micro) and $arena_total bytes of RAM
// for the tensor arena.

#include <$library>

#include <math.h>
#include <stdint.h>

#include "digits.h"
#include "model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

// Measured: the model runs in $arena bytes, and not in 16 less, on a 64-bit host with the
// kernels of the tflite-micro wheel. The margin of $margin bytes, $percent percent, is for other
// versions and for optimised kernels, which ask for scratch memory of their own; on a 32-bit
// device, where pointers are half as large, some of it remains. Lower it step by step if RAM is
// short: too small an arena ends in a message of setup(), or in a crash.
// (arena_used_bytes() is no measure: loading can need more than is in use afterwards.)
constexpr size_t kArenaBytes = ${symbol}_arena_bytes + $margin;
alignas(16) uint8_t arena[kArenaBytes];

constexpr unsigned long kPauseMilliseconds = 2000;

tflite::MicroMutableOpResolver<$op_count> resolver;
tflite::MicroInterpreter* interpreter = nullptr;

// Why nothing can be predicted; nullptr when all is well.
const char* failure = nullptr;

bool RegisterOperators() {
  return $registered;
}

int ElementCount(const TfLiteTensor* tensor) {
  int count = 1;
  for (int k = 0; k < tensor->dims->size; ++k) count *= tensor->dims->data[k];
  return count;
}

bool IsKnownType(const TfLiteTensor* tensor) {
  return tensor->type == kTfLiteFloat32 || tensor->type == kTfLiteInt8;
}

// The integer that stands for a real value: rounded half away from zero, then clamped.
int8_t Quantize(float value, float scale, int zero_point) {
  const long rounded = lroundf(value / scale) + zero_point;
  if (rounded < INT8_MIN) return INT8_MIN;
  if (rounded > INT8_MAX) return INT8_MAX;
  return static_cast<int8_t>(rounded);
}

void SetInput(TfLiteTensor* input, const uint8_t* pixels) {
  for (int k = 0; k < kDigitPixels; ++k) {
    const float value = pixels[k] / kDigitWhite;
    if (input->type == kTfLiteFloat32) {
      input->data.f[k] = value;
    } else {
      input->data.int8[k] = Quantize(value, input->params.scale, input->params.zero_point);
    }
  }
}

float GetOutput(const TfLiteTensor* output, int k) {
  if (output->type == kTfLiteFloat32) return output->data.f[k];
  return (output->data.int8[k] - output->params.zero_point) * output->params.scale;
}

// What setup() does before the first prediction; a sentence when it cannot.
const char* Prepare() {
  const tflite::Model* model = tflite::GetModel($symbol);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    return "the model has another schema version than this TensorFlow Lite Micro";
  }
  if (!RegisterOperators()) return "an operator could not be registered";
  static tflite::MicroInterpreter only(model, resolver, arena, kArenaBytes);
  interpreter = &only;
  if (interpreter->AllocateTensors() != kTfLiteOk) {
    return "the tensors could not be allocated: the arena is too small, or an operator is missing";
  }
  const TfLiteTensor* input = interpreter->input(0);
  const TfLiteTensor* output = interpreter->output(0);
  if (!IsKnownType(input) || !IsKnownType(output)) return "neither float32 nor int8";
  if (ElementCount(input) != kDigitPixels) return "the input is not an image of 28 x 28";
  if (ElementCount(output) != kDigitClasses) return "the output is not ten classes";
  return nullptr;
}

}  // namespace

void setup() {
  Serial.begin(115200);
  while (!Serial && millis() < 5000) {
    // Boards with native USB wait for the monitor, but not for ever.
  }
  randomSeed(analogRead(A0));
  failure = Prepare();
  if (failure != nullptr) return;
  Serial.print("model bytes ");
  Serial.print(${symbol}_len);
  Serial.print(", arena bytes ");
  Serial.println(static_cast<unsigned long>(kArenaBytes));
}

void loop() {
  if (failure != nullptr) {
    // Again and again: who opens the monitor late has to see it.
    Serial.print("error: ");
    Serial.println(failure);
    delay(kPauseMilliseconds);
    return;
  }
  const long chosen = random(kDigitCount);

  // An LSTM keeps its state from one invoke to the next: each digit starts afresh. The input does
  // not survive the reset, so it is set afterwards.
  if (interpreter->Reset() != kTfLiteOk) {
    failure = "the interpreter could not be reset";
    return;
  }
  SetInput(interpreter->input(0), kDigits[chosen]);
  const unsigned long began = micros();
  if (interpreter->Invoke() != kTfLiteOk) {
    failure = "the model could not be invoked";
    return;
  }
  const unsigned long took = micros() - began;

  const TfLiteTensor* output = interpreter->output(0);
  int best = 0;
  for (int k = 1; k < kDigitClasses; ++k) {
    if (GetOutput(output, k) > GetOutput(output, best)) best = k;
  }
  Serial.print("digit ");
  Serial.print(kDigitLabels[chosen]);
  Serial.print(", predicted ");
  Serial.print(best);
  Serial.print(", probability ");
  Serial.print(GetOutput(output, best), 4);
  Serial.print(", microseconds ");
  Serial.println(took);
  delay(kPauseMilliseconds);
}
