/*
 * The load generator: one thread, one epoll, keep-alive connections, and a check of every answer.
 *
 *   load HOST PORT CONNECTIONS SECONDS RATE SIZE EVENTS PAD FILE
 *
 * RATE 0 is a closed loop: each connection sends as soon as it has its answer. Otherwise so many requests a second are
 * begun on idle connections, and latency counts from the moment in which a request was due, not from when it was sent.
 * FILE has the body with \1 for the id, \2 for the nonce and \3 for padding (PAD to PAD + 9 characters, so that lengths
 * vary as they do in life), then for each connection a head without Content-Length, each part ending in a NUL.
 * An answer is right when its status is 200, it has the id of the request, exactly the nonce and SIZE characters of the
 * pattern as its text, and EVENTS notifications. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UNFINISHED_NS 10000000000LL

struct connection {
  int fd, busy, watchesWrite;
  const char *head;
  size_t headLength;
  char *out;
  size_t outLength, sent;
  char *in;
  size_t inLength, capacity;
  /* Of the answer, once its head is there. */
  size_t bodyStart;
  long length; /* -1 = chunked, -2 = unknown yet */
  size_t chunksSeen;
  uint64_t id;
  int64_t due;
};

static struct sockaddr_in target;
static int ep, connectionCount, events;
static size_t size, pad;
static double rate;
static const char *body;
static size_t bodyLength;
static char *expected; /* nonce and pattern */
static struct connection *connections;
static uint64_t nextId = 1000000000;
static uint64_t done, wrong, reconnects, bytesIn;
static char firstWrong[400];
static uint32_t *latencies; /* in units of 1 us up to 1 s, then of 1 ms */
#define FINE 1000000
#define COARSE 100000

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
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

static void nonceOf(uint64_t id, char *to) {
  static const char hex[] = "0123456789abcdef";
  uint64_t x = id * 0x9e3779b97f4a7c15ULL;
  for (int i = 0; i < 16; i++, x >>= 4) to[i] = hex[x & 15];
}

static void watch(struct connection *c, int write) {
  if (c->watchesWrite == write) return;
  c->watchesWrite = write;
  struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

static void open_(struct connection *c) {
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (void *)&target, sizeof target) < 0) fail("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
  c->watchesWrite = 0;
}

static void noteWrong(struct connection *c, const char *why) {
  wrong++;
  if (firstWrong[0]) return;
  int shown = c->inLength > 200 ? 200 : (int)c->inLength;
  snprintf(firstWrong, sizeof firstWrong, "%s: %.*s", why, shown, c->in);
  for (char *p = firstWrong; *p; p++)
    if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\') *p = ' ';
}

static void reopen(struct connection *c, const char *why) {
  if (c->busy) noteWrong(c, why);
  close(c->fd);
  c->busy = 0;
  c->inLength = 0;
  reconnects++;
  open_(c);
}

static void pump(struct connection *c) {
  while (c->sent < c->outLength) {
    ssize_t n = write(c->fd, c->out + c->sent, c->outLength - c->sent);
    if (n < 0) {
      if (errno == EAGAIN) {
        watch(c, 1);
        return;
      }
      reopen(c, "the connection broke while sending");
      return;
    }
    c->sent += n;
  }
  watch(c, 0);
}

static void request(struct connection *c, int64_t due) {
  c->id = nextId++;
  c->due = due;
  c->busy = 1;
  c->inLength = c->bodyStart = c->chunksSeen = 0;
  c->length = -2;
  size_t padding = pad + c->id % 10, markers = 0;
  char *at = c->out + c->headLength + 40, *start = at;
  for (size_t i = 0; i < bodyLength; i++) {
    if (body[i] == 1) at += sprintf(at, "%llu", (unsigned long long)c->id), markers++;
    else if (body[i] == 2) nonceOf(c->id, at), at += 16;
    else if (body[i] == 3) {
      memset(at, 'p', padding);
      at += padding;
    } else
      *at++ = body[i];
  }
  /* The head is put right in front of the body, so that both go out in one write. */
  char line[40];
  int n = sprintf(line, "content-length: %zu\r\n\r\n", (size_t)(at - start));
  char *first = start - n - c->headLength;
  memcpy(first, c->head, c->headLength);
  memcpy(start - n, line, n);
  c->sent = first - c->out;
  c->outLength = at - c->out;
  pump(c);
}

