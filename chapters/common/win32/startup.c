/*
 * startup.c for Windows: the interface of ../startup.h, the same options, the
 * same words. Where Windows has no such thing, a comment says what stands in.
 */
#include <winsock2.h>

#include <mswsock.h>
#include <ws2tcpip.h>

#include <fcntl.h>
#include <getopt.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../startup.h"

enum {
	OWN_MAX = 8, /* options of a chapter's own */
	USAGE = 2,   /* exit status of a command line that makes no sense */
};

atomic_bool stopping;

static SOCKET listen_fd;
static const char *host = "127.0.0.1";
static long port = 7000, backlog = 4096; /* Windows cuts the backlog as it sees fit */

static const struct server_option standard[] = {
	{ "port", &port, 0, 65535, "TCP port; 0 lets the kernel choose" },
	{ "backlog", &backlog, 1, 65535, "connections that may wait to be accepted" },
	{ 0 },
};

void die(const char *what, const char *hint)
{
	DWORD error = GetLastError(); /* Winsock's errors, too */
	char text[256] = "unknown error";
	DWORD size = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error, 0, text,
				    sizeof(text), NULL);

	while (size > 0 && strchr("\r\n .", text[size - 1]))
		text[--size] = '\0';
	fprintf(stderr, "server: %s: %s. %s\n", what, text, hint);
	exit(EXIT_FAILURE);
}

/* ---- options ---- */

static noreturn void usage_error(const char *option, const char *trouble)
{
	fprintf(stderr, "server: %s %s. Try --help.\n", option, trouble);
	exit(USAGE);
}

static noreturn void help(const struct server_option *own)
{
	printf("usage: server [--host ADDR] [--NAME N]...\n");
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
	LARGE_INTEGER now, per_second;

	QueryPerformanceCounter(&now);
	QueryPerformanceFrequency(&per_second);
	return (double)now.QuadPart * 1e6 / (double)per_second.QuadPart;
}

/* The best of many tries: one in which another process ran is too slow, never too fast. */
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

/* ---- Ctrl-C, which stands in for signals ---- */

/*
 * Windows interrupts nobody: it runs this on a thread of its own. That thread
 * may as well wait here for the grace to pass; the process usually ends first.
 */
static BOOL WINAPI on_stop(DWORD event)
{
	(void)event;
	stopping = true;
	CancelIoEx((HANDLE)listen_fd, NULL); /* the accept in flight completes, and wakes the loop */
	Sleep(STOP_GRACE_S * 1000);
	ExitProcess(EXIT_SUCCESS);
}

/* ---- the listening socket ---- */

static void bind_and_listen(struct sockaddr_in *address)
{
	char what[96];

	snprintf(what, sizeof(what), "cannot listen on %s:%ld", host, port);
	if (bind(listen_fd, (struct sockaddr *)address, sizeof(*address)) || listen(listen_fd, (int)backlog))
		die(what, WSAGetLastError() == WSAEADDRINUSE
				  ? "Another server has this port: choose one with --port N (0: any)."
				  : "Check --host and --port.");
}

static void start_winsock(void)
{
	WSADATA data;

	_setmode(_fileno(stdout), _O_BINARY); /* else a line would end in \r\n */
	_setmode(_fileno(stderr), _O_BINARY);
	SetLastError((DWORD)WSAStartup(MAKEWORD(2, 2), &data));
	if (GetLastError())
		die("cannot start Winsock", "Is ws2_32.dll whole?");
}

/* No SO_REUSEADDR: here it would let another server take the port away from this one. */
int listen_socket(int argc, char **argv, int flags, const struct server_option *own)
{
	int yes = 1, size = sizeof(struct sockaddr_in);
	struct sockaddr_in address = { .sin_family = AF_INET };

	start_winsock();
	read_options(argc, argv, own);
	address.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		usage_error("--host", "takes an IPv4 address such as 127.0.0.1");
	measure_pace();
	listen_fd = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED | (DWORD)flags);
	if (listen_fd == INVALID_SOCKET)
		die("cannot make a socket", "See WSASocketW.");
	if (setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, (char *)&yes, sizeof(yes)))
		die("cannot set up the listening socket", "See setsockopt.");
	bind_and_listen(&address);
	if (getsockname(listen_fd, (struct sockaddr *)&address, &size))
		die("cannot learn the port", "See getsockname.");
	if (!SetConsoleCtrlHandler(on_stop, TRUE))
		die("cannot handle Ctrl-C", "See SetConsoleCtrlHandler.");
	printf("listening on %s:%d\n", host, ntohs(address.sin_port));
	if (fflush(stdout))
		die("cannot say the port on stdout", "Is the disk full, or the reader gone?");
	return (int)listen_fd; /* handles fit: Windows keeps them to 32 bits */
}

/* Errors of AcceptEx; they come with its completion. */
enum accept_verdict accept_failed(int error)
{
	switch (error) {
	case WSAECONNRESET: /* the client left while it waited */
	case ERROR_NETNAME_DELETED:
		return ACCEPT_NEXT;
	default:
		return stopping ? ACCEPT_DRAINED : ACCEPT_FULL;
	}
}
