/* The agent: see lstm_agent.h. It answers a command at a time and keeps one input. */
#include "lstm_agent.h"

#include <string.h>

#define WORDS 6        /* the longest command: lstm begin TAG NONCE BYTES CRC */
#define WORD_BYTES 10  /* the longest word that is repeated in an answer */
#define CHUNK 32       /* bytes of the output in a line */

/* The command that is coming in. */
static char command[LSTM_AGENT_COMMAND_BYTES + 1];
static uint32_t command_length;
/* The input: bytes that are expected, and that have come. */
static unsigned char input[LSTM_AGENT_INPUT_BYTES];
static uint32_t expected, loaded;
/* The session. No nonce: there is none. refusing: another model was asked for. */
static char nonce[WORD_BYTES + 1];
static uint32_t invokes;
static int refusing;
/* Of the last invoke. */
static uint32_t micros, invoked_crc;
static int status;
/* Of the setup. */
static int setup_status;
static uint32_t model_crc, model_bytes;
/* What is being sent, and the checksum of the line so far. */
static char out[128];
static uint32_t out_length, line_crc;

uint32_t agent_crc32(uint32_t crc, const unsigned char* data, uint32_t size) {
  /* The remainders of the sixteen values of four bits, for the reversed polynomial. */
  static const uint32_t table[16] = {
      0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
      0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
      0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
  uint32_t k;
  crc = ~crc;
  for (k = 0; k < size; k++) {
    crc ^= data[k];
    crc = (crc >> 4) ^ table[crc & 15u];
    crc = (crc >> 4) ^ table[crc & 15u];
  }
  return ~crc;
}

/* Sending ------------------------------------------------------------------------------- */

static void flush(void) {
  if (out_length > 0) agent_write(out, out_length);
  out_length = 0;
}

static void put(char c) {
  const unsigned char byte = (unsigned char)c;
  line_crc = agent_crc32(line_crc, &byte, 1);
  out[out_length++] = c;
  if (out_length == sizeof(out)) flush();
}

static void text(const char* s) {
  while (*s != 0) put(*s++);
}

static void end_line(void) {
  text("\r\n");
  flush();
  line_crc = 0;
}

static void say(const char* s) {
  text(s);
  end_line();
}

static void decimal(uint32_t value) {
  char digits[10];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10u);
    value /= 10u;
  } while (value > 0);
  while (count > 0) put(digits[--count]);
}

static void hex_byte(unsigned char value) {
  static const char digits[] = "0123456789abcdef";
  put(digits[value >> 4]);
  put(digits[value & 15]);
}

static void hex_word(uint32_t value) {
  int shift;
  for (shift = 24; shift >= 0; shift -= 8) hex_byte((unsigned char)(value >> shift));
}

/* A line of the extension: m-lstm-KIND-[TAG,FIELD,…]-CRC. */
static void open_line(const char* kind, const char* tag) {
  line_crc = 0;
  text("m-lstm-");
  text(kind);
  text("-[");
  text(tag);
}

static void field(uint32_t value) {
  put(',');
  decimal(value);
}

static void field_hex(uint32_t value) {
  put(',');
  hex_word(value);
}

static void field_text(const char* value) {
  put(',');
  text(value);
}

static void close_line(void) {
  uint32_t crc;
  put(']');
  crc = line_crc;
  put('-');
  hex_word(crc);
  end_line();
}

/* Reading ------------------------------------------------------------------------------- */

/* The number that a word is; 0 where it is none or too large. */
static int number(const char* word, uint32_t* value) {
  uint32_t found = 0;
  int count;
  for (count = 0; word[count] != 0; count++) {
    if (word[count] < '0' || word[count] > '9' || count >= 9) return 0;
    found = 10u * found + (uint32_t)(word[count] - '0');
  }
  *value = found;
  return count > 0;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Whether a word may be repeated in an answer. */
static int plain(const char* word) {
  int count;
  for (count = 0; word[count] != 0; count++) {
    const char c = word[count];
    const int known = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!known || count >= WORD_BYTES) return 0;
  }
  return count > 0;
}

static uint32_t hex_of(const char* word) {
  uint32_t found = 0;
  while (*word != 0) {
    const int value = digit(*word++);
    found = (found << 4) | (uint32_t)(value < 0 ? 0 : value);
  }
  return found;
}

/* Commands ------------------------------------------------------------------------------ */

static void load(const char* word) {
  uint32_t size = 0;
  loaded = expected = 0;
  if (!number(word, &size) || size != agent_input_bytes() || size > sizeof(input)) {
    text("e-[The inputs have ");
    decimal(agent_input_bytes());
    say(" bytes]");
    return;
  }
  expected = size;
  text("m-[Expecting ");
  decimal(size);
  say(" bytes]");
}

