/*
 * conformance_stop.c: SIGTERM and SIGINT. A server that is told to stop
 * accepts nobody, delivers the replies it owes, and exits 0 within 2 s.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

static const struct {
	int number;
	const char *name;
} signals[] = { { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" } };

enum { SIGNALS = 2 };

Test(conformance, stops_when_nobody_is_connected)
{
	for (int i = 0; i < SIGNALS; i++) {
		struct server *s = server_start_default();
		given("nobody is connected to the server");
		server_quiet(s);
		expect("at %s it exits with 0", signals[i].name);
		server_tell(s, signals[i].number);
		server_expect_exit(s);
	}
	journal_pass();
}

Test(conformance, stops_at_once_after_its_first_line)
{
	enum { TIMES = 10 };

	for (int i = 0; i < TIMES; i++) {
		struct server *s = server_start_default();
		expect("SIGTERM just after \"listening on …\" ends it with 0");
		server_tell(s, SIGTERM);
		server_expect_exit(s);
	}
	journal_pass();
}

Test(conformance, stops_with_idle_clients)
{
	enum { CLIENTS = 50 };

	for (int i = 0; i < SIGNALS; i++) {
		struct server *s = server_start_default();
		given("%d clients are connected, one is in the middle of a request", CLIENTS);
		struct client **clients = clients_open(s, CLIENTS);
		for (int j = 0; j < CLIENTS; j++)
			client_ping(clients[j]);
		client_send(clients[CLIENTS - 1], "*2\r\n$4\r\nECHO\r\n$5\r\nhe");
		server_quiet(s);
		expect("at %s each gets the end of its connection, and the server exits with 0", signals[i].name);
		server_tell(s, signals[i].number);
		for (int j = 0; j < CLIENTS; j++)
			client_expect_end(clients[j], true);
		server_expect_exit(s);
	}
	journal_pass();
}

enum { OWED = 900000 };

/* A client that has most of a MiB still to come, and some PINGs behind it that the server has read. */
static struct client *owed(struct server *s)
{
	struct client *c = client_open_slow(s, "A");

	client_send(c, "BLOB %d\r\nPING\r\nPING\r\n", OWED);
	client_await_bytes(c);
	server_quiet(s);
	return c;
}

/* Reads it, and then the end; within the second that a stopping server grants. */
static void expect_owed(struct client *c)
{
	client_read_faster(c);
	client_expect_blob(c, OWED);
	client_expect(c, "+PONG\r\n+PONG\r\n");
	client_expect_end(c, true);
}

Test(conformance, delivers_what_it_owes_before_it_stops)
{
	needs("blob");
	for (int i = 0; i < SIGNALS; i++) {
		struct server *s = server_start_default();
		given("client A, slow, is owed most of a BLOB and two PONGs; B is idle");
		struct client *a = owed(s), *b = client_open(s, "B");
		client_ping(b);
		expect("after %s A still gets every byte, and then the end; B gets the end", signals[i].name);
		server_tell(s, signals[i].number);
		client_expect_end(b, true);
		expect_owed(a);
		expect("the server exits with 0");
		server_expect_exit(s);
	}
	journal_pass();
}

Test(conformance, stops_though_a_client_never_reads)
{
	needs("blob");
	struct server *s = server_start_default();
	given("client A, slow, is owed most of a BLOB, and never reads");
	owed(s);
	expect("the server exits with 0 all the same, within 2 s of SIGTERM");
	server_tell(s, SIGTERM);
	server_expect_exit(s);
	journal_pass();
}

Test(conformance, stops_once_when_told_twice)
{
	needs("blob");
	struct server *s = server_start_default();
	given("client A, slow, is owed most of a BLOB and two PONGs");
	struct client *a = owed(s);
	expect("after SIGTERM, SIGINT, SIGTERM and SIGINT again A gets every byte, and the server exits with 0");
	for (int i = 0; i < 4; i++) {
		server_tell(s, signals[i % SIGNALS].number);
		server_quiet(s); /* else two might become one */
	}
	expect_owed(a);
	server_expect_exit(s);
	journal_pass();
}

/* True when somebody still accepts at the server's port. */
static bool connects(struct server *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)server_port(s)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bool connected = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(fd);
	return connected;
}

Test(conformance, accepts_nobody_while_it_stops)
{
	struct timespec step = { 0, 1000000 };

	needs("blob");
	struct server *s = server_start_default();
	given("client A, slow, is owed most of a BLOB and two PONGs; the server is told to stop by SIGTERM");
	struct client *a = owed(s);
	server_tell(s, SIGTERM);
	expect("nobody can connect, while A is waited for");
	for (int tries = 0; tries < PATIENCE_MS && connects(s); tries++)
		nanosleep(&step, NULL);
	if (!server_alive(s))
		probe_fail(
			"expected the server to listen no more while it delivers what it owes, but clients could connect until %s",
			server_state(s));
	expect_owed(a);
	server_expect_exit(s);
	journal_pass();
}

Test(conformance, stops_while_a_client_half_closed_is_owed)
{
	needs("blob");
	struct server *s = server_start_default();
	given("client A, slow, is owed most of a BLOB and two PONGs, and has shut down its writing side");
	struct client *a = owed(s);
	client_shut_writing(a);
	server_quiet(s);
	expect("after SIGTERM A gets every byte, and the server exits with 0");
	server_tell(s, SIGTERM);
	expect_owed(a);
	server_expect_exit(s);
	journal_pass();
}

Test(conformance, stops_while_it_spins)
{
	needs("spin");
	struct server *s = server_start_default();
	given("the loop is held for 300 ms; A has sent a PING meanwhile");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	server_hold(s, holder, &hold_spin, 300000);
	client_send(a, "PING\r\n");
	expect("at SIGTERM it ends with 0 once the hold is over, and both get the end of their connections");
	server_tell(s, SIGTERM);
	char bytes[16];
	client_read_some(a, bytes, sizeof(bytes));
	client_expect_end(holder, true);
	server_expect_exit(s);
	journal_pass();
}

Test(conformance, stops_while_it_works)
{
	needs("work");
	struct server *s = server_start_default();
	given("the server works for A, for 100 ms of waiting");
	struct client *a = client_open(s, "A");
	client_ping(a);
	client_send(a, "WORK 0 100000\r\nPING\r\n");
	server_quiet(s);
	expect("after SIGTERM A still gets the replies to what it had sent, and then the end");
	server_tell(s, SIGTERM);
	client_expect(a, "+DONE\r\n+PONG\r\n");
	client_expect_end(a, true);
	server_expect_exit(s);
	journal_pass();
}

Test(conformance, stops_while_descriptors_are_out)
{
	enum { NOFILE = 16 };

	needs("rlimit");
	for (int i = 0; i < SIGNALS; i++) {
		struct server *s = server_start_limited(NOFILE);
		given("the server may have %d descriptors, and %d clients connect", NOFILE, NOFILE);
		struct client **clients = clients_open(s, NOFILE);
		client_ping(clients[0]);
		server_quiet(s);
		expect("at %s the server exits with 0", signals[i].name);
		server_tell(s, signals[i].number);
		client_expect_end(clients[0], true);
		server_expect_exit(s);
	}
	journal_pass();
}
