/*
 * rings.c: a workbench for io_uring, one switch for each of its features, so
 * that each can be measured alone and with others. An instrument, and no
 * lesson's server; `make rings` drives it (tools/experiments/rings.py).
 *
 *	rings [--port N] [--unix PATH] [--cpu N] [FEATURE...]
 *
 * Features (without any: an operation for each receive and each send, on
 * ordinary descriptors and memory, on a ring without flags):
 *
 *	--files		descriptors in the ring's own table
 *	--buffers	registered memory: WRITE_FIXED; READ_FIXED, too, where receives are not multishot
 *	--zero-copy	SEND_ZC, with --buffers from registered memory
 *	--multishot	one accept and one receive a connection, into buffers that the kernel chooses
 *	--defer		DEFER_TASKRUN: what a ready socket leaves to do is done in our wait
 *	--sqpoll	a thread of the kernel takes operations up; on --cpu, where that is given
 *	--spin		completions are polled for, SPIN_US at the most, before we wait
 *
 * Understands inline PING, BLOB n (n a power of two), SPIN us; pipelined. All
 * replies stand ready in memory, since what is compared is input and output.
 * Those to consecutive PINGs leave in one send, a BLOB in one of its own.
 * Nothing changes a reply, so no send needs to wait for a notification.
 *
 * Exit: 1 failed, 2 usage, 77 what was asked is refused here ("refused: …").
 * Needs Linux 6.0; --defer 6.1.
 */
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PONG  "+PONG\r\n"
#define ERROR "-ERR unknown command, or no power of two\r\n"

enum {
	CONNECTIONS = 128,   /* beyond, one is closed at once, or waits until another ends */
	SUBMISSIONS = 512,   /* operations of a turn; beyond, some are submitted early */
	COMPLETIONS = 2048,  /* of a turn; beyond, the kernel keeps them until there is room */
	IN_SIZE = 16 * 1024, /* requests not yet answered, of a connection; one that sends more is closed */
	BUFFERS = 64,	     /* multishot receives of a turn; beyond, they fail with ENOBUFS, and are asked for again */
	BUFFER_SIZE = 4096,
	BLOB_SHIFT_MAX = 20,	 /* BLOB 1 MiB */
	PONGS = IN_SIZE / 6 + 1, /* as many PINGs fit into IN_SIZE */
	SQ_IDLE_MS = 2,		 /* the kernel's thread sleeps when it has had nothing for so long */
	SPIN_US = 2000,
	EXIT_REFUSED = 77,
};

/* What a completion is about: the low bits of user_data, below the connection's number. */
enum operation { IGNORED, ACCEPT, RECEIVE, SEND, OPERATION_BITS = 2 };

/* Registered buffers. */
enum { REPLIES, REQUESTS };

struct conn {
	int fd; /* with --files a slot of the table; −1: none */
	char *in;
	size_t head, used; /* in in[]: parsed up to there, filled up to there */
	const char *out;   /* of the reply under way, what is not sent */
	size_t unsent;
	unsigned notices; /* zero-copy sends whose memory the kernel still holds */
	bool receiving, sending, closing, cancelled;
};

static int with_files, with_buffers, with_zero_copy, with_multishot, with_defer, with_sqpoll, with_spin;
static long port, sq_cpu = -1;
static const char *unix_path;

static struct io_uring ring;
static struct conn conns[CONNECTIONS];
static size_t open_conns;
static int listeners[2]; /* TCP's, and the Unix socket's where there is one */
static size_t listener_count;
static bool accepting[2];
static char requests[CONNECTIONS][IN_SIZE];
static struct io_uring_buf_ring *buffer_ring;
static char buffers[BUFFERS][BUFFER_SIZE];

/* All replies: PONGS times PONG, then ERROR, then for each power of two its BLOB. */
static char *replies, *errors, *blobs[BLOB_SHIFT_MAX + 1];
static size_t replies_size, blob_sizes[BLOB_SHIFT_MAX + 1];