static const char *find(const char *s, size_t length, const char *what) {
  return memmem(s, length, what, strlen(what));
}

static void check(struct connection *c, const char *text, size_t length) {
  char id[40];
  if (memcmp(c->in, "HTTP/1.1 200 ", 13)) return noteWrong(c, "status");
  int n = sprintf(id, "\"id\":%llu", (unsigned long long)c->id);
  const char *at = find(text, length, id);
  if (!at || (at[n] != ',' && at[n] != '}')) return noteWrong(c, "id");
  at = find(text, length, "\"text\":\"");
  if (!at) return noteWrong(c, "no text");
  at += 8;
  nonceOf(c->id, expected);
  if ((size_t)(text + length - at) < size + 17 || memcmp(at, expected, size + 16) || at[size + 16] != '"')
    return noteWrong(c, "text");
  int seen = 0;
  if (events)
    for (const char *e = text; (e = find(e, text + length - e, "\"notifications/message\"")); e++) seen++;
  if (seen != events) noteWrong(c, "notifications");
}

/** Puts the chunks that are complete into one piece; true at the end of the body. */
static int unchunk(struct connection *c, size_t *length) {
  /* bodyStart + *length is the end of what is in one piece, chunksSeen the next size line. */
  size_t at = c->chunksSeen, out = *length;
  for (;;) {
    char *end = memmem(c->in + at, c->inLength - at, "\r\n", 2);
    if (!end) break;
    size_t chunk = strtoul(c->in + at, NULL, 16), data = end - c->in + 2;
    if (c->inLength < data + chunk + 2) break;
    if (chunk == 0) {
      *length = out;
      return 1;
    }
    memmove(c->in + c->bodyStart + out, c->in + data, chunk);
    out += chunk;
    at = data + chunk + 2;
  }
  c->chunksSeen = at;
  *length = out;
  return 0;
}

static size_t *unchunked; /* by connection */

static int answered(struct connection *c) {
  if (c->length == -2) {
    char *end = memmem(c->in, c->inLength, "\r\n\r\n", 4);
    if (!end) return 0;
    c->bodyStart = end + 4 - c->in;
    unchunked[c - connections] = 0;
    c->chunksSeen = c->bodyStart;
    *end = 0;
    char *declared = strcasestr(c->in, "\r\ncontent-length:");
    *end = '\r';
    c->length = declared ? atol(declared + 17) : -1;
  }
  size_t length;
  if (c->length == -1) {
    if (!unchunk(c, &unchunked[c - connections])) return 0;
    length = unchunked[c - connections];
  } else {
    length = c->length;
    if (c->inLength < c->bodyStart + length) return 0;
    if (c->inLength > c->bodyStart + length) noteWrong(c, "more than one answer");
  }
  check(c, c->in + c->bodyStart, length);
  return 1;
}

static void readable(struct connection *c) {
  for (;;) {
    if (c->capacity - c->inLength < 65536) {
      c->capacity = c->capacity ? c->capacity * 2 : 131072;
      c->in = realloc(c->in, c->capacity);
      if (!c->in) fail("realloc");
    }
    size_t room = c->capacity - c->inLength - 1;
    ssize_t n = read(c->fd, c->in + c->inLength, room);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return reopen(c, "the connection ended before the answer");
    if (n < 0) return;
    c->inLength += n;
    bytesIn += n;
    if ((size_t)n < room) break;
  }
  if (!c->busy) return reopen(c, "bytes that answer nothing");
  if (!answered(c)) return;
  c->busy = 0;
  done++;
  record(now() - c->due);
}

