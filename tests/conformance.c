/*
 * conformance.c: the contract every server keeps, tried from outside by
 * clients that mean no good. One suite, in several files:
 *	conformance.c		start-up: options, the line it prints, its refusals
 *	conformance_protocol.c	requests and replies, however they are cut
 *	conformance_replies.c	replies that nobody takes, clients that half close, that hurry
 *	conformance_peers.c	resets, kills, stale events, descriptors used again
 *	conformance_limits.c	descriptors that run out, thousands of connections, idleness
 *	conformance_stop.c	SIGTERM and SIGINT
 *
 * No test knows which model it looks at. In a thread per connection a held
 * loop holds one client only; so tests expect of a held batch what is right in
 * any order.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

BLACK_BOX_SUITE(conformance);

Test(conformance, announces_its_port)
{
	char line[256];
	int port = 0, used = 0;

	needs("options");
	given("the server is started with --port 0");
	struct child c = child_start((const char *const[]){ "--port", "0", NULL });
	expect("it prints \"listening on 127.0.0.1:PORT\", at once although stdout is a pipe");
	child_read_line(&c, line, sizeof(line));
	if (sscanf(line, "listening on 127.0.0.1:%d\n%n", &port, &used) != 1 || line[used] || port < 1 || port > 65535)
		probe_fail("expected \"listening on 127.0.0.1:PORT\", but it printed \"%s\"", line);

	expect("a client can connect to that port");
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		probe_fail("nobody listens on port %d, which it printed", port);
	close(fd);

	expect("SIGTERM ends it with 0, and that line was all it printed on stdout");
	kill(c.pid, probe_sigterm);
	struct outcome o = child_wait(&c);
	if (!WIFEXITED(o.status) || WEXITSTATUS(o.status) != 0)
		probe_fail("expected it to exit with 0, but its wait status is %#x, after \"%s\"", o.status, o.err);
	if (o.out[0])
		probe_fail("expected no other output on stdout, but it printed \"%s\"", o.out);
	journal_pass();
}

Test(conformance, listens_on_the_port_it_is_given)
{
	needs("options");
	given("the server is started with --port and a free port");
	struct server *s = server_start_with((const char *const[]){ "--port", "{port}", NULL }, NULL, 0);
	expect("it serves that port");
	expect_served(s, "A");
	server_stop(s);
	journal_pass();
}

Test(conformance, listens_on_the_address_it_is_given)
{
	needs("options");
	given("the server is started with --host 127.0.0.2");
	struct server *s = server_start_with((const char *const[]){ "--host", "127.0.0.2", NULL }, NULL, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)server_port(s)) };

	expect("a client that connects there is welcome, one at 127.0.0.1 is not");
	inet_pton(AF_INET, "127.0.0.2", &address.sin_addr);
	int there = socket(AF_INET, SOCK_STREAM, 0), here = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(there, (struct sockaddr *)&address, sizeof(address)) < 0)
		probe_fail("nobody listens on 127.0.0.2:%d", server_port(s));
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	if (connect(here, (struct sockaddr *)&address, sizeof(address)) == 0)
		probe_fail("the server also listens on 127.0.0.1");
	close(there);
	close(here);
	server_stop(s);
	journal_pass();
}

Test(conformance, passes_its_backlog_to_listen)
{
	size_t count;

	needs("options");
	needs("counts");
	given("the server is started with --backlog 17, under strace");
	struct server *s = server_start_with((const char *const[]){ "--backlog", "17", NULL }, "", 0);
	expect("its one listen(2) asks for a backlog of 17");
	const struct crossing *calls = server_crossings(s, 0, server_quiet(s), &count);
	const char *asked = "no listen(2)";
	for (size_t i = 0; i < count; i++)
		if (strcmp(calls[i].name, "listen") == 0)
			asked = calls[i].args;
	if (!strstr(asked, ", 17"))
		probe_fail("expected listen(…, 17), but there was %s", asked);
	server_stop(s);
	journal_pass();
}

Test(conformance, listens_on_port_7000_by_default)
{
	char line[256] = "";

	needs("options");
	given("the server is started without options");
	struct child c = child_start(NULL);
	expect("it listens on 127.0.0.1:7000, or says that somebody else does");
	if (child_says_line(&c, line, sizeof(line)))
		kill(c.pid, probe_sigterm);
	struct outcome o = child_wait(&c);
	if (line[0] ? strcmp(line, "listening on 127.0.0.1:7000\n") != 0 : !strstr(o.err, "7000"))
		probe_fail("expected port 7000, but it printed \"%s%s\"", line, o.err);
	journal_pass();
}

Test(conformance, refuses_options_it_does_not_know)
{
	needs("options");
	expect_refusal((const char *const[]){ "--nonsense", NULL }, 2, "--nonsense");
	expect_refusal((const char *const[]){ "--nonsense", "3", NULL }, 2, "--nonsense");
	expect_refusal((const char *const[]){ "-x", NULL }, 2, "-x");
	expect_refusal((const char *const[]){ "7000", NULL }, 2, "7000");
	expect_refusal((const char *const[]){ "--port", "0", "surplus", NULL }, 2, "surplus");
	journal_pass();
}

Test(conformance, refuses_values_that_are_no_numbers)
{
	static const char *const bad[] = { "abc", "", "-1", "65536", "70x", "7 0", "99999999999999999999", "0x10" };

	needs("options");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refusal((const char *const[]){ "--port", bad[i], NULL }, 2, "--port");
	expect_refusal((const char *const[]){ "--port", NULL }, 2, "--port");
	expect_refusal((const char *const[]){ "--backlog", "many", NULL }, 2, "--backlog");
	expect_refusal((const char *const[]){ "--backlog", NULL }, 2, "--backlog");
	expect_refusal((const char *const[]){ "--host", "nowhere.invalid", NULL }, 2, "--host");
	journal_pass();
}

Test(conformance, refuses_a_port_that_is_taken)
{
	char port[16];

	needs("options");
	given("a server listens");
	struct server *s = server_start_default();
	snprintf(port, sizeof(port), "%d", server_port(s));
	expect_refusal((const char *const[]){ "--port", port, NULL }, 1, port);
	expect("the first server is not disturbed");
	expect_served(s, "A");
	server_stop(s);
	journal_pass();
}

Test(conformance, refuses_an_address_that_is_not_here)
{
	needs("options");
	/* 192.0.2.0/24 is set aside for examples: no machine has it. */
	expect_refusal((const char *const[]){ "--port", "0", "--host", "192.0.2.1", NULL }, 1, "192.0.2.1");
	journal_pass();
}
