// The hooks of the agent with TensorFlow Lite Micro behind them: $title.
// Written by the LSTM conformance harness; change what your SDK needs to be changed.
#include <cstring>

#include "lstm_agent.h"
#include "model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

// The smallest arena on the host is ${symbol}_arena_bytes. Optimised kernels keep more: those of
// CMSIS-NN took up to three times as much for a lone LSTM.
#ifndef LSTM_AGENT_ARENA_BYTES
#define LSTM_AGENT_ARENA_BYTES (3 * ${symbol}_arena_bytes + 4096)
#endif

namespace {

alignas(16) unsigned char arena[LSTM_AGENT_ARENA_BYTES];
tflite::MicroInterpreter* interpreter = nullptr;

std::uint32_t bytes_of_outputs() {
  std::uint32_t found = 0;
  for (std::size_t k = 0; k < interpreter->outputs_size(); ++k) {
    found += static_cast<std::uint32_t>(interpreter->output(k)->bytes);
  }
  return found;
}

}  // namespace

extern "C" {

int agent_setup(void) {
$resolver
  static tflite::MicroInterpreter made(tflite::GetModel($symbol), resolver, arena, sizeof(arena));
  if (made.AllocateTensors() != kTfLiteOk) return 1;
  interpreter = &made;
  return 0;
}

int agent_reset(void) { return interpreter->Reset() == kTfLiteOk ? 0 : 1; }

int agent_invoke(const unsigned char* input) {
  // The place of an input in the arena is free after its last reader: set every one, every time.
  for (std::size_t k = 0; k < interpreter->inputs_size(); ++k) {
    TfLiteTensor* tensor = interpreter->input(k);
    std::memcpy(tensor->data.raw, input, tensor->bytes);
    input += tensor->bytes;
  }
  return interpreter->Invoke() == kTfLiteOk ? 0 : 1;
}

void agent_output(uint32_t offset, unsigned char* to, uint32_t size) {
  for (std::size_t k = 0; k < interpreter->outputs_size() && size > 0; ++k) {
    const TfLiteTensor* tensor = interpreter->output(k);
    const uint32_t there = static_cast<uint32_t>(tensor->bytes);
    if (offset >= there) {
      offset -= there;
      continue;
    }
    const uint32_t count = there - offset < size ? there - offset : size;
    std::memcpy(to, tensor->data.raw + offset, count);
    to += count;
    size -= count;
    offset = 0;
  }
}

int agent_value(uint32_t index, int32_t* thousandths) {
  if (interpreter == nullptr) return 0;
  for (std::size_t k = 0; k < interpreter->outputs_size(); ++k) {
    const TfLiteTensor* tensor = interpreter->output(k);
    const uint32_t width = tensor->type == kTfLiteInt8 ? 1 : tensor->type == kTfLiteInt16 ? 2 : 4;
    const uint32_t count = static_cast<uint32_t>(tensor->bytes) / width;
    if (index >= count) {
      index -= count;
      continue;
    }
    float value = 0.0f;
    if (width == 1) {
      value = static_cast<float>(tensor->data.int8[index] - tensor->params.zero_point) *
              tensor->params.scale;
    } else if (width == 2) {
      value = static_cast<float>(tensor->data.i16[index]) * tensor->params.scale;
    } else if (tensor->type == kTfLiteFloat32) {
      value = tensor->data.f[index];
    }
    *thousandths = static_cast<int32_t>(1000.0f * value + (value < 0 ? -0.5f : 0.5f));
    return 1;
  }
  return 0;
}

const unsigned char* agent_model(uint32_t* size) {
  *size = ${symbol}_len;
  return $symbol;
}

uint32_t agent_input_bytes(void) { return LSTM_AGENT_INPUT_BYTES; }

uint32_t agent_output_bytes(void) {
  return interpreter == nullptr ? LSTM_AGENT_OUTPUT_BYTES : bytes_of_outputs();
}

uint32_t agent_arena_used(void) {
  return interpreter == nullptr ? 0 : static_cast<uint32_t>(interpreter->arena_used_bytes());
}

uint32_t agent_arena_bytes(void) { return LSTM_AGENT_ARENA_BYTES; }

}  // extern "C"
