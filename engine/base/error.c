/* The one table of errors: name, class and text of every enum leat_error, found by its number.
 *
 * Texts are one clause without a full stop, so that "what happened: text" reads as a line; they say
 * where to look next when the number alone would not. Everything is static: any thread may ask. */
#include "error.h"

#include <stddef.h>

typedef struct error_row {
  const char *name;
  enum leat_class class_of;
  const char *text;
} error_row;

#define ROW(error, class_of, text) [-(error)] = {#error, class_of, text}

static const error_row rows[] = {
    ROW(LEAT_OK, LEAT_CLASS_OK, "success"),
    ROW(LEAT_EINVAL, LEAT_CLASS_USAGE,
        "an argument is missing, out of range or contradicts another"),
    ROW(LEAT_ENOMEM, LEAT_CLASS_LIMIT, "the allocator gave no memory"),
    ROW(LEAT_ENOTFOUND, LEAT_CLASS_USAGE, "no request or task has this id any more"),
    ROW(LEAT_ECLOSED, LEAT_CLASS_USAGE, "the engine is closing and takes nothing new"),
    ROW(LEAT_ESTATE, LEAT_CLASS_USAGE, "this call is not allowed now"),
    ROW(LEAT_EHEADER, LEAT_CLASS_USAGE, "a header, key or path holds a byte that HTTP forbids"),
    ROW(LEAT_EURL, LEAT_CLASS_USAGE, "the URL cannot be used"),
    ROW(LEAT_EPLAINKEY, LEAT_CLASS_USAGE,
        "a key would travel unencrypted; use https or permit it explicitly"),
    ROW(LEAT_EJSON, LEAT_CLASS_USAGE, "the body is not valid JSON"),
    ROW(LEAT_ENOPROTOCOL, LEAT_CLASS_USAGE, "no protocol or task family has this name"),
    ROW(LEAT_EQUEUEFULL, LEAT_CLASS_LIMIT,
        "the queue of this origin or the engine's table is full"),
    ROW(LEAT_EHELDMAX, LEAT_CLASS_LIMIT, "paused requests hold more than held_bytes_max"),
    ROW(LEAT_ECANCELLED, LEAT_CLASS_CANCELLED, "cancelled by the caller"),
    ROW(LEAT_EIO, LEAT_CLASS_LIMIT, "the caller's file or content callback took no more bytes"),
    ROW(LEAT_ESOURCE, LEAT_CLASS_USAGE,
        "the source of the request's body failed, or is not as long as it said"),
    ROW(LEAT_ENOENDPOINT, LEAT_CLASS_USAGE,
        "no endpoint has this name, or a parameter of its path is missing"),
    ROW(LEAT_EJOURNAL, LEAT_CLASS_LIMIT, "the journal cannot be read or written"),
    ROW(LEAT_ESUPERSEDED, LEAT_CLASS_SUPERSEDED, "a newer request of its lane took its place"),
    ROW(LEAT_ELIMIT, LEAT_CLASS_LIMIT, "it needs more tokens than its limit ever allows at once"),
    ROW(LEAT_ERESOLVE, LEAT_CLASS_RESOLVE, "the host name does not exist"),
    ROW(LEAT_ERESOLVEAGAIN, LEAT_CLASS_RESOLVE, "the name resolver failed for now"),
    ROW(LEAT_EREFUSED, LEAT_CLASS_CONNECT, "the connection was refused: nothing listens there"),
    ROW(LEAT_EUNREACHABLE, LEAT_CLASS_CONNECT, "no route leads to the host"),
    ROW(LEAT_ERESET, LEAT_CLASS_CONNECT, "the peer closed the connection without an answer"),
    ROW(LEAT_ECONNECT, LEAT_CLASS_CONNECT, "connecting failed"),
    ROW(LEAT_EFDLIMIT, LEAT_CLASS_LIMIT,
        "no file descriptor is left; raise the limit (ulimit -n) or lower conns_max"),
    ROW(LEAT_EPROXY, LEAT_CLASS_CONNECT, "the proxy refused to connect"),
    ROW(LEAT_ECIRCUIT, LEAT_CLASS_CONNECT,
        "this origin failed so often that it is left alone for a while"),
    ROW(LEAT_ETLS, LEAT_CLASS_TLS, "TLS failed: a handshake or a record was not accepted"),
    ROW(LEAT_ECERT, LEAT_CLASS_TLS, "the server's certificate was refused"),
    ROW(LEAT_ENOCA, LEAT_CLASS_TLS, "no CA certificates were found; name a file of them"),
    ROW(LEAT_ECLIENTCERT, LEAT_CLASS_USAGE, "the client certificate or its key cannot be used"),
    ROW(LEAT_EHTTP, LEAT_CLASS_HTTP, "the response breaks the rules of HTTP"),
    ROW(LEAT_EHEADERSMAX, LEAT_CLASS_LIMIT, "the response's headers exceed header_bytes_max"),
    ROW(LEAT_EBODYMAX, LEAT_CLASS_LIMIT, "the body exceeds body_bytes_max"),
    ROW(LEAT_EENCODING, LEAT_CLASS_HTTP, "the content-coding was not asked for, or is broken"),
    ROW(LEAT_EREDIRECT, LEAT_CLASS_HTTP, "the redirect may not be followed, or there are too many"),
    ROW(LEAT_EDNSTIMEOUT, LEAT_CLASS_TIMEOUT, "the name was not resolved within dns_ms"),
    ROW(LEAT_ECONNTIMEOUT, LEAT_CLASS_TIMEOUT, "no connection was ready within connect_ms"),
    ROW(LEAT_EHEADTIMEOUT, LEAT_CLASS_TIMEOUT, "no response began within head_ms"),
    ROW(LEAT_EFIRSTTIMEOUT, LEAT_CLASS_TIMEOUT, "no content came within first_ms"),
    ROW(LEAT_EGAPTIMEOUT, LEAT_CLASS_TIMEOUT, "content stopped for longer than gap_ms"),
    ROW(LEAT_EIDLETIMEOUT, LEAT_CLASS_TIMEOUT, "no byte of the response came for idle_ms"),
    ROW(LEAT_EQUEUETIMEOUT, LEAT_CLASS_TIMEOUT, "no connection became free within queue_ms"),
    ROW(LEAT_ETOTALTIMEOUT, LEAT_CLASS_TIMEOUT, "the request did not end within total_ms"),
    ROW(LEAT_ESTATUS, LEAT_CLASS_STATUS, "the server answered with an error status"),
    ROW(LEAT_EAPI, LEAT_CLASS_STATUS, "the provider reported an error inside its answer"),
    ROW(LEAT_ETRUNCATED, LEAT_CLASS_STREAM, "the connection ended in the middle of the answer"),
    ROW(LEAT_EINCOMPLETE, LEAT_CLASS_STREAM,
        "the answer ended without the evidence that it is whole"),
    ROW(LEAT_ENOTSTREAM, LEAT_CLASS_STREAM,
        "the answer is neither an event stream nor JSON; is this the right URL"),
    ROW(LEAT_EDECODE, LEAT_CLASS_STREAM, "a record of the stream cannot be decoded"),
    ROW(LEAT_EEVENTMAX, LEAT_CLASS_LIMIT, "one event exceeds event_bytes_max"),
    ROW(LEAT_EUNCERTAIN, LEAT_CLASS_STREAM,
        "lost before an answer; it may have run and was not repeated"),
    ROW(LEAT_ETASKFAILED, LEAT_CLASS_TASK, "the provider says that the task failed"),
    ROW(LEAT_ETASKTIME, LEAT_CLASS_TASK, "the task was still running at its deadline"),
    ROW(LEAT_ETASKINPUT, LEAT_CLASS_TASK, "the task waits for input that polling cannot give"),
    ROW(LEAT_EUPGRADE, LEAT_CLASS_STATUS, "the server refused the WebSocket handshake"),
    ROW(LEAT_EWS, LEAT_CLASS_HTTP, "the peer breaks the rules of WebSocket"),
    ROW(LEAT_EMESSAGEMAX, LEAT_CLASS_LIMIT, "a message exceeds message_bytes_max"),
    ROW(LEAT_EWSCLOSE, LEAT_CLASS_STREAM, "the peer closed the socket with an error code"),
};

#undef ROW

static const error_row *row_of(int error) {
  static const error_row unknown = {"LEAT_EUNKNOWN", LEAT_CLASS_USAGE, "not an error of leat"};
  const int count = (int)(sizeof rows / sizeof rows[0]);
  if (error > 0 || error <= -count || !rows[-error].name) return &unknown;
  return &rows[-error];
}

const char *leat_error_name(int error) {
  return row_of(error)->name;
}

const char *leat_error_text(int error) {
  return row_of(error)->text;
}

enum leat_class leat_error_class(int error) {
  return row_of(error)->class_of;
}

const char *leat_layer_name(enum leat_layer layer) {
  switch (layer) {
    case LEAT_LAYER_NONE: return "none";
    case LEAT_LAYER_API: return "api";
    case LEAT_LAYER_DNS: return "dns";
    case LEAT_LAYER_SOCKET: return "socket";
    case LEAT_LAYER_TLS: return "tls";
    case LEAT_LAYER_HTTP: return "http";
    case LEAT_LAYER_PROVIDER: return "provider";
  }
  return "unknown";
}

const char *leat_version(void) {
  return LEAT_VERSION;
}