static noreturn void leave(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs(status == EXIT_REFUSED ? "refused: " : "rings: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	exit(status);
}

/* `result` of a call that a kernel, its settings or a combination of features may refuse. */
static void must(int result, const char *what)
{
	if (result < 0)
		leave(EXIT_REFUSED, "%s: %s", what, strerror(-result));
}

/* ---- operations ---- */

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit(&ring); /* the queue is full */
	return sqe;
}

static void label(struct io_uring_sqe *sqe, size_t number, enum operation operation)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)number << OPERATION_BITS | operation);
}

static size_t number_of(const struct conn *c)
{
	return (size_t)(c - conns);
}

static void watch_listener(size_t i)
{
	struct io_uring_sqe *sqe = next_sqe();

	if (with_multishot && with_files)
		io_uring_prep_multishot_accept_direct(sqe, listeners[i], NULL, NULL, 0);
	else if (with_multishot)
		io_uring_prep_multishot_accept(sqe, listeners[i], NULL, NULL, SOCK_CLOEXEC);
	else if (with_files)
		io_uring_prep_accept_direct(sqe, listeners[i], NULL, NULL, 0, IORING_FILE_INDEX_ALLOC);
	else
		io_uring_prep_accept(sqe, listeners[i], NULL, NULL, SOCK_CLOEXEC);
	if (with_files)
		sqe->file_index = IORING_FILE_INDEX_ALLOC; /* liburing 2.3 sets 0 in the third case: no slot */
	label(sqe, i, ACCEPT);
	accepting[i] = true;
}

static void give_buffer(unsigned id)
{
	io_uring_buf_ring_add(buffer_ring, buffers[id], BUFFER_SIZE, (unsigned short)id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffer_ring, 1);
}

/* The operation's descriptor is a slot of the ring's table. */
static void use_table(struct io_uring_sqe *sqe)
{
	if (with_files)
		sqe->flags |= IOSQE_FIXED_FILE;
}

/* Not while the kernel has been told where in c->in to put the next bytes. */
static void make_room(struct conn *c)
{
	memmove(c->in, c->in + c->head, c->used - c->head);
	c->used -= c->head;
	c->head = 0;
}

static void start_receive(struct conn *c)
{
	struct io_uring_sqe *sqe;
	unsigned room;

	make_room(c);
	room = (unsigned)(IN_SIZE - c->used);
	if (room == 0 && !with_multishot)
		return; /* until a reply is sent */
	sqe = next_sqe();
	if (with_multishot)
		io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	else if (with_buffers)
		io_uring_prep_read_fixed(sqe, c->fd, c->in + c->used, room, 0, REQUESTS);
	else
		io_uring_prep_recv(sqe, c->fd, c->in + c->used, room, 0);
	use_table(sqe);
	if (with_multishot)
		sqe->flags |= IOSQE_BUFFER_SELECT;
	label(sqe, number_of(c), RECEIVE);
	c->receiving = true;
}

static void start_send(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	if (with_zero_copy && with_buffers)
		io_uring_prep_send_zc_fixed(sqe, c->fd, c->out, c->unsent, MSG_NOSIGNAL, 0, REPLIES);
	else if (with_zero_copy)
		io_uring_prep_send_zc(sqe, c->fd, c->out, c->unsent, MSG_NOSIGNAL, 0);
	else if (with_buffers)
		io_uring_prep_write_fixed(sqe, c->fd, c->out, (unsigned)c->unsent, 0, REPLIES);
	else
		io_uring_prep_send(sqe, c->fd, c->out, c->unsent, MSG_NOSIGNAL);
	use_table(sqe);
	label(sqe, number_of(c), SEND);
	c->sending = true;
}

