/*
 * report.c: what a run came to, for people and for files.
 */
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "probe_internal.h"

static const double percentiles[] = { 50, 90, 99, 99.9, 99.99 };
enum { PERCENTILES = sizeof(percentiles) / sizeof(percentiles[0]) };

/* Less than this share of what was offered, and the rate could not be kept. */
static const double KEPT = 0.98;

/* More than this share of requests that left late, and the load itself fell behind. */
static const double LATE_SHARE = 0.01;

static const char *grouped(double value)
{
	const char *digits = text("%.0f", value);
	char out[48], *to = out;
	size_t length = strlen(digits);

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text("%s", out);
}

double run_seconds(const struct run *r)
{
	uint64_t to = r->after.time < r->until ? r->after.time : r->until;

	return to > r->from ? (double)(to - r->from) / 1e9 : 0;
}

static double per_second(const struct run *r, uint64_t count)
{
	double seconds = run_seconds(r);

	return seconds > 0 ? (double)count / seconds : 0;
}

static double late_share(const struct run *r)
{
	return r->lag.count ? (double)histogram_above(&r->lag, LATE_NS) / (double)r->lag.count : 0;
}

/* A server that has died has no counters any more. */
static double growth(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) : 0;
}

/*
 * Connections with replies at a wake-up: in a closed loop, as many requests as
 * waited for us. All others were with the server.
 */
static double ready(const struct run *r)
{
	return r->wakeups > 0 ? (double)r->events / (double)r->wakeups : 0;
}

static double share_of_core(const struct run *r, uint64_t from, uint64_t to)
{
	uint64_t wall = r->after.time - r->before.time;

	return wall > 0 ? growth(from, to) / (double)wall : 0;
}

void report_progress(const struct run *r, uint64_t now)
{
	const struct plan *p = r->plan;

	if (!isatty(STDERR_FILENO))
		return;
	if (now == 0)
		fprintf(stderr, "\r\033[K");
	else if (now < r->from)
		fprintf(stderr, "\r\033[K  load: warming up");
	else if (p->count > 0)
		fprintf(stderr, "\r\033[K  load: %s of %s requests", grouped((double)(p->count - r->counted_left)),
			grouped((double)p->count));
	else
		fprintf(stderr, "\r\033[K  load: %.1f of %.1f s, %s replies", (double)(now - r->from) / 1e9,
			p->duration_s, grouped((double)r->completed));
}

/* ---- for people ---- */

static void print_plan(const struct plan *p)
{
	if (p->rate > 0)
		printf("open loop: %s requests a second, %s arrivals (seed %zu), over %s connections", grouped(p->rate),
		       p->poisson ? "Poisson" : "constant", p->seed, grouped((double)p->connections));
	else
		printf("closed loop: %s connections, %zu in flight on each", grouped((double)p->connections),
		       p->pipeline);
	if (p->idle > 0)
		printf(", and %s idle ones", grouped((double)p->idle));
	printf("\n");
}

static void print_row(const char *title, const struct histogram *h)
{
	printf("  %-22s", title);
	for (size_t i = 0; i < PERCENTILES; i++)
		printf("%11s", grouped((double)histogram_percentile(h, percentiles[i]) / 1e3));
	printf("%11s%11s\n", grouped((double)h->max / 1e3), grouped(histogram_mean(h) / 1e3));
}

static void print_latency(const struct run *r)
{
	printf("  %-22s%11s%11s%11s%11s%11s%11s%11s\n", "latency, µs", "p50", "p90", "p99", "p99.9", "p99.99", "max",
	       "mean");
	if (r->plan->omission) {
		print_row("naive: from the send", &r->naive);
		print_row("from when it was due", &r->latency);
		printf("  The naive clock starts when a request leaves. %s of %s waited for a connection first, for more "
		       "than a millisecond: it does not see that.\n",
		       grouped((double)(histogram_above(&r->latency, LATE_NS) - histogram_above(&r->naive, LATE_NS))),
		       grouped((double)r->latency.count));
		return;
	}
	print_row("all", &r->latency);
	for (size_t i = 0; r->mix->count > 1 && i < r->mix->count; i++) {
		if (r->mix->commands[i].reply)
			print_row(r->mix->commands[i].name, r->mix->commands[i].latency);
	}
}

static void print_usage(const struct run *r)
{
	const struct usage *a = &r->before, *b = &r->after;
	double replies = r->completed > 0 ? (double)r->completed : 1;

	if (r->server)
		printf("  server: %.0f %% of a core, %.2f µs of CPU and %.2f context switches a request, %s KiB resident\n",
		       100 * share_of_core(r, a->server_cpu, b->server_cpu),
		       growth(a->server_cpu, b->server_cpu) / replies / 1e3,
		       growth(a->server_switches, b->server_switches) / replies, grouped((double)r->server_rss / 1024));
	printf("  load: %.0f %% of a core; %.1f of %s connections had replies when it looked\n",
	       100 * share_of_core(r, a->load_cpu, b->load_cpu), ready(r), grouped((double)r->plan->connections));
}

