/* WebSockets over cells: see socket.c. */
#ifndef LEAT_PYTHON_SOCKET_H
#define LEAT_PYTHON_SOCKET_H

#include "core.h"

int lpy_socket_on_event(leat_engine *engine, leat_id id, const leat_ws_event *event, void *user);
void lpy_socket_on_done(leat_engine *engine, leat_id id, const leat_result *result, unsigned code,
                        void *user);
/* LEAT_OK, LEAT_ECLOSED, LEAT_ENOMEM. */
int lpy_socket_send(lpy_cell *cell, enum leat_ws_type type, leat_slice bytes);
int lpy_socket_close(lpy_cell *cell, unsigned code, leat_slice reason);

#endif
