/*
 * connect.c: opens the connections of a run. One counts once it has answered
 * a PING: a server may let it in, and then refuse it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "load.h"
#include "probe_internal.h"

#define PING "PING\r\n"
#define PONG "+PONG\r\n"

enum {
	OPEN_BATCH = 64,     /* asked before the first of them is awaited */
	ANSWER_S = 10,	     /* how long the first answer may take */
	PER_ADDRESS = 10000, /* connections from one address of ours, 127.0.0.1 first (redis-server trusts no other) */
	SPARE_FILES = 64,    /* descriptors for all else */
};

void check_descriptors(const struct plan *p)
{
	struct rlimit limit;
	size_t wanted = p->connections + p->idle + SPARE_FILES;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (wanted > limit.rlim_max)
		probe_fail("too few descriptors: %zu connections need %zu, a process may have %zu here (ulimit -Hn)",
			   p->connections + p->idle, wanted, (size_t)limit.rlim_max);
}

static void bind_own_address(int fd, size_t number)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PER_ADDRESS));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		probe_fail("the load can't speak from another address: %s", strerror(errno));
}

static void connect_link(struct run *r, struct link *l)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)r->port) };
	struct timeval bound = { .tv_sec = ANSWER_S };
	int one = 1;

	inet_pton(AF_INET, r->plan->host, &to.sin_addr);
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		probe_fail("no descriptor for connection %zu: %s", l->number + 1, strerror(errno));
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* Loopback needs no pacing, and where bbr is the default it costs. */
	setsockopt(l->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	if (l->number >= PER_ADDRESS && ntohl(to.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		bind_own_address(l->fd, l->number);
	if (connect(l->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		probe_fail("connection %zu could not be made (%s): %s", l->number + 1, strerror(errno),
			   run_server_state(r));
	(void)send(l->fd, PING, sizeof(PING) - 1, MSG_NOSIGNAL);
}

static void await_pong(struct run *r, struct link *l)
{
	char reply[128] = "";
	ssize_t n = recv(l->fd, reply, sizeof(PONG) - 1, MSG_WAITALL);

	if (n == sizeof(PONG) - 1 && memcmp(reply, PONG, sizeof(PONG) - 1) == 0)
		return;
	if (n > 0) /* a refusal: the rest of its line */
		n += recv(l->fd, reply + n, sizeof(reply) - 1 - (size_t)n, MSG_DONTWAIT) > 0;
	reply[strcspn(reply, "\r\n")] = '\0';
	if (n > 0)
		probe_fail("the server let %zu of %zu connections in, and said to the next: %s", l->number,
			   r->link_count, reply);
	probe_fail("the server let %zu of %zu connections in; the next %s: %s", l->number, r->link_count,
		   n == 0 ? "was closed" : "was not answered", run_server_state(r));
}

/* Edge-triggered for those that ask: they are drained anyway, and room is told without another call. */
static void watch_link(struct run *r, struct link *l)
{
	uint32_t events = l->idle ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLET;
	struct epoll_event event = { .events = events | EPOLLRDHUP, .data.ptr = l };

	fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, l->fd, &event) < 0)
		probe_fail("connection %zu can't be watched: %s", l->number + 1, strerror(errno));
}

void open_links(struct run *r)
{
	for (size_t done = 0, next; done < r->link_count; done = next) {
		next = done + OPEN_BATCH < r->link_count ? done + OPEN_BATCH : r->link_count;
		for (size_t i = done; i < next; i++) {
			struct link *l = &r->links[i];

			l->number = i;
			l->idle = i >= r->plan->connections;
			if (!l->idle)
				l->ring = calloc(r->plan->pipeline, sizeof(*l->ring));
			connect_link(r, l);
		}
		for (size_t i = done; i < next; i++) {
			await_pong(r, &r->links[i]);
			watch_link(r, &r->links[i]);
		}
	}
}
