/*
 * ch06.c: the exercises of chapter 6, io_uring. Two suites:
 *	ch06		what the server does; on the sanitized build
 *	ch06_counts	how many crossings and operations that takes; on the plain build, under strace
 *
 * strace sees io_uring_enter alone. Its result is the number of operations
 * that it submitted; what they were, it does not say.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "exercise.h"

enum {
	BUFFERS = 128,	       /* the servers' */
	BUFFER_SIZE = 4096,    /* of each */
	LONG_HOLD_US = 200000, /* long enough to fill sockets, or to connect many */
};

/* A ring for one operation and four completions: the queue is full at every turn, and completions overflow. */
static const char *const tiny_ring[] = { "--entries", "1", NULL };
/* A ring that hands over all completions at once; by default the kernel does so in portions (DEFER_TASKRUN). */
static const char *const coop_ring[] = { "--ring", "1", NULL };
static const char *const no_words[] = { NULL };

BLACK_BOX_SUITE(ch06);
BLACK_BOX_SUITE(ch06_counts);

/* ---- what the log says ---- */

static long operations_in(struct calls c)
{
	long operations = 0;

	for (size_t i = 0; i < c.count; i++)
		if (is_call(&c.all[i], "io_uring_enter", NULL) && c.all[i].result > 0)
			operations += c.all[i].result;
	return operations;
}

/* Of calls that returned in between; what a call submitted counts when it returns, so begin after a request of the same kind. */
static long operations_of_pings(struct server *s, struct client *c, int count)
{
	client_ping(c);
	uint64_t from = server_quiet(s);
	for (int i = 0; i < count; i++) {
		client_ping(c);
		server_quiet(s);
	}
	return operations_in(calls_between(s, from, server_quiet(s)));
}

/* ---- steps ---- */

/* ECHO of `size` bytes that carry `identity` over and over. */
static char *identity_bytes(const char *identity, size_t size)
{
	size_t length = strlen(identity);
	char *bytes = malloc(size + 1);

	if (!bytes)
		probe_fail("the test has no memory left");
	for (size_t i = 0; i < size; i++)
		bytes[i] = identity[i % length];
	bytes[size] = '\0';
	return bytes;
}

static void ask_for_echo(struct client *c, const char *identity, size_t size)
{
	char *bytes = identity_bytes(identity, size);

	client_send(c, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", size);
	client_send_bytes(c, bytes, size);
	client_send(c, "\r\n");
	free(bytes);
}

static void expect_echo(struct client *c, const char *identity, size_t size)
{
	char *bytes = identity_bytes(identity, size);

	client_expect(c, "$%zu\r\n", size);
	client_expect_bytes(c, bytes, size);
	client_expect(c, "\r\n");
	free(bytes);
}

/* ---- 6.1 Submit, don't call ---- */

Test(ch06, ex1_submits_and_is_told)
{
	struct server *s = server_start_default();

	given("the server listens");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	expect("A is accepted, and its PING is answered; B's too");
	client_ping(a);
	client_ping(b);
	expect("a request that comes in two pieces is answered");
	client_send(a, "PI");
	server_quiet(s);
	client_send(a, "NG\r\n");
	client_expect(a, "+PONG\r\n");
	expect("A gets its +OK for QUIT, and the end");
	client_send(a, "QUIT\r\n");
	client_expect(a, "+OK\r\n");
	client_expect_end(a, false);
	expect("with nothing to do, the server sleeps");
	client_ping(b);
	expect_no_spin(s);
	done(s);
}

Test(ch06, ex1_a_full_queue)
{
	enum { CLIENTS = 20 };
	struct server *s = server_start_with(tiny_ring, NULL, 0);

	given("the submission queue has room for one operation (--entries 1); %d clients are to connect", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	expect("each is answered: when io_uring_get_sqe returns NULL, the queue is full, and must be submitted");
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "ECHO %d\r\n", 100 + i);
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], "$3\r\n%d\r\n", 100 + i);
	done(s);
}

