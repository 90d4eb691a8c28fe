// Ten handwritten digits of the held-out set, one of each class: the first there is.
// Written by python -m examples.digits.sketch; do not edit.
#ifndef DIGITS_H_
#define DIGITS_H_

#include <stdint.h>

constexpr int kDigitCount = $count;
constexpr int kDigitClasses = $count;
constexpr int kDigitPixels = $pixels;
// A pixel is this many times its real value, which lies between 0 and 1.
constexpr float kDigitWhite = 255.0f;

const int kDigitLabels[kDigitCount] = {$labels};

// $size rows of $size pixels each.
const uint8_t kDigits[kDigitCount][kDigitPixels] = {
$images
};

#endif  // DIGITS_H_
