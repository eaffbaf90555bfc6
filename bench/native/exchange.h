/*
 * One request and its answer, as all generators write and check them.
 *
 * A file of parts, each ending in a NUL, says what is sent: the body, with \1 for the id, \2 for the nonce and \3 for
 * padding (PAD to PAD + 9 characters, so that lengths vary as they do in life); the body of the answer, with \1 for the
 * id, or nothing where it is an echo; then heads without Content-Length.
 *
 * An answer is right when its status is 200 and it is, byte for byte, what the file says. An echo is right when it has
 * the id of the request, exactly the nonce and SIZE characters of the pattern as its text, and EVENTS notifications.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

struct script {
  const char *body, *expected, **heads;
  size_t bodyLength, expectedLength, headCount, size, pad;
  int events;
  char *pattern;
};

static struct script script;

struct answer {
  char *in;
  size_t inLength, capacity, bodyStart;
  long length; /* -1 = chunked, -2 = unknown yet */
  size_t chunksSeen, unchunked;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void readScript(const char *path, size_t size, int events, size_t pad) {
  int fd = open(path, O_RDONLY);
  off_t length = lseek(fd, 0, SEEK_END);
  char *file = calloc(1, length + 1);
  if (fd < 0 || !file || pread(fd, file, length, 0) != length) fail(path);
  close(fd);
  script.body = file;
  script.bodyLength = strlen(file);
  script.expected = file + script.bodyLength + 1;
  script.expectedLength = strlen(script.expected);
  const char *head = script.expected + script.expectedLength + 1;
  script.heads = calloc(length, sizeof *script.heads);
  script.size = size;
  script.events = events;
  script.pad = pad;
  script.pattern = malloc(size + 1);
  if (!script.heads || !script.pattern) fail("malloc");
  for (size_t i = 0; i < size; i++) script.pattern[i] = 'a' + (i % 4096) % 23;
  for (; head < file + length; head += strlen(head) + 1) script.heads[script.headCount++] = head;
  if (!script.headCount) fail("no head");
}

static void nonceOf(uint64_t id, char *to) {
  static const char hex[] = "0123456789abcdef";
  uint64_t x = id * 0x9e3779b97f4a7c15ULL;
  for (int i = 0; i < 16; i++, x >>= 4) to[i] = hex[x & 15];
}

/** Room that a request with this head needs. */
static size_t requestRoom(const char *head) { return strlen(head) + script.bodyLength + script.pad + 256; }

/** Writes a request; `*length` bytes from the place that is returned. */
static char *writeRequest(char *room, const char *head, size_t headLength, uint64_t id, size_t *length) {
  size_t padding = script.pad + id % 10;
  char *start = room + headLength + 40, *at = start;
  for (size_t i = 0; i < script.bodyLength; i++) {
    if (script.body[i] == 1) at += sprintf(at, "%llu", (unsigned long long)id);
    else if (script.body[i] == 2) nonceOf(id, at), at += 16;
    else if (script.body[i] == 3) {
      memset(at, 'p', padding);
      at += padding;
    } else
      *at++ = script.body[i];
  }
  /* The head is put right in front of the body, so that both go out in one write. */
  char line[40];
  int n = sprintf(line, "content-length: %zu\r\n\r\n", (size_t)(at - start));
  char *first = start - n - headLength;
  memcpy(first, head, headLength);
  memcpy(start - n, line, n);
  *length = at - first;
  return first;
}

static const char *find(const char *s, size_t length, const char *what) {
  return memmem(s, length, what, strlen(what));
}

static const char *checkExact(const char *text, size_t length, uint64_t id) {
  char digits[24];
  size_t n = sprintf(digits, "%llu", (unsigned long long)id);
  const char *mark = memchr(script.expected, 1, script.expectedLength);
  size_t before = mark ? (size_t)(mark - script.expected) : script.expectedLength;
  size_t after = mark ? script.expectedLength - before - 1 : 0;
  if (length != before + (mark ? n : 0) + after) return "length";
  if (memcmp(text, script.expected, before)) return "text before the id";
  if (mark && memcmp(text + before, digits, n)) return "id";
  return mark && memcmp(text + before + n, mark + 1, after) ? "text after the id" : NULL;
}