/* Once: what is under way ends first, then the descriptor is closed. */
static void close_when_idle(struct conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->receiving && !c->cancelled) {
		sqe = next_sqe();
		io_uring_prep_cancel64(sqe, (uint64_t)number_of(c) << OPERATION_BITS | RECEIVE, 0);
		label(sqe, 0, IGNORED);
		c->cancelled = true;
	}
	if (c->receiving || c->sending || c->notices > 0)
		return;
	sqe = next_sqe();
	if (with_files)
		io_uring_prep_close_direct(sqe, (unsigned)c->fd);
	else
		io_uring_prep_close(sqe, c->fd);
	label(sqe, 0, IGNORED);
	c->fd = -1;
	open_conns--;
	for (size_t i = 0; i < listener_count; i++)
		if (!accepting[i])
			watch_listener(i);
}

/* ---- requests and replies ---- */

static void burn_us(long us)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < us);
}

static void reply_with(struct conn *c, const char *reply, size_t size)
{
	c->out = reply;
	c->unsent = size;
}

/* All but PING; `line` ends with a line end. */
static void on_request(struct conn *c, const char *line)
{
	if (strncmp(line, "SPIN ", 5) == 0) {
		burn_us(atol(line + 5));
		return;
	}
	for (int i = 0; strncmp(line, "BLOB ", 5) == 0 && i <= BLOB_SHIFT_MAX; i++) {
		if (atol(line + 5) == 1l << i) {
			reply_with(c, blobs[i], blob_sizes[i]);
			return;
		}
	}
	reply_with(c, errors, sizeof(ERROR) - 1);
}

/* Takes requests until one has a reply to send, with the PINGs that follow a PING. */
static void next_reply(struct conn *c)
{
	size_t pongs = 0;
	const char *end;

	while (c->unsent == 0 && (end = memchr(c->in + c->head, '\n', c->used - c->head))) {
		const char *line = c->in + c->head;
		bool ping = strncmp(line, "PING", 4) == 0;

		if (pongs > 0 && !ping)
			break;
		c->head = (size_t)(end + 1 - c->in);
		if (ping)
			pongs++;
		else
			on_request(c, line);
	}
	if (pongs > 0)
		reply_with(c, replies, pongs * (sizeof(PONG) - 1));
}

static void serve(struct conn *c)
{
	if (!c->closing && !c->sending) {
		if (c->unsent == 0)
			next_reply(c);
		if (c->unsent > 0)
			start_send(c);
	}
	if (!c->closing && !c->receiving)
		start_receive(c);
	if (c->closing)
		close_when_idle(c);
}

/* ---- completions ---- */

static void on_accept(size_t i, int fd, bool more)
{
	struct conn *c = conns;

	accepting[i] = more;
	if (fd >= 0 && open_conns == CONNECTIONS) {
		close(fd); /* a multishot accept goes on; a full table of descriptors ends it */
	} else if (fd >= 0) {
		while (c->fd >= 0)
			c++;
		*c = (struct conn){ .fd = fd, .in = requests[number_of(c)] };
		open_conns++;
		serve(c);
	} else if (fd == -EINVAL || fd == -EOPNOTSUPP) {
		must(fd, with_multishot ? "multishot accept" : "accept");
	}
	if (!more && open_conns < CONNECTIONS)
		watch_listener(i);
}

/* The end of the stream comes as 0 bytes, with no buffer. */
static void on_received(struct conn *c, int result, unsigned flags)
{
	unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

	c->receiving = flags & IORING_CQE_F_MORE;
	if (result == -EINVAL || result == -EOPNOTSUPP)
		must(result, with_multishot ? "multishot receive" : "receive");
	if (result == 0 || (result < 0 && result != -ENOBUFS && result != -EINTR))
		c->closing = true;
	if (result > 0 && with_multishot) {
		make_room(c);
		if ((size_t)result > IN_SIZE - c->used)
			c->closing = true;
		else
			memcpy(c->in + c->used, buffers[id], (size_t)result);
	}
	if (flags & IORING_CQE_F_BUFFER)
		give_buffer(id);
	if (result > 0 && !c->closing)
		c->used += (size_t)result;
	serve(c);
}

