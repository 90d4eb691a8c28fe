// What a sketch uses of Arduino's core, for the host: time passes only in delay(), the serial
// port is stdout, and random numbers are those of a small generator of known values.
#ifndef TESTS_ARDUINO_ARDUINO_H_
#define TESTS_ARDUINO_ARDUINO_H_

#include <stddef.h>
#include <stdint.h>

constexpr int A0 = 14;

int analogRead(int pin);
void delay(unsigned long milliseconds);
unsigned long micros();
unsigned long millis();
long random(long end);
void randomSeed(unsigned long seed);

class HostSerial {
 public:
  void begin(unsigned long baud);
  explicit operator bool() const;
  void print(const char* text);
  void print(int value);
  void print(unsigned int value);
  void print(long value);
  void print(unsigned long value);
  void print(double value, int digits = 2);
  size_t write(const uint8_t* data, size_t size);
  int available();
  int read();
  void println(const char* text);
  void println(unsigned long value);

 private:
  unsigned long baud_ = 0;
};

extern HostSerial Serial;

void setup();
void loop();

#endif  // TESTS_ARDUINO_ARDUINO_H_
