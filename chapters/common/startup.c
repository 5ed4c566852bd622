#include "startup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
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

enum {
	OWN_MAX = 8, /* options of a chapter's own */
	USAGE = 2,   /* exit status of a command line that makes no sense */
};

atomic_bool stopping;

static int listen_fd;
static const char *host = "127.0.0.1";
static long port = 7000, backlog = 4096; /* the kernel cuts the backlog to net.core.somaxconn */

static const struct server_option standard[] = {
	{ "port", &port, 0, 65535, "TCP port; 0 lets the kernel choose" },
	{ "backlog", &backlog, 1, 65535, "connections that may wait to be accepted" },
	{ 0 },
};

void die(const char *what, const char *hint)
{
	fprintf(stderr, "%s: %s: %s. %s\n", program_invocation_short_name, what, strerror(errno), hint);
	exit(EXIT_FAILURE);
}

/* ---- options ---- */

static noreturn void usage_error(const char *option, const char *trouble)
{
	fprintf(stderr, "%s: %s %s. Try --help.\n", program_invocation_short_name, option, trouble);
	exit(USAGE);
}

static noreturn void help(const struct server_option *own)
{
	printf("usage: %s [--host ADDR] [--NAME N]...\n", program_invocation_short_name);
	printf("  --host     IPv4 address to listen on (%s)\n", host);
	for (const struct server_option *o = standard; o->name; o++)
		printf("  --%-8s %s (%ld)\n", o->name, o->help, *o->value);
	for (const struct server_option *o = own; o && o->name; o++)
		printf("  --%-8s %s (%ld)\n", o->name, o->help, *o->value);
	exit(EXIT_SUCCESS);
}

static void set_number(const struct server_option *o, const char *text)
{
	char *end, option[40], trouble[120];
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < o->min || number > o->max) {
		snprintf(option, sizeof(option), "--%s", o->name);
		snprintf(trouble, sizeof(trouble), "takes a number from %ld to %ld, not '%.40s'", o->min, o->max, text);
		usage_error(option, trouble);
	}
	*o->value = number;
}

void read_options(int argc, char **argv, const struct server_option *own)
{
	struct option names[OWN_MAX + 5] = { { "host", required_argument, NULL, 'h' },
					     { "help", no_argument, NULL, '?' } };
	const struct server_option *options[OWN_MAX + 5] = { NULL };
	int count = 2, index;

	for (const struct server_option *o = standard; o->name; o++, count++)
		options[count] = o;
	for (const struct server_option *o = own; o && o->name && count < OWN_MAX + 4; o++, count++)
		options[count] = o;
	for (int i = 2; i < count; i++)
		names[i] = (struct option){ options[i]->name, required_argument, NULL, 'n' };
	opterr = 0;
	for (int found; (found = getopt_long(argc, argv, ":", names, &index)) != -1;) {
		if (found == 'n')
			set_number(options[index], optarg);
		else if (found == 'h')
			host = optarg;
		else if (found == ':')
			usage_error(argv[optind - 1], "takes a value");
		else if (optopt == 0 && strncmp(argv[optind - 1], "--help", 6) == 0)
			help(own);
		else
			usage_error(argv[optind - 1], "is no option of this server");
	}
	if (optind < argc)
		usage_error(argv[optind], "is not an option: every option begins with --");
}

/* ---- the pace of this machine ---- */

static double loops_per_us;

static void burn(uint64_t loops)
{
	for (uint64_t i = 0; i < loops; i++)
		__asm__ volatile(""); /* keeps the compiler from seeing that nothing is computed */
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/*
 * The best of many tries, over some milliseconds: a try in which another
 * process ran is too slow, never too fast.
 */
static void measure_pace(void)
{
	enum { LOOPS = 20000, TRIES_MIN = 10, MEASURE_US = 5000 };
	double begin = now_us();

	for (int i = 0; i < TRIES_MIN || now_us() - begin < MEASURE_US; i++) {
		double from = now_us();
		burn(LOOPS);
		double us = now_us() - from;
		if (us > 0 && LOOPS / us > loops_per_us)
			loops_per_us = LOOPS / us;
	}
}

void burn_us(uint32_t us)
{
	burn((uint64_t)(us * loops_per_us));
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
