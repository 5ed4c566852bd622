/*
 * drive.c: one server under load, as an experiment drives it. Starts the
 * command on a core of its own, opens connections from another core, and does
 * what it reads on stdin, a line each. It answers each with one line:
 *
 *	active N	opens connections until N can be loaded		active M [why no more]
 *	idle N		opens or closes silent ones until there are N	idle M [why no more]
 *	request TEXT	what the slices to come ask: PING, or BLOB N	request SIZE (of a reply)
 *	slice R P	R requests over the active ones, P in flight
 *			on each						slice CPU_NS WALL_NS RING_NS
 *	cpu		its CPU clock, once it stands still		cpu NS
 *	rss		resident memory of the server			rss BYTES
 *	calls R P	crossings a request while R are served,
 *			as a slice's are (needs --strace)		calls N
 *	price K P	exact crossings of a burst of P requests on
 *			each of K connections (needs --strace)		price TOTAL CALL=N... | price - WHY
 *
 * RING_NS is the part of CPU_NS that io_uring's threads took. With --unix PATH
 * the active connections are made to that socket. Every reply is compared.
 *
 * What fails is answered with "fail WHY", and ends it. The end of stdin ends
 * it, and the server too. A connection counts once it has answered a PING: a
 * server may let one in and then refuse it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define PING "PING\r\n"
#define PONG "+PONG\r\n"

enum {
	PIPELINE_MAX = 128,  /* requests in flight on one connection; more is a usage error */
	ACTIVE_MAX = 4096,   /* connections under load; more is a usage error */
	IDLE_MAX = 65536,    /* the same of idle ones */
	OPEN_BATCH = 64,     /* opened before the first of them is awaited; poll accepts them one by one, ms each */
	ANSWER_S = 10,	     /* how long a reply may take, under whatever load */
	PER_ADDRESS = 10000, /* connections from one address of ours, 127.0.0.1 first (redis-server trusts no other) */
	SPARE_FILES = 200,   /* descriptors that connections leave to the rest of a process */
	SETTLE_US = 200,     /* the server's clock stands still for so long: it sleeps */
	SETTLE_TRIES = 25,   /* as often; a server that never sleeps is read as it is */
	PRICES_MAX = 32,
	REQUEST_SIZE = 64,	     /* a longer request is a usage error */
	BURST_MAX = 8 * 1024 * 1024, /* replies to the requests in flight on one connection; more is a usage error */
};

static struct server *server;
static struct client *active[ACTIVE_MAX], *idle[IDLE_MAX];
static size_t actives, idles;

/* How the command can be held and counted. */
static bool traced;
static const struct hold *hold = &hold_spin;
static double tolerance;

static const char *unix_path;		  /* --unix */
static char request[REQUEST_SIZE] = PING; /* that slices ask */
static const char *reply = PONG;	  /* to it */
static size_t reply_size = sizeof(PONG) - 1;

static noreturn void answer_failure(const char *why)
{
	printf("fail %s\n", why);
	exit(TOOL_FAILED);
}

/* ---- cores ---- */

