// The agent as an Arduino sketch: open this folder, with a TensorFlow Lite Micro library installed.
// (Where the library asks for it, include its own header here first, as <TensorFlowLite.h>.)
#include "lstm_agent.h"

extern "C" uint32_t agent_micros(void) { return static_cast<uint32_t>(micros()); }

extern "C" void agent_write(const char* data, uint32_t size) {
  Serial.write(reinterpret_cast<const uint8_t*>(data), size);
}

void setup() {
  Serial.begin(115200);
  const unsigned long began = millis();
  while (!Serial && millis() - began < 5000) {
  }
  agent_start();
}

void loop() {
  while (Serial.available() > 0) agent_byte(static_cast<char>(Serial.read()));
}
