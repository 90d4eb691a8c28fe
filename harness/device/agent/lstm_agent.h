/* The agent: MLPerf Tiny's line protocol with the extension of docs/device.md, for firmware.
 *
 * C99 and C++11, no heap, no printf. Feed it the bytes that come over the wire; it calls the hooks
 * below, which you provide (hooks_tflm.cc does, with TensorFlow Lite Micro).
 */
#ifndef LSTM_AGENT_H_
#define LSTM_AGENT_H_

#include <stdint.h>

#include "agent_config.h"

/* The longest command, its end not counted. More lets the input come over in fewer commands. */
#ifndef LSTM_AGENT_COMMAND_BYTES
#define LSTM_AGENT_COMMAND_BYTES 256
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Call once, when the wire is ready. */
void agent_start(void);
/* Call for every byte that comes over the wire, and not from an interrupt: it may invoke. */
void agent_byte(char byte);
/* CRC-32 (IEEE 802.3) of more bytes; begin with 0. */
uint32_t agent_crc32(uint32_t crc, const unsigned char* data, uint32_t size);

/* What you provide. A status is 0 where all is well. */

/* Make the model ready: called once, by agent_start. */
int agent_setup(void);
/* Restore the initial state. */
int agent_reset(void);
/* Run the model once. input: all inputs one after the other, in the model's order. */
int agent_invoke(const unsigned char* input);
/* Copy bytes of all outputs, one after the other as they lie in memory, from an offset. */
void agent_output(uint32_t offset, unsigned char* to, uint32_t size);
/* Value number `index` of the outputs in thousandths, 0 where there is none: what `results%`
 * prints. */
int agent_value(uint32_t index, int32_t* thousandths);
/* The flatbuffer as it lies in the firmware. */
const unsigned char* agent_model(uint32_t* size);
/* Bytes of all inputs, and of all outputs. */
uint32_t agent_input_bytes(void);
uint32_t agent_output_bytes(void);
/* Bytes of the tensor arena that are used, and that there are; 0 where that is not known. */
uint32_t agent_arena_used(void);
uint32_t agent_arena_bytes(void);
/* A clock in microseconds; one that always gives 0 says that there is none. */
uint32_t agent_micros(void);
/* Send bytes over the wire. */
void agent_write(const char* data, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif /* LSTM_AGENT_H_ */
