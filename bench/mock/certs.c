/* A throwaway CA and a server certificate signed by it, made at start and gone at the end: nobody's
 * key is worth stealing, and no test depends on a file that expires.
 *
 * The server's names are localhost, *.localhost, 127.0.0.1 and ::1. mbedTLS 2.28 cannot write
 * subjectAltName, so the extension is spelled out here (RFC 5280, 4.2.1.6; DER):
 *
 *   30 30                SEQUENCE of GeneralName
 *     82 09 "localhost"    [2] dNSName
 *     82 0b "*.localhost"
 *     87 04 7f 00 00 01    [7] iPAddress
 *     87 10 00 .. 01                                                                             */
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/mock/gateway.h"

#define PEM_MAX    4096
#define AHEAD_DAYS 30

struct maker {
  int (*rng)(void *, unsigned char *, size_t);
  void *rng_state;
  char from[16], until[16];
  unsigned char pem[PEM_MAX];
};

static const unsigned char alt_names[] = {
    0x30, 0x30, 0x82, 0x09, 'l',  'o',  'c',  'a',  'l',  'h',  'o',  's',  't',
    0x82, 0x0b, '*',  '.',  'l',  'o',  'c',  'a',  'l',  'h',  'o',  's',  't',
    0x87, 0x04, 0x7f, 0x00, 0x00, 0x01, 0x87, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};
/* ExtKeyUsage: serverAuth (1.3.6.1.5.5.7.3.1). */
static const unsigned char server_auth[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                            0x01, 0x05, 0x05, 0x07, 0x03, 0x01};

static void set_times(struct maker *k) {
  struct tm parts;
  time_t from = time(NULL) - 3600, until = from + AHEAD_DAYS * 86400;
  strftime(k->from, sizeof k->from, "%Y%m%d%H%M%S", gmtime_r(&from, &parts));
  strftime(k->until, sizeof k->until, "%Y%m%d%H%M%S", gmtime_r(&until, &parts));
}

static int make_key(struct maker *k, mbedtls_pk_context *key) {
  int err = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  if (err) return err;
  return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), k->rng, k->rng_state);
}

static int set_serial(struct maker *k, mbedtls_x509write_cert *w) {
  unsigned char bytes[16];
  int err = k->rng(k->rng_state, bytes, sizeof bytes);
  if (err) return err;
  /* Positive, and without a zero in front, which DER forbids and mbedTLS 3.6 would write. */
  bytes[0] = (bytes[0] & 0x3f) | 0x40;
#if MBEDTLS_VERSION_MAJOR == 2
  mbedtls_mpi serial;
  mbedtls_mpi_init(&serial);
  err = mbedtls_mpi_read_binary(&serial, bytes, sizeof bytes);
  if (!err) err = mbedtls_x509write_crt_set_serial(w, &serial);
  mbedtls_mpi_free(&serial);
  return err;
#else
  return mbedtls_x509write_crt_set_serial_raw(w, bytes, sizeof bytes);
#endif
}

static int set_server(mbedtls_x509write_cert *w) {
  int err = mbedtls_x509write_crt_set_basic_constraints(w, 0, -1);
  if (!err) err = mbedtls_x509write_crt_set_key_usage(w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
  if (!err)
    err = mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                              MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0,
                                              server_auth, sizeof server_auth);
  if (!err)
    err = mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                              MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0,
                                              alt_names, sizeof alt_names);
  return err;
}

static int set_authority(mbedtls_x509write_cert *w) {
  int err = mbedtls_x509write_crt_set_basic_constraints(w, 1, 0);
  if (!err)
    err = mbedtls_x509write_crt_set_key_usage(
        w, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
  return err;
}

/* Writes the certificate of `key`, signed by `issuer`, as PEM into k->pem. */
static int make_certificate(struct maker *k, mbedtls_pk_context *key, mbedtls_pk_context *issuer) {
  bool is_ca = key == issuer;
  mbedtls_x509write_cert w;
  mbedtls_x509write_crt_init(&w);
  mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(&w, key);
  mbedtls_x509write_crt_set_issuer_key(&w, issuer);
  int err = set_serial(k, &w);
  if (!err) err = mbedtls_x509write_crt_set_validity(&w, k->from, k->until);
  if (!err) err = mbedtls_x509write_crt_set_issuer_name(&w, "CN=leat mock CA,O=leat throwaway");
  if (!err)
    err = mbedtls_x509write_crt_set_subject_name(
        &w, is_ca ? "CN=leat mock CA,O=leat throwaway" : "CN=localhost,O=leat throwaway");
  if (!err) err = is_ca ? set_authority(&w) : set_server(&w);
  if (!err) err = mbedtls_x509write_crt_set_subject_key_identifier(&w);
  if (!err) err = mbedtls_x509write_crt_set_authority_key_identifier(&w);
  if (!err) err = mbedtls_x509write_crt_pem(&w, k->pem, sizeof k->pem, k->rng, k->rng_state);
  mbedtls_x509write_crt_free(&w);
  return err;
}

static int write_file(const char *path, const unsigned char *text) {
  FILE *f = fopen(path, "w");
  bool fine = f && fputs((const char *)text, f) >= 0;
  if (f && fclose(f)) fine = false;
  return fine ? 0 : -1;
}

int mock_certs_make(mbedtls_x509_crt *chain, mbedtls_pk_context *key, const char *ca_out,
                    int (*rng)(void *, unsigned char *, size_t), void *rng_state) {
  struct maker k = {.rng = rng, .rng_state = rng_state};
  mbedtls_pk_context ca;
  mbedtls_pk_init(&ca);
  set_times(&k);
  int err = make_key(&k, &ca);
  if (!err) err = make_certificate(&k, &ca, &ca);
  if (!err && ca_out) err = write_file(ca_out, k.pem);
  if (!err) err = make_key(&k, key);
  if (!err) err = make_certificate(&k, key, &ca);
  if (!err) err = mbedtls_x509_crt_parse(chain, k.pem, strlen((const char *)k.pem) + 1);
  mbedtls_pk_free(&ca);
  return err;
}
