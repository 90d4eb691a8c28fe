// The operators that a sketch registers, for the host: a method for each that the digit models
// use, and room for as many as the template argument says.
#ifndef TESTS_ARDUINO_MICRO_MUTABLE_OP_RESOLVER_H_
#define TESTS_ARDUINO_MICRO_MUTABLE_OP_RESOLVER_H_

#include <set>
#include <string>

typedef enum { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;

namespace tflite {

class MicroOpResolver {
 public:
  const std::set<std::string>& names() const { return names_; }

 protected:
  std::set<std::string> names_;
};

template <unsigned int kCapacity>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddFullyConnected() { return Add("AddFullyConnected"); }
  TfLiteStatus AddReshape() { return Add("AddReshape"); }
  TfLiteStatus AddSoftmax() { return Add("AddSoftmax"); }
  TfLiteStatus AddUnidirectionalSequenceLSTM() { return Add("AddUnidirectionalSequenceLSTM"); }

 private:
  TfLiteStatus Add(const char* name) {
    if (names_.size() == kCapacity || !names_.insert(name).second) return kTfLiteError;
    return kTfLiteOk;
  }
};

}  // namespace tflite

#endif  // TESTS_ARDUINO_MICRO_MUTABLE_OP_RESOLVER_H_