Test(ch06_counts, ex1_one_system_call_for_everything)
{
	struct server *s = server_start_traced();
	const char *names[16];
	size_t different = 0;

	given("the server has served a client, and is quiet; it is traced");
	client_ping(client_open(s, NULL));
	uint64_t from = server_quiet(s);
	expect("client A connects, is served, and leaves by QUIT");
	struct client *a = client_open(s, "A");
	client_ping(a);
	client_send(a, "QUIT\r\n");
	client_expect(a, "+OK\r\n");
	client_expect_end(a, false);
	expect("all of that is one system call, made several times: io_uring_enter");
	struct calls c = calls_between(s, from, server_quiet(s));
	for (size_t i = 0, j; i < c.count; i++) {
		if (is_call(&c.all[i], "brk", NULL))
			continue; /* malloc's */
		for (j = 0; j < different && strcmp(names[j], c.all[i].name) != 0; j++)
			;
		if (j == different && different < 16)
			names[different++] = c.all[i].name;
	}
	journal_note("measured", "%zu", different);
	for (size_t i = 0; i < different; i++)
		if (strcmp(names[i], "io_uring_enter") != 0)
			probe_fail("expected io_uring_enter alone, but the server called %s, too", names[i]);
	if (different == 0)
		probe_fail("expected the server to call io_uring_enter, but it made no call");
	done(s);
}

/* The kernel's answer to io_uring_setup in this process, and in all that it starts. */
static void refuse_rings(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		probe_skip("no seccomp filter can be set here: %s", strerror(errno));
}

Test(ch06, ex1_refused_by_a_filter)
{
	given("a seccomp filter answers io_uring_setup with EPERM, as those of most containers do");
	refuse_rings(EPERM);
	expect_refusal(no_words, 1, "seccomp");
	journal_pass();
}

Test(ch06, ex1_hidden_by_a_sandbox)
{
	given("a seccomp filter answers io_uring_setup with ENOSYS, as some sandboxes do, and kernels that lack it");
	refuse_rings(ENOSYS);
	expect_refusal(no_words, 1, "no io_uring");
	journal_pass();
}

Test(ch06, ex1_too_old_a_kernel)
{
	given("a seccomp filter answers io_uring_setup with EINVAL, as a kernel does that is too old for any kind of ring");
	refuse_rings(EINVAL);
	expect_refusal(no_words, 1, "too old");
	journal_pass();
}

/* ---- 6.2 The buffer is the kernel's until the completion ---- */

Test(ch06, ex2_a_reply_larger_than_the_socket)
{
	enum { LARGE = 900000 };
	struct server *s = server_start_default();

	given("a slow client and A are connected");
	struct client *slow = client_open_slow(s, "the slow client"), *a = client_open(s, "A");
	client_ping(slow);
	client_ping(a);
	given("the slow client asks for %d bytes and takes nothing, until its socket is full and the server quiet",
	      LARGE);
	client_send(slow, "BLOB %d\r\n", LARGE);
	server_quiet(s);
	expect("A is answered meanwhile");
	client_ping(a);
	expect("the slow client gets all of it: the completion of a send says how much was sent");
	client_read_faster(slow);
	client_expect_blob(slow, LARGE);
	done(s);
}

Test(ch06, ex2_requests_behind_a_stuck_reply)
{
	enum { LARGE = 900000, LATER = 50 };
	struct server *s = server_start_default();

	given("a slow client asks for %d bytes and takes nothing", LARGE);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", LARGE);
	server_quiet(s);
	given("then it sends %d requests more, one by one; the kernel still reads the first reply", LATER);
	for (int i = 0; i < LATER; i++) {
		client_send(slow, "ECHO %d\r\n", 100 + i);
		if (i % 10 == 0)
			server_quiet(s);
	}
	expect("the first reply arrives whole: its memory stays as it is, and no other send is mixed with it");
	client_read_faster(slow);
	client_expect_blob(slow, LARGE);
	expect("then the others come, each once, in order");
	for (int i = 0; i < LATER; i++)
		client_expect(slow, "$3\r\n%d\r\n", 100 + i);
	client_ping(slow);
	done(s);
}

/* How much of what the server has sent to `c` is in the kernel: in its socket (/proc/net/tcp), or in the client's. */
static unsigned long taken_by_the_kernel(struct server *s, struct client *c)
{
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	unsigned long tx, found = 0;
	unsigned from, to;
	int arrived = 0;
	char line[256];
	FILE *file = fopen("/proc/net/tcp", "re");

	getsockname(client_fd(c), (struct sockaddr *)&own, &size);
	ioctl(client_fd(c), FIONREAD, &arrived);
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %*u: %*x:%x %*x:%x %*x %lx:", &from, &to, &tx) == 3 &&
		    from == (unsigned)server_port(s) && to == ntohs(own.sin_port))
			found = tx;
	if (file)
		fclose(file);
	return found + (unsigned long)arrived;
}