/* What the figures must not be taken for. */
static void print_warnings(const struct run *r)
{
	double offered = per_second(r, r->counted), done = per_second(r, r->completed);

	if (r->unanswered > 0)
		printf("  %s requests had no reply at the end; they count with the time they had waited: true latencies "
		       "are higher.\n",
		       grouped((double)r->unanswered));
	if (r->plan->rate > 0 && r->plan->count == 0 && done < KEPT * offered)
		printf("  The server did not keep the rate: %s a second were due, %s were answered.\n",
		       grouped(offered), grouped(done));
	if (late_share(r) > LATE_SHARE)
		printf("  The load fell behind its schedule: %.1f %% of its requests left more than a millisecond late, "
		       "the latest %.1f ms. Their latencies contain that.\n",
		       100 * late_share(r), (double)r->lag.max / 1e6);
}

void report_human(const struct run *r)
{
	print_plan(r->plan);
	if (r->latency.count == 0) {
		printf("  partial: nothing was measured\n");
		return;
	}
	printf("  %s requests in %.2f s: %s replies a second\n", grouped((double)r->counted), run_seconds(r),
	       grouped(per_second(r, r->completed)));
	print_latency(r);
	print_usage(r);
	print_warnings(r);
	if (r->failure)
		printf("  partial: what is above was measured until the load ended early\n");
}

/* ---- for files ---- */

static const char COLUMNS[] =
	"model\tcommand\tloop\tconnections\tpipeline\tidle\toffered_rps\tcompleted_rps\trequests\t"
	"p50_us\tp90_us\tp99_us\tp999_us\tp9999_us\tmax_us\tmean_us\t"
	"naive_p50_us\tnaive_p99_us\tnaive_p999_us\tserver_cpu_ns_per_request\tserver_share\t"
	"load_share\tswitches_per_request\trss_bytes\tlate\tunanswered\tready\tverdict";

static void write_latencies(FILE *f, const struct histogram *h, const struct histogram *naive)
{
	fprintf(f, "\t%lu", h->count);
	for (size_t i = 0; i < PERCENTILES; i++)
		fprintf(f, "\t%.1f", (double)histogram_percentile(h, percentiles[i]) / 1e3);
	fprintf(f, "\t%.1f\t%.1f", (double)h->max / 1e3, histogram_mean(h) / 1e3);
	for (size_t i = 0; i < PERCENTILES; i++) {
		if (i == 0 || i == 2 || i == 3)
			fprintf(f, "\t%.1f", (double)histogram_percentile(naive, percentiles[i]) / 1e3);
	}
}

static void write_row(FILE *f, const struct run *r, const char *command, const struct histogram *h,
		      const struct histogram *naive)
{
	const struct plan *p = r->plan;
	const struct usage *a = &r->before, *b = &r->after;
	double replies = r->completed > 0 ? (double)r->completed : 1;

	fprintf(f, "%s\t%s\t%s\t%zu\t%zu\t%zu\t", p->model, command,
		p->rate <= 0 ? "closed"
		: p->poisson ? "poisson"
			     : "constant",
		p->connections, p->pipeline, p->idle);
	if (p->rate > 0)
		fprintf(f, "%.1f", p->rate);
	else
		fprintf(f, "-");
	fprintf(f, "\t%.1f", per_second(r, r->completed));
	write_latencies(f, h, naive);
	fprintf(f, "\t%.0f\t%.4f\t%.4f\t%.3f\t%lu\t%.5f\t%lu\t%.2f\t%s%s\n",
		growth(a->server_cpu, b->server_cpu) / replies, share_of_core(r, a->server_cpu, b->server_cpu),
		share_of_core(r, a->load_cpu, b->load_cpu), growth(a->server_switches, b->server_switches) / replies,
		r->server_rss, late_share(r), r->unanswered, ready(r), r->failure ? "partial: " : "done",
		r->failure ? r->failure : "");
}

void report_tsv(const struct run *r)
{
	FILE *f = results_open(r->plan->tsv, r->plan->append, NULL, COLUMNS);

	if (r->failure)
		fprintf(f, "# partial: %s\n", r->failure);
	write_row(f, r, "all", &r->latency, &r->naive);
	for (size_t i = 0; r->mix->count > 1 && i < r->mix->count; i++) {
		const struct command *c = &r->mix->commands[i];

		if (c->reply)
			write_row(f, r, c->name, c->latency, c->naive);
	}
	fclose(f);
}