/** What is wrong with the answer whose body is `text`; NULL when it is right. */
static const char *wrongIn(const struct answer *a, const char *text, size_t length, uint64_t id) {
  if (memcmp(a->in, "HTTP/1.1 200 ", 13)) return "status";
  if (script.expectedLength) return checkExact(text, length, id);
  char wanted[40], nonce[16];
  int n = sprintf(wanted, "\"id\":%llu", (unsigned long long)id);
  const char *at = find(text, length, wanted);
  if (!at || (at[n] != ',' && at[n] != '}')) return "id";
  at = find(text, length, "\"text\":\"");
  if (!at) return "no text";
  at += 8;
  nonceOf(id, nonce);
  if ((size_t)(text + length - at) < script.size + 17 || memcmp(at, nonce, 16)) return "nonce";
  if (memcmp(at + 16, script.pattern, script.size) || at[script.size + 16] != '"') return "text";
  int seen = 0;
  if (script.events)
    for (const char *e = text; (e = find(e, text + length - e, "\"notifications/message\"")); e++) seen++;
  return seen == script.events ? NULL : "notifications";
}

static void expectAnswer(struct answer *a) {
  a->inLength = a->bodyStart = a->chunksSeen = a->unchunked = 0;
  a->length = -2;
}

/** Makes room for at least 64 KiB more. */
static void reserveAnswer(struct answer *a) {
  if (a->capacity - a->inLength >= 65536) return;
  a->capacity = a->capacity ? a->capacity * 2 : 131072;
  a->in = realloc(a->in, a->capacity);
  if (!a->in) fail("realloc");
}

/** Puts the chunks that are complete into one piece; true at the end of the body. */
static int unchunk(struct answer *a) {
  /* bodyStart + unchunked is the end of what is in one piece, chunksSeen the next size line. */
  size_t at = a->chunksSeen, out = a->unchunked;
  for (;;) {
    char *end = memmem(a->in + at, a->inLength - at, "\r\n", 2);
    if (!end) break;
    size_t chunk = strtoul(a->in + at, NULL, 16), data = end - a->in + 2;
    if (a->inLength < data + chunk + 2) break;
    if (chunk == 0) {
      a->unchunked = out;
      return 1;
    }
    memmove(a->in + a->bodyStart + out, a->in + data, chunk);
    out += chunk;
    at = data + chunk + 2;
  }
  a->chunksSeen = at;
  a->unchunked = out;
  return 0;
}

/** True when the answer is complete; `*why` then says what is wrong with it, NULL when it is right. */
static int answered(struct answer *a, uint64_t id, const char **why) {
  if (a->length == -2) {
    char *end = memmem(a->in, a->inLength, "\r\n\r\n", 4);
    if (!end) return 0;
    a->bodyStart = end + 4 - a->in;
    a->chunksSeen = a->bodyStart;
    *end = 0;
    char *declared = strcasestr(a->in, "\r\ncontent-length:");
    *end = '\r';
    a->length = declared ? atol(declared + 17) : -1;
  }
  size_t length = a->length;
  int more = 0;
  if (a->length == -1) {
    if (!unchunk(a)) return 0;
    length = a->unchunked;
  } else {
    if (a->inLength < a->bodyStart + length) return 0;
    more = a->inLength > a->bodyStart + length;
  }
  *why = more ? "more than one answer" : wrongIn(a, a->in + a->bodyStart, length, id);
  return 1;
}

static char firstWrong[400];

static void noteWrong(const struct answer *a, const char *why) {
  if (firstWrong[0]) return;
  int shown = a->inLength > 200 ? 200 : (int)a->inLength;
  snprintf(firstWrong, sizeof firstWrong, "%s: %.*s", why, shown, a->in ? a->in : "");
  for (char *p = firstWrong; *p; p++)
    if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\') *p = ' ';
}

static uint32_t *latencies; /* in units of 1 us up to 1 s, then of 1 ms */
#define FINE 1000000
#define COARSE 100000

static void prepareLatencies(void) {
  latencies = calloc(FINE + COARSE, sizeof *latencies);
  if (!latencies) fail("calloc");
}

static void record(int64_t ns) {
  int64_t us = ns / 1000;
  if (us < FINE) latencies[us < 0 ? 0 : us]++;
  else latencies[FINE + (us / 1000 < COARSE ? us / 1000 : COARSE - 1)]++;
}

static double percentile(double share) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < FINE + COARSE; i++) total += latencies[i];
  for (int i = 0; i < FINE + COARSE; i++) {
    seen += latencies[i];
    if (total && seen >= share * total) return i < FINE ? i : (i - FINE) * 1000.0;
  }
  return 0;
}