/* A zero-copy send completes twice: it has been taken (F_MORE), and its memory is ours again (F_NOTIF). */
static void on_sent(struct conn *c, int result, unsigned flags)
{
	if (flags & IORING_CQE_F_NOTIF) {
		c->notices--;
	} else {
		c->notices += (flags & IORING_CQE_F_MORE) != 0;
		c->sending = false;
		if (result == -EINVAL || result == -EOPNOTSUPP)
			must(result, with_zero_copy ? "SEND_ZC on such a socket" : "send");
		if (result < 0 && result != -EAGAIN && result != -EINTR)
			c->closing = true;
		else if (result > 0)
			reply_with(c, c->out + result, c->unsent - (size_t)result);
	}
	serve(c);
}

static void on_event(const struct io_uring_cqe *cqe)
{
	size_t number = cqe->user_data >> OPERATION_BITS;

	switch ((enum operation)(cqe->user_data & ((1 << OPERATION_BITS) - 1))) {
	case ACCEPT:
		on_accept(number, cqe->res, cqe->flags & IORING_CQE_F_MORE);
		break;
	case RECEIVE:
		on_received(&conns[number], cqe->res, cqe->flags);
		break;
	case SEND:
		on_sent(&conns[number], cqe->res, cqe->flags);
		break;
	default:
		break;
	}
}

/* Until a completion is there, or SPIN_US have passed. */
static void spin(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 64; i++)
			if (io_uring_cq_ready(&ring) > 0)
				return;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < SPIN_US);
}

/* One call submits and waits; but where a thread of the kernel or we ourselves look out, none need be made. */
static void next_turn(void)
{
	if (with_sqpoll || with_spin) {
		if (io_uring_sq_ready(&ring) > 0)
			io_uring_submit(&ring); /* with SQPOLL a call only where its thread sleeps */
		if (with_spin)
			spin();
		if (io_uring_cq_ready(&ring) > 0)
			return;
	}
	if (io_uring_cq_ready(&ring) == 0 || io_uring_sq_ready(&ring) > 0)
		io_uring_submit_and_wait(&ring, 1);
}

static noreturn void event_loop(void)
{
	static struct io_uring_cqe *cqes[COMPLETIONS];

	for (;;) {
		unsigned n;

		next_turn();
		n = io_uring_peek_batch_cqe(&ring, cqes, COMPLETIONS);
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i]);
		io_uring_cq_advance(&ring, n);
	}
}

/* ---- start-up ---- */

static void make_replies(void)
{
	char *p, *pattern;

	p = replies = malloc(PONGS * sizeof(PONG) + sizeof(ERROR) + (2 << BLOB_SHIFT_MAX) + 32 * BLOB_SHIFT_MAX + 64);
	if (!p)
		leave(EXIT_FAILURE, "no memory for the replies");
	for (size_t i = 0; i < PONGS; i++)
		p = stpcpy(p, PONG);
	errors = p;
	p = stpcpy(p, ERROR);
	for (int shift = 0; shift <= BLOB_SHIFT_MAX; shift++) {
		blobs[shift] = p;
		p += sprintf(p, "$%d\r\n", 1 << shift);
		pattern = p;
		while (p < pattern + (1 << shift)) {
			*p = (char)('a' + (p - pattern) % 26);
			p++;
		}
		p = stpcpy(p, "\r\n");
		blob_sizes[shift] = (size_t)(p - blobs[shift]);
	}
	replies_size = (size_t)(p - replies);
}