Test(ch06_counts, ex2_as_much_as_the_socket_takes)
{
	struct server *s = server_start_default();

	given("a slow client asks for 1 MiB and takes nothing, until its socket is full and the server quiet");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	unsigned long taken = taken_by_the_kernel(s, slow);
	journal_note("measured", "%lu", taken);
	expect("the kernel holds %lu bytes of the reply, and the rest of %zu comes when there is room", taken,
	       BLOB_REPLY(BLOB_MAX));
	client_read_faster(slow);
	client_expect_blob(slow, BLOB_MAX);
	done(s);
}

/* ---- 6.3 Let the kernel choose the buffer ---- */

/* This process and the server may open that many files; else the test is skipped. */
static void may_open(size_t count)
{
	struct rlimit limit;

	needs_descriptors(count);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

Test(ch06_counts, ex3_an_idle_connection_owns_no_buffer)
{
	enum { CLIENTS = 2000, BYTES_MAX = 1024 };

	needs("memory");
	may_open(CLIENTS + 100);
	struct server *s = server_start_default();
	given("client A was served often enough for every buffer of the server's to have been used");
	struct client *a = client_open(s, "A");
	for (int i = 0; i < 2 * BUFFERS; i++)
		client_ping(a);
	server_quiet(s);
	uint64_t before = server_rss(s);
	given("%d clients are connected; each was served once, and is idle", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	client_ping(a);
	server_quiet(s);
	uint64_t each = (server_rss(s) - before) / CLIENTS;
	journal_note("measured", "%llu", (unsigned long long)each);
	expect("each takes less than %d bytes of the server's memory", BYTES_MAX);
	if (each >= BYTES_MAX)
		probe_fail(
			"expected less than %d bytes for an idle connection, but it takes %llu: a receive without a buffer of its own costs none until bytes arrive",
			BYTES_MAX, (unsigned long long)each);
	done(s);
}

Test(ch06, ex3_buffers_come_back)
{
	enum { REQUESTS = 5 * BUFFERS };
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("it is answered %d times: a buffer that was read is given back to the kernel", REQUESTS);
	for (int i = 0; i < REQUESTS; i++)
		client_ping(a);
	expect("and then the server sleeps");
	expect_no_spin(s);
	done(s);
}

/* Heavier than the conformance suite's crowd: nearly all descriptors that many machines allow. */
Test(ch06, ex3_fifteen_thousand)
{
	enum { CLIENTS = 15000, STEP = 500 };
	struct client **clients[CLIENTS / STEP];

	may_open(CLIENTS + 100);
	struct server *s = server_start_default();
	given("%d clients are connected", CLIENTS);
	for (int i = 0; i < CLIENTS / STEP; i++) {
		clients[i] = clients_open(s, STEP);
		client_ping(clients[i][STEP - 1]); /* accepted, or the backlog would fill */
	}
	expect("each is answered with its own words");
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i / STEP][i % STEP], "ECHO %d\r\n", 10000 + i);
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i / STEP][i % STEP], "$5\r\n%d\r\n", 10000 + i);
	expect("when all have left, a newcomer is served");
	for (int i = 0; i < CLIENTS; i++)
		client_close(clients[i / STEP][i % STEP]);
	client_ping(client_open(s, "the newcomer"));
	done(s);
}

/* Eight clients, served in one turn: who shares a buffer gets the other's words. */
static void expect_own_words(struct server *s, struct client *holder, struct client **clients, int count)
{
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < count; i++)
		client_send(clients[i], "ECHO %d\r\n", 100 + i);
	for (int i = 0; i < count; i++)
		client_expect(clients[i], "$3\r\n%d\r\n", 100 + i);
}

