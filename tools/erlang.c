/*
 * erlang: the queueing model on a command line, for experiments and for
 * whoever wants to play with it.
 *
 *	erlang SERVERS RATE SERVICE_US		one line of results
 *	erlang					the same for each such line of stdin
 *
 * Prints: utilisation, share that waits, then in µs mean wait, mean response,
 * p50 and p99 of the response. "inf" where the queue would grow for ever.
 *
 * Exit status: 0 done, 2 usage.
 */
#include <stdio.h>
#include <string.h>

#include "queueing.h"
#include "tool.h"

static bool answer(const char *line)
{
	struct mmc q;
	double service_us;
	char more;

	if (sscanf(line, "%zu %lf %lf %c", &q.servers, &q.rate, &service_us, &more) != 3 || q.servers < 1 ||
	    q.servers > 1000000 || !(q.rate >= 0) || !(service_us > 0))
		return false;
	q.service = service_us / 1e6;
	printf("%.4f %.4f %.1f %.1f %.1f %.1f\n", mmc_utilisation(&q), erlang_c(q.servers, q.rate * q.service),
	       1e6 * mmc_wait(&q), 1e6 * mmc_response(&q), 1e6 * mmc_response_percentile(&q, 50),
	       1e6 * mmc_response_percentile(&q, 99));
	return true;
}

int main(int argc, char **argv)
{
	char line[256];

	if (argc == 4) {
		snprintf(line, sizeof(line), "%s %s %s", argv[1], argv[2], argv[3]);
		if (answer(line))
			return TOOL_DONE;
	}
	while (argc == 1 && fgets(line, sizeof(line), stdin)) {
		if (!answer(line))
			argc = 0;
	}
	if (argc == 1)
		return TOOL_DONE;
	fprintf(stderr,
		"usage: erlang [SERVERS RATE SERVICE_US]   (requests a second, microseconds; else such lines on "
		"stdin)\nprints: utilisation, share that waits, mean wait, mean response, p50, p99 (µs)\n");
	return TOOL_USAGE;
}