/* The first core we may use is the server's, the last is ours: far apart, where there are more than two. */
static void pin(bool to_servers)
{
	static cpu_set_t allowed;
	static size_t first = CPU_SETSIZE, last;
	cpu_set_t one;

	if (first == CPU_SETSIZE) {
		sched_getaffinity(0, sizeof(allowed), &allowed);
		for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
			if (!CPU_ISSET(cpu, &allowed))
				continue;
			first = cpu < first ? cpu : first;
			last = cpu;
		}
	}
	CPU_ZERO(&one);
	CPU_SET(to_servers ? first : last, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* ---- connections ---- */

static struct client *open_one(size_t number)
{
	char from[32];

	snprintf(from, sizeof(from), "127.0.0.%zu", 1 + number / PER_ADDRESS);
	return client_open_with(server,
				&(struct client_options){ .name = "the load", .from = from, .unix_path = unix_path });
}

/* A load needs no more than the two calls of a request: sockets that block, but not for ever. */
static void make_blocking(int fd)
{
	struct timeval bound = { .tv_sec = ANSWER_S };

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
}

/* False when the server refused it: with a sentence, an end or a reset. */
static bool is_answered(int fd)
{
	char pong[sizeof(PONG) - 1];
	ssize_t n = recv(fd, pong, sizeof(pong), MSG_WAITALL);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		probe_fail("a connection was not answered: %s", server_state(server));
	return n == sizeof(pong) && memcmp(pong, PONG, sizeof(pong)) == 0;
}

/* What a server that lets no more in says to one that asks nothing: what it says before an unread PING may get lost. */
static const char *refusal(void)
{
	static char line[128];
	struct client *c = open_one(actives + idles);
	ssize_t n;

	make_blocking(client_fd(c));
	n = recv(client_fd(c), line, sizeof(line) - 1, 0);
	client_close(c);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return line[0] ? line : "it closed the connection";
}

/* Opens `n` more, which are all asked before the first is awaited. Returns how many were let in. */
static size_t open_batch(struct client **to, size_t n)
{
	size_t taken = 0;

	for (size_t i = 0; i < n; i++) {
		to[i] = open_one(actives + idles + i);
		make_blocking(client_fd(to[i]));
		(void)send(client_fd(to[i]), PING, sizeof(PING) - 1, MSG_NOSIGNAL);
	}
	for (size_t i = 0; i < n; i++) {
		if (is_answered(client_fd(to[i])))
			to[taken++] = to[i];
		else
			client_close(to[i]);
	}
	return taken;
}

static size_t files_max(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_max > SPARE_FILES ? limit.rlim_max - SPARE_FILES : 0;
}

/* Opens up to `wanted` in `list`; returns why there are no more, or "". */
static const char *open_until(struct client **list, size_t *have, size_t wanted)
{
	while (*have < wanted) {
		size_t room = files_max() - actives - idles, n = wanted - *have;

		n = n < OPEN_BATCH ? n : OPEN_BATCH;
		n = n < room ? n : room;
		if (n == 0)
			return "descriptors: this machine allows a process no more";
		size_t taken = open_batch(list + *have, n);
		*have += taken;
		if (taken < n)
			return refusal();
	}
	return "";
}

static void do_active(size_t wanted)
{
	const char *why;

	if (wanted > ACTIVE_MAX)
		probe_fail("active: %zu at the most", (size_t)ACTIVE_MAX);
	why = open_until(active, &actives, wanted);
	printf("active %zu %s\n", actives, why);
}

static void do_idle(size_t wanted)
{
	const char *why;

	if (wanted > IDLE_MAX)
		probe_fail("idle: %zu at the most", (size_t)IDLE_MAX);
	while (idles > wanted)
		client_close(idle[--idles]);
	why = open_until(idle, &idles, wanted);
	server_quiet(server);
	printf("idle %zu %s\n", idles, why);
}

/* ---- load ---- */

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct usage {
	uint64_t cpu_ns, ring_ns;
};

static struct usage usage_so_far(void)
{
	return (struct usage){ .cpu_ns = server_cpu_ns(server), .ring_ns = server_ring_cpu_ns(server) };
}

/*
 * The server's clock, once it stands still: until then it is not back in its
 * wait. One that goes on for ever (a thread of a ring that polls) is read when
 * the load is over, `after`, or last, before the next.
 */
static struct usage settled_usage(bool after)
{
	struct usage first = usage_so_far(), before, now = first;
	int tries = 0;

	do {
		before = now;
		usleep(SETTLE_US);
		now = usage_so_far();
	} while (now.cpu_ns != before.cpu_ns && ++tries < SETTLE_TRIES);
	return after && tries == SETTLE_TRIES ? first : now;
}

/* As the kit makes them: "$n\r\n", the alphabet over and over, "\r\n". */
static void expect_blob(size_t n)
{
	char *blob = malloc(n + REQUEST_SIZE), *p = blob;

	p += sprintf(p, "$%zu\r\n", n);
	for (size_t i = 0; i < n; i++)
		*p++ = (char)('a' + i % 26);
	p += sprintf(p, "\r\n");
	reply = blob;
	reply_size = (size_t)(p - blob);
}

static void do_request(const char *text)
{
	size_t n = 0;

	if (strcmp(text, "PING") == 0) {
		reply = PONG;
		reply_size = sizeof(PONG) - 1;
	} else if (sscanf(text, "BLOB %zu", &n) == 1 && n < BURST_MAX / 2) {
		expect_blob(n);
	} else {
		probe_fail("request: PING, or BLOB N with N below %d, not %s", BURST_MAX / 2, text);
	}
	snprintf(request, sizeof(request), "%s\r\n", text);
	printf("request %zu\n", reply_size);
}

/* What goes over each connection at a time. */
static char burst[PIPELINE_MAX * REQUEST_SIZE], *replies, *came;

static void fill_bursts(size_t pipeline)
{
	size_t size = strlen(request);

	if (pipeline * reply_size > BURST_MAX)
		probe_fail("slice: more than %d bytes of replies in flight on a connection", BURST_MAX);
	replies = realloc(replies, pipeline * reply_size);
	came = realloc(came, pipeline * reply_size);
	for (size_t i = 0; i < pipeline; i++) {
		memcpy(burst + i * size, request, size);
		memcpy(replies + i * reply_size, reply, reply_size);
	}
}

static void ask(struct client *c, size_t pipeline)
{
	ssize_t n = (ssize_t)(pipeline * strlen(request));

	if (send(client_fd(c), burst, (size_t)n, MSG_NOSIGNAL) != n)
		probe_fail("under load, a request could not be sent: %s", server_state(server));
}

static void await(struct client *c, size_t pipeline)
{
	ssize_t size = (ssize_t)(pipeline * reply_size), n = recv(client_fd(c), came, (size_t)size, MSG_WAITALL);

	if (n != size)
		probe_fail("under load, a reply did not come: %s", server_state(server));
	if (memcmp(came, replies, (size_t)size) != 0)
		probe_fail("under load, a wrong reply came to %.*s", (int)strcspn(request, "\r"), request);
}

/*
 * A closed loop: who is answered asks again. We take the connections in turn,
 * so that a request costs us two calls and no wait: less than it costs any
 * server.
 */
static void run_load(size_t bursts, size_t pipeline)
{
	size_t sent = 0;

	for (; sent < actives; sent++)
		ask(active[sent], pipeline);
	for (size_t received = 0; received < bursts; received++) {
		struct client *c = active[received % actives];
		await(c, pipeline);
		if (sent < bursts) {
			ask(c, pipeline);
			sent++;
		}
	}
}

static void prepare_load(size_t requests, size_t pipeline)
{
	if (pipeline < 1 || pipeline > PIPELINE_MAX || actives == 0 || requests / pipeline < actives)
		probe_fail("%zu requests, %zu in flight on each of %zu connections, can't be", requests, pipeline,
			   actives);
	fill_bursts(pipeline);
}

static void do_slice(size_t requests, size_t pipeline)
{
	prepare_load(requests, pipeline);
	struct usage before = settled_usage(false), used;
	uint64_t wall = wall_ns();

	run_load(requests / pipeline, pipeline);
	wall = wall_ns() - wall;
	used = settled_usage(true);
	printf("slice %lu %lu %lu\n", used.cpu_ns - before.cpu_ns, wall, used.ring_ns - before.ring_ns);
}

/* ---- count ---- */

static void do_price(size_t k, size_t pipeline)
{
	static char text[PIPELINE_MAX * REQUEST_SIZE + 1];
	struct count_options options = { .k = k,
					 .rounds = 5,
					 .hold = hold,
					 .request = text,
					 .reply_size = pipeline * reply_size,
					 .tolerance = tolerance,
					 .unix_path = unix_path };
	struct price prices[PRICES_MAX];
	const char *why;
	int count;

	if (!traced || pipeline < 1 || pipeline > PIPELINE_MAX)
		probe_fail("price: needs --strace, and %zu in flight at the most", (size_t)PIPELINE_MAX);
	text[0] = '\0';
	for (size_t i = 0; i < pipeline; i++)
		strcat(text, request);
	count = server_price(server, &options, prices, PRICES_MAX, &why);
	if (count < 0) {
		printf("price - %s\n", why);
		return;
	}
	printf("price %.6f", price_total(prices, count));
	for (int i = 0; i < count; i++)
		printf(" %s=%.6f", prices[i].name, prices[i].per_request);
	printf("\n");
}

/* Under steady load; for servers that no hold can hold. The load's beginning and end are not counted. */
static void do_calls(size_t requests, size_t pipeline)
{
	uint64_t from, to;
	size_t count;

	if (!traced)
		probe_fail("calls: needs --strace");
	prepare_load(requests, pipeline);
	run_load(requests / pipeline, pipeline);
	from = now_ns();
	run_load(requests / pipeline, pipeline);
	to = now_ns();
	run_load(actives, pipeline);
	server_crossings(server, from, to, &count);
	printf("calls %.6f\n", (double)count / (double)requests);
}

/* ---- commands ---- */

static void obey(const char *line)
{
	char word[16] = "";
	size_t a = 0, b = 1;

	sscanf(line, "%15s %zu %zu", word, &a, &b);
	if (strcmp(word, "active") == 0)
		do_active(a);
	else if (strcmp(word, "idle") == 0)
		do_idle(a);
	else if (strcmp(word, "slice") == 0)
		do_slice(a, b);
	else if (strcmp(word, "cpu") == 0)
		printf("cpu %lu\n", settled_usage(true).cpu_ns);
	else if (strcmp(word, "request") == 0)
		do_request(line + strlen("request "));
	else if (strcmp(word, "calls") == 0)
		do_calls(a, b);
	else if (strcmp(word, "rss") == 0)
		printf("rss %lu\n", server_rss(server));
	else if (strcmp(word, "price") == 0)
		do_price(a, b);
	else
		probe_fail("no such command: %s", word);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: drive [--strace] [--hold COMMAND|none [--sleeps] [--answers]] [--tolerance N] [--unix PATH] -- "
		"SERVER [WORD...]\ncommands on stdin: active N, idle N, request TEXT, slice R P, cpu, rss, calls R P, price K P\n");
	exit(TOOL_USAGE);
}

