/* A scripted HTTP/1.1 server at the far end of the simulated network: chats, streamed or not, and
 * video tasks. What is said here of jobs and replies holds for the HTTP/2 server of sim_h2.h too.
 *
 * A request tells by its header X-Sim which job it belongs to. Each time one comes, the test's
 * `script` says how it is answered: with what, how fast, cut where and how. The server keeps the
 * books that the client's account is compared with: how often a job came, how often it may be said
 * to have run, whether an answer's evidence left the server, and what the body was. It checks what
 * it is sent: framing, the job's own key, the same body on every repeat. */
#ifndef TEST_SIM_SERVER_H
#define TEST_SIM_SERVER_H

#include "base/buf.h"
#include "sim/sim.h"

enum sim_form { SIM_STREAM, SIM_JSON, SIM_ERROR, SIM_SUBMIT, SIM_POLL, SIM_CONTENT, SIM_REDIRECT };
enum sim_framing { SIM_CHUNKED, SIM_LENGTH, SIM_UNTIL_CLOSE };
/* SIM_CUT_STREAM is HTTP/2's: RST_STREAM with sim_reply.code; the others end the connection. */
enum sim_cut { SIM_WHOLE, SIM_CUT_FIN, SIM_CUT_RESET, SIM_CUT_SILENCE, SIM_CUT_STREAM };

/* How one request is answered. Zero: well, at once, in one piece. */
typedef struct sim_reply {
  int status; /* [200] */
  bool mute;  /* no answer at all: `cut` says how it ends, SIM_WHOLE: never */
  bool early; /* decides when the head is there, without waiting for the body */
  bool ran;   /* counts as run: any answer of status 200 does anyway */
  enum sim_framing framing;
  bool no_done, no_finish, comments; /* of a stream */
  size_t comment_bytes;              /* of a comment behind each piece of text */
  enum sim_cut cut;
  unsigned cut_permille; /* where, of the whole response */
  uint64_t think_ns;     /* before the head */
  uint64_t pause_ns;     /* longest wait between two pieces */
  uint64_t stall_ns;     /* once, at stall_permille */
  unsigned stall_permille;
  size_t piece_max;       /* bytes a piece [all] */
  bool close_told;        /* Connection: close, and so it does */
  bool half_close;        /* what it closes it goes on reading */
  bool close_untold;      /* closes behind the answer without a word */
  uint64_t idle_ns;       /* closes after so long without a request; 0: never */
  int keep_alive_s;       /* told in Keep-Alive; 0: not told */
  const char *more;       /* header lines, each with CRLF */
  const char *task_state; /* of a submit or poll ["in_progress"] */
  bool task_unknown;      /* a poll does not find the task */
  bool no_range;          /* content ignores Range */
  uint32_t code;          /* of RST_STREAM (RFC 9113 section 7) */
  unsigned flood;         /* header fields of 3 KB each */
} sim_reply;

typedef struct sim_server sim_server;

typedef struct sim_job {
  unsigned number;
  leat_slice body;   /* what its submits must be; data NULL: not looked at */
  char text[6000];   /* the answer's text, made from the number */
  size_t text_size;  /* as long as the test wants it: sim_server_text */
  unsigned heads;    /* requests of it whose head came */
  unsigned requests; /* requests of it that came whole */
  unsigned submits;  /* of them POSTs */
  unsigned runs;     /* POSTs that ran */
  unsigned polls, fetches;
  bool whole;   /* all that makes an answer whole has left the server */
  bool blurred; /* an answer ended early in a way that HTTP takes for its end */
} sim_job;

typedef struct sim_server_config {
  /* Says how the job's request is answered, `reply` comes zeroed, its form is set. */
  void (*script)(void *ctx, sim_job *job, enum sim_form *form, sim_reply *reply);
  void *ctx;
  sim_job *jobs; /* by number */
  size_t job_count;
} sim_server_config;

/* Becomes the world's host. Lives until sim_server_free, which comes behind sim_free. */
sim_server *sim_server_new(sim *w, const sim_server_config *config);
void sim_server_free(sim_server *s);
/* Fills the job's text: `size` bytes of words, quotes, line ends and two-byte letters. */
void sim_server_text(sim_job *job, unsigned number, size_t size);
/* Connections open right now, as the server sees it. */
size_t sim_server_conns(const sim_server *s);
size_t sim_server_conns_peak(const sim_server *s);

#endif
