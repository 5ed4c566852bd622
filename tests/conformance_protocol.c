/*
 * conformance_protocol.c: requests and replies, whole, cut and glued, and
 * bytes that are no requests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* "PING hello" as "*2\r\n$4\r\nPING\r\n$5\r\nhello\r\n", in a static buffer. */
static const char *as_array(const char *words)
{
	static char array[1024];
	char copy[256], body[900];
	size_t used = 0, count = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "), count++)
		used += (size_t)snprintf(body + used, sizeof(body) - used, "$%zu\r\n%s\r\n", strlen(word), word);
	snprintf(array, sizeof(array), "*%zu\r\n%.*s", count, (int)used, body);
	return array;
}

/* The request in both forms, each with this reply, and no byte after it. */
static void expect_reply(struct client *c, const char *words, const char *reply)
{
	expect("\"%s\", inline, is answered", words);
	client_send(c, "%s\r\n", words);
	client_expect(c, "%s", reply);
	expect("\"%s\", as an array, is answered the same", words);
	client_send(c, "%s", as_array(words));
	client_expect(c, "%s", reply);
	client_expect_silence(c);
}

Test(conformance, answers_ping_and_echo)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	expect_reply(a, "PING", "+PONG\r\n");
	expect_reply(a, "ping", "+PONG\r\n");
	expect_reply(a, "PiNg hello", "$5\r\nhello\r\n");
	expect_reply(a, "ECHO hello", "$5\r\nhello\r\n");
	expect_reply(a, "echo PING", "$4\r\nPING\r\n");
	expect("words may be apart by more than one space, and a line may end without a carriage return");
	client_send(a, "  ECHO    far  \nPING\n");
	client_expect(a, "$3\r\nfar\r\n+PONG\r\n");
	server_stop(s);
	journal_pass();
}

Test(conformance, answers_blob)
{
	static const size_t sizes[] = { 0, 1, 25, 26, 27, 1000, 16383, 16384, 65535, 65536, 500000, BLOB_MAX };

	needs("blob");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect("BLOB %zu is answered with as many bytes", sizes[i]);
		client_send(a, "BLOB %zu\r\n", sizes[i]);
		client_expect_blob(a, sizes[i]);
	}
	expect("BLOB %d is more than the server gives", BLOB_MAX + 1);
	client_send(a, "BLOB %d\r\n", BLOB_MAX + 1);
	client_expect_error(a, "-ERR ");
	client_ping(a);
	server_stop(s);
	journal_pass();
}

/* Bounds with room to spare: the pace of a machine that others use may change fivefold while it is measured. */
static void expect_burnt(struct server *s, struct client *c, const char *work, uint64_t least_us, uint64_t most_us)
{
	server_quiet(s);
	uint64_t before = server_loop_cpu_ns(s);
	client_send(c, "%s\r\n", work);
	client_expect(c, "+DONE\r\n");
	uint64_t burnt = (server_loop_cpu_ns(s) - before) / 1000;
	if (burnt < least_us || burnt > most_us)
		probe_fail("%s burnt %llu µs of CPU", work, (unsigned long long)burnt);
}

Test(conformance, answers_work_and_spin)
{
	needs("work spin");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	expect_reply(a, "WORK 0 0", "+DONE\r\n");
	expect_reply(a, "work 200 200", "+DONE\r\n");
	expect_reply(a, "SPIN 0", "");
	expect("WORK computes: it costs the server CPU, and a wait costs next to none");
	expect_burnt(s, a, "WORK 20000 0", 4000, UINT64_MAX);
	expect_burnt(s, a, "WORK 0 40000", 0, 20000);
	expect("requests after SPIN and WORK in the same segment are answered, in their order");
	client_send(
		a,
		"PING 1\r\nSPIN 300\r\nPING 2\r\nWORK 10 10\r\nPING 3\r\nSPIN 10\r\nSPIN 10\r\nWORK 0 0\r\nWORK 0 0\r\nPING 4\r\n");
	client_expect(a, "$1\r\n1\r\n$1\r\n2\r\n+DONE\r\n$1\r\n3\r\n+DONE\r\n+DONE\r\n$1\r\n4\r\n");
	server_stop(s);
	journal_pass();
}