static char **read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "strace", no_argument, NULL, 's' },
		{ "hold", required_argument, NULL, 'h' },
		{ "sleeps", no_argument, NULL, 'z' },
		{ "answers", no_argument, NULL, 'a' },
		{ "tolerance", required_argument, NULL, 't' },
		{ "unix", required_argument, NULL, 'u' },
		{ 0 },
	};
	char *command = NULL;
	bool sleeps = false, answers = false;

	for (int found; (found = getopt_long(argc, argv, "+", names, NULL)) != -1;) {
		traced |= found == 's';
		sleeps |= found == 'z';
		answers |= found == 'a';
		command = found == 'h' ? optarg : command;
		tolerance = found == 't' ? atof(optarg) : tolerance;
		unix_path = found == 'u' ? optarg : unix_path;
		if (found == '?')
			usage();
	}
	if (optind == argc)
		usage();
	if (command)
		hold = hold_from(command, sleeps, answers);
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **command = read_options(argc, argv), *line = NULL;
	size_t size = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	probe_on_fail = probe_on_skip = answer_failure;
	probe_handle_signals();
	if (!traced)
		pin(true);
	server = server_start(&(struct server_options){ .argv = command, .strace = traced ? "" : NULL });
	if (!traced)
		pin(false);
	printf("ready %d %d\n", server_pid(server), server_port(server));
	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		obey(line);
	}
	free(line);
	servers_kill();
	return TOOL_DONE;
}