Test(ch06, ex3_the_end_brings_no_buffer)
{
	enum { LEAVE = 40, CLIENTS = 8 };
	struct server *s = server_start_default();

	given("%d clients, A and a holder are connected", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	client_ping(holder);
	clients_ping(clients, CLIENTS);
	given("%d clients connect and leave without a word; each end is a completion without F_BUFFER", LEAVE);
	struct client **leavers = clients_open(s, LEAVE);
	for (int i = 0; i < LEAVE; i++)
		client_close(leavers[i]);
	server_quiet(s);
	expect("each of the %d gets its own words back, in one turn: no buffer was given to the kernel twice", CLIENTS);
	for (int i = 0; i < 2 * BUFFERS / CLIENTS; i++)
		expect_own_words(s, holder, clients, CLIENTS);
	done(s);
}

Test(ch06, ex3_a_buffer_at_a_time)
{
	enum { SIZE = 60000 };
	struct server *s = server_start_default();

	given("clients A and B are connected");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	expect("an ECHO of %d bytes, which needs many buffers, comes back whole, while B is served", SIZE);
	for (int i = 0; i < 5; i++) {
		ask_for_echo(a, "identity of A; ", SIZE);
		client_ping(b);
		expect_echo(a, "identity of A; ", SIZE);
	}
	done(s);
}

/* ---- 6.4 Ask once, hear many times ---- */

Test(ch06_counts, ex4_one_operation_a_request)
{
	enum { REQUESTS = 20 };
	struct server *s = server_start_traced();

	given("client A is connected and was served; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("%d times, one after the other, it sends PING and is answered", REQUESTS);
	long operations = operations_of_pings(s, a, REQUESTS);
	journal_note("measured", "%.2f", (double)operations / REQUESTS);
	expect("that takes %d operations: a send each; the receive was submitted once and goes on", REQUESTS);
	if (operations != REQUESTS)
		probe_fail(
			"expected %d operations for %d requests, but %ld were submitted: ask once for all bytes to come",
			REQUESTS, REQUESTS, operations);
	done(s);
}

Test(ch06_counts, ex4_one_accept_for_a_burst)
{
	enum { CLIENTS = 64, SPARE = 16 };
	struct server *s = server_start_traced();

	given("a holder is connected; the server is traced");
	struct client *holder = client_open(s, "the holder");
	client_ping(holder);
	uint64_t from = server_quiet(s);
	given("while the loop is held, %d clients connect", CLIENTS);
	server_hold(s, holder, &hold_spin, HOLD_US);
	struct client **clients = clients_open(s, CLIENTS);
	expect("all of them are served");
	clients_ping(clients, CLIENTS);
	long operations = operations_in(calls_between(s, from, server_quiet(s)));
	expect("that took %d operations, a receive and a send for each, and no more than %d others", 2 * CLIENTS,
	       SPARE);
	if (operations > 2 * CLIENTS + SPARE)
		probe_fail(
			"expected %d operations and a few for %d connections, but %ld were submitted: ask once for all connections to come, and for all bytes",
			2 * CLIENTS, CLIENTS, operations);
	done(s);
}

Test(ch06, ex4_a_receive_that_was_ended_is_begun_again)
{
	enum { BLOBS = 3 };
	struct server *s = server_start_default();

	given("a slow client asks for %d times 1 MiB and takes nothing: so much is unsent that the server ends its receive",
	      BLOBS);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	for (int i = 0; i < BLOBS; i++)
		client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	expect("it gets all of them, once it reads");
	client_read_faster(slow);
	for (int i = 0; i < BLOBS; i++)
		client_expect_blob(slow, BLOB_MAX);
	expect("it is heard again: a completion without F_MORE was the receive's last, and there must be another receive");
	for (int i = 0; i < 3; i++)
		client_ping(slow);
	done(s);
}

Test(ch06, ex4_an_accept_that_has_ended_is_begun_again)
{
	enum { CLIENTS = 40, ROUNDS = 3 };
	struct server *s = server_start_with(tiny_ring, NULL, 0);

	given("the ring has room for four completions (--entries 1), and a holder is connected");
	struct client *holder = client_open(s, "the holder");
	client_ping(holder);
	for (int i = 0; i < ROUNDS; i++) {
		given("while the loop is held, %d clients connect: with no room for their completions, the accept ends",
		      CLIENTS);
		server_hold(s, holder, &hold_spin, HOLD_US);
		struct client **clients = clients_open(s, CLIENTS);
		expect("all of them are served: no F_MORE, so ask again");
		clients_ping(clients, CLIENTS);
	}
	done(s);
}

/* ---- 6.5 Starve nobody ---- */

Test(ch06, ex5_more_bytes_than_buffers)
{
	enum { CLIENTS = 40, SIZE = 60000 };
	struct server *s = server_start_default();
	char identity[32];

	given("%d clients and a holder are connected; the server has %d buffers of %d bytes", CLIENTS, BUFFERS,
	      BUFFER_SIZE);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	client_ping(holder);
	given("while the loop is held, each sends an ECHO of %d bytes", SIZE);
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(identity, sizeof(identity), "client %d; ", i);
		ask_for_echo(clients[i], identity, SIZE);
	}
	expect("each gets its own words back: ENOBUFS is no error of the connection, nothing is lost by it, and it is asked again");
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(identity, sizeof(identity), "client %d; ", i);
		expect_echo(clients[i], identity, SIZE);
	}
	expect("and again, one after the other");
	clients_ping(clients, CLIENTS);
	expect("when nobody waits for a buffer, the server sleeps");
	expect_no_spin(s);
	done(s);
}

