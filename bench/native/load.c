/*
 * The load generator: one thread, one epoll, keep-alive connections, and a check of every answer.
 *
 *   load HOST PORT CONNECTIONS SECONDS RATE SIZE EVENTS PAD FILE
 *
 * RATE 0 is a closed loop: each connection sends as soon as it has its answer. Otherwise so many requests a second are
 * begun on idle connections, and latency counts from the moment in which a request was due, not from when it was sent.
 * FILE, SIZE, EVENTS and PAD: see exchange.h. With as many heads as connections each connection has one of its own;
 * with more, each request takes the next one. Prints one line of JSON.
 */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define UNFINISHED_NS 10000000000LL

struct connection {
  int fd, busy, watchesWrite;
  size_t head;
  char *out, *next;
  size_t left;
  struct answer answer;
  uint64_t id;
  int64_t due;
};

static struct sockaddr_in target;
static int ep, connectionCount;
static double rate;
static struct connection *connections;
static uint64_t nextId = 1000000000;
static uint64_t done, wrong, reconnects, bytesIn;
static size_t *headLengths;

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

static void reopen(struct connection *c, const char *why) {
  if (c->busy) {
    wrong++;
    noteWrong(&c->answer, why);
  }
  close(c->fd);
  c->busy = 0;
  c->answer.inLength = 0;
  reconnects++;
  open_(c);
}

static void pump(struct connection *c) {
  while (c->left > 0) {
    ssize_t n = write(c->fd, c->next, c->left);
    if (n < 0) {
      if (errno == EAGAIN) watch(c, 1);
      else reopen(c, "the connection broke while sending");
      return;
    }
    c->next += n;
    c->left -= n;
  }
  watch(c, 0);
}

static void request(struct connection *c, int64_t due) {
  c->id = nextId++;
  c->due = due;
  c->busy = 1;
  expectAnswer(&c->answer);
  size_t head = script.headCount > (size_t)connectionCount ? c->id % script.headCount : c->head;
  c->next = writeRequest(c->out, script.heads[head], headLengths[head], c->id, &c->left);
  pump(c);
}

static void readable(struct connection *c) {
  struct answer *a = &c->answer;
  for (;;) {
    reserveAnswer(a);
    size_t room = a->capacity - a->inLength - 1;
    ssize_t n = read(c->fd, a->in + a->inLength, room);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return reopen(c, "the connection ended before the answer");
    if (n < 0) return;
    a->inLength += n;
    bytesIn += n;
    if ((size_t)n < room) break;
  }
  if (!c->busy) return reopen(c, "bytes that answer nothing");
  const char *why;
  if (!answered(a, c->id, &why)) return;
  if (why) {
    wrong++;
    noteWrong(a, why);
  }
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
  readScript(argv[9], strtoul(argv[6], NULL, 10), atoi(argv[7]), strtoul(argv[8], NULL, 10));
  prepareLatencies();
  connections = calloc(connectionCount, sizeof *connections);
  headLengths = calloc(script.headCount, sizeof *headLengths);
  if (!connections || !headLengths) fail("malloc");
  size_t room = 0;
  for (size_t i = 0; i < script.headCount; i++) {
    headLengths[i] = strlen(script.heads[i]);
    if (requestRoom(script.heads[i]) > room) room = requestRoom(script.heads[i]);
  }
  ep = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < connectionCount; i++) {
    struct connection *c = &connections[i];
    c->head = i % script.headCount;
    c->out = malloc(room);
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
