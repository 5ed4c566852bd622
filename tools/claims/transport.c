/*
 * transport: the same echo of 6 bytes by epoll and by io_uring, over TCP, Unix
 * sockets and pipes: what a message costs the echoing process in CPU. With one
 * channel each message is waited for (ping-pong); with CHANNELS, each with a
 * message under way, wake-ups are shared (streaming).
 *
 *	transport [ROUNDS]
 *
 * Prints "TRANSPORT<tab>CHANNELS<tab>ROUND<tab>EPOLL_NS<tab>IO_URING_NS" a line;
 * within a round the two follow each other. Exit: 0, 1 failed, 77 no io_uring.
 */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHANNELS = 32, MESSAGES = 4096, SIZE = 6, ROUNDS = 15, BOUND_S = 60 };
enum transport { TCP, UNIX, PIPE, TRANSPORTS };

static const char *const names[] = { "tcp", "unix", "pipe" };

/* One direction each; of a socket both are the same descriptor. */
struct end {
	int in, out;
};
static struct end ours[CHANNELS], theirs[CHANNELS];
static char bytes[CHANNELS][SIZE];

static noreturn void leave(int status, const char *what)
{
	perror(what);
	exit(status);
}

/* ---- channels ---- */

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		leave(1, "listen");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (struct sockaddr *)&address, size) || (pair[1] = accept(listener, NULL, NULL)) < 0)
		leave(1, "connect");
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(listener);
}

static void open_channel(enum transport transport, int i)
{
	int pair[2], back[2];

	if (transport == PIPE) {
		if (pipe(pair) || pipe(back))
			leave(1, "pipe");
		ours[i] = (struct end){ pair[0], back[1] };
		theirs[i] = (struct end){ back[0], pair[1] };
		return;
	}
	if (transport == TCP)
		tcp_pair(pair);
	else if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		leave(1, "socketpair");
	ours[i] = (struct end){ pair[0], pair[0] };
	theirs[i] = (struct end){ pair[1], pair[1] };
}

static void close_end(struct end *e)
{
	close(e->in);
	if (e->out != e->in)
		close(e->out);
}

/* ---- the two servers ---- */

static void echo_by_epoll(int channels)
{
	struct epoll_event events[CHANNELS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < channels; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, ours[i].in, &event))
			leave(1, "epoll_ctl");
	}
	for (int done = 0; done < MESSAGES;) {
		int n = epoll_wait(epoll, events, CHANNELS, -1);
		for (int i = 0; i < n; i++, done++) {
			uint32_t c = events[i].data.u32;
			if (read(ours[c].in, bytes[c], SIZE) != SIZE || write(ours[c].out, bytes[c], SIZE) != SIZE)
				leave(1, "echo by epoll");
		}
	}
	close(epoll);
}

static struct io_uring ring; /* a fresh one each time, made and ended outside of what is measured */

static void make_ring(void)
{
	errno = -io_uring_queue_init(2 * CHANNELS, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (errno)
		leave(77, "no io_uring with DEFER_TASKRUN (Linux 6.1)");
}

static void ask_to_read(uint64_t c)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_read(sqe, ours[c].in, bytes[c], SIZE, 0);
	sqe->user_data = c;
}

/* A write that succeeds is not heard of, and stands in the queue before the read that uses its bytes again. */
static void echo_by_ring(int channels)
{
	struct io_uring_cqe *cqes[CHANNELS];

	for (int i = 0; i < channels; i++)
		ask_to_read((uint64_t)i);
	for (int done = 0; done < MESSAGES;) {
		io_uring_submit_and_wait(&ring, 1);
		unsigned n = io_uring_peek_batch_cqe(&ring, cqes, CHANNELS);
		for (unsigned i = 0; i < n; i++, done++) {
			uint64_t c = cqes[i]->user_data;
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
			if (cqes[i]->res != SIZE)
				leave(1, "echo by io_uring");
			io_uring_prep_write(sqe, ours[c].out, bytes[c], SIZE, 0);
			sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
			sqe->user_data = c;
			ask_to_read(c);
		}
		io_uring_cq_advance(&ring, n);
	}
	io_uring_submit(&ring);
}

/* ---- measure ---- */

static void say(int c)
{
	if (write(theirs[c].out, "hello\n", SIZE) != SIZE)
		leave(1, "the client's write");
}

/* Who is answered speaks again. */
static noreturn void be_client(int channels)
{
	char reply[SIZE];
	int sent = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < channels; i++)
		close_end(&ours[i]);
	for (; sent < channels; sent++)
		say(sent);
	for (int i = 0; i < MESSAGES; i++) {
		if (read(theirs[i % channels].in, reply, SIZE) != SIZE || memcmp(reply, "hello\n", SIZE) != 0)
			leave(1, "the client's read");
		if (sent++ < MESSAGES)
			say(i % channels);
	}
	_exit(0);
}

static void pin(bool last)
{
	static cpu_set_t allowed;
	cpu_set_t one;
	size_t core = CPU_SETSIZE;

	if (CPU_COUNT(&allowed) == 0)
		sched_getaffinity(0, sizeof(allowed), &allowed);
	for (size_t i = 0; i < CPU_SETSIZE && (last || core == CPU_SETSIZE); i++)
		core = CPU_ISSET(i, &allowed) ? i : core;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* CPU of a message, in ns. */
static double measure(enum transport transport, int channels, void (*echo)(int))
{
	double before;
	int status;

	for (int i = 0; i < channels; i++)
		open_channel(transport, i);
	fflush(stdout);
	pid_t client = fork();
	if (client == 0) {
		pin(true);
		be_client(channels);
	}
	for (int i = 0; i < channels; i++)
		close_end(&theirs[i]);
	make_ring();
	before = cpu_ns();
	echo(channels);
	before = cpu_ns() - before;
	io_uring_queue_exit(&ring);
	if (client < 0 || waitpid(client, &status, 0) != client || status != 0)
		leave(1, "the client failed");
	for (int i = 0; i < channels; i++)
		close_end(&ours[i]);
	return before / MESSAGES;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;

	alarm(BOUND_S);
	signal(SIGPIPE, SIG_IGN);
	pin(false);
	for (int round = 0; round < rounds; round++)
		for (enum transport t = TCP; t < TRANSPORTS; t++)
			for (int channels = 1; channels <= CHANNELS; channels *= CHANNELS) {
				bool swap = round % 2;
				double first = measure(t, channels, swap ? echo_by_ring : echo_by_epoll);
				double second = measure(t, channels, swap ? echo_by_epoll : echo_by_ring);
				printf("%s\t%d\t%d\t%.0f\t%.0f\n", names[t], channels, round, swap ? second : first,
				       swap ? first : second);
			}
	return 0;
}