/* Those that submit an operation for each buffer at least; others only tell that sends are done. */
static size_t turns_that_serve(struct calls c)
{
	size_t turns = 0;

	for (size_t i = 0; i < c.count; i++)
		turns += is_call(&c.all[i], "io_uring_enter", NULL) && c.all[i].result >= BUFFERS;
	return turns;
}

Test(ch06_counts, ex5_a_buffer_for_each_turn)
{
	enum { CLIENTS = 3 * BUFFERS, TURNS_MAX = 8 };
	needs("counts");
	struct server *s = server_start_with(coop_ring, "", 0);

	given("%d clients and a holder are connected; the server has %d buffers (--ring 1); it is traced", CLIENTS,
	      BUFFERS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	client_ping(holder);
	uint64_t from = server_quiet(s);
	given("while the loop is held, each sends an ECHO of its own");
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "ECHO %d\r\n", 100 + i);
	expect("all are answered");
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], "$3\r\n%d\r\n", 100 + i);
	client_ping(holder);
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t turns = count_of(c, "io_uring_enter", NULL) - 1; /* one is the holder's */
	journal_note("measured", "%zu", turns_that_serve(c));
	expect("in %d turns at the most: each turn, all buffers are given out once", TURNS_MAX);
	if (turns > TURNS_MAX)
		probe_fail("expected %d requests to be served in %d turns at the most, but it took %zu", CLIENTS,
			   TURNS_MAX, turns);
	done(s);
}

/* As much as the pipe takes, 1 MiB at the most, of what has no reply; then a part of a request. */
static void send_flood(struct client *c)
{
	static char lines[MIB];
	size_t at = 0;
	ssize_t n;

	memset(lines, '\n', sizeof(lines));
	while (at < sizeof(lines) && (n = client_send_some(c, lines + at, sizeof(lines) - at)) > 0)
		at += (size_t)n;
}

/* When the next bytes reached `c`, by the kernel's clock: we may be late in reading them. Nothing is read. */
static uint64_t time_of_arrival(struct client *c)
{
	char byte, control[64];
	struct iovec piece = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct timespec time;

	client_await_bytes(c);
	if (recvmsg(client_fd(c), &message, MSG_PEEK) != 1)
		probe_fail("expected an answer, but the connection has failed: %s", strerror(errno));
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head))
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&time, CMSG_DATA(head), sizeof(time));
			return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
		}
	return now_ns();
}

Test(ch06_counts, ex5_the_idle_victim_of_a_flood)
{
	enum { HOSES = 40, TURNS_MAX = 8 };
	struct server *s = server_start_traced();

	given("%d fire-hoses, a victim and a holder are connected, and quiet; the server is traced", HOSES);
	struct client *holder = client_open(s, "the holder"), **hoses = clients_open(s, HOSES);
	struct client *victim = client_open(s, "the victim");
	clients_ping(hoses, HOSES);
	client_ping(holder);
	client_ping(victim);
	int yes = 1;
	setsockopt(client_fd(victim), SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes));
	uint64_t from = server_quiet(s);
	given("while the loop is held, each hose sends all that is taken, up to 1 MiB, and then the victim sends PING");
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	for (int i = 0; i < HOSES; i++)
		send_flood(hoses[i]);
	client_send(victim, "PING\r\n");
	expect("the victim is answered");
	uint64_t answered = time_of_arrival(victim);
	client_expect(victim, "+PONG\r\n");
	size_t turns = count_of(calls_between(s, from, answered), "io_uring_enter", NULL);
	journal_note("turns", "%zu", turns);
	expect("it waits for %d turns at the most: who found no buffer is the first to get one, and nobody gets more than one of those",
	       TURNS_MAX);
	if (turns > TURNS_MAX)
		probe_fail("expected the victim's answer within %d turns, but it took %zu", TURNS_MAX, turns);
	done(s);
}

