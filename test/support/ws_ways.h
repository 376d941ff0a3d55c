/* Plays frames of a server in every way that must make no difference: whole, byte by byte, cut at
 * every place, when short at every two places, and with a sink that stops at every piece. */
#ifndef TEST_WS_WAYS_H
#define TEST_WS_WAYS_H

#include "support/ws_record.h"

/* A literal, which may hold NUL. */
#define RAW(text) lti_slice(text, sizeof(text) - 1)

/* `how` has the limits; the answer is the whole run's record. Fails the test when a way differs.
 * The caller calls ws_record_deinit. `whole` must not be moved. */
void ws_every_way(ws_record *whole, leat_slice raw, const ws_record *how);

/* What came: messages and the rest as lines ("Thello\n"), then the Close of ours that is in `out`
 * (0: none), with the limits of `how` (NULL: the default ones). */
void check_open(leat_slice raw, const char *log);
void check_broken(leat_slice raw, const char *log, int code, unsigned close_code);
void check_broken_by(const ws_record *how, leat_slice raw, int code, unsigned close_code);
void check_closed(leat_slice raw, const char *log, unsigned code);

/* The code of the Close in `out`, 1005 when it has none, 0 without a Close. It must be the last
 * frame. Unmasks `out`. */
unsigned ws_close_in(lti_buf *out);

#endif
