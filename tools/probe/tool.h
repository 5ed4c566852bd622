/*
 * tool.h: what the instruments share beside the probe: their command lines,
 * the files of results, budgets.
 */
#ifndef CROSSINGS_TOOL_H
#define CROSSINGS_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdnoreturn.h>

#include "probe.h"

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_SKIPPED = 77 };

/* SIGINT, SIGTERM and SIGHUP end the wait that is under way, and us by exit(), so that nothing is left behind. */
void probe_handle_signals(void);

/*
 * An option of an instrument: `--name VALUE`, or `--name` for a flag. Tables
 * end with an empty entry.
 */
enum option_kind {
	OPTION_NUMBER, /* into a size_t; at least `min` */
	OPTION_TEXT,   /* into a char * */
	OPTION_BYTES,  /* the same, with \r, \n, \t and \\ turned into what they mean */
	OPTION_FLAG,   /* into a bool */
};
struct tool_option {
	const char *name;
	enum option_kind kind;
	void *into;
	size_t min;
	const char *value; /* "K[,K...]", for the usage; NULL for a flag */
	const char *help;
};

/*
 * Reads the options and returns the command after them ("-- COMMAND..." or the
 * first word that is no option). --help prints `about` and the table, and
 * exits 0; what can't be understood exits 2.
 */
char *const *tool_options(int argc, char **argv, const char *about, const struct tool_option *table);

/* Says "TOOL: what: value" and exits 2. */
noreturn void tool_usage(const char *what, const char *value);

/* A whole number from `value`, at least `min`; else tool_usage(). */
size_t tool_number(const char *name, const char *value, size_t min);

/* A hold from a command line; NULL gives hold_spin, "none" gives NULL. Valid until the next call. */
const struct hold *hold_from(const char *command, bool sleeps, bool answers);

/*
 * Whether that call brought the server the hold's command: it shows its bytes,
 * or entered a ring, whose completions strace can't show.
 */
bool hold_delivered_by(const struct hold *hold, const struct crossing *call);

/*
 * Opens a file of results for writing. At its start go lines "# kernel …",
 * "# cpu …", "# date …", one for the first line that each of `versions` prints
 * ("strace --version"; NULL-terminated, NULL: none), and the names of the
 * columns. With `append` only where the file is empty. Fails with a sentence.
 */
FILE *results_open(const char *path, bool append, const char *const *versions, const char *columns);

/* ---- budgets: what a request may cost, as a function of the batch size k ---- */

struct budget {
	double constant, per_batch; /* constant + per_batch/k */
	bool at_most;		    /* else exactly that */
};

/* "2 + 1/k", "3/k", "0", "<=3/k"; false where it is none of those. */
bool budget_parse(const char *text, struct budget *b);
double budget_at(const struct budget *b, size_t k);

/* `tolerance`: calls by which the count for a whole batch may differ. */
bool budget_holds(const struct budget *b, double per_request, size_t k, double tolerance);
struct budget budget_sum(const struct budget *a, const struct budget *b);
void budget_print(const struct budget *b, char *to, size_t size);

#endif