Test(ch06, ex5_killed_while_starving)
{
	enum { CLIENTS = 3 * BUFFERS };
	struct server *s = server_start_with(coop_ring, NULL, 0);

	given("%d clients, A and a holder are connected", CLIENTS);
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"),
		      **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	client_ping(holder);
	unsigned long long last = client_id(clients[CLIENTS - 1]);
	size_t files = files_at_rest(s);
	given("while the loop is held, A sends CLIENT KILL for the last of them, and all of them send PING");
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	client_send(a, "CLIENT KILL ID %llu\r\n", last);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "PING\r\n");
	expect("A gets its reply, the others are served, and the last one is closed");
	client_expect(a, ":1\r\n");
	for (int i = 0; i < CLIENTS - 1; i++)
		client_expect(clients[i], "+PONG\r\n");
	client_expect_end(clients[CLIENTS - 1], true);
	expect_files(s, files - 1);
	done(s);
}

/* ---- 6.6 Close is a conversation ---- */

Test(ch06, ex6_the_victim_sees_the_end)
{
	struct server *s = server_start_default();

	given("clients A and B are connected and quiet; a receive for B is in flight");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	unsigned long long id = client_id(b);
	client_ping(a);
	size_t files = files_at_rest(s);
	given("A sends CLIENT KILL for B");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	expect("A gets its reply, and B the end: what is in flight keeps a connection open, until it is cancelled");
	client_expect(a, ":1\r\n");
	client_expect_end(b, true);
	expect("B's descriptor is given back, and A is served");
	expect_files(s, files - 1);
	client_ping(a);
	done(s);
}

Test(ch06, ex6_a_late_completion)
{
	struct server *s = server_start_default();

	given("clients A, B, C and a holder are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"), *b = client_open(s, "B"),
		      *c = client_open(s, "C");
	unsigned long long id = client_id(b);
	client_ping(a);
	client_ping(c);
	server_quiet(s);
	given("while the loop is held, A sends CLIENT KILL for B; B and C send PING");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_send(b, "PING\r\n");
	client_send(c, "PING\r\n");
	expect("B's completions, its bytes and its end, come when it is closed; A and C are served");
	client_expect(a, ":1\r\n");
	client_expect(c, "+PONG\r\n");
	client_expect_end(b, true);
	expect("and the server goes on");
	client_ping(a);
	client_ping(c);
	client_ping(client_open(s, "D"));
	done(s);
}

/* The operations that it takes to receive `size` bytes in one turn, and to answer: few, where there are buffers. */
static long operations_of_echo(struct server *s, struct client *holder, struct client *a, size_t size)
{
	uint64_t from = server_quiet(s);

	server_hold(s, holder, &hold_spin, HOLD_US);
	ask_for_echo(a, "identity of A; ", size);
	expect_echo(a, "identity of A; ", size);
	client_ping(a); /* what a call submits counts when it returns */
	return operations_in(calls_between(s, from, server_quiet(s)));
}

Test(ch06_counts, ex6_a_late_completion_has_a_buffer)
{
	enum { ROUNDS = 20, SIZE = 10 * 4096, SPARE = 4 }; /* ten buffers each time */
	static char bytes[SIZE];
	struct server *s = server_start_traced();

	memset(bytes, 'x', SIZE);
	given("A and a holder are connected and quiet; the server is traced");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	long usual = operations_of_echo(s, holder, a, SIZE);
	given("%d times, while the loop is held, A sends CLIENT KILL for a client that sends %d bytes: their completions come when it is closed",
	      ROUNDS, SIZE);
	for (int i = 0; i < ROUNDS; i++) {
		struct client *victim = client_open(s, "the victim");
		unsigned long long id = client_id(victim);
		server_hold(s, holder, &hold_spin, HOLD_US);
		client_send(a, "CLIENT KILL ID %llu\r\n", id);
		client_send_bytes(victim, bytes, SIZE);
		client_expect(a, ":1\r\n");
		client_expect_end(victim, true);
		client_close(victim);
	}
	expect("A sends as many bytes, and finds as many buffers as before: those of the closed were given back, too");
	long operations = operations_of_echo(s, holder, a, SIZE);
	if (operations > usual + SPARE)
		probe_fail(
			"expected about %ld operations, as before, but there were %ld: receives ended for want of buffers",
			usual, operations);
	done(s);
}

