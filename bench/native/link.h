/*
 * What a connection to the server behind is read from and written to: a socket, plain or, when compiled WITH_TLS, behind
 * mutual TLS. Either way a small request costs one read and one write: the library reads ahead what is there, and is not
 * asked again when it has nothing left.
 */
#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context;

/** Serves only clients that have a certificate of this authority. */
static void prepareLinks(const char *certificate, const char *key, const char *authority) {
  context = SSL_CTX_new(TLS_server_method());
  if (!context || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(context, authority, NULL) != 1 ||
      /* One choice, so that nobody has a cheaper one than the others: nginx would speak 1.2 unless told otherwise. */
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1 ||
      SSL_CTX_set_session_id_context(context, (const unsigned char *)"bench", 5) != 1) {
    ERR_print_errors_fp(stderr);
    exit(1);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  /* What waits to be sent may be moved, and sent in parts. */
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
}

struct link {
  int fd;
  SSL *ssl;
};

static int openLink(struct link *l, int fd) {
  l->fd = fd;
  l->ssl = SSL_new(context);
  if (!l->ssl || SSL_set_fd(l->ssl, fd) != 1) return 0;
  SSL_set_accept_state(l->ssl);
  return 1;
}

static void closeLink(struct link *l) {
  SSL_free(l->ssl);
  close(l->fd);
}

/** What an operation came to: bytes, 0 for none at present, -1 when the connection is over. */
static ssize_t outcomeOf(struct link *l, int n, int waiting) {
  if (n > 0) return n;
  int error = SSL_get_error(l->ssl, n);
  ERR_clear_error();
  return error == waiting ? 0 : -1;
}

static ssize_t receive(struct link *l, char *to, size_t room) {
  /* A handshake always fits into the buffer of a new socket, so that reading never waits for writing. */
  return outcomeOf(l, SSL_read(l->ssl, to, room > INT_MAX ? INT_MAX : (int)room), SSL_ERROR_WANT_READ);
}

/** True when more may be there than what `receive` just gave. */
static int hasMore(struct link *l, ssize_t received, size_t room) {
  (void)received, (void)room;
  return SSL_has_pending(l->ssl);
}

static ssize_t transmit(struct link *l, const char *from, size_t length) {
  return outcomeOf(l, SSL_write(l->ssl, from, length > INT_MAX ? INT_MAX : (int)length), SSL_ERROR_WANT_WRITE);
}

#else

struct link {
  int fd;
};

static int openLink(struct link *l, int fd) {
  l->fd = fd;
  return 1;
}

static void closeLink(struct link *l) { close(l->fd); }

/** Bytes that came, 0 for none at present, -1 when the connection is over. */
static ssize_t receive(struct link *l, char *to, size_t room) {
  ssize_t n = read(l->fd, to, room);
  if (n > 0) return n;
  return n < 0 && errno == EAGAIN ? 0 : -1;
}

/** True when more may be there than what `receive` just gave. */
static int hasMore(struct link *l, ssize_t received, size_t room) {
  (void)l;
  return (size_t)received == room;
}

/** Bytes that were taken, 0 for none at present, -1 when the connection is over. */
static ssize_t transmit(struct link *l, const char *from, size_t length) {
  ssize_t n = write(l->fd, from, length);
  if (n >= 0) return n;
  return errno == EAGAIN ? 0 : -1;
}

#endif
