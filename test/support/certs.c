/* Throwaway certificates through mbedtls_x509write; extensions that mbedTLS 2.28 cannot write
 * (subjectAltName, extendedKeyUsage) are put together as DER here:
 *
 *   SAN:  30 len { 82 len "api.x.test" | 87 04 7f000001 } ...
 *   EKU:  30 0a 06 08 2b 06 01 05 05 07 03 01 */
#include "support/certs.h"

#include <arpa/inet.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call)                                                                   \
  do {                                                                               \
    int must_ret_ = (call);                                                          \
    if (must_ret_ < 0) {                                                             \
      fprintf(stderr, "%s:%d: -0x%04x\n", __FILE__, __LINE__, (unsigned)-must_ret_); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

static void make_key(mbedtls_pk_context *key, enum certs_key kind);
static void set_serial(mbedtls_x509write_cert *w);
static void add_names(mbedtls_x509write_cert *w, const certs_spec *spec);
static void add_usage(mbedtls_x509write_cert *w, enum certs_usage usage);

int certs_random(void *context, unsigned char *out, size_t size) {
  static mbedtls_entropy_context entropy;
  static mbedtls_ctr_drbg_context random;
  static bool ready;
  (void)context;
  if (!ready) {
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    MUST(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0));
    ready = true;
  }
  return mbedtls_ctr_drbg_random(&random, out, size);
}

void certs_make(certs_pair *pair, const certs_spec *spec, const certs_pair *issuer) {
  char subject[128], issued_by[256];
  mbedtls_x509write_cert w;
  mbedtls_x509_crt_init(&pair->certificate);
  make_key(&pair->key, spec->key);
  snprintf(subject, sizeof subject, "CN=%s", spec->cn);
  snprintf(issued_by, sizeof issued_by, "%s", subject);
  if (issuer) {
    MUST(mbedtls_x509_dn_gets(issued_by, sizeof issued_by, &issuer->certificate.subject));
  }
  mbedtls_x509write_crt_init(&w);
  mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(&w, spec->sha1 ? MBEDTLS_MD_SHA1 : MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(&w, &pair->key);
  /* The issuer's key is only read, but mbedTLS takes it as its own type, without const. */
  mbedtls_pk_context signer = issuer ? issuer->key : pair->key;
  mbedtls_x509write_crt_set_issuer_key(&w, &signer);
  set_serial(&w);
  MUST(mbedtls_x509write_crt_set_subject_name(&w, subject));
  MUST(mbedtls_x509write_crt_set_issuer_name(&w, issued_by));
  MUST(mbedtls_x509write_crt_set_validity(&w, spec->from ? spec->from : "20200101000000",
                                          spec->to ? spec->to : "20491231235959"));
  MUST(mbedtls_x509write_crt_set_basic_constraints(&w, spec->ca, -1));
  if (!spec->ca) {
    add_names(&w, spec);
    add_usage(&w, spec->usage);
  }
  MUST(mbedtls_x509write_crt_pem(&w, (unsigned char *)pair->pem, sizeof pair->pem, certs_random,
                                 NULL));
  MUST(mbedtls_x509_crt_parse(&pair->certificate, (unsigned char *)pair->pem,
                              strlen(pair->pem) + 1));
  MUST(mbedtls_pk_write_key_pem(&pair->key, (unsigned char *)pair->key_pem, sizeof pair->key_pem));
  mbedtls_x509write_crt_free(&w);
}

void certs_free(certs_pair *pair) {
  mbedtls_x509_crt_free(&pair->certificate);
  mbedtls_pk_free(&pair->key);
}

static void make_key(mbedtls_pk_context *key, enum certs_key kind) {
  bool rsa = kind == CERTS_RSA_1024 || kind == CERTS_RSA_2048;
  mbedtls_pk_init(key);
  MUST(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(rsa ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY)));
  if (rsa) {
    MUST(mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), certs_random, NULL,
                             kind == CERTS_RSA_1024 ? 1024 : 2048, 65537));
  } else {
    MUST(mbedtls_ecp_gen_key(
        kind == CERTS_P384 ? MBEDTLS_ECP_DP_SECP384R1 : MBEDTLS_ECP_DP_SECP256R1,
        mbedtls_pk_ec(*key), certs_random, NULL));
  }
}

/* Another one for each certificate of the process. */
static void set_serial(mbedtls_x509write_cert *w) {
  static unsigned count;
  unsigned char bytes[4];
  unsigned serial = ++count;
  for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(serial >> (24 - 8 * i));
  bytes[0] |= 0x40; /* positive, and of one length */
#if MBEDTLS_VERSION_MAJOR == 2
  mbedtls_mpi number;
  mbedtls_mpi_init(&number);
  MUST(mbedtls_mpi_read_binary(&number, bytes, sizeof bytes));
  MUST(mbedtls_x509write_crt_set_serial(w, &number));
  mbedtls_mpi_free(&number);
#else
  MUST(mbedtls_x509write_crt_set_serial_raw(w, bytes, sizeof bytes));
#endif
}

static size_t put_name(unsigned char *at, unsigned char tag, const void *bytes, size_t size) {
  at[0] = tag;
  at[1] = (unsigned char)size;
  memcpy(at + 2, bytes, size);
  return size + 2;
}

static void add_names(mbedtls_x509write_cert *w, const certs_spec *spec) {
  unsigned char names[1024], address[16];
  size_t n = 4; /* room for 30 82 hi lo */
  for (int i = 0; i < CERTS_DNS_MAX && spec->dns[i]; i++) {
    n += put_name(names + n, 0x82, spec->dns[i], strlen(spec->dns[i]));
  }
  if (spec->ip && inet_pton(AF_INET, spec->ip, address) == 1) {
    n += put_name(names + n, 0x87, address, 4);
  } else if (spec->ip && inet_pton(AF_INET6, spec->ip, address) == 1) {
    n += put_name(names + n, 0x87, address, 16);
  }
  if (n == 4) return;
  size_t skip = n - 4 < 128 ? 2 : n - 4 < 256 ? 1 : 0; /* DER: the shortest length */
  unsigned char *start = names + skip;
  start[0] = 0x30;
  if (skip == 2) start[1] = (unsigned char)(n - 4);
  if (skip == 1) start[1] = 0x81;
  if (skip == 0) start[1] = 0x82;
  if (skip == 0) start[2] = (unsigned char)((n - 4) >> 8);
  if (skip < 2) names[3] = (unsigned char)((n - 4) & 0xff);
  MUST(mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                           MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, start,
                                           n - skip));
}

static void add_usage(mbedtls_x509write_cert *w, enum certs_usage usage) {
  unsigned char der[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01};
  if (usage == CERTS_USAGE_ABSENT) return;
  if (usage == CERTS_USAGE_CLIENT) der[sizeof der - 1] = 0x02;
  if (usage == CERTS_USAGE_CODE_SIGNING) der[sizeof der - 1] = 0x03;
  MUST(mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                           MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, der,
                                           sizeof der));
}
