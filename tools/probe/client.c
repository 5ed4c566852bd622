/*
 * client.c: one connection to a server, and sentences about what came of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "probe_internal.h"

enum {
	SHOWN_MAX = 60,	      /* bytes of a reply that a sentence shows */
	LINE_MAX_SIZE = 4096, /* a reply's line; a longer one is a failure */
	SLOW_RCVBUF = 4096,   /* with SLOW_MSS, a few dozen KiB and the server's write is short */
	SLOW_MSS = 536,
};

/* ---- open ---- */

/* Thousands of connections need thousands of descriptors: up to the hard limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int new_socket(int domain)
{
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 && errno == EMFILE) {
		raise_descriptor_limit();
		fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		probe_fail("the lab has no descriptor for another client: %s", strerror(errno));
	return fd;
}

static void set_up_socket(int fd, const struct client_options *o)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (o->rcvbuf > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->rcvbuf, sizeof(o->rcvbuf));
	if (o->maxseg > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &o->maxseg, sizeof(o->maxseg));
	if (!o->from)
		return;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (inet_pton(AF_INET, o->from, &from.sin_addr) != 1 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		probe_fail("the lab can't speak from %s: %s", o->from, strerror(errno));
}

static int pending_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

static void connect_client(struct client *c)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)c->server->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int error = connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;

	if (error == EINPROGRESS) {
		if (wait_ready(c, POLLOUT, deadline_in(PATIENCE_MS)) != READY)
			probe_fail("%s could not connect: nothing answered: %s", c->name, server_state(c->server));
		error = pending_error(c->fd);
	}
	if (error)
		probe_fail("%s could not connect (%s): %s", c->name, strerror(error), server_state(c->server));
}

static void connect_unix(struct client *c, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		probe_fail("%s could not connect to %s (%s): %s", c->name, path, strerror(errno),
			   server_state(c->server));
}

struct client *client_open_with(struct server *s, const struct client_options *options)
{
	static unsigned int number;
	struct client *c = calloc(1, sizeof(*c));

	number++;
	c->server = s;
	if (options->name)
		snprintf(c->name, sizeof(c->name), "%s", options->name);
	else
		snprintf(c->name, sizeof(c->name), "client %u", number);
	c->fd = new_socket(options->unix_path ? AF_UNIX : AF_INET);
	if (options->unix_path) {
		connect_unix(c, options->unix_path);
		return c;
	}
	set_up_socket(c->fd, options);
	connect_client(c);
	return c;
}

struct client *client_open(struct server *s, const char *name)
{
	return client_open_with(s, &(struct client_options){ .name = name });
}

struct client *client_open_slow(struct server *s, const char *name)
{
	return client_open_with(s, &(struct client_options){ .name = name, .rcvbuf = SLOW_RCVBUF, .maxseg = SLOW_MSS });
}

int client_fd(const struct client *c)
{
	return c->fd;
}

/* ---- send ---- */

