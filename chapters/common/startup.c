#include "startup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "options.h"
#include "pace.h"

atomic_bool stopping;

static int listen_fd;

void die(const char *what, const char *hint)
{
	fprintf(stderr, "%s: %s: %s. %s\n", program, what, strerror(errno), hint);
	exit(EXIT_FAILURE);
}

double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* ---- signals ---- */

static void on_stop(int signal)
{
	int interrupted = errno;

	(void)signal;
	stopping = true;
	shutdown(listen_fd, SHUT_RDWR);
	alarm(STOP_GRACE_S);
	errno = interrupted;
}

static void on_grace_over(int signal)
{
	(void)signal;
	_exit(EXIT_SUCCESS);
}

static void handle_signals(void)
{
	struct sigaction stop = { .sa_handler = on_stop }; /* no SA_RESTART: whatever waits ends with EINTR */
	struct sigaction grace_over = { .sa_handler = on_grace_over };

	if (sigaction(SIGTERM, &stop, NULL) || sigaction(SIGINT, &stop, NULL) || sigaction(SIGALRM, &grace_over, NULL))
		die("cannot handle signals", "Is a security module in the way?");
}

/* ---- the listening socket ---- */

/* Else EMFILE would come long before FD_SETSIZE, at the soft limit of 1024 that select(2) made customary. */
void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("cannot read the limit on descriptors", "See getrlimit(2).");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("cannot raise the limit on descriptors", "See ulimit -n.");
}

static void bind_and_listen(struct sockaddr_in *address)
{
	char what[96];

	snprintf(what, sizeof(what), "cannot listen on %s:%ld", host, port);
	if (bind(listen_fd, (struct sockaddr *)address, sizeof(*address)) || listen(listen_fd, (int)backlog))
		die(what, errno == EADDRINUSE ? "Another server has this port: choose one with --port N (0: any)."
			  : errno == EACCES   ? "Ports below 1024 are root's: choose one with --port N (0: any)."
					      : "Check --host and --port.");
}

int listen_socket(int argc, char **argv, int flags, const struct server_option *own)
{
	int yes = 1;
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);

	read_options(argc, argv, own);
	address.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		usage_error("--host", "takes an IPv4 address such as 127.0.0.1");
	raise_descriptor_limit();
	measure_pace();
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (listen_fd < 0)
		die("cannot make a socket", "See socket(2).");
	if (setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)))
		die("cannot set up the listening socket", "See setsockopt(2).");
	handle_signals();
	bind_and_listen(&address);
	if (getsockname(listen_fd, (struct sockaddr *)&address, &size))
		die("cannot learn the port", "See getsockname(2).");
	printf("listening on %s:%d\n", host, ntohs(address.sin_port));
	if (fflush(stdout))
		die("cannot say the port on stdout", "Is the disk full, or the reader gone?");
	return listen_fd;
}

enum accept_verdict accept_failed(int error)
{
	switch (error) {
	case EAGAIN:
		return ACCEPT_DRAINED;
	case EINTR:
	case ECONNABORTED: /* the client left while it waited */
	case EPROTO:	   /* as the last, and as those below: errors that were pending on the new socket */
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case EPERM: /* a firewall's rule */
		return ACCEPT_NEXT;
	default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM, and whatever else would come at once again */
		return stopping ? ACCEPT_DRAINED : ACCEPT_FULL;
	}
}

const char *ring_refusal(int error, int disabled)
{
	switch (error) {
	case ENOSYS:
		return "This kernel has no io_uring, or a sandbox hides it: run on Linux 6.0 or later, outside.";
	case EPERM:
		return disabled == '2'	 ? "It is switched off here: sysctl kernel.io_uring_disabled=0 allows it."
		       : disabled == '1' ? "It is kept to one group here: see sysctl kernel.io_uring_group."
					 : "A seccomp filter forbids it, as in most containers: run outside.";
	case EINVAL:
		return "This kernel is too old: Linux 6.0 or later is needed.";
	default:
		return "See io_uring_setup(2).";
	}
}
