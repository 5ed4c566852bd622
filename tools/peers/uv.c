/*
 * uv.c: inline PING and SPIN on libuv, a page: what the lab's servers are
 * compared with. It does what libuv's guide recommends and nothing slower:
 * one buffer for all reads, replies to one read in one uv_try_write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <uv.h>

enum { READ_SIZE = 16 * 1024, LINE_MAX_SIZE = 64 }; /* a longer line closes the connection */

struct conn {
	uv_tcp_t tcp; /* first: libuv's handle is our connection */
	char *rest;   /* of a line that has come in part */
	size_t rest_size;
};

struct late {
	uv_write_t write;
	char bytes[];
};

static char input[LINE_MAX_SIZE + READ_SIZE];
static char output[sizeof(input) * 3]; /* at the most: "x\n" gives "-ERR\r\n" */

static void burn_us(long us)
{
	struct timespec from, t;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while ((t.tv_sec - from.tv_sec) * 1000000 + (t.tv_nsec - from.tv_nsec) / 1000 < us);
}

static void on_closed(uv_handle_t *handle)
{
	free(((struct conn *)handle)->rest);
	free(handle);
}

static void conn_close(struct conn *c)
{
	if (!uv_is_closing((uv_handle_t *)c))
		uv_close((uv_handle_t *)c, on_closed);
}

static void on_late_sent(uv_write_t *write, int status)
{
	if (status < 0)
		conn_close((struct conn *)write->handle);
	free(write);
}

/* What the socket did not take at once waits within libuv. */
static void reply(struct conn *c, size_t size)
{
	uv_buf_t now = uv_buf_init(output, (unsigned int)size);
	int sent = size > 0 ? uv_try_write((uv_stream_t *)c, &now, 1) : 0;
	size_t left = size - (sent > 0 ? (size_t)sent : 0);

	if (left == 0)
		return;
	struct late *late = malloc(sizeof(*late) + left);
	memcpy(late->bytes, output + size - left, left);
	now = uv_buf_init(late->bytes, (unsigned int)left);
	uv_write(&late->write, (uv_stream_t *)c, &now, 1, on_late_sent);
}

/* The reply to one line, as far as there is one; returns its size. redis-benchmark wants an error before it begins. */
static size_t answer_line(const char *line, size_t size, char *to)
{
	const char *text = "-ERR\r\n";

	if (size > 0 && line[size - 1] == '\r')
		size--;
	if (size >= 5 && strncasecmp(line, "SPIN ", 5) == 0)
		burn_us(atol(line + 5));
	if (size == 0 || (size >= 5 && strncasecmp(line, "SPIN ", 5) == 0))
		return 0;
	if (size == 4 && strncasecmp(line, "PING", 4) == 0)
		text = "+PONG\r\n";
	memcpy(to, text, strlen(text));
	return strlen(text);
}

/* Answers the whole lines of `input`; returns how many bytes they took. */
static size_t answer(struct conn *c, size_t size)
{
	size_t used = 0, replied = 0;

	for (char *end; (end = memchr(input + used, '\n', size - used)); used = (size_t)(end + 1 - input))
		replied += answer_line(input + used, (size_t)(end - input) - used, output + replied);
	reply(c, replied);
	return used;
}

/* The rest of the last read stands before what is read next. */
static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	const struct conn *c = (struct conn *)handle;

	(void)suggested;
	if (c->rest)
		memcpy(input, c->rest, c->rest_size);
	*buf = uv_buf_init(input + c->rest_size, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = (struct conn *)stream;
	size_t size = n > 0 ? c->rest_size + (size_t)n : 0, used;

	(void)buf;
	if (n < 0)
		conn_close(c);
	if (n <= 0)
		return;
	free(c->rest);
	c->rest = NULL;
	used = answer(c, size);
	c->rest_size = size - used;
	if (c->rest_size > LINE_MAX_SIZE)
		conn_close(c);
	else if (c->rest_size > 0)
		c->rest = memcpy(malloc(c->rest_size), input + used, c->rest_size);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct conn *c = calloc(1, sizeof(*c));

	uv_tcp_init(listener->loop, &c->tcp);
	if (status < 0 || uv_accept(listener, (uv_stream_t *)c) < 0) {
		conn_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)c, on_buffer, on_read);
}

static void on_stop(uv_signal_t *signal, int number)
{
	(void)number;
	uv_stop(signal->loop);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t listener;
	uv_signal_t term;
	struct sockaddr_in address;
	int size = sizeof(address);

	uv_ip4_addr("127.0.0.1", argc > 2 && strcmp(argv[1], "--port") == 0 ? atoi(argv[2]) : 7000, &address);
	uv_tcp_init(loop, &listener);
	if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) ||
	    uv_listen((uv_stream_t *)&listener, 4096, on_connection) ||
	    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size)) {
		fprintf(stderr, "uv: cannot listen\n");
		return 1;
	}
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	uv_signal_init(loop, &term);
	uv_signal_start(&term, on_stop, SIGTERM);
	uv_run(loop, UV_RUN_DEFAULT);
	return 0;
}