static void bytes(const char* word) {
  uint32_t k;
  const uint32_t count = (uint32_t)strlen(word);
  for (k = 0; k < count; k++) {
    if (digit(word[k]) < 0) {
      say("e-[Invalid hex digits]");
      return;
    }
  }
  if (count % 2u != 0) {
    say("e-[Invalid hex digits]");
  } else if (loaded + count / 2u > expected) {
    say("e-[More bytes than expected]");
  } else {
    for (k = 0; k < count; k += 2u) {
      input[loaded++] = (unsigned char)(digit(word[k]) * 16 + digit(word[k + 1u]));
    }
    if (loaded == expected) say("m-load-done");
  }
}

static void print_input(void) {
  uint32_t k;
  for (k = 0; k < loaded; k++) {
    text(k % 8u == 0 ? "m-buffer-" : "-");
    hex_byte(input[k]);
    if (k % 8u == 7u || k + 1u == loaded) end_line();
  }
}

static void rounded_results(void) {
  int32_t value = 0;
  uint32_t k;
  text("m-results-[");
  for (k = 0; agent_value(k, &value); k++) {
    const uint32_t size = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    if (k > 0) put(',');
    if (value < 0) put('-');
    decimal(size / 1000u);
    put('.');
    put((char)('0' + size / 100u % 10u));
    put((char)('0' + size / 10u % 10u));
    put((char)('0' + size % 10u));
  }
  say("]");
}

static void invoke(uint32_t times) {
  for (; times > 0; times--) {
    status = agent_invoke(input);
    invokes++;
    invoked_crc = agent_crc32(0, input, loaded); /* the input may be another when results are read */
  }
}

static void lap(uint32_t now) {
  text("m-lap-us-");
  decimal(now);
  end_line();
}

/* Unlike MLPerf Tiny's, where ten warm-ups are the default, there is none unless it is asked for:
 * each would move the state on. */
static void infer(char** words, int count) {
  uint32_t times = 0, warm = 0, began, ended;
  if (count < 2 || count > 3 || !number(words[1], &times) || times == 0 ||
      (count == 3 && !number(words[2], &warm))) {
    say("e-[infer N [W], N > 0]");
  } else if (setup_status != 0) {
    say("e-[Setup failed]");
  } else if (refusing) {
    say("e-[Another model was asked for]");
  } else if (loaded == 0 || loaded != agent_input_bytes()) {
    say("e-[No input is loaded]");
  } else {
    text("m-warmup-start-");
    decimal(warm);
    end_line();
    invoke(warm);
    say("m-warmup-done");
    text("m-infer-start-");
    decimal(times);
    end_line();
    began = agent_micros();
    lap(began);
    invoke(times);
    ended = agent_micros();
    micros = (ended - began) / times;
    lap(ended);
    say("m-infer-done");
    if (nonce[0] == 0) rounded_results();
  }
}

/* How 0x01020304 lies in memory. */
static void byte_order(void) {
  const uint32_t word = 0x01020304u;
  unsigned char lies[4];
  int k;
  memcpy(lies, &word, sizeof(lies));
  put(',');
  for (k = 0; k < 4; k++) hex_byte(lies[k]);
}

static void hello(const char* tag) {
  open_line("hello", tag);
  field(1); /* the extension's version */
  field(LSTM_AGENT_COMMAND_BYTES);
  field(agent_input_bytes());
  field(agent_output_bytes());
  field(agent_arena_used());
  field(agent_arena_bytes());
  field(model_bytes);
  field_hex(model_crc);
  byte_order();
  field((uint32_t)setup_status);
  close_line();
}

static void begin(const char* tag, const char* name, const char* size, const char* crc) {
  uint32_t told = 0;
  const int same = number(size, &told) && told == model_bytes && strlen(crc) == 8u &&
                   hex_of(crc) == model_crc;
  int gave = 0;
  nonce[0] = 0;
  invokes = loaded = expected = 0;
  refusing = !same;
  if (same && setup_status == 0) {
    gave = agent_reset();
    if (gave == 0) strcpy(nonce, name);
  }
  open_line("begin", tag);
  field_text(name);
  field((uint32_t)same);
  field(model_bytes);
  field_hex(model_crc);
  field((uint32_t)gave);
  close_line();
}

static void session(const char* tag, const char* kind) {
  open_line(kind, tag);
  field_text(nonce[0] == 0 ? "0" : nonce);
  field(invokes);
}

