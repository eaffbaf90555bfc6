/*
 * The MCP server behind every contender: one thread, one epoll, and answers that the load generator can check.
 *
 *   upstream http PORT legacy|modern TOOLS [CERTIFICATE KEY AUTHORITY]
 *                              streamable HTTP without sessions on 127.0.0.1:PORT; when compiled WITH_TLS behind TLS,
 *                              with these files, for clients that have a certificate of the authority
 *   upstream stdio [modern]    the same answers on stdin and stdout, a message per line
 *
 * tools/call echoes arguments.nonce (16 characters), followed by arguments.size characters of a fixed pattern;
 * with arguments.events = N over HTTP the answer is an event stream with N log messages before it.
 * With `modern` it answers server/discover (2026-07-28); else that method is unknown to it. It lists TOOLS tools.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "link.h"

#define MAX_SIZE (64 << 20)
#define MAX_HEAD 16384

struct buffer {
  char *bytes;
  size_t length, capacity;
};

struct connection {
  struct link link;
  int closing;
  struct buffer in, out;
  size_t sent;
};

static int modern;
static char pattern[4096];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void reserve(struct buffer *b, size_t more) {
  if (b->length + more <= b->capacity) return;
  size_t capacity = b->capacity ? b->capacity : 4096;
  while (capacity < b->length + more) capacity *= 2;
  b->bytes = realloc(b->bytes, capacity);
  if (!b->bytes) fail("realloc");
  b->capacity = capacity;
}

static void append(struct buffer *b, const char *bytes, size_t length) {
  reserve(b, length);
  memcpy(b->bytes + b->length, bytes, length);
  b->length += length;
}

static void text(struct buffer *b, const char *s) { append(b, s, strlen(s)); }

/** The value behind a key; NULL when the key is not there. */
static const char *find(const char *s, size_t length, const char *key) {
  const char *at = memmem(s, length, key, strlen(key));
  return at ? at + strlen(key) : NULL;
}

static size_t number(const char *s, size_t length, const char *key) {
  const char *at = find(s, length, key);
  size_t value = at ? strtoul(at, NULL, 10) : 0;
  return value > MAX_SIZE ? MAX_SIZE : value;
}

static void appendId(struct buffer *out, const char *m, size_t length) {
  const char *id = find(m, length, "\"id\":");
  if (!id) {
    text(out, "null");
    return;
  }
  size_t n = 0;
  if (*id == '"') {
    const char *end = memchr(id + 1, '"', m + length - id - 1);
    n = end ? (size_t)(end - id) + 1 : 0;
  } else
    while (id + n < m + length && id[n] != ',' && id[n] != '}') n++;
  append(out, id, n);
}