ssize_t client_send_some(struct client *c, const void *bytes, size_t size)
{
	ssize_t n;

	do {
		n = send(c->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n;
}

void client_send_bytes(struct client *c, const void *bytes, size_t size)
{
	size_t sent = 0;

	while (sent < size) {
		ssize_t n = client_send_some(c, (const char *)bytes + sent, size - sent);
		int error = errno; /* server_state() has its own */

		if (n < 0)
			probe_fail("%s could not send (%s): %s", c->name, strerror(error), server_state(c->server));
		sent += (size_t)n;
		if (n == 0 && wait_ready(c, POLLOUT, deadline_in(PATIENCE_MS)) != READY)
			probe_fail("%s could send only %zu of %zu bytes, then nothing was taken any more: %s", c->name,
				   sent, size, server_state(c->server));
	}
}

/* Formats into memory that the caller frees. */
static size_t format_bytes(char **bytes, const char *format, va_list args)
{
	int size = vasprintf(bytes, format, args);

	if (size < 0)
		probe_fail("the lab has run out of memory");
	return (size_t)size;
}

void client_send(struct client *c, const char *format, ...)
{
	char *bytes;
	size_t size;
	va_list args;

	va_start(args, format);
	size = format_bytes(&bytes, format, args);
	va_end(args);
	client_send_bytes(c, bytes, size);
	free(bytes);
}

/* ---- receive ---- */

enum { ENDED = 0, RESET = -1 };

/* What came, at least one byte; or one of the above, or LATE or STILL. RESET leaves the reason in errno. */
static ssize_t receive_some(struct client *c, void *bytes, size_t size, uint64_t deadline)
{
	for (;;) {
		ssize_t n = recv(c->fd, bytes, size, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			return RESET;
		enum waited waited = wait_ready(c, POLLIN, deadline);
		if (waited != READY)
			return waited;
	}
}

/* "the connection was closed (the server waits in …)" */
static const char *what_happened(struct client *c, ssize_t result)
{
	int error = errno;
	const char *doing;

	if (result == ENDED || result == RESET)
		pause_us(20000); /* a server that dies closes its sockets a moment before it can be reaped */
	doing = server_state(c->server);
	if (c->server->ended)
		return doing;
	if (result == ENDED)
		return text("the server closed the connection: %s", doing);
	if (result == RESET)
		return text("the connection failed (%s): %s", strerror(error), doing);
	if (result == STILL)
		return text("nothing came: %s", doing);
	return text("nothing came within %g s: %s", patience(PATIENCE_MS) / 1000.0, doing);
}

/* How far the two agree, for the sentence about a reply that differs. */
static size_t common_prefix(const char *a, const char *b, size_t size)
{
	size_t n = 0;

	while (n < size && a[n] == b[n])
		n++;
	return n;
}

static noreturn void fail_different(struct client *c, const char *wanted, size_t size, const char *came, size_t have)
{
	size_t same = common_prefix(wanted, came, have);

	if (size <= SHOWN_MAX || same <= SHOWN_MAX / 2)
		probe_fail("%s expected %s, but %s came", c->name, quoted(wanted, size, SHOWN_MAX),
			   quoted(came, have, SHOWN_MAX));
	probe_fail("%s expected %zu bytes, but from byte %zu on they differ: expected %s, but %s came", c->name, size,
		   same, quoted(wanted + same, size - same, SHOWN_MAX / 2),
		   quoted(came + same, have - same, SHOWN_MAX / 2));
}

static noreturn void fail_missing(struct client *c, const char *wanted, size_t size, size_t have, ssize_t result)
{
	const char *what = what_happened(c, result);

	if (have > 0)
		probe_fail("%s expected %s, but after %zu of %zu bytes %s", c->name, quoted(wanted, size, SHOWN_MAX),
			   have, size, what);
	probe_fail("%s expected %s, but %s", c->name, quoted(wanted, size, SHOWN_MAX), what);
}

/* Never takes more from the socket than was expected; on a difference, what follows is shown too. */
void client_expect_bytes(struct client *c, const void *bytes, size_t size)
{
	char *came = malloc(size + SHOWN_MAX);
	size_t have = 0;

	while (have < size) {
		ssize_t n = receive_some(c, came + have, size - have, deadline_in(PATIENCE_MS));

		if (n <= 0)
			fail_missing(c, bytes, size, have, n);
		have += (size_t)n;
		if (memcmp(bytes, came, have) == 0)
			continue;
		n = recv(c->fd, came + have, SHOWN_MAX, MSG_DONTWAIT);
		if (n > 0 && have < SHOWN_MAX)
			have += (size_t)n;
		fail_different(c, bytes, size, came, have);
	}
	free(came);
}

void client_expect(struct client *c, const char *format, ...)
{
	char *bytes;
	size_t size;
	va_list args;

	va_start(args, format);
	size = format_bytes(&bytes, format, args);
	va_end(args);
	client_expect_bytes(c, bytes, size);
	free(bytes);
}

void client_expect_blob(struct client *c, size_t n)
{
	char *blob = malloc(n + 64);
	size_t head = (size_t)sprintf(blob, "$%zu\r\n", n);

	for (size_t i = 0; i < n; i++)
		blob[head + i] = (char)('a' + i % 26);
	memcpy(blob + head + n, "\r\n", 2);
	client_expect_bytes(c, blob, head + n + 2);
	free(blob);
}

void client_receive(struct client *c, void *bytes, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = receive_some(c, (char *)bytes + have, size - have, deadline_in(PATIENCE_MS));

		if (n <= 0)
			probe_fail("%s expected a reply of %zu bytes, but after %zu %s", c->name, size, have,
				   what_happened(c, n));
		have += (size_t)n;
	}
}

const char *client_read_line(struct client *c)
{
	static char line[LINE_MAX_SIZE];
	size_t used = 0;

	for (;;) {
		ssize_t n = receive_some(c, line + used, 1, deadline_in(PATIENCE_MS));

		if (n <= 0)
			probe_fail("%s expected a line, but %s", c->name, what_happened(c, n));
		if (line[used] == '\n')
			break;
		if (++used == sizeof(line))
			probe_fail("%s expected a line, but %zu bytes without an end came: %s", c->name, used,
				   quoted(line, used, SHOWN_MAX));
	}
	if (used > 0 && line[used - 1] == '\r')
		used--;
	line[used] = '\0';
	return line;
}

size_t client_read_some(struct client *c, void *bytes, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = receive_some(c, (char *)bytes + have, size - have, deadline_in(PATIENCE_MS));

		if (n == ENDED || n == RESET)
			break;
		if (n < 0)
			probe_fail("%s was to read %zu bytes, but after %zu %s", c->name, size, have,
				   what_happened(c, n));
		have += (size_t)n;
	}
	return have;
}

void client_expect_end(struct client *c, bool reset)
{
	char came[SHOWN_MAX];
	ssize_t n = receive_some(c, came, sizeof(came), deadline_in(PATIENCE_MS));

	if (n > 0)
		probe_fail("%s expected the end of the connection, but %s came", c->name,
			   quoted(came, (size_t)n, SHOWN_MAX));
	if (n == LATE || n == STILL)
		probe_fail("%s expected the end of the connection, but %s", c->name, what_happened(c, n));
	if (n == RESET && !(reset && errno == ECONNRESET))
		probe_fail("%s expected an orderly end of the connection, but got %s", c->name, strerror(errno));
}

void client_await_bytes(struct client *c)
{
	enum waited waited = wait_ready(c, POLLIN, deadline_in(PATIENCE_MS));

	if (waited != READY)
		probe_fail("%s expected the first bytes of a reply, but %s", c->name, what_happened(c, waited));
}

void client_expect_silence(struct client *c)
{
	char came[SHOWN_MAX];
	ssize_t n;

	server_quiet(c->server);
	n = recv(c->fd, came, sizeof(came), MSG_DONTWAIT);
	if (n > 0)
		probe_fail("%s expected silence, but %s came", c->name, quoted(came, (size_t)n, SHOWN_MAX));
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		probe_fail("%s expected silence, but %s", c->name, what_happened(c, n));
}

void client_ping(struct client *c)
{
	client_send(c, "PING\r\n");
	client_expect(c, "+PONG\r\n");
}

/* ---- end ---- */

void client_shut_writing(struct client *c)
{
	shutdown(c->fd, SHUT_WR);
}

void client_reset(struct client *c)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	client_close(c);
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c);
}
