/*
 * load: requests at a server, as fast as it answers (a closed loop) or when
 * they are due (an open loop), and what it was like to wait for the replies.
 *
 * Exit status: 0 done, 1 failed (what was measured until then is reported,
 * and marked), 2 usage, 77 skipped; 128 and the signal when interrupted.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { CONNECTIONS_MAX = 60000, RATE_MAX = 10000000, SECONDS_MAX = 86400 };

static struct plan plan = {
	.connections = 50,
	.pipeline = 1,
	.seed = 1,
	.server_cores = 1,
	.model = "-",
	.host = "127.0.0.1",
};
static char *rate = "0", *arrivals = "poisson", *mix = "PING", *warmup = "0.5", *duration = "2", *drain = "1",
	    *patience = "15";
static struct run run;

static const char about[] =
	"Requests at a server, and what it was like to wait for the replies, which are compared byte by byte.\n\n"
	"Without --rate a closed loop: each connection asks again when it has been answered.\n"
	"With it an open loop: requests are due by a schedule, and latency counts from then.\n\n"
	"COMMAND starts a server, on cores of its own. The single word HOST:PORT or :PORT is one that runs.\n"
	"A mix is made of PING [text], ECHO text, BLOB n, WORK cpu_us wait_us, SPIN us (which has no reply);\n"
	"WORK ~200 ~1800 draws exponential work of these means.\n\n"
	"  load --connections 50 --pipeline 16 -- build/plain/solutions/04-epoll/server\n"
	"  load --rate 5000 --mix \"PING=9,WORK 0 2000=1\" -- build/plain/solutions/07-thread-pool/server --threads 8\n"
	"  load --rate 2000 --omission --stall 200 --connections 10 -- build/plain/solutions/05-epoll-et/server\n"
	"  load -- redis-server --port {port}\n";

static const struct tool_option table[] = {
	{ "connections", OPTION_NUMBER, &plan.connections, 1, "C", "that ask (50)" },
	{ "pipeline", OPTION_NUMBER, &plan.pipeline, 1, "P",
	  "in flight on each (1); a closed loop sends the next P when all are answered" },
	{ "idle", OPTION_NUMBER, &plan.idle, 0, "N", "silent connections besides (0)" },
	{ "rate", OPTION_TEXT, &rate, 0, "R", "requests a second, whatever the server does: an open loop" },
	{ "arrivals", OPTION_TEXT, &arrivals, 0, "KIND", "poisson or constant (poisson)" },
	{ "seed", OPTION_NUMBER, &plan.seed, 0, "N", "of all that is drawn (1): the same seed, the same requests" },
	{ "mix", OPTION_TEXT, &mix, 0, "TEXT", "commands and their weights (PING)" },
	{ "warmup", OPTION_TEXT, &warmup, 0, "S", "seconds that do not count (0.5)" },
	{ "duration", OPTION_TEXT, &duration, 0, "S", "seconds that count (2)" },
	{ "drain", OPTION_TEXT, &drain, 0, "S", "how long replies may take once the last request was due (1)" },
	{ "count", OPTION_NUMBER, &plan.count, 1, "N", "requests that count, instead of seconds" },
	{ "omission", OPTION_FLAG, &plan.omission, 0, NULL, "latency from the send beside that from when it was due" },
	{ "stall", OPTION_NUMBER, &plan.stall_ms, 1, "MS", "the server's loop SPINs for so long, once" },
	{ "server-cores", OPTION_NUMBER, &plan.server_cores, 1, "N",
	  "for a server of ours (1); where none is left for the load, they share them" },
	{ "patience", OPTION_TEXT, &patience, 0, "S", "without any reply, and it is a failure (15)" },
	{ "last-words", OPTION_FLAG, &plan.last_words, 0, NULL,
	  "end the server by SIGTERM, show the last line it said" },
	{ "tsv", OPTION_TEXT, &plan.tsv, 0, "FILE", "write a row there, and one for each command of a mix" },
	{ "append", OPTION_FLAG, &plan.append, 0, NULL, "add to that file" },
	{ "model", OPTION_TEXT, &plan.model, 0, "NAME", "the name of the row" },
	{ 0 },
};

static double number(const char *name, const char *value, double max)
{
	char *end;
	double found = strtod(value, &end);

	if (end == value || *end || !(found >= 0 && found <= max))
		tool_usage(name, value);
	return found;
}

/* True for "HOST:PORT", a server that runs. */
static bool is_address(const char *word)
{
	char *copy = strdup(word), *colon = strrchr(copy, ':');

	if (!colon || strspn(copy, "0123456789.") != (size_t)(colon - copy) || colon[1] == '\0' ||
	    colon[1 + strspn(colon + 1, "0123456789")])
		return false;
	*colon = '\0';
	plan.port = atoi(colon + 1);
	if (plan.port < 1 || plan.port > 65535)
		tool_usage("no such port", word);
	if (copy[0])
		plan.host = copy;
	return true;
}

static void check_plan(void)
{
	bool answers = false;
	const char *wrong = mix_parse(&plan.mix, mix);

	if (wrong)
		tool_usage("mix", wrong);
	for (size_t i = 0; i < plan.mix.count; i++)
		answers |= plan.mix.commands[i].reply != NULL;
	if (!answers)
		tool_usage("mix", "none of it is ever answered");
	if (plan.pipeline > PIPELINE_MAX)
		tool_usage("pipeline", "1024 at the most");
	if (plan.connections + plan.idle > CONNECTIONS_MAX)
		tool_usage("connections", "60000 at the most, with idle ones");
	if (strcmp(arrivals, "poisson") != 0 && strcmp(arrivals, "constant") != 0)
		tool_usage("arrivals", arrivals);
	if (plan.omission && plan.rate <= 0)
		tool_usage("omission",
			   "needs --rate: without a schedule nothing is due, and nothing can be seen to be late");
	if (plan.count == 0 && plan.duration_s <= 0)
		tool_usage("duration", duration);
}

static void read_plan(int argc, char **argv)
{
	char *const *command = tool_options(argc, argv, about, table);

	plan.rate = number("rate", rate, RATE_MAX);
	plan.warmup_s = number("warmup", warmup, SECONDS_MAX);
	plan.duration_s = number("duration", duration, SECONDS_MAX);
	plan.drain_s = number("drain", drain, SECONDS_MAX);
	plan.patience_s = number("patience", patience, SECONDS_MAX);
	plan.poisson = strcmp(arrivals, "poisson") == 0;
	check_plan();
	if (!command[1] && is_address(command[0]))
		return;
	plan.command = command;
}

static noreturn void on_failure(const char *why)
{
	fprintf(stderr, "load: %s\n", why);
	exit(TOOL_FAILED);
}

int main(int argc, char **argv)
{
	int signal;

	read_plan(argc, argv);
	probe_handle_signals();
	probe_on_fail = on_failure;
	run.plan = &plan;
	run.mix = &plan.mix;
	mix_repeat(&plan.mix, plan.pipeline);
	run_open(&run);
	signal = run_loop(&run);
	report_human(&run);
	fflush(stdout);
	if (plan.tsv)
		report_tsv(&run);
	if (run.failure)
		fprintf(stderr, "load: %s\n", run.failure);
	run_close(&run);
	return signal ? 128 + signal : run.failure ? TOOL_FAILED : TOOL_DONE;
}