Test(ch06_counts, ex6_nobody_is_held_for_ever)
{
	needs("memory");
	struct server *s = server_start_default();

	expect_the_gone_forgotten(s, "PING", "+PONG");
	done(s);
}

Test(ch06, ex6_closed_while_a_send_is_in_flight)
{
	struct server *s = server_start_default();

	given("a slow client has asked for 1 MiB and takes nothing; A is connected");
	struct client *slow = client_open_slow(s, "the slow client"), *a = client_open(s, "A");
	unsigned long long id = client_id(slow);
	client_ping(a);
	size_t files = files_at_rest(s);
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	given("A sends CLIENT KILL for it");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	expect("its descriptor is given back");
	expect_files(s, files - 1);
	expect("it gets what was sent before, and then the end, not all of the reply");
	client_read_faster(slow);
	static char bytes[2 * MIB];
	size_t size = client_read_some(slow, bytes, sizeof(bytes));
	if (size >= BLOB_REPLY(BLOB_MAX))
		probe_fail("expected the send in flight to be cancelled, but all %zu bytes came", size);
	client_ping(a);
	done(s);
}

Test(ch06, ex6_no_byte_reaches_another)
{
	enum { ROUNDS = 1000, SIZE = 60000 };
	struct server *s = server_start_default();
	char identity[32];

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	expect("%d times: a slow client has a reply of %d bytes in flight that carries its identity; A has it killed; another, which gets its descriptor, gets its own words and no others",
	       ROUNDS, SIZE);
	for (int i = 0; i < ROUNDS; i++) {
		struct client *slow = client_open_slow(s, "the slow client");
		unsigned long long id = client_id(slow);
		snprintf(identity, sizeof(identity), "slow client %d; ", i);
		ask_for_echo(slow, identity, SIZE);
		client_await_bytes(slow);
		client_send(a, "CLIENT KILL ID %llu\r\n", id);
		struct client *heir = client_open(s, "its heir");
		snprintf(identity, sizeof(identity), "heir %d", i);
		ask_for_echo(heir, identity, 20);
		expect_echo(heir, identity, 20);
		client_expect(a, ":1\r\n");
		client_close(slow);
		client_close(heir);
	}
	expect("all descriptors are given back");
	expect_files(s, files);
	done(s);
}

Test(ch06_counts, ex6_what_closing_takes)
{
	struct server *s = server_start_traced();

	given("clients A and B are connected and were served; the server is traced");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	unsigned long long id = client_id(b);
	long usual = operations_of_pings(s, a, 1);
	uint64_t from = server_quiet(s);
	given("A sends CLIENT KILL for B, and then a PING");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	expect("A gets its replies, and B the end");
	client_expect(a, ":1\r\n");
	server_quiet(s);
	client_expect_end(b, true);
	client_ping(a);
	long operations = operations_in(calls_between(s, from, server_quiet(s))) - 2 * usual;
	journal_note("measured", "%ld", operations);
	expect("besides what two requests take, two operations were submitted: cancel the receive, and close");
	if (operations != 2)
		probe_fail("expected 2 operations more than for two PINGs, but there were %ld", operations);
	done(s);
}

/* ---- 6.7 Nothing to say, nothing to submit ---- */

/* One batch, and what is left of its crossings when the hold's own is taken off. */
static size_t crossings_of_batch(struct server *s, struct client *holder, struct client **clients, size_t k)
{
	struct calls c = held_batch(s, holder, clients, k);

	return count_of(c, "io_uring_enter", NULL) - 1;
}

