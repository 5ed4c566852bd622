/*
 * event.c: inline PING and SPIN on libevent's bufferevents, a page: what the
 * lab's servers are compared with. The replies to one read leave in one write,
 * when the loop comes round to it.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { LINE_MAX_SIZE = 64 }; /* a longer line closes the connection */

static void burn_us(long us)
{
	struct timespec from, t;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while ((t.tv_sec - from.tv_sec) * 1000000 + (t.tv_nsec - from.tv_nsec) / 1000 < us);
}

static void on_read(struct bufferevent *c, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(c), *out = bufferevent_get_output(c);

	(void)arg;
	for (char *line; (line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF)); free(line)) {
		if (strcasecmp(line, "PING") == 0)
			evbuffer_add(out, "+PONG\r\n", 7);
		else if (strncasecmp(line, "SPIN ", 5) == 0)
			burn_us(atol(line + 5));
		else if (*line)
			evbuffer_add(out, "-ERR\r\n", 6); /* redis-benchmark wants an error before it begins */
	}
	if (evbuffer_get_length(in) > LINE_MAX_SIZE)
		bufferevent_free(c);
}

static void on_end(struct bufferevent *c, short what, void *arg)
{
	(void)what;
	(void)arg;
	bufferevent_free(c);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int size, void *arg)
{
	struct bufferevent *c = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	int yes = 1;

	(void)from;
	(void)size;
	(void)arg;
	if (!c) {
		evutil_closesocket(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	bufferevent_setcb(c, on_read, NULL, on_end, NULL);
	bufferevent_enable(c, EV_READ | EV_WRITE);
}

static void on_stop(evutil_socket_t signal, short what, void *base)
{
	(void)signal;
	(void)what;
	event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	struct event_base *base = event_base_new();

	address.sin_port = htons((uint16_t)(argc > 2 && strcmp(argv[1], "--port") == 0 ? atoi(argv[2]) : 7000));
	struct evconnlistener *listener =
		evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 4096,
					(struct sockaddr *)&address, sizeof(address));
	if (!listener || getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size)) {
		fprintf(stderr, "event: cannot listen\n");
		return 1;
	}
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	event_add(evsignal_new(base, SIGTERM, on_stop, base), NULL);
	event_base_dispatch(base);
	return 0;
}
