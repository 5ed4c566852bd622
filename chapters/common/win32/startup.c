/*
 * startup.c for Windows: the interface of ../startup.h, the same options, the
 * same words. Where Windows has no such thing, a comment says what stands in.
 */
#include <winsock2.h>

#include <mswsock.h>
#include <ws2tcpip.h>

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../options.h"
#include "../pace.h"
#include "../startup.h"

atomic_bool stopping;

static SOCKET listen_fd;

void die(const char *what, const char *hint)
{
	DWORD error = GetLastError(); /* Winsock's errors, too */
	char text[256] = "unknown error";
	DWORD size = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, error, 0, text,
				    sizeof(text), NULL);

	while (size > 0 && strchr("\r\n .", text[size - 1]))
		text[--size] = '\0';
	fprintf(stderr, "%s: %s: %s. %s\n", program, what, text, hint);
	exit(EXIT_FAILURE);
}

double now_us(void)
{
	LARGE_INTEGER now, per_second;

	QueryPerformanceCounter(&now);
	QueryPerformanceFrequency(&per_second);
	return (double)now.QuadPart * 1e6 / (double)per_second.QuadPart;
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
