/*
 * start.c: options, the ring, the listeners.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "workbench.h"

enum { SQ_IDLE_MS = 2 }; /* the kernel's thread sleeps when it has had nothing for so long */

noreturn void leave(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs(status == EXIT_REFUSED ? "refused: " : "rings: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	exit(status);
}

void must(int result, const char *what)
{
	if (result < 0)
		leave(EXIT_REFUSED, "%s: %s", what, strerror(-result));
}

void read_options(int argc, char **argv, struct features *with)
{
	const struct option names[] = {
		{ "files", no_argument, &with->files, 1 },
		{ "buffers", no_argument, &with->buffers, 1 },
		{ "zero-copy", no_argument, &with->zero_copy, 1 },
		{ "multishot", no_argument, &with->multishot, 1 },
		{ "defer", no_argument, &with->defer, 1 },
		{ "sqpoll", no_argument, &with->sqpoll, 1 },
		{ "spin", no_argument, &with->spin, 1 },
		{ "unix", required_argument, NULL, 'u' },
		{ "port", required_argument, NULL, 'p' },
		{ "cpu", required_argument, NULL, 'c' },
		{ 0 },
	};

	for (int found; (found = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		with->unix_path = found == 'u' ? optarg : with->unix_path;
		with->port = found == 'p' ? atol(optarg) : with->port;
		with->sq_cpu = found == 'c' ? atol(optarg) : with->sq_cpu;
		if (found == '?')
			exit(2);
	}
	if (optind < argc)
		leave(2, "what is %s? See the head of tools/rings/rings.c", argv[optind]);
}

void make_ring(struct io_uring *ring, const struct features *with, unsigned submissions, unsigned completions)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE, .cq_entries = completions };

	if (with->defer)
		params.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	if (with->sqpoll) {
		params.flags |= IORING_SETUP_SQPOLL;
		params.sq_thread_idle = SQ_IDLE_MS;
	}
	if (with->sqpoll && with->sq_cpu >= 0) {
		params.flags |= IORING_SETUP_SQ_AFF;
		params.sq_thread_cpu = (unsigned)with->sq_cpu;
	}
	must(io_uring_queue_init_params(submissions, ring, &params), with->defer && with->sqpoll
									     ? "a ring with SQPOLL and DEFER_TASKRUN"
								     : with->defer  ? "a ring with DEFER_TASKRUN"
								     : with->sqpoll ? "a ring with SQPOLL"
										    : "a ring");
}

/* Returns the descriptor; fills in the `address` that the kernel chose. */
static int listen_on(struct sockaddr *address, socklen_t size, const char *name)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (address->sa_family == AF_INET)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* those accepted inherit it */
	if (fd < 0 || bind(fd, address, size) < 0 || listen(fd, SOMAXCONN) < 0 || getsockname(fd, address, &size) < 0)
		leave(EXIT_FAILURE, "can't listen on %s: %s", name, strerror(errno));
	return fd;
}

size_t listen_everywhere(int listeners[LISTENERS_MAX], struct features *with)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)with->port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listeners[0] = listen_on((struct sockaddr *)&in, sizeof(in), "that port");
	with->port = ntohs(in.sin_port);
	if (!with->unix_path)
		return 1;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", with->unix_path);
	unlink(with->unix_path);
	listeners[1] = listen_on((struct sockaddr *)&un, sizeof(un), with->unix_path);
	return 2;
}
