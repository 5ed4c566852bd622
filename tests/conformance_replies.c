/*
 * conformance_replies.c: replies that nobody takes for a while, clients that
 * shut down their writing side, clients that never stop sending.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support.h"

/* ---- replies left lying ---- */

Test(conformance, bounds_the_replies_it_keeps)
{
	enum { BLOBS = 64 };

	needs("blob");
	struct server *s = server_start_default();
	given("client A pipelines %d BLOBs of 1 MiB and reads nothing", BLOBS);
	struct client *a = client_open(s, "A");
	client_ping(a);
	uint64_t before = server_rss(s);
	for (int i = 0; i < BLOBS; i++)
		client_send(a, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	expect("the server makes only what it may keep: it has grown by less than 16 MiB");
	expect_memory_below(s, before, 16 * MIB);
	expect("meanwhile it serves client B");
	expect_served(s, "B");
	expect("once A reads, every byte of the %d replies comes, in order", BLOBS);
	for (int i = 0; i < BLOBS; i++)
		client_expect_blob(a, BLOB_MAX);
	client_expect_silence(a);
	client_ping(a);
	expect_memory_below(s, before, 16 * MIB);
	server_stop(s);
	journal_pass();
}

/* Sends whole lines of `line` until the server takes no more; returns how many bytes went. */
static size_t fill(struct server *s, struct client *c, const char *line, size_t most)
{
	static char block[60000];
	size_t length = strlen(line), sent = 0;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = line[i % length];
	for (int refused = 0; refused < 2 && sent < most;) {
		size_t from = sent % length;
		ssize_t went = client_send_some(c, block + from, sizeof(block) - from);

		if (went < 0)
			probe_fail("the server closed the connection instead of waiting");
		sent += (size_t)went;
		refused = went == 0 ? refused + 1 : 0;
		if (went == 0)
			server_quiet(s);
	}
	return sent;
}

Test(conformance, stops_reading_from_a_client_that_takes_nothing)
{
	static const char ping[] = "PING hello\r\n", pong[] = "$5\r\nhello\r\n";
	enum { PIPE_MAX = 64 * MIB, LINE = sizeof(ping) - 1, REPLY = sizeof(pong) - 1 };
	static char replies[REPLY * 1000];

	needs("limits");
	struct server *s = server_start_default();
	given("client A pipelines PINGs without end and reads nothing");
	struct client *a = client_open(s, "A");
	client_ping(a);
	uint64_t before = server_rss(s);
	size_t sent = fill(s, a, ping, PIPE_MAX);
	expect("the server stops to read from A before it has taken %d MiB, and grows by less than 16 MiB",
	       PIPE_MAX / MIB);
	if (sent >= PIPE_MAX)
		probe_fail("expected the server to leave A's requests unread, but it took %zu bytes of them", sent);
	expect_memory_below(s, before, 16 * MIB);
	expect_served(s, "B");
	expect("once A reads, every PING is answered");
	for (size_t i = 0; i < 1000; i++)
		memcpy(replies + i * REPLY, pong, REPLY);
	size_t owed = sent / LINE;
	for (; owed >= 1000; owed -= 1000)
		client_expect_bytes(a, replies, sizeof(replies));
	client_expect_bytes(a, replies, owed * REPLY);
	if (sent % LINE) { /* the last one was cut */
		client_send(a, "%s", ping + sent % LINE);
		client_expect(a, "%s", pong);
	}
	client_ping(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, serves_others_while_replies_are_stuck)
{
	enum { SLOW = 4, QUICK_ROUNDS = 100 };
	struct client *slow[SLOW];

	needs("blob");
	struct server *s = server_start_default();
	given("client A is connected; %d slow clients ask for 1 MiB each and take little of it", SLOW);
	struct client *a = client_open(s, "A");
	for (int i = 0; i < SLOW; i++) {
		slow[i] = client_open_slow(s, NULL);
		client_send(slow[i], "BLOB %d\r\nPING\r\n", BLOB_MAX);
	}
	server_quiet(s);
	expect("A is answered %d times meanwhile, and newcomers too", QUICK_ROUNDS);
	for (int i = 0; i < QUICK_ROUNDS; i++)
		client_ping(a);
	expect_served(s, "B");
	expect("while it waits for them the server uses no CPU");
	expect_no_spin(s);
	expect("the slow ones lose no byte: the rest of each reply follows as they read");
	for (int i = 0; i < SLOW; i++) {
		client_read_faster(slow[i]);
		client_expect_blob(slow[i], BLOB_MAX);
		client_expect(slow[i], "+PONG\r\n");
	}
	server_stop(s);
	journal_pass();
}

Test(conformance, takes_up_requests_that_waited_behind_a_stuck_reply)
{
	enum { PINGS = 5000 };

	needs("blob");
	struct server *s = server_start_default();
	given("client A, slow, asks for three BLOBs of 1 MiB, and then sends %d PINGs and nothing more", PINGS);
	struct client *a = client_open_slow(s, "A");
	client_send(a, "BLOB %d\r\nBLOB %d\r\nBLOB %d\r\n", BLOB_MAX, BLOB_MAX, BLOB_MAX);
	server_quiet(s);
	for (int i = 0; i < PINGS / 50; i++)
		for (int j = 0; j < 50; j++)
			client_send(a, "PING\r\n");
	server_quiet(s);
	expect("once A reads, all of them are answered, though no byte came that could have woken the server");
	client_read_faster(a);
	for (int i = 0; i < 3; i++)
		client_expect_blob(a, BLOB_MAX);
	for (int i = 0; i < PINGS; i++)
		client_expect(a, "+PONG\r\n");
	server_stop(s);
	journal_pass();
}

/* ---- clients that have said all ---- */

Test(conformance, answers_a_client_that_half_closes)
{
	enum { PINGS = 500, BLOBS = 16 };

	needs("blob");
	struct server *s = server_start_default();
	given("client A pipelines %d PINGs and %d BLOBs of 1 MiB, and shuts down its writing side", PINGS, BLOBS);
	struct client *a = client_open(s, "A");
	for (int i = 0; i < PINGS; i++)
		client_send(a, "PING\r\n");
	for (int i = 0; i < BLOBS; i++)
		client_send(a, "BLOB %d\r\n", BLOB_MAX);
	client_shut_writing(a);
	server_quiet(s);
	expect("it gets every reply, and then the end");
	for (int i = 0; i < PINGS; i++)
		client_expect(a, "+PONG\r\n");
	for (int i = 0; i < BLOBS; i++)
		client_expect_blob(a, BLOB_MAX);
	client_expect_end(a, false);
	server_stop(s);
	journal_pass();
}

Test(conformance, closes_after_a_client_that_asks_nothing)
{
	static const char *const said[] = { "", "PIN", "*2\r\n$4\r\nECHO\r\n$10\r\nhal", "PING" };
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		given("client B sends %s, and shuts down its writing side", *said[i] ? "half a request" : "nothing");
		struct client *b = client_open(s, "B");
		client_send(b, "%s", said[i]);
		client_shut_writing(b);
		expect("B is closed without a reply, and the server does not loop over it");
		client_expect_end(b, false);
		client_close(b);
		server_quiet(s);
	}
	expect("every descriptor was given back, and A is served");
	expect_files(s, files);
	client_ping(a);
	server_stop(s);
	journal_pass();
}

Test(conformance, waits_for_a_half_closed_client_that_is_slow)
{
	needs("blob");
	struct server *s = server_start_default();
	given("client A, slow, asks for 1 MiB twice, takes little, and shuts down its writing side");
	struct client *a = client_open_slow(s, "A");
	client_send(a, "BLOB %d\r\nBLOB %d\r\nPING\r\n", BLOB_MAX, BLOB_MAX);
	server_quiet(s);
	client_shut_writing(a);
	expect("the server sleeps: that A will send no more is no news the second time");
	expect_no_spin(s);
	expect("meanwhile it serves client B");
	expect_served(s, "B");
	expect("A gets every byte, and then the end");
	client_read_faster(a);
	client_expect_blob(a, BLOB_MAX);
	client_expect_blob(a, BLOB_MAX);
	client_expect(a, "+PONG\r\n");
	client_expect_end(a, false);
	server_stop(s);
	journal_pass();
}

Test(conformance, makes_no_calls_for_a_stuck_half_closed_client)
{
	needs("blob");
	struct server *s = server_start_traced();
	given("client A, slow, asks for 1 MiB, takes little, and shuts down its writing side; the server is traced");
	struct client *a = client_open_slow(s, "A");
	client_send(a, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	client_shut_writing(a);
	expect("until A reads, the server makes next to no system call");
	/* One wake-up each for what the kernel has in flight, such as an acknowledgement; a spin makes thousands. */
	expect_calls_at_most(s, 8);
	server_stop(s);
	journal_pass();
}

/* ---- clients that hurry, and clients that dawdle ---- */

Test(conformance, is_not_stopped_by_a_silent_client)
{
	enum { ROUNDS = 500 };
	struct server *s = server_start_default();

	given("client A says nothing, B has sent half a request, C is connected");
	client_open(s, "A");
	struct client *b = client_open(s, "B");
	client_send(b, "*2\r\n$4\r\nECHO\r\n$5\r\nhe");
	struct client *c = client_open(s, "C");
	expect("C is answered %d times", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		client_ping(c);
	expect("B, once it sends the rest, is answered too");
	client_send(b, "llo\r\n");
	client_expect(b, "$5\r\nhello\r\n");
	server_stop(s);
	journal_pass();
}

/* A client that sends `lines` for ever, faster than any server answers, and takes what comes back. */
struct hose {
	int fd;
	const char *block;
	size_t block_size;
	atomic_bool stop;
	atomic_bool ended; /* it ran dry, or the server closed it */
	pthread_t thread;
};

enum { HOSE_MAX = 1024 * MIB }; /* bytes: more than a server takes while anybody is patient; then the hose is dry */

static void *pump(void *arg)
{
	struct hose *h = arg;
	static char sink[256 * 1024];
	size_t sent = 0;

	while (!h->stop && sent < HOSE_MAX) {
		size_t from = sent % h->block_size;
		ssize_t went = send(h->fd, h->block + from, h->block_size - from, MSG_DONTWAIT | MSG_NOSIGNAL);
		ssize_t came = recv(h->fd, sink, sizeof(sink), MSG_DONTWAIT);

		if (came == 0 || (went < 0 && errno != EAGAIN))
			break;
		sent += went > 0 ? (size_t)went : 0;
		if (went <= 0 && came <= 0) {
			struct pollfd ready = { h->fd, POLLIN | POLLOUT, 0 };
			poll(&ready, 1, 100);
		}
	}
	h->ended = !h->stop;
	return NULL;
}

static void expect_answered_beside_a_hose(struct server *s, const char *line)
{
	enum { ROUNDS = 20 };
	static char block[120000]; /* a multiple of both lines' lengths */
	struct client *a = client_open(s, "A"), *b = client_open(s, "the hose");
	struct hose h = { .fd = client_fd(b), .block = block, .block_size = sizeof(block) };

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = line[i % strlen(line)];
	if (pthread_create(&h.thread, NULL, pump, &h) != 0)
		probe_fail("the test could not start a thread");
	expect("client A is answered %d times while the hose runs", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		client_ping(a);
	bool dry = h.ended;
	h.stop = true;
	pthread_join(h.thread, NULL);
	if (dry)
		probe_fail("expected the hose to run all the while, but %s",
			   server_alive(s) ? "the server had closed it" : server_state(s));
	expect("when the hose is torn off, the server serves on");
	client_reset(b);
	client_ping(a);
}

Test(conformance, is_not_stopped_by_a_fire_hose_of_pings)
{
	struct server *s = server_start_default();

	given("one client sends PINGs without end, faster than they can be answered, and reads the replies");
	expect_answered_beside_a_hose(s, "PING\r\n");
	server_stop(s);
	journal_pass();
}

Test(conformance, is_not_stopped_by_a_fire_hose_of_empty_lines)
{
	struct server *s = server_start_default();

	given("one client sends empty lines without end, faster than they can be read; they ask nothing");
	expect_answered_beside_a_hose(s, "\r\n");
	server_stop(s);
	journal_pass();
}
