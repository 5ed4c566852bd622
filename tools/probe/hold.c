/*
 * hold.c: keeps a server busy, so that requests sent meanwhile are one batch.
 *
 * A round is exact when three things hold:
 *  1. the hold has begun before the batch is sent: its command has been
 *     delivered (the log shows the call that did), and the server's CPU clock
 *     has grown by BEGUN_NS since it was sent. The growth matters where the
 *     command's delivery is not yet its execution: a ring hands over several
 *     completions at once, and the batch would join those;
 *  2. the hold outlasts the sending: from before the batch's first byte until
 *     after its last, the log does not grow. strace writes a call's entry
 *     before it lets the kernel begin, so the server has asked for nothing
 *     in between;
 *  3. SQPOLL's thread, where there is one, has not fallen asleep meanwhile: it
 *     would not have under load, and to wake it is a call;
 *  4. else the round is dropped, and repeated with twice the hold (price.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"
#include "tool.h"

enum { BEGUN_NS = 300000 }; /* more than a wake-up and one read cost, strace's part included */

const struct hold hold_spin = { .command = "SPIN %u\r\n" };

static void send_hold(struct client *holder, const struct hold *hold, uint32_t us, char *sent, size_t size)
{
	char seconds[32];
	const char *hole = strstr(hold->command, "%s"), *number = strstr(hold->command, "%u");

	snprintf(seconds, sizeof(seconds), hole ? "%.6f" : "%.0f", hole ? us / 1e6 : (double)us);
	if (!hole)
		hole = number;
	if (!hole)
		probe_fail("the hold's command has neither %%u nor %%s: %s", escaped(hold->command));
	snprintf(sent, size, "%.*s%s%s", (int)(hole - hold->command), hold->command, seconds, hole + 2);
	client_send_bytes(holder, sent, strlen(sent));
}

bool hold_delivered_by(const struct hold *hold, const struct crossing *call)
{
	char command[128];
	const char *hole = strchr(hold->command, '%');
	int fixed = hole ? (int)(hole - hold->command) : (int)strlen(hold->command);

	snprintf(command, sizeof(command), "%.*s", fixed, hold->command);
	return strstr(call->raw, escaped(command)) || strcmp(call->name, "io_uring_enter") == 0;
}

static bool is_delivered(struct strace_log *log, size_t first, const struct hold *hold)
{
	size_t count = log_count(log);

	for (size_t i = first; i < count; i++) {
		if (hold_delivered_by(hold, log_call(log, i)))
			return true;
	}
	return false;
}

void server_hold(struct server *s, struct client *holder, const struct hold *hold, uint32_t us)
{
	char command[256];
	size_t first = s->log ? log_count(s->log) : 0;
	uint64_t cpu = server_loop_cpu_ns(s), start = monotonic_ns(), deadline = deadline_in(PATIENCE_MS);
	struct stillness stillness = { 0 };

	send_hold(holder, hold, us, command, sizeof(command));
	for (;;) {
		bool begun =
			hold->sleeps ? monotonic_ns() - start >= us * 250ull : server_loop_cpu_ns(s) - cpu >= BEGUN_NS;

		if (begun && (!s->log || is_delivered(s->log, first, hold)))
			return;
		if (is_past(deadline) || !server_alive(s) || server_is_still(s, holder, &stillness))
			probe_fail("%s could not hold the server with %s: %s", holder->name,
				   quoted(command, strlen(command), 60), server_state(s));
		pause_us(200);
	}
}

/* A server that sleeps for the holder looks quiet; its hold is over when its time has gone. */
static void await_end_of_sleep(const struct hold *hold, uint64_t start, uint32_t us)
{
	uint64_t gone = monotonic_ns() - start;

	if (hold && hold->sleeps && gone < us * 1000ull)
		pause_us((uint32_t)(us - gone / 1000));
}

static bool was_woken(struct server *s, const struct round *r)
{
	size_t count;
	const struct crossing *calls = server_crossings(s, r->start, r->end, &count);

	for (size_t i = 0; i < count; i++) {
		if (strstr(calls[i].args, "IORING_ENTER_SQ_WAKEUP"))
			return true;
	}
	return false;
}

struct round server_round(struct server *s, struct client *holder, const struct hold *hold, uint32_t hold_us,
			  struct client **clients, size_t k, const char *request, size_t reply_size)
{
	struct round r = { .start = server_answered(s) };
	char *reply = malloc(reply_size + 1);
	uint64_t begun = monotonic_ns();
	size_t before;

	if (hold)
		server_hold(s, holder, hold, hold_us);
	before = s->log ? log_bytes(s->log) : 0;
	r.first_send = now_ns();
	for (size_t i = 0; i < k; i++)
		client_send_bytes(clients[i], request, strlen(request));
	r.last_send = now_ns();
	r.exact = !hold || (s->log && log_bytes(s->log) == before);
	for (size_t i = 0; i < k; i++)
		client_receive(clients[i], reply, reply_size);
	if (hold && hold->answers)
		client_read_line(holder);
	await_end_of_sleep(hold, begun, hold_us);
	free(reply);
	r.end = server_answered(s);
	if (hold && s->log && server_is_polled(s))
		r.exact = r.exact && !was_woken(s, &r);
	return r;
}
