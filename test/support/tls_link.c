/* Moving bytes between the two ends of an in-memory TLS connection. */
#include "support/tls_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int tls_link_open(tls_link *l, lti_alloc *alloc, lti_tls_context *context, const char *host,
                  const lti_tls_session *resume) {
  return tls_link_open_to(l, alloc, context, &(lti_tls_target){.host = host}, resume);
}

int tls_link_open_to(tls_link *l, lti_alloc *alloc, lti_tls_context *context,
                     const lti_tls_target *target, const lti_tls_session *resume) {
  memset(l, 0, sizeof *l);
  lti_outq_init(&l->out, alloc);
  return lti_tls_new(context, target, resume, &l->out, &l->tls);
}

void tls_link_accept(tls_link *l, tls_server *server) {
  l->peer = tls_peer_new(server);
}

void tls_link_close(tls_link *l) {
  lti_tls_free(l->tls);
  tls_peer_free(l->peer);
  lti_outq_deinit(&l->out);
}

void tls_link_flush(tls_link *l, size_t piece) {
  struct iovec front;
  while (lti_outq_peek(&l->out, &front, 1) == 1) {
    size_t n = front.iov_len < piece ? front.iov_len : piece;
    tls_peer_feed(l->peer, lti_slice(front.iov_base, n));
    lti_outq_drain(&l->out, n);
  }
}

/* Each piece lies in memory of its own, so that a sanitizer sees reads behind its end. */
static char *copy_of(leat_slice bytes) {
  char *copy = malloc(bytes.size);
  if (!copy) abort();
  memcpy(copy, bytes.data, bytes.size);
  return copy;
}

static leat_slice next_piece(leat_slice rest, size_t piece) {
  return lti_slice(rest.data, rest.size < piece ? rest.size : piece);
}

static int give_handshake(tls_link *l, size_t piece) {
  leat_slice rest = lti_buf_slice(&l->peer->cipher);
  int result = LTI_AGAIN;
  while (result == LTI_AGAIN && rest.size) {
    leat_slice view = next_piece(rest, piece);
    size_t n = view.size;
    char *copy = copy_of(view);
    view.data = copy;
    result = lti_tls_handshake(l->tls, &view);
    rest = lti_slice_from(rest, n - view.size);
    free(copy);
  }
  lti_buf_consume(&l->peer->cipher, l->peer->cipher.size - rest.size);
  return result;
}

int tls_link_handshake(tls_link *l, size_t piece) {
  leat_slice none = lti_slice(NULL, 0);
  int result = lti_tls_handshake(l->tls, &none);
  while (result == LTI_AGAIN) {
    tls_link_flush(l, piece);
    if (l->peer->cipher.size == 0) break;
    result = give_handshake(l, piece);
  }
  tls_link_flush(l, piece);
  return result;
}

int tls_link_read(tls_link *l, size_t piece, size_t room, lti_buf *got) {
  leat_slice rest = lti_buf_slice(&l->peer->cipher);
  char *plain = malloc(room);
  int result = LTI_OK;
  if (!plain) abort();
  while (rest.size && result == LTI_OK) {
    leat_slice view = next_piece(rest, piece);
    size_t n = view.size, size = 0;
    char *copy = copy_of(view);
    view.data = copy;
    do {
      result = lti_tls_read(l->tls, &view, plain, room, &size);
      if (lti_buf_append(got, lti_slice(plain, size))) abort();
    } while (result == LTI_AGAIN);
    rest = lti_slice_from(rest, n - view.size);
    free(copy);
  }
  lti_buf_consume(&l->peer->cipher, l->peer->cipher.size - rest.size);
  free(plain);
  return result;
}
