/*
 * New TLS connections: each does one request on a connection of its own, checks the answer, and closes.
 *
 *   handshakes HOST PORT THREADS SECONDS full|resumed CA SIZE EVENTS PAD FILE
 *
 * The certificate of the server is verified against CA. With `resumed` every connection but the first of each thread
 * resumes a session, by the newest ticket that the thread has; where the server sends no new one, by the same once more. FILE, SIZE, EVENTS and PAD: see exchange.h.
 * Prints one line of JSON.
 */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define ANSWER_SECONDS 10

static struct sockaddr_in target;
static SSL_CTX *context;
static int resume;
static int64_t end;
static atomic_ullong nextId = 1000000000, done, wrong, resumed;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local SSL_SESSION *newest;

static int keepTicket(SSL *ssl, SSL_SESSION *session) {
  (void)ssl;
  if (newest) SSL_SESSION_free(newest);
  newest = session;
  return 1;
}

/** One connection; what went wrong, or NULL. */
static const char *connectOnce(int thread, char *room, struct answer *a, uint64_t id) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  /* Each thread has an address of its own: one address would run out of ports. */
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002 + thread)};
  struct timeval limit = {ANSWER_SECONDS, 0};
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const char *why = "the connection was refused";
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  SSL_set_tlsext_host_name(ssl, "localhost");
  SSL_set1_host(ssl, "localhost");
  /* A copy, because the library lets each ticket be used once. */
  SSL_SESSION *copy = resume && newest ? SSL_SESSION_dup(newest) : NULL;
  if (copy) SSL_set_session(ssl, copy);
  a->inLength = 0;
  if (bind(fd, (void *)&own, sizeof own) == 0 && connect(fd, (void *)&target, sizeof target) == 0) {
    if (SSL_connect(ssl) != 1) why = "the handshake failed";
    else {
      if (SSL_session_reused(ssl)) resumed++;
      const char *head = script.heads[id % script.headCount];
      size_t length;
      char *request = writeRequest(room, head, strlen(head), id, &length);
      why = SSL_write(ssl, request, length) == (int)length ? NULL : "the request could not be sent";
      expectAnswer(a);
      while (!why) {
        reserveAnswer(a);
        int n = SSL_read(ssl, a->in + a->inLength, a->capacity - a->inLength - 1);
        if (n <= 0) why = "the connection ended before the answer";
        else {
          a->inLength += n;
          if (answered(a, id, &why)) break;
        }
      }
      SSL_shutdown(ssl);
    }
  }
  SSL_free(ssl);
  if (copy) SSL_SESSION_free(copy);
  close(fd);
  ERR_clear_error();
  return why;
}

static void *work(void *argument) {
  int thread = (int)(intptr_t)argument;
  size_t room = 0;
  for (size_t i = 0; i < script.headCount; i++)
    if (requestRoom(script.heads[i]) > room) room = requestRoom(script.heads[i]);
  char *out = malloc(room);
  struct answer a = {0};
  if (!out) fail("malloc");
  while (now() < end) {
    uint64_t id = nextId++;
    int64_t begun = now();
    const char *why = connectOnce(thread, out, &a, id);
    pthread_mutex_lock(&recording);
    if (why) {
      wrong++;
      noteWrong(&a, why);
    }
    record(now() - begun);
    pthread_mutex_unlock(&recording);
    done++;
  }
  if (newest) SSL_SESSION_free(newest);
  newest = NULL;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 11) return 2;
  signal(SIGPIPE, SIG_IGN);
  target.sin_family = AF_INET;
  target.sin_port = htons(atoi(argv[2]));
  inet_pton(AF_INET, argv[1], &target.sin_addr);
  int threads = atoi(argv[3]);
  resume = !strcmp(argv[5], "resumed");
  readScript(argv[10], strtoul(argv[7], NULL, 10), atoi(argv[8]), strtoul(argv[9], NULL, 10));
  prepareLatencies();
  context = SSL_CTX_new(TLS_client_method());
  if (!context || SSL_CTX_load_verify_locations(context, argv[6], NULL) != 1) fail("authority");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keepTicket);
  int64_t begun = now();
  end = begun + (int64_t)(atof(argv[4]) * 1e9);
  pthread_t *all = calloc(threads, sizeof *all);
  if (!all) fail("calloc");
  for (int i = 0; i < threads; i++)
    if (pthread_create(&all[i], NULL, work, (void *)(intptr_t)i)) fail("pthread_create");
  for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
  double seconds = (now() - begun) / 1e9;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6;
  printf("{\"requests\":%llu,\"seconds\":%.6f,\"wrong\":%llu,\"unfinished\":0,\"resumed\":%llu,\"threads\":%d,"
         "\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"max\":%.0f,\"cpu\":%.6f,\"firstWrong\":\"%s\"}\n",
         (unsigned long long)done, seconds, (unsigned long long)wrong, (unsigned long long)resumed, threads,
         percentile(.5), percentile(.9), percentile(.99), percentile(1), cpu, firstWrong);
}
