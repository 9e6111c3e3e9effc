/* A client that writes what it is told, for requests that no proper client sends. Fails the running test on trouble of its own. */
#ifndef TESTS_SUPPORT_WIRE_H
#define TESTS_SUPPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>

/* Connects to "http://127.0.0.1:PORT". */
int wire_connect(const char *url);
/* False if the other side has closed. */
bool wire_send(int socket, const char *text);
bool wire_send_bytes(int socket, const void *bytes, size_t byte_count);
/* Reads until the other side closes, or `text` has come up, or nothing came for `patience_ms`; returns what came. To be freed. */
char *wire_receive_until(int socket, const char *text, int patience_ms);
/* Has the other side closed, at most `patience_ms` from now? Takes what comes before. */
bool wire_is_closed(int socket, int patience_ms);

/* One exchange on a connection of its own: sends `request` and reads to the end of the connection. To be freed. */
char *wire_exchange(const char *url, const char *request);
/* 404 of "HTTP/1.1 404 …"; 0 if it is no response. */
int wire_get_status(const char *response);
/* The value of a header, in a buffer that the next call overwrites; "" if it is not there. */
const char *wire_get_header(const char *response, const char *name);
/* What follows the headers. */
const char *wire_get_body(const char *response);

#endif