static void appendEcho(struct buffer *out, const char *m, size_t length) {
  const char *nonce = find(m, length, "\"nonce\":\"");
  size_t size = number(m, length, "\"size\":");
  text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
  appendId(out, m, length);
  text(out, modern ? ",\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\""
                   : ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
  if (nonce) append(out, nonce, 16);
  while (size > 0) {
    size_t n = size < sizeof pattern ? size : sizeof pattern;
    append(out, pattern, n);
    size -= n;
  }
  text(out, "\"}]}}");
}

static struct buffer tools;

static void prepareTools(int count) {
  char more[512];
  text(&tools,
       "{\"tools\":[{\"name\":\"echo\",\"description\":\"Echoes a nonce.\",\"inputSchema\":{\"type\":\"object\","
       "\"properties\":{\"nonce\":{\"type\":\"string\"},\"size\":{\"type\":\"integer\"},\"events\":{\"type\":\"integer\"},"
       "\"pad\":{\"type\":\"string\"}}}}");
  for (int i = 1; i < count; i++) {
    sprintf(more,
            ",{\"name\":\"tool-%d\",\"description\":\"Looks up the record number %d and gives it back as text.\","
            "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\",\"description\":"
            "\"What to look for.\"},\"limit\":{\"type\":\"integer\",\"minimum\":1}},\"required\":[\"query\"]}}",
            i, i);
    text(&tools, more);
  }
  text(&tools, "]");
}

/** The answer to one message; nothing for a notification. */
static void answer(struct buffer *out, const char *m, size_t length) {
  const char *method = find(m, length, "\"method\":\"");
  size_t left = method ? (size_t)(m + length - method) : 0;
#define IS(name) (left > sizeof(name) && !memcmp(method, name "\"", sizeof(name)))
  if (IS("tools/call")) return appendEcho(out, m, length);
  if (!method || (left > 14 && !memcmp(method, "notifications/", 14))) return;
  text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
  appendId(out, m, length);
  if (IS("initialize")) {
    // A client that is answered with another version than its own may leave.
    const char *version = find(m, length, "\"protocolVersion\":\"");
    text(out, ",\"result\":{\"protocolVersion\":\"");
    append(out, version ? version : "2025-11-25", 10);
    text(out, "\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}");
  } else if (IS("server/discover") && modern) {
    text(out,
         ",\"result\":{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},"
         "\"ttlMs\":600000,\"cacheScope\":\"public\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":"
         "\"bench\",\"version\":\"1\"}}}}");
  } else if (IS("tools/list")) {
    text(out, ",\"result\":");
    append(out, tools.bytes, tools.length);
    text(out, modern ? ",\"resultType\":\"complete\",\"ttlMs\":600000,\"cacheScope\":\"public\"}}" : "}}");
  } else if (IS("ping")) {
    text(out, ",\"result\":{}}");
  } else
    text(out, ",\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}");
#undef IS
}

#define HEAD_ROOM 256

/** Length of the head for a body of this length. */
static int headOf(char *head, size_t length) {
  if (!length) return snprintf(head, HEAD_ROOM, "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
  return snprintf(head, HEAD_ROOM,
                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", length);
}

static void respond(struct connection *c, const char *m, size_t length) {
  static struct buffer body;
  char head[HEAD_ROOM];
  body.length = 0;
  /* What is asked comes before the padding, which may be long. */
  const char *padding = find(m, length, "\"pad\":\"");
  size_t events = number(m, padding ? (size_t)(padding - m) : length, "\"events\":");
  if (events) {
    for (size_t i = 0; i < events; i++)
      text(&body,
           "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\","
           "\"data\":\"working\"}}\n\n");
    text(&body, "event: message\ndata: ");
    appendEcho(&body, m, length);
    text(&body, "\n\n");
    // Real servers send their streams in chunks, because they do not know the length beforehand.
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
                     "transfer-encoding: chunked\r\n\r\n%zx\r\n",
                     body.length);
    append(&c->out, head, n);
    append(&c->out, body.bytes, body.length);
    text(&c->out, "\r\n0\r\n\r\n");
    return;
  }
  if (c->out.length == 0) {
    /* The usual case: written where it is sent from, with the head put right in front of it. */
    reserve(&c->out, HEAD_ROOM);
    c->out.length = HEAD_ROOM;
    answer(&c->out, m, length);
    int n = headOf(head, c->out.length - HEAD_ROOM);
    memcpy(c->out.bytes + HEAD_ROOM - n, head, n);
    c->sent = HEAD_ROOM - n;
    return;
  }
  answer(&body, m, length);
  int n = headOf(head, body.length);
  append(&c->out, head, n);
  append(&c->out, body.bytes, body.length);
}

/** Puts a chunked body into one piece; 0 = more is to come, -1 = not chunked. */
static long unchunk(char *at, size_t left, size_t *consumed) {
  size_t in = 0, out = 0;
  for (;;) {
    char *end = memmem(at + in, left - in, "\r\n", 2);
    if (!end) return 0;
    char *stop;
    size_t size = strtoul(at + in, &stop, 16);
    if (stop == at + in || size > MAX_SIZE) return -1;
    in = end - at + 2;
    if (left - in < size + 2) return 0;
    if (size == 0) {
      *consumed = in + 2;
      return (long)out;
    }
    memmove(at + out, at + in, size);
    out += size;
    in += size + 2;
  }
}

static const char *header(const char *head, size_t length, const char *name) {
  size_t n = strlen(name);
  for (const char *at = head; at < head + length;) {
    const char *end = memmem(at, head + length - at, "\r\n", 2);
    if (!end) return NULL;
    if ((size_t)(end - at) > n && at[n] == ':' && !strncasecmp(at, name, n)) return at + n + 1;
    at = end + 2;
  }
  return NULL;
}

/** Answers every request that is complete; false when the connection is to be cut. */
static int requests(struct connection *c) {
  size_t at = 0;
  while (at < c->in.length) {
    char *head = c->in.bytes + at;
    size_t left = c->in.length - at;
    char *end = memmem(head, left, "\r\n\r\n", 4);
    if (!end) {
      if (left > MAX_HEAD) return 0;
      break;
    }
    size_t headLength = end + 2 - head, consumed = headLength + 2, length = 0;
    char *body = head + consumed;
    const char *declared = header(head, headLength, "content-length");
    if (declared) {
      length = strtoul(declared, NULL, 10);
      if (length > MAX_SIZE) return 0;
      if (left < consumed + length) {
        reserve(&c->in, consumed + length - left + 1);
        break;
      }
      consumed += length;
    } else if (header(head, headLength, "transfer-encoding")) {
      // Decoded in a copy: what is incomplete must stay as it came.
      char *copy = malloc(left - consumed + 1);
      if (!copy) fail("malloc");
      memcpy(copy, body, left - consumed);
      size_t used = 0;
      long decoded = unchunk(copy, left - consumed, &used);
      if (decoded > 0 || used > 0) {
        memcpy(body, copy, decoded);
        length = decoded;
        consumed += used;
      }
      free(copy);
      if (decoded < 0) return 0;
      if (used == 0) break;
    }
    if (!memcmp(head, "POST", 4))
      respond(c, body, length);
    else
      text(&c->out, "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n");
    at += consumed;
  }
  memmove(c->in.bytes, c->in.bytes + at, c->in.length - at);
  c->in.length -= at;
  return 1;
}

static int flush(struct connection *c, int ep) {
  while (c->sent < c->out.length) {
    ssize_t n = transmit(&c->link, c->out.bytes + c->sent, c->out.length - c->sent);
    if (n < 0) return 0;
    if (n == 0) break;
    c->sent += n;
  }
  int done = c->sent == c->out.length;
  if (done) c->out.length = c->sent = 0;
  static struct epoll_event e;
  e.events = EPOLLIN | (done ? 0 : EPOLLOUT);
  e.data.ptr = c;
  if (c->closing != !done) {
    c->closing = !done;
    epoll_ctl(ep, EPOLL_CTL_MOD, c->link.fd, &e);
  }
  return 1;
}

static int serve(struct connection *c, int ep, int events) {
  if (events & EPOLLIN) {
    for (;;) {
      reserve(&c->in, 65536);
      size_t room = c->in.capacity - c->in.length;
      ssize_t n = receive(&c->link, c->in.bytes + c->in.length, room);
      if (n < 0) return 0;
      if (n == 0) break;
      c->in.length += n;
      if (!hasMore(&c->link, n, room)) break;
    }
    if (!requests(c)) return 0;
  }
  return flush(c, ep);
}

static void http(int port) {
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (bind(listener, (void *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) fail("bind");
  int ep = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ready[256];
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
  puts("ready");
  fflush(stdout);
  for (;;) {
    int n = epoll_wait(ep, ready, 256, -1);
    for (int i = 0; i < n; i++) {
      struct connection *c = ready[i].data.ptr;
      if (!c) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c = calloc(1, sizeof *c);
        if (!c) fail("calloc");
        if (!openLink(&c->link, fd)) fail("openLink");
        e.events = EPOLLIN;
        e.data.ptr = c;
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
      } else if (!serve(c, ep, ready[i].events)) {
        closeLink(&c->link);
        free(c->in.bytes);
        free(c->out.bytes);
        free(c);
      }
    }
  }
}

static void stdio(void) {
  struct buffer in = {0}, out = {0};
  for (;;) {
    reserve(&in, 65536);
    ssize_t n = read(0, in.bytes + in.length, in.capacity - in.length);
    if (n <= 0) return;
    in.length += n;
    size_t at = 0;
    char *end;
    while ((end = memchr(in.bytes + at, '\n', in.length - at))) {
      size_t before = out.length, length = end - in.bytes - at;
      answer(&out, in.bytes + at, length);
      if (out.length > before) append(&out, "\n", 1);
      at += length + 1;
    }
    memmove(in.bytes, in.bytes + at, in.length - at);
    in.length -= at;
    for (size_t sent = 0; sent < out.length;) {
      ssize_t w = write(1, out.bytes + sent, out.length - sent);
      if (w < 0) return;
      sent += w;
    }
    out.length = 0;
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = 'a' + i % 23;
  if (argc > 1 && !strcmp(argv[1], "stdio")) {
    modern = argc > 2 && !strcmp(argv[2], "modern");
    prepareTools(1);
    stdio();
    return 0;
  }
#ifdef WITH_TLS
  if (argc != 8) return 2;
  prepareLinks(argv[5], argv[6], argv[7]);
#else
  if (argc != 5) return 2;
#endif
  modern = !strcmp(argv[3], "modern");
  prepareTools(atoi(argv[4]));
  http(atoi(argv[2]));
}