Test(conformance, numbers_its_clients)
{
	struct server *s = server_start_default();

	given("clients A and B are connected");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	expect("CLIENT ID differs from client to client, and stays");
	unsigned long long id = client_id(a);
	if (client_id(b) == id)
		probe_fail("A and B both have the id %llu", id);
	if (client_id(a) != id)
		probe_fail("the id of A changed");
	client_send(a, "%s", as_array("client id"));
	client_expect(a, ":%llu\r\n", id);
	expect("an id is not given twice: a client that comes after A has left gets another");
	client_close(a);
	server_quiet(s);
	struct client *c = client_open(s, "C");
	if (client_id(c) == id)
		probe_fail("C got the id that A had, %llu", id);
	server_stop(s);
	journal_pass();
}

Test(conformance, ends_orderly_at_quit)
{
	static const char *const forms[] = { "QUIT\r\n", "quit\r\n", "*1\r\n$4\r\nQUIT\r\n" };
	struct server *s = server_start_default();

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		given("client A is connected");
		struct client *a = client_open(s, "A");
		expect("QUIT after PING is answered with +OK; then the server closes, and no request after it is answered");
		client_send(a, "PING\r\n%sPING\r\n", forms[i]);
		client_expect(a, "+PONG\r\n+OK\r\n");
		client_expect_end(a, false);
		client_close(a);
	}
	server_stop(s);
	journal_pass();
}

Test(conformance, names_the_command_it_does_not_know)
{
	needs("errors");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	expect_reply(a, "FOO", "-ERR unknown command 'FOO'\r\n");
	expect_reply(a, "PINGPONG", "-ERR unknown command 'PINGPONG'\r\n");
	expect_reply(a, "PIN", "-ERR unknown command 'PIN'\r\n");
	expect_reply(a, "get key", "-ERR unknown command 'get'\r\n");
	expect("the connection stays open");
	client_ping(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, refuses_wrong_arguments)
{
	static const char *const wrong[] = {
		"PING a b",
		"ECHO",
		"ECHO a b",
		"BLOB",
		"BLOB x",
		"BLOB -1",
		"BLOB 1 2",
		"BLOB 1048577",
		"BLOB 99999999999999999999",
		"WORK",
		"WORK 1",
		"WORK 1 x",
		"WORK -1 0",
		"WORK 0 99999999999999999999",
		"SPIN",
		"SPIN x",
		"SPIN 1 2",
		"CLIENT",
		"CLIENT NONSENSE",
		"CLIENT KILL",
		"CLIENT KILL ID",
	};

	needs("errors");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect("\"%s\" is answered with one error line, and the connection stays open", wrong[i]);
		client_send(a, "%s\r\n", wrong[i]);
		client_expect_error(a, "-ERR ");
		client_ping(a);
	}
	server_stop(s);
	journal_pass();
}

Test(conformance, answers_nothing_to_empty_requests)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	expect("empty lines and empty arrays ask nothing");
	client_send(a, "\r\n\r\n\n*0\r\n   \r\n");
	client_expect_silence(a);
	expect("what follows them is answered");
	client_send(a, "\r\nPING\r\n*0\r\nPING\r\n");
	client_expect(a, "+PONG\r\n+PONG\r\n");
	client_expect_silence(a);
	server_stop(s);
	journal_pass();
}

/* ---- requests in pieces ---- */

static const char burst[] = "PING\r\n*1\r\n$4\r\nPING\r\nECHO hello\r\n*2\r\n$4\r\nECHO\r\n$8\r\na\r\nb\0c\xff\x80\r\n"
			    "\r\n*0\r\nPING x\r\nnonsense\r\n*2\r\n$4\r\nping\r\n$0\r\n\r\nPING\r\n";
static const char burst_replies[] = "+PONG\r\n+PONG\r\n$5\r\nhello\r\n$8\r\na\r\nb\0c\xff\x80\r\n"
				    "$1\r\nx\r\n-ERR unknown command 'nonsense'\r\n$0\r\n\r\n+PONG\r\n";
enum { BURST = sizeof(burst) - 1, BURST_REPLIES = sizeof(burst_replies) - 1 };