int main(int argc, char **argv) {
  if (argc != 10) return 2;
  signal(SIGPIPE, SIG_IGN);
  target.sin_family = AF_INET;
  target.sin_port = htons(atoi(argv[2]));
  inet_pton(AF_INET, argv[1], &target.sin_addr);
  connectionCount = atoi(argv[3]);
  double seconds = atof(argv[4]);
  rate = atof(argv[5]);
  size = strtoul(argv[6], NULL, 10);
  events = atoi(argv[7]);
  pad = strtoul(argv[8], NULL, 10);

  int fd = open(argv[9], O_RDONLY);
  off_t fileLength = lseek(fd, 0, SEEK_END);
  char *file = calloc(1, fileLength + 1);
  if (fd < 0 || !file || pread(fd, file, fileLength, 0) != fileLength) fail(argv[9]);
  body = file;
  bodyLength = strlen(body);
  latencies = calloc(FINE + COARSE, sizeof *latencies);
  connections = calloc(connectionCount, sizeof *connections);
  unchunked = calloc(connectionCount, sizeof *unchunked);
  expected = malloc(size + 17);
  if (!latencies || !connections || !unchunked || !expected) fail("malloc");
  for (size_t i = 0; i < size; i++) expected[16 + i] = 'a' + (i % 4096) % 23;
  ep = epoll_create1(EPOLL_CLOEXEC);
  char *head = file + bodyLength + 1;
  for (int i = 0; i < connectionCount; i++) {
    struct connection *c = &connections[i];
    if (head >= file + fileLength) head = file + bodyLength + 1;
    c->head = head;
    c->headLength = strlen(head);
    head += c->headLength + 1;
    c->out = malloc(c->headLength + bodyLength + pad + 256);
    if (!c->out) fail("malloc");
    open_(c);
  }

  int64_t begun = now(), end = begun + (int64_t)(seconds * 1e9), nextDue = begun, finished = end;
  int64_t gap = rate > 0 ? (int64_t)(1e9 / rate) : 0;
  int *idle = malloc(connectionCount * sizeof *idle), idleCount = 0, first = 0, late = 0;
  if (!idle) fail("malloc");
  for (int i = 0; i < connectionCount; i++) {
    if (rate > 0) idle[idleCount++] = i;
    else request(&connections[i], now());
  }
  struct epoll_event ready[256];
  for (;;) {
    int64_t t = now();
    int over = t >= end, busy = 0;
    if (over) {
      for (int i = 0; i < connectionCount; i++) busy += connections[i].busy;
      if (!busy || t > end + UNFINISHED_NS) {
        finished = t;
        break;
      }
    }
    int64_t wait = over ? 50000000 : end - t;
    if (rate > 0 && !over) {
      /* Idle connections take turns, as clients do. */
      while (nextDue <= t && idleCount > 0) {
        int i = idle[first];
        first = (first + 1) % connectionCount;
        idleCount--;
        request(&connections[i], nextDue);
        nextDue += gap;
      }
      if (nextDue <= t) late++;
      else if (nextDue - t < wait) wait = nextDue - t;
    }
    struct timespec timeout = {wait / 1000000000, wait % 1000000000};
    int n = epoll_pwait2(ep, ready, 256, &timeout, NULL);
    for (int i = 0; i < n; i++) {
      struct connection *c = ready[i].data.ptr;
      int wasBusy = c->busy;
      if (ready[i].events & EPOLLOUT) pump(c);
      if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
      if (!wasBusy || c->busy) continue;
      if (rate > 0) idle[(first + idleCount++) % connectionCount] = c - connections;
      else if (now() < end) request(c, now());
    }
  }
  uint64_t unfinished = 0;
  for (int i = 0; i < connectionCount; i++) unfinished += connections[i].busy;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6;
  printf("{\"requests\":%llu,\"seconds\":%.6f,\"wrong\":%llu,\"unfinished\":%llu,\"reconnects\":%llu,\"late\":%d,"
         "\"bytes\":%llu,\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"max\":%.0f,\"cpu\":%.6f,\"firstWrong\":\"%s\"}\n",
         (unsigned long long)done, (finished - begun) / 1e9, (unsigned long long)wrong, (unsigned long long)unfinished,
         (unsigned long long)reconnects, late, (unsigned long long)bytesIn, percentile(.5), percentile(.9),
         percentile(.99), percentile(1), cpu, firstWrong);
}
