/* The agent on standard input and output: a host program, or semihosting on a board or emulator.
 * Where a board has a UART, replace fread and fwrite by it. */
#include <stdio.h>

#include "lstm_agent.h"

#ifdef LSTM_AGENT_HOST_CLOCK
#include <time.h>
uint32_t agent_micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}
#else
/* No clock: the report says that there is none. Put your timer's microseconds here. */
uint32_t agent_micros(void) { return 0; }
#endif

void agent_write(const char* data, uint32_t size) {
  fwrite(data, 1, size, stdout);
  fflush(stdout);
}

int main(void) {
  int byte;
  agent_start();
  while ((byte = getchar()) != EOF) agent_byte((char)byte);
  return 0;
}