Test(conformance, answers_requests_that_come_byte_by_byte)
{
	needs("errors");
	struct server *s = server_start_default();
	given("client A sends nine requests, one byte at a time, and the server has read each before the next comes");
	struct client *a = client_open(s, "A");
	for (size_t i = 0; i < BURST; i++) {
		client_send_bytes(a, burst + i, 1);
		server_quiet(s);
	}
	expect("every request is answered once, in order");
	client_expect_bytes(a, burst_replies, BURST_REPLIES);
	client_expect_silence(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, answers_requests_cut_anywhere)
{
	needs("errors");
	struct server *s = server_start_default();
	given("client A sends the same requests again and again, in two pieces that are cut one byte later each time");
	struct client *a = client_open(s, "A");
	for (size_t cut = 1; cut < BURST; cut++) {
		expect("cut after byte %zu, every request is answered once, in order", cut);
		client_send_bytes(a, burst, cut);
		server_quiet(s);
		client_send_bytes(a, burst + cut, BURST - cut);
		client_expect_bytes(a, burst_replies, BURST_REPLIES);
	}
	client_expect_silence(a);
	server_stop(s);
	journal_pass();
}

/* ---- requests glued together ---- */

enum { PINGS = 10000 };

Test(conformance, answers_ten_thousand_pings_at_once)
{
	static char pings[PINGS * 6], pongs[PINGS * 7];

	for (size_t i = 0; i < PINGS; i++) {
		memcpy(pings + i * 6, "PING\r\n", 6);
		memcpy(pongs + i * 7, "+PONG\r\n", 7);
	}
	struct server *s = server_start_default();
	given("client A sends %d PINGs in one go", PINGS);
	struct client *a = client_open(s, "A");
	client_send_bytes(a, pings, sizeof(pings));
	expect("it gets %d answers, and no more", PINGS);
	client_expect_bytes(a, pongs, sizeof(pongs));
	client_expect_silence(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, keeps_the_order_of_replies)
{
	enum { ROUNDS = 500 };
	needs("blob");
	struct server *s = server_start_default();
	given("client A pipelines %d rounds of requests that differ in kind and size", ROUNDS);
	struct client *a = client_open(s, "A");
	for (int i = 0; i < ROUNDS; i++)
		client_send(a, "ECHO %d\r\nBLOB %d\r\nPING\r\n%s", i, i * 7 % 1500, as_array("PING last"));
	expect("the replies come in the order of the requests");
	for (int i = 0; i < ROUNDS; i++) {
		client_expect(a, "$%d\r\n%d\r\n", snprintf(NULL, 0, "%d", i), i);
		client_expect_blob(a, (size_t)(i * 7 % 1500));
		client_expect(a, "+PONG\r\n$4\r\nlast\r\n");
	}
	client_expect_silence(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, echoes_bytes_of_any_value)
{
	static const size_t sizes[] = { 0, 1, 256, 4095, 4096, 16384, 16385, 60000 };
	static char payload[60000];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (char)(i * 7 + i / 256);
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		expect("%zu bytes of any value, line ends and zeros among them, come back unchanged", sizes[i]);
		client_send(a, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", sizes[i]);
		client_send_bytes(a, payload, sizes[i]);
		client_send(a, "\r\n");
		client_expect(a, "$%zu\r\n", sizes[i]);
		client_expect_bytes(a, payload, sizes[i]);
		client_expect(a, "\r\n");
	}
	client_expect_silence(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, keeps_its_clients_apart)
{
	enum { CLIENTS = 50, ROUNDS = 20 };
	struct server *s = server_start_default();

	given("%d clients are connected", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	for (int round = 0; round < ROUNDS; round++) {
		expect("in round %d each of them gets the reply to its own request", round);
		for (int i = 0; i < CLIENTS; i++)
			client_send(clients[i], "ECHO half-");
		for (int i = CLIENTS - 1; i >= 0; i--)
			client_send(clients[i], "%02d-%02d\r\n", i, round);
		for (int i = 0; i < CLIENTS; i++)
			client_expect(clients[i], "$10\r\nhalf-%02d-%02d\r\n", i, round);
	}
	server_stop(s);
	journal_pass();
}

/* ---- bytes that are no requests ---- */

/* A fresh client sends `bytes`; it gets a protocol error and an end, and A, who sits beside it, notices nothing. */
static void expect_protocol_error(struct server *s, struct client *a, const char *what, const char *bytes, size_t size)
{
	expect("%s is a protocol error: one line says so, then the server closes", what);
	struct client *hostile = client_open(s, "the hostile client");
	client_send_bytes(hostile, bytes, size);
	client_expect_error(hostile, "-ERR Protocol error");
	client_expect_end(hostile, true);
	client_close(hostile);
	expect("client A, beside it, is still served");
	client_ping(a);
}

Test(conformance, closes_after_garbage)
{
	static const struct {
		const char *what, *bytes;
	} garbage[] = {
		{ "an array whose length is a word", "*x\r\n" },
		{ "an array whose length never ends", "*11111111111111111111" },
		{ "an array of too many elements", "*1025\r\n" },
		{ "an array of 2^31 elements", "*2147483648\r\n" },
		{ "an element that is no bulk string", "*1\r\n+PING\r\n" },
		{ "an element that begins with a line end", "*1\r\n\r\n" },
		{ "a bulk string whose length is a word", "*1\r\n$x\r\n" },
		{ "a bulk string of negative length", "*1\r\n$-5\r\n" },
		{ "a bulk string of 4 GiB", "*1\r\n$4294967300\r\n" },
		{ "a bulk string without a length", "*1\r\n$\r\n" },
		{ "a valid request and then a broken one's head", "*2\r\n$4\r\nECHO\r\n:1\r\n" },
	};

	needs("errors");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		expect_protocol_error(s, a, garbage[i].what, garbage[i].bytes, strlen(garbage[i].bytes));
	expect("every descriptor was given back");
	expect_files(s, files);
	server_stop(s);
	journal_pass();
}

Test(conformance, answers_what_came_before_garbage)
{
	needs("errors");
	struct server *s = server_start_default();
	given("client A pipelines two PINGs, garbage and another PING");
	struct client *a = client_open(s, "A");
	client_send(a, "PING\r\nPING\r\n*1\r\n:4\r\nPING\r\n");
	expect("the PINGs before the garbage are answered, and nothing after it");
	client_expect(a, "+PONG\r\n+PONG\r\n");
	client_expect_error(a, "-ERR Protocol error");
	client_expect_end(a, true);
	server_stop(s);
	journal_pass();
}

Test(conformance, survives_random_bytes)
{
	enum { CLIENTS = 200, BYTES = 700 };
	uint32_t state = 12345;
	char bytes[BYTES];

	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	given("%d clients send %d random bytes each, and leave", CLIENTS, BYTES);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = client_open(s, NULL);
		for (size_t j = 0; j < BYTES; j++) {
			state = state * 1664525 + 1013904223;
			bytes[j] = "*$\r\n0123456789PINGECHO \0\xff"[(state >> 16) % 27];
		}
		client_send_some(c, bytes, sizeof(bytes));
		if (i % 2)
			client_close(c);
		else
			client_reset(c);
	}
	expect("the server lives, has closed them all, and serves A");
	expect_files(s, files);
	client_ping(a);
	server_stop(s);
	journal_pass();
}

/* ---- the largest request ---- */

static char large[REQUEST_MAX + 1];

Test(conformance, serves_the_largest_request)
{
	needs("limits");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	memset(large, 'x', sizeof(large));

	expect("an inline request of exactly 64 KiB is served");
	size_t payload = REQUEST_MAX - strlen("ECHO \r\n");
	client_send(a, "ECHO ");
	client_send_bytes(a, large, payload);
	client_send(a, "\r\n");
	client_expect(a, "$%zu\r\n", payload);
	client_expect_bytes(a, large, payload);
	client_expect(a, "\r\n");

	expect("so is an array of exactly 64 KiB");
	payload = REQUEST_MAX - strlen("*2\r\n$4\r\nECHO\r\n$65506\r\n\r\n");
	client_send(a, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", payload);
	client_send_bytes(a, large, payload);
	client_send(a, "\r\n");
	client_expect(a, "$%zu\r\n", payload);
	client_expect_bytes(a, large, payload);
	client_expect(a, "\r\n");
	client_ping(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, refuses_a_larger_request)
{
	static const char announced[] = "*2\r\n$4\r\nECHO\r\n$65536\r\n";
	static char many[REQUEST_MAX + 1];
	size_t used = 0;

	needs("limits");
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);

	memset(large, 'x', sizeof(large));
	expect_protocol_error(s, a, "a line that has not ended after 64 KiB + 1", large, sizeof(large));
	expect_protocol_error(s, a, "an array whose last element cannot fit into 64 KiB", announced, strlen(announced));
	used = (size_t)snprintf(many, sizeof(many), "*1000\r\n");
	while (used + strlen("$500\r\n") + 502 < REQUEST_MAX) {
		used += (size_t)snprintf(many + used, sizeof(many) - used, "$500\r\n");
		memset(many + used, 'x', 500);
		memcpy(many + used + 500, "\r\n", 2);
		used += 502;
	}
	used += (size_t)snprintf(many + used, sizeof(many) - used, "$500\r\n");
	expect_protocol_error(s, a, "an array whose many elements exceed 64 KiB together", many, used);
	expect("every descriptor was given back");
	expect_files(s, files);
	server_stop(s);
	journal_pass();
}