static void where(const char* tag) {
  session(tag, "status");
  field(loaded);
  field_hex(agent_crc32(0, input, loaded));
  close_line();
}

static void results(const char* tag) {
  unsigned char part[CHUNK];
  const uint32_t size = agent_output_bytes();
  uint32_t at, k, crc = 0;
  if (invokes == 0) {
    say("e-[Nothing was invoked]");
    return;
  }
  session(tag, "result");
  field_hex(invoked_crc);
  field(size);
  field(micros);
  field((uint32_t)status);
  close_line();
  for (at = 0; at < size; at += CHUNK) {
    const uint32_t count = size - at < CHUNK ? size - at : CHUNK;
    agent_output(at, part, count);
    crc = agent_crc32(crc, part, count);
    open_line("out", tag);
    field(at);
    put(',');
    for (k = 0; k < count; k++) hex_byte(part[k]);
    close_line();
  }
  open_line("done", tag);
  field(size);
  field_hex(crc);
  close_line();
}

static int extension(char** words, int count) {
  int k;
  for (k = 2; k < count; k++) {
    if (!plain(words[k])) return 0;
  }
  if (count == 3 && strcmp(words[1], "hello") == 0) {
    hello(words[2]);
  } else if (count == 6 && strcmp(words[1], "begin") == 0) {
    begin(words[2], words[3], words[4], words[5]);
  } else if (count == 3 && strcmp(words[1], "status") == 0) {
    where(words[2]);
  } else if (count == 3 && strcmp(words[1], "results") == 0) {
    results(words[2]);
  } else {
    return 0;
  }
  return 1;
}

static int known(char** words, int count) {
  if (count == 1 && strcmp(words[0], "name") == 0) {
    say("m-name-dut-[" LSTM_AGENT_NAME "]");
  } else if (count == 1 && strcmp(words[0], "timestamp") == 0) {
    lap(agent_micros());
  } else if (count == 1 && strcmp(words[0], "profile") == 0) {
    say("m-profile-[LSTM conformance agent 1]");
    text("m-model-[");
    hex_word(model_crc);
    say("]");
  } else if (count == 1 && strcmp(words[0], "help") == 0) {
    say("name, timestamp, profile, db load N, db HEX, db print, infer N [W], results, lstm");
  } else if (count == 1 && strcmp(words[0], "results") == 0) {
    rounded_results();
  } else if (count == 3 && strcmp(words[0], "db") == 0 && strcmp(words[1], "load") == 0) {
    load(words[2]);
  } else if (count == 2 && strcmp(words[0], "db") == 0 && strcmp(words[1], "print") == 0) {
    print_input();
  } else if (count == 2 && strcmp(words[0], "db") == 0) {
    bytes(words[1]);
  } else if (count >= 2 && strcmp(words[0], "infer") == 0) {
    infer(words, count);
  } else if (count >= 3 && strcmp(words[0], "lstm") == 0) {
    return extension(words, count);
  } else {
    return 0;
  }
  return 1;
}

static void obey(char* line) {
  char* words[WORDS];
  int count = 0;
  while (*line == '\r' || *line == '\n' || *line == ' ' || *line == 0) {
    if (*line == 0) {
      say("m-ready"); /* nothing was asked: the other side looks for us */
      return;
    }
    line++;
  }
  while (line != 0 && count < WORDS) {
    words[count++] = line;
    line = strchr(line, ' ');
    if (line != 0) *line++ = 0;
  }
  if (line != 0 || !known(words, count)) {
    text("e-[Unknown command");
    if (plain(words[0])) {
      text(": ");
      text(words[0]);
    }
    say("]");
  }
  say("m-ready");
}

void agent_start(void) {
  const unsigned char* model;
  expected = loaded = invokes = micros = command_length = out_length = line_crc = 0;
  nonce[0] = 0;
  refusing = status = 0;
  setup_status = agent_setup();
  model = agent_model(&model_bytes);
  model_crc = agent_crc32(0, model, model_bytes);
  say("m-init-done");
  say("m-ready");
}

void agent_byte(char byte) {
  if (byte != '%') {
    if (byte == 0) return;
    if (command_length <= LSTM_AGENT_COMMAND_BYTES) command[command_length] = byte;
    if (command_length <= LSTM_AGENT_COMMAND_BYTES) command_length++;
  } else if (command_length > LSTM_AGENT_COMMAND_BYTES) {
    command_length = 0;
    say("e-[Command too long]");
    say("m-ready");
  } else {
    command[command_length] = 0;
    command_length = 0;
    obey(command);
  }
}