static void make_ring(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE, .cq_entries = COMPLETIONS };

	if (with_defer)
		params.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	if (with_sqpoll) {
		params.flags |= IORING_SETUP_SQPOLL;
		params.sq_thread_idle = SQ_IDLE_MS;
	}
	if (with_sqpoll && sq_cpu >= 0) {
		params.flags |= IORING_SETUP_SQ_AFF;
		params.sq_thread_cpu = (unsigned)sq_cpu;
	}
	must(io_uring_queue_init_params(SUBMISSIONS, &ring, &params), with_defer && with_sqpoll
									      ? "a ring with SQPOLL and DEFER_TASKRUN"
								      : with_defer  ? "a ring with DEFER_TASKRUN"
								      : with_sqpoll ? "a ring with SQPOLL"
										    : "a ring");
}

static void register_what_is_wanted(void)
{
	static struct io_uring_buf slots[BUFFERS] __attribute__((aligned(4096)));
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)slots, .ring_entries = BUFFERS };
	struct iovec regions[] = { [REPLIES] = { replies, replies_size }, [REQUESTS] = { requests, sizeof(requests) } };

	if (with_files)
		must(io_uring_register_files_sparse(&ring, CONNECTIONS), "a table of descriptors");
	if (with_buffers)
		must(io_uring_register_buffers(&ring, regions, 2), "registered memory (ulimit -l)");
	if (!with_multishot)
		return;
	must(io_uring_register_buf_ring(&ring, &reg, 0), "a ring of buffers");
	buffer_ring = (struct io_uring_buf_ring *)slots;
	for (unsigned id = 0; id < BUFFERS; id++)
		give_buffer(id);
}

/* `address` of the socket, which is filled in. */
static void listen_on(struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (address->sa_family == AF_INET)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* those accepted inherit it */
	if (fd < 0 || bind(fd, address, size) < 0 || listen(fd, SOMAXCONN) < 0 || getsockname(fd, address, &size) < 0)
		leave(EXIT_FAILURE, "can't listen on %s: %s", address->sa_family == AF_INET ? "that port" : unix_path,
		      strerror(errno));
	listeners[listener_count++] = fd;
}

static void listen_everywhere(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_on((struct sockaddr *)&in, sizeof(in));
	if (unix_path) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", unix_path);
		unlink(unix_path);
		listen_on((struct sockaddr *)&un, sizeof(un));
	}
	for (size_t i = 0; i < listener_count; i++)
		watch_listener(i);
	printf("listening on 127.0.0.1:%d\n", ntohs(in.sin_port));
	fflush(stdout);
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "files", no_argument, &with_files, 1 },
		{ "buffers", no_argument, &with_buffers, 1 },
		{ "zero-copy", no_argument, &with_zero_copy, 1 },
		{ "multishot", no_argument, &with_multishot, 1 },
		{ "defer", no_argument, &with_defer, 1 },
		{ "sqpoll", no_argument, &with_sqpoll, 1 },
		{ "spin", no_argument, &with_spin, 1 },
		{ "unix", required_argument, NULL, 'u' },
		{ "port", required_argument, NULL, 'p' },
		{ "cpu", required_argument, NULL, 'c' },
		{ 0 },
	};

	for (int found; (found = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		unix_path = found == 'u' ? optarg : unix_path;
		port = found == 'p' ? atol(optarg) : port;
		sq_cpu = found == 'c' ? atol(optarg) : sq_cpu;
		if (found == '?')
			exit(2);
	}
	if (optind < argc)
		leave(2, "what is %s? See the head of tools/rings/rings.c", argv[optind]);
}

int main(int argc, char **argv)
{
	struct rlimit memory;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN); /* WRITE_FIXED has no MSG_NOSIGNAL */
	getrlimit(RLIMIT_MEMLOCK, &memory);
	memory.rlim_cur = memory.rlim_max; /* registered memory counts */
	setrlimit(RLIMIT_MEMLOCK, &memory);
	for (size_t i = 0; i < CONNECTIONS; i++)
		conns[i].fd = -1;
	make_replies();
	make_ring();
	register_what_is_wanted();
	listen_everywhere();
	event_loop();
}