Test(ch06_counts, ex7_one_crossing_for_a_batch)
{
	enum { CLIENTS = 8 };
	struct server *s = server_start_traced();

	given("%d clients and a holder are connected and were served; the server is traced", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	server_quiet(s);
	expect("one PING costs one io_uring_enter at the most");
	size_t one = crossings_of_batch(s, holder, clients, 1);
	if (one > 1)
		probe_fail(
			"expected one io_uring_enter for one PING, but there were %zu: nobody has to hear that a reply was sent",
			one);
	expect("%d of them, which come together, cost one as well", CLIENTS);
	size_t eight = crossings_of_batch(s, holder, clients, CLIENTS);
	journal_note("measured", "%zu", eight);
	if (eight > 1)
		probe_fail(
			"expected one io_uring_enter for %d PINGs in one batch, but there were %zu: submit once, hear nothing",
			CLIENTS, eight);
	done(s);
}

Test(ch06, ex7_a_quiet_send_that_falls_short)
{
	enum { ROUNDS = 3 };
	struct server *s = server_start_default();

	given("a slow client is connected");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB 200000\r\n");
	server_quiet(s);
	client_read_faster(slow);
	expect("%d replies of 200000 bytes, each longer than its socket, arrive whole", ROUNDS + 1);
	client_expect_blob(slow, 200000);
	for (int i = 0; i < ROUNDS; i++) {
		client_send(slow, "BLOB 200000\r\n");
		server_quiet(s);
		client_expect_blob(slow, 200000);
	}
	expect("the server sleeps, and serves");
	expect_no_spin(s);
	client_ping(slow);
	done(s);
}

/* On the plain build: memory that is given back too early is used by the next who needs some. */
Test(ch06_counts, ex7_trusted_with_its_memory)
{
	enum { SIZE = 60000 };
	struct server *s = server_start_default();

	given("a slow client has asked for an ECHO of %d bytes, and takes nothing", SIZE);
	struct client *slow = client_open_slow(s, "the slow client"), *a = client_open(s, "A");
	client_ping(slow);
	client_ping(a);
	ask_for_echo(slow, "the slow client's; ", SIZE);
	server_quiet(s);
	given("A asks for as much, several times, and is served");
	for (int i = 0; i < 5; i++) {
		ask_for_echo(a, "of A; ", SIZE);
		expect_echo(a, "of A; ", SIZE);
	}
	expect("the slow client gets its own words, and none of A's: the kernel reads them until it says that it is done");
	expect_echo(slow, "the slow client's; ", SIZE);
	done(s);
}

Test(ch06, ex7_waits_for_room_without_spinning)
{
	struct server *s = server_start_default();

	given("a slow client asks for 1 MiB and takes nothing");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	expect("the server sleeps while there is no room: the rest waits in the kernel");
	expect_no_spin(s);
	expect("the slow client gets all of it, once it reads");
	client_read_faster(slow);
	client_expect_blob(slow, BLOB_MAX);
	done(s);
}

Test(ch06, ex7_the_last_send_is_heard_of)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	client_ping(b);
	expect("A gets its reply to QUIT, and then the end: somebody had to hear that the reply was sent");
	client_send(a, "QUIT\r\n");
	client_expect(a, "+OK\r\n");
	client_expect_end(a, false);
	expect("B sends PING and shuts down its writing side: it gets its reply, and then the end");
	client_send(b, "PING\r\n");
	client_shut_writing(b);
	client_expect(b, "+PONG\r\n");
	client_expect_end(b, false);
	done(s);
}

Test(ch06, ex7_bad_news_that_found_no_room)
{
	enum { CLIENTS = 12, SIZE = 150000 };
	struct server *s = server_start_with(tiny_ring, NULL, 0);
	struct client *slow[CLIENTS];

	given("the ring has room for four completions (--entries 1); %d slow clients and a holder are connected",
	      CLIENTS);
	struct client *holder = client_open(s, "the holder");
	for (int i = 0; i < CLIENTS; i++) {
		slow[i] = client_open_slow(s, NULL);
		client_ping(slow[i]);
	}
	given("while the loop is held, each asks for %d bytes: every send falls short, and most of these completions overflow",
	      SIZE);
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < CLIENTS; i++)
		client_send(slow[i], "BLOB %d\r\n", SIZE);
	server_quiet(s);
	expect("each gets all of its reply: a send may be trusted when all completions are here, not before");
	for (int i = 0; i < CLIENTS; i++) {
		client_read_faster(slow[i]);
		client_expect_blob(slow[i], SIZE);
	}
	done(s);
}
