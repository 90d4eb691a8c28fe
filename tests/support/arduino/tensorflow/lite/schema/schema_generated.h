// The part of the schema that a sketch uses, for the host.
#ifndef TESTS_ARDUINO_SCHEMA_GENERATED_H_
#define TESTS_ARDUINO_SCHEMA_GENERATED_H_

#include <stdint.h>

#define TFLITE_SCHEMA_VERSION (3)

namespace tflite {

struct Model {
  uint32_t version() const { return version_; }

  const unsigned char* start;
  uint32_t version_;
};

const Model* GetModel(const void* start);

}  // namespace tflite

#endif  // TESTS_ARDUINO_SCHEMA_GENERATED_H_
